"""AlterPartition: the order of the checks, as a table."""

from __future__ import annotations

import pytest
from control_plane import ControlPlane

from skerry_broker.core.alter_partition import granted, judge
from skerry_broker.core.metadata import BrokerState, ClusterMetadata, PartitionState
from skerry_broker.core.peer_messages import AlterPartition, AlterResult
from skerry_broker.core.types import TopicPartition

P = TopicPartition("orders", 0)


def view(**changed: object) -> ClusterMetadata:
    """Brokers 1..4 with epochs 11..14; 3 is fenced, 4 is leaving; broker 1 leads epoch 5, partition epoch 20."""
    metadata = ClusterMetadata()
    for broker in (1, 2, 3, 4):
        metadata.brokers[broker] = BrokerState(broker, 10 + broker, "d", "i", fenced=broker == 3, leaving=broker == 4)
    fields: dict[str, object] = {"leader": 1, "leader_epoch": 5, "partition_epoch": 20, "isr": (1, 2)} | changed
    metadata.partitions[P] = PartitionState("id", 2, (1, 2, 3, 4), **fields)  # type: ignore[arg-type]  # by name
    return metadata


def request(**changed: object) -> AlterPartition:
    fields: dict[str, object] = {"broker_epoch": 11, "leader_epoch": 5, "partition_epoch": 20, "isr": ((1, 11),)}
    return AlterPartition(**{"partition": P, **fields, **changed})  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("wish", "sender", "answer"),
    [
        (request(), 1, AlterResult.ACCEPTED),
        (request(isr=((2, 12), (1, 11))), 1, AlterResult.ACCEPTED),
        (request(partition=TopicPartition("orders", 9)), 1, AlterResult.UNKNOWN_PARTITION),
        # Ahead of us in either epoch: we are a stale controller (KAFKA-14154), whatever else is wrong.
        (request(leader_epoch=6, isr=((9, 9),)), 1, AlterResult.NOT_CONTROLLER),
        (request(partition_epoch=21), 2, AlterResult.NOT_CONTROLLER),
        # Behind in the leader epoch: deposed; before the partition epoch is looked at.
        (request(leader_epoch=4, partition_epoch=3), 1, AlterResult.FENCED_LEADER_EPOCH),
        (request(partition_epoch=19), 2, AlterResult.INVALID_REQUEST),  # not the leader
        (request(broker_epoch=10), 1, AlterResult.INVALID_REQUEST),  # an earlier life of the leader
        (request(partition_epoch=19, isr=()), 1, AlterResult.INVALID_UPDATE_VERSION),
        (request(isr=((2, 12),)), 1, AlterResult.INVALID_REQUEST),  # without itself
        (request(isr=((1, 11), (1, 11))), 1, AlterResult.INVALID_REQUEST),
        (request(isr=((1, 11), (9, 19))), 1, AlterResult.INVALID_REQUEST),  # no replica of it
        (request(isr=((1, 11), (2, 2))), 1, AlterResult.INELIGIBLE_REPLICA),  # fetched in an earlier life (KAFKA-15221)
        (request(isr=((1, 11), (3, 13))), 1, AlterResult.INELIGIBLE_REPLICA),  # fenced (KIP-841)
        (request(isr=((1, 11), (4, 14))), 1, AlterResult.INELIGIBLE_REPLICA),  # leaving
    ],
)
def test_the_first_broken_rule_is_the_answer(wish: AlterPartition, sender: int, answer: AlterResult) -> None:
    assert judge(view(), sender, wish) is answer


def test_a_leaving_member_may_stay() -> None:
    stays = request(isr=((1, 11), (2, 12), (4, 14)))
    assert judge(view(isr=(1, 4)), 1, stays) is AlterResult.ACCEPTED


def test_a_recovering_leader_is_alone_until_it_has_recovered() -> None:
    both = ((1, 11), (2, 12))
    recovering = view(isr=(1,), recovering=True)
    assert judge(recovering, 1, request(isr=both)) is AlterResult.INVALID_REQUEST
    assert judge(recovering, 1, request(isr=both, recovered=True)) is AlterResult.ACCEPTED
    assert not granted(recovering.partitions[P], request(isr=both, recovered=True), 0).recovering


def test_what_is_granted() -> None:
    shrunk = granted(view().partitions[P], request(), wall_ns=9)
    assert (shrunk.leader, shrunk.leader_epoch, shrunk.partition_epoch) == (1, 5, 21)
    assert (shrunk.isr, shrunk.elr, shrunk.reason) == ((1,), (2,), "shrink")  # below min ISR: 2 stays eligible
    grown = granted(view(isr=(1,), elr=(2, 3)).partitions[P], request(isr=((2, 12), (1, 11))), wall_ns=9)
    assert (grown.isr, grown.elr, grown.reason) == ((1, 2), (), "expand")


def test_two_requests_against_the_same_state_are_not_both_accepted() -> None:
    """The second is judged against the first, although nothing is committed yet."""
    plane = ControlPlane()
    plane.start()
    epochs: dict[str, object] = {"partition_epoch": plane.p0.partition_epoch}
    plane.leading = True
    alters = [
        AlterPartition(TopicPartition("orders", 0), plane.epoch[0], 0, plane.p0.partition_epoch, isr)
        for isr in (((0, plane.epoch[0]), (1, plane.epoch[1])), ((0, plane.epoch[0]), (2, plane.epoch[2])))
    ]
    for alter in alters:
        plane.controller.alter_partition(plane.now, plane.voter(0), alter)
    plane.settle()
    assert plane.p0.isr == (0, 1)
    assert plane.alter(0, (0, 2), **epochs) is AlterResult.INVALID_UPDATE_VERSION
    assert [fact.labels for fact in plane.facts if fact.name == "broker_isr_updates_failed_total"] == [
        ("InvalidUpdateVersion",),
        ("InvalidUpdateVersion",),
    ]


def test_an_accepted_change_is_answered_when_it_is_committed() -> None:
    plane = ControlPlane()
    plane.start()
    sent = len(plane.sent)
    alter = AlterPartition(
        TopicPartition("orders", 0), plane.epoch[0], 0, plane.p0.partition_epoch, ((0, plane.epoch[0]),)
    )
    plane.controller.alter_partition(plane.now, plane.voter(0), alter)
    assert len(plane.sent) == sent
    plane.fail_over(lose_uncommitted=True)
    (reply,) = [message for _, message in plane.sent[sent:]]
    assert reply.result is AlterResult.NOT_CONTROLLER  # type: ignore[union-attr]  # the only message sent
    assert plane.p0.isr == (0, 1, 2)
