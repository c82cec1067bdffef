"""Which targets there are, and what they say of themselves. How one is added: tests/conformance/test_extending.py."""

from __future__ import annotations

import dataclasses

import pytest

from skerry.engine.capabilities import Capabilities, all_features, capabilities_for
from skerry.engine.observation import Observation
from skerry.experiment import DocumentError, load_document
from skerry.faults import network_partition, wipe
from skerry.faults.registry import FAULTS
from skerry.schema.log import PREPARE
from skerry.targets import registry
from skerry.targets.port import DataModel, RoleKind, addresses_on_loopback
from skerry.targets.skerry.planes import Plane

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: stop}
spec:
  hypothesis: It goes on.
  TARGET
  faults:
  - {name: stop, startAfter: 1s, duration: 1s, pause: {target: {ordinal: 0}}}
"""


def document(target: str = "") -> str:
    return DOCUMENT.replace("TARGET", target)


def test_a_document_that_names_none_is_for_our_broker() -> None:
    experiment = load_document(document(), "test")
    assert experiment.target is registry.target("skerry")
    assert experiment.target.model is DataModel.LOG
    assert experiment.part is None


def test_a_target_declares_its_fields_of_the_document() -> None:
    assert {name: list(registry.target(name).declared) for name in registry.BUILT_IN} == {
        "skerry": ["topic", "prepare"],
        "etcd": ["etcd"],
    }
    said = load_document(document("topic: {name: other, partitions: 2}"), "test").spec
    assert (said.topic.name, said.topic.partitions, said.prepare) == ("other", 2, None)


def test_two_targets_cannot_mean_different_things_by_one_field(monkeypatch: pytest.MonkeyPatch) -> None:
    other = dataclasses.replace(registry.target("etcd"), words={"topic": PREPARE})
    known = {"etcd": other, "skerry": registry.target("skerry")}
    monkeypatch.setattr(registry, "target", known.__getitem__)
    monkeypatch.setattr(registry, "names", lambda: tuple(known))
    with pytest.raises(TypeError, match="two targets mean different things by the field `topic`"):
        registry.words.__wrapped__()


def test_an_unknown_target_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(DocumentError, match=r"there is no target `skery`; the targets are .*skerry"):
        load_document(document("target: skery"), "test")


def test_a_target_that_is_asked_for_by_code_must_be_there() -> None:
    with pytest.raises(registry.UnknownTarget):
        registry.target("nothing")


def test_every_built_in_target_says_what_it_must() -> None:
    for name in registry.BUILT_IN:
        target = registry.target(name)
        assert target.name == name
        assert target.title
        assert target.planes
        assert target.peer_planes
        assert RoleKind.LEADER in target.roles.values()


def test_our_broker_says_its_roles_and_planes() -> None:
    skerry = registry.target("skerry")
    assert [role for role in skerry.roles if skerry.of_partition(role)] == [
        "PartitionLeader",
        "PartitionFollower",
        "InSyncFollower",
    ]
    etcd = registry.target("etcd")
    assert not any(etcd.of_partition(role) for role in etcd.roles), "its nodes form one group"
    assert {plane.name for plane in skerry.planes} == {*Plane, "Admin"}
    assert skerry.peer_planes == (Plane.RAFT, Plane.REPLICATION)
    assert skerry.planes_named == tuple(Plane)
    assert (skerry.replicating, etcd.replicating) == ({Plane.REPLICATION}, {"Peer"})


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN))
def test_every_role_that_a_target_names_is_one_that_its_rules_can_tell(name: str) -> None:
    experiment = load_document(document(f"target: {name}"), "test")
    roles = registry.rules_of(experiment.spec).assumed()
    for word, kind in registry.target(name).roles.items():
        everyone = kind in (RoleKind.OTHER, RoleKind.ALL)  # these are no matter of the rules
        assert everyone or roles.holders(kind, 0).ordinals, word


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN))
def test_a_cluster_of_which_nothing_is_known_is_not_whole(name: str) -> None:
    rules = registry.rules_of(load_document(document(f"target: {name}"), "test").spec)
    assert rules.missing(rules.roles(Observation())) != ""
    assert rules.units


def test_addresses_name_every_plane() -> None:
    assert addresses_on_loopback([{"Door": 5}, {"Door": 6}]) == {0: {"Door": "127.0.0.1:5"}, 1: {"Door": "127.0.0.1:6"}}


def test_a_fault_that_the_system_cannot_show_or_undo_is_said_to_be_lacking() -> None:
    found = capabilities_for(Capabilities("lab", all_features(), frozenset({"etcd"})), registry.target("etcd"))
    (cut,) = found.lacking(frozenset(network_partition.FAULT.features[:1]))
    assert cut.endswith("the nodes of `etcd` do not report on their links, so that it could not be verified.")
    (lost,) = found.lacking(frozenset(wipe.FAULT.features[:1]))
    assert lost.endswith("a node of `etcd` does not come back by itself without its data.")
    assert capabilities_for(found, registry.target("skerry")) == found
    assert {each for each in FAULTS if FAULTS[each].relies} == {"partition", "slow", "wipe"}
