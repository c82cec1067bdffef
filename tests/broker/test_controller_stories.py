"""The controller step by step: who fails, what is committed, who leads. One story per rule, with the rule's source."""

from __future__ import annotations

from control_plane import MS, P0, ControlPlane

from skerry_broker.core.api import (
    CreateTopicRequest,
    DoneResponse,
    ErrorCode,
    ErrorResponse,
    InitProducerRequest,
    TopicCreatedResponse,
)
from skerry_broker.core.peer_messages import RegisterRequest
from skerry_broker.core.records import BrokerFenced, BrokerLeaving, BrokerUnfenced, PartitionChanged
from skerry_broker.core.types import NodeConfig, TopicPartition


def started(**shape: int) -> ControlPlane:
    plane = ControlPlane()
    plane.start(**shape)
    assert plane.shape() == "0@0 isr [0, 1, 2] elr []"
    return plane


# --- registration and heartbeats ------------------------------------------------------------------------


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


# --- fencing --------------------------------------------------------------------------------------------


def test_a_silent_leader_is_fenced_and_replaced_in_one_entry() -> None:
    plane = started(partitions=3)
    length = len(plane.log)
    plane.run(1_000, 1, 2)
    (records,) = plane.entries_since(length)
    assert [type(record) for record in records] == [BrokerFenced] + [PartitionChanged] * 3
    assert plane.shape() == "1@1 isr [1, 2] elr []"
    assert plane.shape(TopicPartition("orders", 1)) == "1@0 isr [1, 2] elr []"


def test_the_session_is_counted_from_the_last_receipt() -> None:
    plane = started()
    plane.beat(0)
    received = plane.now
    while plane.p0.leader == 0:
        plane.run(50, 1, 2)
        plane.beat(1), plane.beat(2)
    assert 900 <= (plane.now - received) / MS <= 1_050


def test_a_refused_connection_names_the_cause_and_advances_nothing() -> None:
    plane = started()
    plane.controller.peer_refused(plane.now, 0)
    plane.run(800, 1, 2)
    assert plane.p0.leader == 0
    plane.run(300, 1, 2)
    assert plane.elections() == [(0, "created"), (1, "crash")]
    (failover,) = [fact for fact in plane.facts if fact.name == "broker_failover_seconds"]
    assert failover.labels == ("crash",)
    assert 0.9 <= failover.value <= 1.1


def test_without_refusals_a_silent_leader_is_called_isolated() -> None:
    plane = started()
    plane.run(1_100, 1, 2)
    assert plane.elections()[-1] == (1, "isolation")
    assert [fact.labels for fact in plane.facts if fact.name == "broker_partition_elections_total"] == [
        ("isolation",),
    ]
    assert sum(fact.name == "broker_fence_events_total" for fact in plane.facts) == 1


def test_a_controller_that_slept_does_not_fence_everybody() -> None:
    """KAFKA-15019: heartbeats that waited in our own queue while we slept are contact."""
    plane = started()
    plane.run(200, 0, 1, 2)
    plane.now += 5_000 * MS
    plane.controller.tick(plane.now)
    plane.settle()
    assert not any(broker.fenced for broker in plane.metadata.brokers.values())
    plane.run(1_500, 0, 1)  # and who is really silent is fenced soon after
    assert [broker.broker_id for broker in plane.metadata.brokers.values() if broker.fenced] == [2]


def test_a_new_controller_counts_every_unfenced_broker_as_heard_at_its_election() -> None:
    plane = started()
    plane.run(800, 1, 2)
    plane.fail_over()
    plane.run(800, 1, 2)
    assert not plane.metadata.brokers[0].fenced
    plane.run(200, 1, 2)
    assert plane.metadata.brokers[0].fenced


def test_a_slow_first_entry_of_a_new_controller_fences_nobody() -> None:
    """Nobody could heartbeat to it before it knew that it led: they get three heartbeats from then."""
    plane = started()
    plane.fail_over(elected_ms_ago=3_000)
    plane.controller.tick(plane.now + 100 * MS)
    plane.settle()
    assert not any(broker.fenced for broker in plane.metadata.brokers.values())


def test_a_new_controller_grants_no_lease_before_its_own_first_entry_is_applied() -> None:
    """What the old controller committed may have ended a leadership of that broker."""
    plane = started()
    plane.fail_over()
    plane.beat(1, applied=plane.metadata.applied_index - 1)
    plane.settle()
    assert not plane.last_reply(1).granted
    assert not plane.last_reply(1).fenced
    plane.beat(1)
    plane.settle()
    assert plane.last_reply(1).granted


def test_a_fence_in_flight_withholds_the_lease() -> None:
    plane = started()
    while len(plane.log) == plane.metadata.applied_index:
        plane.now += 100 * MS
        plane.beat(1), plane.beat(2)
        plane.controller.tick(plane.now)
    assert not plane.metadata.brokers[0].fenced  # only proposed
    plane.beat(0)
    plane.controller.round_confirmed(plane.now, plane.rounds)
    assert plane.last_reply(0).fenced


def test_a_fenced_broker_must_apply_its_fence_before_it_is_back() -> None:
    """Else it would get a lease while it still believes that it leads under the old epoch."""
    plane = started()
    old = plane.metadata.applied_index
    plane.run(1_100, 1, 2)
    plane.beat(0, applied=old)
    plane.settle()
    assert plane.last_reply(0).fenced
    assert plane.metadata.brokers[0].fenced
    plane.beat(0)
    plane.settle()
    assert not plane.metadata.brokers[0].fenced


def test_a_broker_that_is_heard_but_hears_nothing_is_fenced() -> None:
    """A one-way cut: its lease has lapsed long ago, but its heartbeats arrive. Only it can tell."""
    plane = started()
    for step in range(30):
        plane.report[0] = {"answered_age_ms": 100 * step}
        plane.run(100, 0, 1, 2)
        if plane.metadata.brokers[0].fenced:
            break
    assert plane.p0.leader == 1
    assert step <= 25
    plane.run(2_000, 0, 1, 2)
    assert plane.metadata.brokers[0].fenced  # and it stays so, without flapping
    plane.report[0] = {"answered_age_ms": 90}
    plane.run(100, 0, 1, 2)
    assert not plane.metadata.brokers[0].fenced


def test_a_broker_that_is_heard_but_applies_nothing_loses_what_it_leads() -> None:
    plane = started()
    plane.fail_over()
    stuck = plane.metadata.applied_index - 1
    for _ in range(12):
        plane.beat(0, applied=stuck)
        plane.run(100, 1, 2)
    assert plane.metadata.brokers[0].fenced
    assert plane.p0.leader == 1


def test_a_broken_disk_hands_over_at_once() -> None:
    """I-SAF-9: its partitions answer nothing any more; there is no lease to wait for."""
    plane = started()
    plane.beat(0, log_offline=True)
    plane.settle()
    assert plane.shape() == "1@1 isr [1, 2] elr []"
    plane.run(500, 1, 2)
    plane.beat(0, log_offline=True)
    plane.settle()
    assert plane.metadata.brokers[0].fenced


# --- ISR, ELR and restarts ------------------------------------------------------------------------------


def test_who_leaves_below_min_isr_stays_eligible_and_leads_again() -> None:
    """KIP-966, the story of its motivation: three replicas, min ISR 2, failures one after the other."""
    plane = started()
    plane.run(1_100, 1, 2)
    assert plane.shape() == "1@1 isr [1, 2] elr []"
    plane.run(1_100, 2)
    assert plane.shape() == "2@2 isr [2] elr [1]"  # the high watermark is frozen: 1 has all committed records
    plane.register(0)  # came back; it left while there were enough: not eligible
    plane.run(1_100, 0)
    assert plane.shape() == "none@3 isr [] elr [1, 2]"
    plane.run(500, 0)
    assert plane.p0.leader == -1
    plane.register(1)
    plane.run(200, 0, 1)
    assert plane.shape() == "1@4 isr [1] elr [2]"
    assert plane.elections()[-1] == (1, "elr")
    assert plane.alter(1, (0, 1)).value == "Accepted"
    assert plane.shape() == "1@4 isr [0, 1] elr []"  # min ISR is reached: nobody else is needed


def test_a_registration_ends_the_leadership_even_of_a_sole_replica() -> None:
    """I-SAF-6: it leads again only under a higher epoch (KAFKA-10527 in the small)."""
    plane = ControlPlane(1)
    plane.start(min_isr=1)
    assert plane.shape() == "0@0 isr [0] elr []"
    plane.register(0)
    assert plane.shape() == "none@1 isr [0] elr []"
    plane.run(100, 0)
    assert plane.shape() == "0@2 isr [0] elr []"


def test_what_a_registration_keeps() -> None:
    """I-SAF-6. Leader 0 restarts with followers 1 and 2 in sync."""
    cases = [
        # directory,  clean, intact, group    -> still in the ISR
        ("disk-0", True, True, False, True),
        ("disk-0", True, True, True, True),
        ("disk-0", False, True, True, True),  # unclean, but only durable records were ever counted
        ("disk-0", False, True, False, False),  # unclean, and the page cache may be gone
        ("disk-0", False, False, True, False),  # the log is damaged
        ("disk-0", True, False, True, False),
        ("other-disk", False, True, True, False),  # a wiped volume
        ("other-disk", True, True, True, False),
    ]
    for directory, clean, intact, group, kept in cases:
        plane = started()
        if directory != "disk-0":
            plane.run(1_000, 1, 2)
        plane.directory[0] = directory
        plane.register(0, clean=clean, intact=intact, group=group)
        assert plane.p0.leader == 1, directory
        assert (0 in plane.p0.isr) == kept, (directory, clean, intact, group)


def test_a_wiped_eligible_replica_is_eligible_no_more() -> None:
    plane = started()
    plane.run(1_100, 1, 2)
    plane.run(1_100, 2)
    assert plane.shape() == "2@2 isr [2] elr [1]"
    plane.directory[1] = "new-disk"
    plane.register(1)
    assert plane.shape() == "2@2 isr [2] elr []"


def test_a_registered_broker_that_does_not_come_back_leaves_the_isr() -> None:
    """It keeps its place in the ISR while fenced, so its silence must still have an end."""
    plane = started()
    plane.register(2)
    assert plane.shape() == "0@0 isr [0, 1, 2] elr []"
    plane.run(1_200, 0, 1)
    assert plane.shape() == "0@0 isr [0, 1] elr []"


def test_a_full_restart_finds_a_leader_among_the_kept_members() -> None:
    plane = started()
    plane.fail_over()
    for broker in (2, 1, 0):
        plane.register(broker)
    assert plane.shape() == "none@1 isr [0, 1, 2] elr []"
    plane.run(100, 0, 1, 2)
    assert plane.shape() == "0@2 isr [0, 1, 2] elr []"


# --- moving a leader in two steps -----------------------------------------------------------------------


def test_a_wanted_leader_is_elected_once_the_old_one_knows() -> None:
    plane = started()
    plane.elect(2)
    plane.settle()
    assert plane.shape() == "none@1 isr [0, 1, 2] elr []"
    deposed_at = plane.metadata.applied_index
    plane.beat(0, applied=deposed_at - 1)
    plane.beat(1), plane.beat(2)
    plane.settle()
    assert plane.p0.leader == -1  # it may still answer under its lease
    assert 50 not in plane.replies
    plane.beat(0, applied=deposed_at)
    plane.settle()
    assert plane.shape() == "2@2 isr [0, 1, 2] elr []"
    assert plane.replies[50] == DoneResponse()
    assert plane.elections()[-1] == (2, "preferred")


def test_an_old_leader_that_does_not_apply_gets_no_lease_and_is_waited_for() -> None:
    plane = started()
    plane.run(100, 0, 1, 2)
    stuck = plane.metadata.applied_index
    plane.elect(2)
    plane.settle()
    granted_ns = plane.now
    while plane.p0.leader == -1:
        plane.now += 100 * MS
        for broker in (0, 1, 2):
            plane.beat(broker, applied=stuck if broker == 0 else None)
        plane.settle()
        if plane.last_reply(0).granted:
            granted_ns = plane.now
        plane.controller.tick(plane.now)
        plane.settle()
        assert plane.now - granted_ns < 3_000 * MS
    assert plane.now - granted_ns >= plane.config.timing.session_ms * MS
    plane.beat(0, applied=stuck)
    plane.settle()
    assert not plane.last_reply(0).granted  # it still believes that it leads


def test_a_new_controller_finishes_the_move_with_the_same_care() -> None:
    """It finds a partition without a leader. The old leader, unfenced, may hold a lease and may not know."""
    plane = started()
    stuck = plane.metadata.applied_index
    plane.elect(2)
    plane.settle()
    plane.fail_over()
    plane.beat(0, applied=stuck)
    plane.run(300, 1, 2)
    assert plane.p0.leader == -1
    plane.beat(0)
    plane.settle()
    assert plane.p0.leader == 0  # the wish was not in the log; anybody in sync will do
    assert plane.p0.leader_epoch == 2


def test_the_deposed_leader_cannot_change_the_isr() -> None:
    """Its AlterPartition may race with step one; it carries the old epoch."""
    plane = started()
    epochs = {"leader_epoch": plane.p0.leader_epoch, "partition_epoch": plane.p0.partition_epoch}
    plane.elect(2)  # proposed, not yet committed
    assert plane.alter(0, (0, 1), **epochs).value == "FencedLeaderEpoch"
    assert plane.p0.isr == (0, 1, 2)


def test_the_wanted_leader_may_leave_meanwhile() -> None:
    plane = started()
    plane.elect(2, timeout_ms=60_000)
    plane.settle()
    stuck = plane.metadata.applied_index - 1
    for _ in range(14):
        plane.beat(0, applied=stuck)
        plane.run(100, 1)
    plane.beat(0)
    plane.settle()
    assert plane.p0.leader in (0, 1)
    reply = plane.replies[50]
    assert isinstance(reply, ErrorResponse)
    assert reply.error is ErrorCode.NOT_ENOUGH_REPLICAS
    assert "broker 2 left the ISR" in reply.message


def test_what_elect_leader_refuses() -> None:
    plane = started()
    plane.elect(7, 60)
    plane.elect(0, 61)  # leads already
    plane.run(1_000, 0, 1)
    plane.elect(2, 62)
    plane.settle()
    assert [plane.replies[n] if n == 61 else plane.replies[n].error for n in (60, 61, 62)] == [  # type: ignore[union-attr]
        ErrorCode.INVALID_REQUEST,
        DoneResponse(),
        ErrorCode.NOT_ENOUGH_REPLICAS,
    ]


# --- I-LIV-3: cut off on the replication plane only -----------------------------------------------------


def unreachable(leader_epoch: int) -> dict[str, object]:
    return {"unreachable_leaders": ((P0, leader_epoch, 800),)}


def test_a_leader_without_followers_is_replaced_although_we_hear_it() -> None:
    plane = started()
    plane.run(100, 0, 1, 2)
    plane.report[1] = plane.report[2] = unreachable(0)
    plane.run(300, 0, 1, 2)
    # Out of the ISR as well: it cannot follow either, and the high watermark would wait for it.
    assert plane.shape() == "1@2 isr [1, 2] elr []"
    assert plane.elections()[-1] == (1, "data_plane")
    plane.report[1] = plane.report[2] = {}
    plane.report[0] = unreachable(2)  # the old leader now misses the new one: no reason to go back
    plane.run(2_000, 0, 1, 2)
    assert plane.p0.leader_epoch == 2


def test_a_leader_that_one_follower_misses_stays() -> None:
    """Scenario 11: A and B are cut, C sees both. A shrinks B out and goes on with C."""
    plane = started()
    plane.report[1] = unreachable(0)
    plane.run(1_000, 0, 1, 2)
    assert plane.p0.leader_epoch == 0


def test_two_halves_that_are_equally_bad_do_not_take_turns() -> None:
    plane = started()
    plane.run(1_100, 0, 1)  # 2 is dead: 0 and 1 are all there is
    plane.report[1] = unreachable(0)
    plane.run(3_000, 0, 1)
    assert plane.p0.leader_epoch == 0


def test_the_shrink_that_came_first_does_not_stop_the_move() -> None:
    plane = started()
    assert plane.alter(0, (0,)).value == "Accepted"
    assert plane.shape() == "0@0 isr [0] elr [1, 2]"
    plane.report[1] = plane.report[2] = unreachable(0)
    plane.run(300, 0, 1, 2)
    assert plane.shape() == "1@2 isr [1] elr [0, 2]"


def test_a_dead_leader_is_fenced_not_deposed() -> None:
    """Its followers miss it 0.2 s before the session ends; that must not cost a second epoch."""
    plane = started()
    plane.run(600, 1, 2)
    plane.report[1] = plane.report[2] = unreachable(0)
    plane.run(500, 1, 2)
    assert plane.shape() == "1@1 isr [1, 2] elr []"


def test_reports_about_an_older_epoch_are_ignored() -> None:
    plane = started()
    plane.run(1_100, 1, 2)
    plane.report[1] = plane.report[2] = unreachable(0)
    plane.run(1_000, 1, 2)
    assert plane.p0.leader_epoch == 1


# --- controlled shutdown --------------------------------------------------------------------------------


def test_a_leaving_leader_hands_over_and_may_stop() -> None:
    plane = started()
    plane.beat(0, wants_shutdown=True, applied=plane.metadata.applied_index)
    plane.settle()
    assert plane.shape() == "none@1 isr [1, 2] elr []"
    assert not plane.last_reply(0).may_stop
    plane.beat(0, wants_shutdown=True)
    plane.settle()
    assert plane.shape() == "1@2 isr [1, 2] elr []"
    assert plane.last_reply(0).may_stop
    assert plane.elections()[-1] == (1, "shutdown")
    assert [type(entry[0]) for entry in plane.entries_since(len(plane.log) - 2)] == [BrokerLeaving, PartitionChanged]


def test_a_leaving_sole_replica_may_stop_and_leads_again_when_it_returns() -> None:
    plane = ControlPlane(1)
    plane.start(min_isr=1)
    for _ in range(3):
        plane.beat(0, wants_shutdown=True)
        plane.settle()
    assert plane.last_reply(0).may_stop
    assert plane.shape() == "none@1 isr [0] elr []"
    plane.register(0, clean=True)
    plane.run(100, 0)
    assert plane.shape() == "0@2 isr [0] elr []"


def test_a_leaving_follower_stays_where_the_isr_needs_it() -> None:
    plane = started()
    assert plane.alter(0, (0, 1)).value == "Accepted"
    plane.beat(1, wants_shutdown=True)
    plane.settle()
    assert plane.shape() == "0@0 isr [0, 1] elr []"
    assert plane.last_reply(1).may_stop


# --- unclean elections ----------------------------------------------------------------------------------


def all_disks_lost(unclean_wait_ms: int) -> ControlPlane:
    plane = ControlPlane(config=NodeConfig(0, (0, 1, 2), unclean_wait_ms=unclean_wait_ms))
    plane.start()
    plane.fail_over()
    for broker in range(3):
        plane.register(broker, intact=False)
    plane.run(200, 0, 1, 2)
    assert plane.shape().startswith("none@")
    assert plane.shape().endswith("isr [] elr []")
    return plane


def test_with_nobody_eligible_nobody_is_elected() -> None:
    plane = all_disks_lost(unclean_wait_ms=0)
    for broker in range(3):
        plane.report[broker] = {"log_ends": ((P0, 1, 100),)}
    plane.run(5_000, 0, 1, 2)
    assert plane.p0.leader == -1


def test_an_unclean_election_takes_the_longest_log_when_all_have_reported() -> None:
    plane = all_disks_lost(unclean_wait_ms=60_000)
    plane.report[0] = {"log_ends": ((P0, 0, 500),)}
    plane.report[1] = {"log_ends": ((P0, 1, 90),)}
    plane.run(300, 0, 1, 2)
    assert plane.p0.leader == -1
    plane.report[2] = {"log_ends": ((P0, 1, 80),)}
    plane.run(300, 0, 1, 2)
    assert plane.p0.leader == 1  # a later epoch beats a longer log
    assert plane.p0.isr == (1,)
    assert plane.p0.recovering
    assert sum(fact.name == "broker_unclean_elections_total" for fact in plane.facts) == 1
    assert plane.alter(1, (1, 2)).value == "InvalidRequest"
    assert plane.alter(1, (1,), recovered=True).value == "Accepted"
    assert plane.alter(1, (1, 2)).value == "Accepted"


def test_an_unclean_election_waits_no_longer_than_configured() -> None:
    plane = all_disks_lost(unclean_wait_ms=2_000)
    plane.report[0] = {"log_ends": ((P0, 0, 5),)}
    plane.run(1_000, 0)
    assert plane.p0.leader == -1
    plane.run(1_500, 0)
    assert plane.p0.leader == 0


# --- clients and step-down ------------------------------------------------------------------------------


def test_a_topic_is_answered_when_it_is_committed() -> None:
    plane = ControlPlane()
    for broker in range(3):
        plane.register(broker)
    plane.run(100, 0, 1, 2)
    plane.controller.create_topic(plane.now, 5, _create("orders"))
    plane.collect()
    assert plane.replies == {}
    plane.settle()
    reply = plane.replies[5]
    assert isinstance(reply, TopicCreatedResponse)
    assert plane.metadata.topics["orders"].topic_id == reply.topic_id
    plane.controller.create_topic(plane.now, 6, _create("orders"))
    plane.settle()
    assert _error(plane, 6) is ErrorCode.TOPIC_EXISTS


def test_step_down_answers_what_is_in_flight_as_unknown() -> None:
    plane = started()
    plane.controller.create_topic(plane.now, 5, _create("more"))
    plane.controller.step_down(plane.now)
    plane.collect()
    assert _error(plane, 5) is ErrorCode.LEADERSHIP_LOST


def test_nothing_proposed_is_definite() -> None:
    plane = started()
    plane.leading = False
    plane.controller.create_topic(plane.now, 5, _create("more"))
    plane.collect()
    assert _error(plane, 5) is ErrorCode.NOT_CONTROLLER


def test_a_request_that_is_not_committed_in_time_is_unknown() -> None:
    plane = started()
    plane.controller.create_topic(plane.now, 5, _create("more", timeout_ms=300))
    for _ in range(5):
        plane.now += 100 * MS
        for broker in range(3):
            plane.beat(broker)
        plane.controller.tick(plane.now)
    plane.collect()
    assert _error(plane, 5) is ErrorCode.TIMED_OUT
    plane.settle()  # committed after all: the client is not answered twice


def test_unfencing_and_its_elections_are_one_entry() -> None:
    plane = ControlPlane(1)
    plane.start(min_isr=1, partitions=2, factor=1)
    plane.register(0)
    length = len(plane.log)
    plane.run(100, 0)
    (records,) = plane.entries_since(length)
    assert [type(record) for record in records] == [BrokerUnfenced, PartitionChanged, PartitionChanged]


def _error(plane: ControlPlane, request_id: int) -> ErrorCode:
    reply = plane.replies[request_id]
    assert isinstance(reply, ErrorResponse)
    return reply.error


def _create(topic: str, timeout_ms: int = 5000) -> CreateTopicRequest:
    return CreateTopicRequest(topic, 1, 3, 2, timeout_ms=timeout_ms)
