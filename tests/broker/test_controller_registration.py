"""Who is registered, and what a heartbeat says. One story per rule, with the source of the rule."""

from __future__ import annotations

from control_plane import ControlPlane
from controller_stories import started

from skerry_broker.core.api import InitProducerRequest
from skerry_broker.core.peer_messages import RegisterRequest


def test_a_broker_is_fenced_until_it_has_applied_its_own_registration() -> None:
    plane = ControlPlane()
    plane.register(0)
    plane.beat(0, applied=plane.epoch[0] - 1)
    plane.settle()
    assert plane.last_reply(0).fenced
    plane.beat(0, applied=plane.epoch[0])
    plane.settle()
    assert not plane.metadata.brokers[0].fenced
    assert not plane.last_reply(0).fenced  # answered after the unfencing was applied


def test_unfencing_asks_for_the_registration_not_for_the_end_of_the_log() -> None:
    """KAFKA-13959: under constant metadata writes a broker never reaches the log end, and was never unfenced."""
    plane = started()
    plane.register(1)
    for _ in range(5):
        plane.controller.init_producer(plane.now, 90 + len(plane.log), InitProducerRequest())
        plane.settle()
    plane.beat(1, applied=plane.epoch[1])
    plane.settle()
    assert not plane.metadata.brokers[1].fenced


def test_a_retried_registration_is_the_same_registration() -> None:
    plane = started()
    epoch, length = plane.epoch[1], len(plane.log)
    plane.register(1, again=True)
    assert (plane.epoch[1], len(plane.log)) == (epoch, length)
    plane.register(1)  # another process
    assert plane.epoch[1] > epoch


def test_a_retry_while_the_registration_is_in_flight_is_answered_when_it_commits() -> None:
    plane = ControlPlane()
    request = RegisterRequest("process-a", None, True, True)
    plane.controller.register(plane.now, plane.voter(0), request)
    plane.controller.register(plane.now, plane.voter(0), request)
    assert plane.sent == []
    plane.settle()
    assert {message.broker_epoch for _, message in plane.sent} == {len(plane.log)}  # type: ignore[union-attr]


def test_heartbeats_are_not_log_entries() -> None:
    plane = started()
    length = len(plane.log)
    plane.run(5_000, 0, 1, 2)
    assert len(plane.log) == length


def test_a_heartbeat_is_answered_only_after_a_round_begun_after_it_arrived() -> None:
    plane = started()
    plane.confirming = False
    before = plane.rounds
    plane.beat(1)
    plane.controller.round_confirmed(plane.now, before)  # a majority acknowledged what was sent before it arrived
    sent = len(plane.sent)
    plane.settle()
    assert len(plane.sent) == sent
    plane.controller.round_confirmed(plane.now, plane.rounds)
    assert len(plane.sent) == sent + 1
    assert plane.last_reply(1).granted


def test_a_copy_of_a_heartbeat_is_no_contact() -> None:
    """A network that repeats old packets must not keep a dead broker alive."""
    plane = started()
    for _ in range(20):
        plane.sequence[2] -= 1
        plane.beat(2)
        plane.run(50, 0, 1)
        plane.beat(0), plane.beat(1)
    assert plane.metadata.brokers[2].fenced


def test_an_unknown_broker_epoch_is_told_to_register_again() -> None:
    plane = started()
    plane.epoch[1] -= 1
    plane.beat(1)
    plane.settle()
    assert plane.last_reply(1).unknown_epoch
    assert not plane.last_reply(1).granted


def test_another_directory_cannot_register_while_the_old_one_has_a_session() -> None:
    """A deleted pod's process can outlive its replacement's start. It may hold a lease; on another directory no lock
    keeps the two apart."""
    plane = started()
    old = plane.epoch[0]
    plane.directory[0] = "new-disk"
    plane.register(0)
    assert plane.epoch[0] == old
    assert plane.p0.leader == 0
    plane.run(1_000, 1, 2)
    plane.register(0)
    assert plane.epoch[0] > old
    assert 0 not in plane.p0.isr
