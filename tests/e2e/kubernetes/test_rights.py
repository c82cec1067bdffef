"""What the operator may do is what docs/security.md says, and none of its pods needs a privilege."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from e2e_cluster import Cluster, JsonObject, until
from e2e_documents import ROOT, cut, experiment
from e2e_lab import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.smoke, pytest.mark.timeout(300)]

ENFORCE = "pod-security.kubernetes.io/enforce"


def rights(cluster: Cluster, account: str, namespace: str) -> set[tuple[str, ...]]:
    """(resource, non-resource URL, resource name, verb), as `kubectl auth can-i --list` shows them."""
    table = cluster.must("--namespace", namespace, "auth", "can-i", "--list", f"--as={account}")
    found = set()
    for line in table.splitlines()[1:]:
        row = re.fullmatch(r"(\S*)\s+\[(.*?)\]\s+\[(.*?)\]\s+\[(.*?)\]", line)
        assert row, f"not understood: {line}"
        resource, path, name, verbs = row.groups()
        found |= {(resource, path, name, verb) for verb in verbs.split()}
    return found


def documented(table: str, namespace: str) -> set[tuple[str, ...]]:
    """The same, from a table of docs/security.md."""
    text = (ROOT / "docs" / "security.md").read_text()
    rows = text.split(f"<!-- rbac: {table} -->")[1].split("<!-- end -->")[0].strip().splitlines()[2:]
    found = set()
    for row in rows:
        group, resource, verbs = [cell.strip() for cell in row.strip("|").split("|")[:3]]
        plural, _, part = resource.split("`")[1].partition("/")
        group = group.strip("`")
        full = (f"{plural}.{group}" if group else plural) + (f"/{part}" if part else "")
        own_name = namespace if "its own, by name" in resource else ""
        found |= {(full, "", own_name, verb.strip()) for verb in verbs.split(",")}
    return found


@pytest.fixture
def nobody(lab: Lab) -> Iterator[str]:
    """A fresh account: it may do what every account may."""
    lab.must("create", "serviceaccount", "e2e-nobody")
    try:
        yield f"system:serviceaccount:{lab.namespace}:e2e-nobody"
    finally:
        lab.must("delete", "serviceaccount", "e2e-nobody")


def test_the_operator_may_do_what_is_documented_and_nothing_else(lab: Lab, nobody: str) -> None:
    everybody = rights(lab.cluster, nobody, lab.namespace)
    assert ("selfsubjectaccessreviews.authorization.k8s.io", "", "", "create") in everybody, "the table was understood"
    own = rights(lab.cluster, lab.account, lab.namespace) - everybody
    assert own == documented("operator", lab.namespace) | documented("injector", lab.namespace)
    for elsewhere in ("default", "kube-system"):
        assert rights(lab.cluster, lab.account, elsewhere) == rights(lab.cluster, nobody, elsewhere)


def test_every_pod_is_restricted_and_injectors_are_not_privileged(lab: Lab) -> None:
    """Those of the chart, the workload's and the fuse's, judged by the API server's own Pod Security."""
    run = lab.apply(experiment("restricted", cut("60s")))
    run.until_phase("Holding")
    pods = lab.items("pods")
    injectors = [each for pod in pods for each in pod["spec"].get("ephemeralContainers") or []]
    (fuse,) = lab.items("jobs", f"skerry.dev/experiment={run.name},skerry.dev/artefact=fuse")
    specs = {each["metadata"]["name"]: each["spec"] for each in pods} | {"fuse": fuse["spec"]["template"]["spec"]}
    components = {str(each["metadata"]["labels"].get("app.kubernetes.io/component")) for each in pods}
    assert {"operator", "broker"} <= components
    assert any(name.startswith(f"skerry-{run.name}-workload") for name in specs)

    lab.cluster.must("create", "namespace", "skerry-e2e-restricted")
    try:
        lab.cluster.must("label", "namespace", "skerry-e2e-restricted", f"{ENFORCE}=restricted")
        until("the namespace has its account", 20, lambda: _has_account(lab.cluster, "skerry-e2e-restricted"))
        privileged = {"containers": [{"name": "c", "image": "none", "securityContext": {"privileged": True}}]}
        assert "violates PodSecurity" in _refusal(lab.cluster, privileged), "the question can be answered with no"
        refused = {name: said for name, spec in specs.items() if (said := _refusal(lab.cluster, spec))}
    finally:
        lab.cluster.must("delete", "namespace", "skerry-e2e-restricted", "--wait=false")
    assert refused == {}

    assert injectors, "the cut has one"
    for each in injectors:
        rights_of = each["securityContext"]
        assert not rights_of.get("privileged")
        assert not rights_of["allowPrivilegeEscalation"]
        assert rights_of["readOnlyRootFilesystem"]
        assert rights_of["capabilities"]["drop"] == ["ALL"]
        assert rights_of["capabilities"].get("add", []) in ([], ["NET_ADMIN"])
    run.abort("seen enough")
    run.ended()


def _has_account(cluster: Cluster, namespace: str) -> bool:
    return cluster.look(f"api/v1/namespaces/{namespace}/serviceaccounts/default") is not None


def _refusal(cluster: Cluster, spec: JsonObject) -> str:
    """Why a pod like this one may not be made in the restricted namespace; empty: it may."""
    own = ("ephemeralContainers", "serviceAccount", "serviceAccountName", "nodeName", "priority", "tolerations")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "judged", "namespace": "skerry-e2e-restricted"},
        "spec": {key: value for key, value in spec.items() if key not in own},
    }
    done = cluster.kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(pod))
    return done.output if done.code else ""
