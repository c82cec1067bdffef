"""What `skerry clean` removes: everything of ours, nothing of anybody else's, cuts first, whatever is refused."""

from __future__ import annotations

import pytest
from fake_api import FakeApi

from skerry.worlds.kubernetes.names import Artefact, labels
from skerry.worlds.kubernetes.sweep import SweepIncomplete, sweep

KINDS = {
    "NetworkPolicy": "networking.k8s.io/v1",
    "Job": "batch/v1",
    "ConfigMap": "v1",
    "Lease": "coordination.k8s.io/v1",
    "Pod": "v1",
}


def put(api: FakeApi, kind: str, name: str, labelled: dict[str, str], owner: dict | None = None) -> dict:
    metadata: dict = {"name": name, "labels": labelled}
    if owner is not None:
        metadata["ownerReferences"] = [{"uid": owner["metadata"]["uid"], "kind": owner["kind"]}]
    return api.put({"apiVersion": KINDS[kind], "kind": kind, "metadata": metadata})


@pytest.fixture
def leftovers(api):
    """One of each, of the experiment `cut`; a Lease of another; and objects of other people."""
    for kind, artefact in (
        ("Lease", Artefact.LEASE),
        ("ConfigMap", Artefact.REPORT),
        ("Job", Artefact.WORKLOAD),
        ("ConfigMap", Artefact.HOLD),
        ("Job", Artefact.FUSE),
        ("NetworkPolicy", Artefact.POLICY),
        ("Pod", Artefact.PROBE),
    ):
        put(api, kind, f"{artefact}-of-cut", labels("cut", artefact))
    put(api, "Lease", "of-another", labels("another", Artefact.LEASE))
    put(api, "NetworkPolicy", "allow-all", {})
    put(api, "Job", "backup", labels("cut", Artefact.FUSE) | {"app.kubernetes.io/managed-by": "Helm"})
    return api


async def test_cuts_go_first_and_reports_stay(leftovers, kube):
    assert await sweep(kube, "cut") == [
        "removed policy NetworkPolicy policy-of-cut of experiment cut",
        "removed fuse Job fuse-of-cut of experiment cut",
        "removed probe Pod probe-of-cut",
        "removed hold ConfigMap hold-of-cut of experiment cut",
        "removed workload Job workload-of-cut of experiment cut",
        "removed lease Lease lease-of-cut of experiment cut",
    ]
    assert leftovers.names("leases") == ["of-another"]
    assert leftovers.names("configmaps") == ["report-of-cut"]
    assert leftovers.names("networkpolicies") == ["allow-all"]
    assert leftovers.names("jobs") == ["backup"]


async def test_without_a_name_everything_of_ours_goes_and_with_reports_they_too(leftovers, kube):
    assert len(await sweep(kube, None, reports=True)) == 8
    left = [name for plural in ("networkpolicies", "jobs", "leases", "configmaps") for name in leftovers.names(plural)]
    assert left == ["allow-all", "backup"]


async def test_doing_it_again_does_nothing(leftovers, kube):
    await sweep(kube)
    before = list(leftovers.writes)
    assert await sweep(kube) == []
    assert leftovers.writes == before


async def test_what_goes_with_its_fuse_is_not_told_twice(api, kube):
    fuse = put(api, "Job", "fuse", labels("cut", Artefact.FUSE))
    put(api, "ConfigMap", "hold", labels("cut", Artefact.HOLD), owner=fuse)
    assert await sweep(kube) == ["removed fuse Job fuse of experiment cut"]
    assert api.names("configmaps") == []


async def test_what_is_refused_does_not_keep_the_rest_from_going(leftovers, kube):
    leftovers.denied |= {("list", "networkpolicies"), ("delete", "leases")}
    with pytest.raises(SweepIncomplete) as raised:
        await sweep(kube, "cut")
    assert "removed fuse Job fuse-of-cut of experiment cut" in raised.value.removed
    problems = str(raised.value).splitlines()
    assert len(problems) == 3  # policies are asked for twice: of experiments, of probes
    assert problems[0].endswith("grant `list` on networkpolicies (networking.k8s.io)")
    assert problems[2].endswith("grant `delete` on leases (coordination.k8s.io)")


async def test_an_object_that_was_made_anew_meanwhile_stays(api, kube):
    put(api, "NetworkPolicy", "p", labels("cut", Artefact.POLICY))

    def replace(item: dict) -> None:
        api.remove("networkpolicies", "p")
        put(api, "NetworkPolicy", "p", {})

    # Between the list and the delete somebody else takes the name.
    api.on("list", "networkpolicies", replace)
    assert await sweep(kube) == []
    assert api.names("networkpolicies") == ["p"]
