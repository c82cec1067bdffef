"""The planes of a fault of links, and what can be allowed, are words of the document's target, as roles are."""

from __future__ import annotations

import pytest

from skerry.cli.worlds import capabilities_with_everything
from skerry.engine.capabilities import OTHER_PLANES
from skerry.engine.needs import needed_features
from skerry.experiment import DocumentError, Experiment, load_document
from skerry.faults.registry import FAULTS
from skerry.schema.base import Model
from skerry.targets import registry

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: links}
spec:
  hypothesis: It goes on.
  target: TARGET
  allow: [ALLOWED]
  faults:
  - {name: links, duration: 5s, FAULT}
"""
CUT = "partition: {groups: [[{ordinal: 0}], [{role: Other}]]PLANES}"
SLOW = "slow: {between: [[{role: All}]], latency: 50msPLANES}"


def document(target: str, fault: str, *planes: str, allowed: str = "") -> Experiment:
    said = f", planes: [{', '.join(planes)}]" if planes else ""
    text = DOCUMENT.replace("TARGET", target).replace("ALLOWED", allowed)
    return load_document(text.replace("FAULT", fault.replace("PLANES", said)), "test")


@pytest.mark.parametrize("fault", [CUT, SLOW])
@pytest.mark.parametrize(("target", "between_nodes"), [("skerry", ("Raft", "Replication")), ("etcd", ("Peer",))])
def test_a_fault_that_names_none_takes_those_between_nodes(
    target: str, between_nodes: tuple[str, ...], fault: str
) -> None:
    experiment = document(target, fault)
    assert experiment.spec.faults[0].body.planes_named == between_nodes
    assert experiment == document(target, fault, *between_nodes)
    assert OTHER_PLANES not in needed_features(experiment.spec)


@pytest.mark.parametrize(
    ("replicating", "stops"), [({"Replication"}, True), ({"Replication", "Client"}, False), (set(), False)]
)
def test_a_cut_stops_a_leader_when_it_takes_all_planes_of_its_writes(replicating: set[str], stops: bool) -> None:
    body = document("skerry", CUT).spec.faults[0].body
    assert FAULTS["partition"].stops_leader(body, frozenset(replicating)) is stops


@pytest.mark.parametrize("fault", [CUT, SLOW])
@pytest.mark.parametrize("world", ["sim", "local", "kubernetes"])
def test_no_world_takes_one_on_which_nodes_do_not_talk_to_each_other(world: str, fault: str) -> None:
    """The planted bug: a slow network on the Client plane was begun, and nothing was slow."""
    experiment = document("skerry", fault, "Raft", "Client")
    lacking = capabilities_with_everything(world, experiment).lacking(needed_features(experiment.spec))
    assert any(
        "on which nodes do not talk to each other`: there is nothing on it between nodes" in each for each in lacking
    )


@pytest.mark.parametrize(
    ("target", "plane", "known"),
    [
        ("skerry", "Peer", "Client, Raft, Replication"),
        ("skerry", "Admin", "Client, Raft, Replication"),
        ("skerry", "raft", "Client, Raft, Replication; did you mean `Raft`?"),
        ("etcd", "Raft", "Client, Peer"),
    ],
)
def test_a_plane_that_the_target_does_not_have_is_refused(target: str, plane: str, known: str) -> None:
    with pytest.raises(DocumentError) as refused:
        document(target, CUT, plane)
    assert str(refused.value).endswith(f"`{plane}` is no plane of the target `{target}`; its planes are {known}")


def test_the_schema_knows_the_planes_of_all_targets() -> None:
    partition: type[Model] = type(document("skerry", CUT).spec.faults[0].body)
    planes = partition.model_json_schema()["properties"]["planes"]
    assert planes["items"]["enum"] == ["Client", "Peer", "Raft", "Replication"]
    assert set(planes["items"]["enum"]) == set(registry.planes())


def test_a_document_allows_what_its_target_knows() -> None:
    assert document("skerry", CUT, allowed="QuorumLoss, BelowMinIsr").spec.allow == ("QuorumLoss", "BelowMinIsr")
    assert document("etcd", CUT, allowed="QuorumLoss").spec.allow == ("QuorumLoss",)
    assert registry.allowances() == ("QuorumLoss", "BelowMinIsr")


@pytest.mark.parametrize(
    ("target", "allowed", "known"),
    [
        ("etcd", "BelowMinIsr", "QuorumLoss"),
        ("skerry", "Quorumloss", "QuorumLoss, BelowMinIsr; did you mean `QuorumLoss`?"),
    ],
)
def test_what_it_does_not_know_is_refused(target: str, allowed: str, known: str) -> None:
    with pytest.raises(DocumentError) as refused:
        document(target, CUT, allowed=allowed)
    said = f"`{allowed}` is nothing that can be allowed for the target `{target}`, only {known}"
    assert str(refused.value).endswith(said)
