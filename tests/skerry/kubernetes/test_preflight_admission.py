"""What preflight finds out by dry runs: what a CRD drops, and what admission would refuse."""

from __future__ import annotations

import copy

import pytest
from fake_api import Refused
from ready_namespace import CRASH, DELETION, ISOLATION, SETTINGS, refused

from skerry.worlds.kubernetes.preflight import Accepted, preflight
from skerry.worlds.kubernetes.served_schema import own_schema


async def test_pod_security_is_found_out_by_a_dry_run(cluster, kube):
    def admit(after: dict) -> None:
        for container in after["spec"]["ephemeralContainers"]:
            if container["securityContext"]["capabilities"].get("add"):
                raise Refused(
                    403, "Forbidden", 'pods "broker-0" is forbidden: violates PodSecurity "baseline:latest": NET_ADMIN'
                )

    cluster.on("admit", "pods/ephemeralcontainers", admit)
    refusal = await refused(kube, ISOLATION)
    assert refusal.reason == "PodSecurity"
    assert refusal.message.startswith(
        "Pod Security of namespace skerry (enforce: baseline) would not let the injector into pod broker-0: "
    )
    assert "`pod-security.kubernetes.io/enforce: privileged`" in refusal.message
    # The kill has no capability, so the same namespace lets it in.
    assert isinstance(await preflight(kube, CRASH, SETTINGS), Accepted)


async def test_another_refusal_of_the_dry_run_is_passed_on(cluster, kube):
    cluster.refuse("patch", "pods/ephemeralcontainers", 400, "BadRequest", "admission webhook denied the request")
    refusal = await refused(kube, CRASH)
    assert refusal.reason == "InjectorRefused"
    assert "admission webhook denied the request" in refusal.message


def published(schema: dict) -> dict:
    """As the API server publishes the schema of the CRD that it serves."""
    kind = {"group": "skerry.dev", "version": "v1alpha1", "kind": "ChaosExperiment"}
    metadata = {"allOf": [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}]}
    served = {"properties": schema["properties"] | {"metadata": metadata}, "x-kubernetes-group-version-kind": [kind]}
    return {"components": {"schemas": {"a": {}, "b": served}}}


async def test_a_crd_that_drops_a_field_is_not_taken_at_its_word(cluster, kube):
    """The planted bug: an old CRD dropped `connections: New`, and `All` was carried out."""
    schema = copy.deepcopy(own_schema())
    faults = schema["properties"]["spec"]["properties"]["faults"]
    del faults["items"]["properties"]["partition"]["properties"]["connections"]
    cluster.openapi = published(schema)
    refusal = await refused(kube, ISOLATION)
    assert refusal.reason == "CrdOutdated"
    assert "it does not know `spec.faults[].partition.connections`" in refusal.message
    assert "apply `crds/chaosexperiments.yaml` of this version" in refusal.message
    assert cluster.writes == []


async def test_a_crd_that_knows_every_field_is_fine_whatever_else_it_says(cluster, kube):
    schema = copy.deepcopy(own_schema())
    schema["properties"]["spec"]["properties"]["ofTheFuture"] = {"type": "string"}
    schema["properties"]["spec"]["description"] = "another"
    cluster.openapi = published(schema)
    assert isinstance(await preflight(kube, ISOLATION, SETTINGS), Accepted)


@pytest.mark.parametrize(
    ("experiment", "resource"), [(ISOLATION, "jobs"), (DELETION, "jobs"), (ISOLATION, "networkpolicies")]
)
async def test_what_admission_would_refuse_is_found_out_before_anything_is_touched(cluster, kube, experiment, resource):
    def refuse(manifest: dict) -> None:
        raise Refused(403, "Forbidden", "exceeded quota: no-more, limited: count=0")

    cluster.on("admit", resource, refuse)
    refusal = await refused(kube, experiment)
    assert refusal.reason == "AdmissionRefused"
    assert f"refused to create {resource}/" in refusal.message
    assert "exceeded quota: no-more" in refusal.message
    assert cluster.writes == []


async def test_a_policy_that_refuses_the_fuse_alone_is_found_out_too(cluster, kube):
    """Policies that allow images of some registries only: the fuse must not name one of nobody's."""
    images: list[str] = []

    def note(job: dict) -> None:
        images.extend(each["image"] for each in job["spec"]["template"]["spec"]["containers"])

    cluster.on("admit", "jobs", note)
    assert isinstance(await preflight(kube, ISOLATION, SETTINGS), Accepted)
    assert len(images) == 2
    assert cluster.writes == []
