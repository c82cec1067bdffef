"""Every kind of expectation by histories of a few records: one that it passes, those it fails, those that say nothing.

Times are milliseconds. The fault `cut` isolates broker 0 from 1 and 2: it takes effect at 5,000 (its bracket ends at
5,010) and is healed at 15,000 (15,010). Broker 0 leads partition 0 in epoch 1 before it. The run ends at 25,000.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from skerry.checker.evaluate import evaluate
from skerry.checker.models.log import MODEL
from skerry.expectations.registry import EXPECTATIONS
from skerry.experiment import Finding, FindingKind, Verdict, load_document
from skerry.history import History
from skerry.history.records import (
    BrokerSample,
    ElectionSeen,
    FaultEvent,
    FaultStep,
    FindingSeen,
    Footer,
    Header,
    MetricSample,
    Outcome,
    PhaseEvent,
    ProcessExit,
    Produce,
    Stall,
    StatusSample,
    TopicCreate,
)

MS = 1_000_000
WALL = 1_700_000_000_000_000_000
PASS, FAIL, INCONCLUSIVE = Verdict

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {{name: isolation}}
spec:
  hypothesis: It holds.
  cluster: {{brokers: 3, timing: {timing}}}
  topic: {{name: t, partitions: 1}}
  {extra}
  faults:
{faults}
  expect:
  - {{name: it, {rule}}}
"""
CUT = """  - name: cut
    startAfter: 5s
    duration: 10s
    partition:
      groups: [[{ordinal: 0}], [{role: Other}]]
      planes: [Raft, Replication]"""
KILLS = """  - {name: one, kill: {target: {ordinal: 1}, how: Process, downFor: 10s}}
  - {name: two, startAfter: 5s, kill: {target: {ordinal: 2}, how: Process, downFor: 5s}}"""


def document(rule, faults=CUT, timing="Default", extra="allow: [QuorumLoss, BelowMinIsr]"):
    return load_document(DOCUMENT.format(rule=rule, faults=faults, timing=timing, extra=extra), source_name="test")


def step(kind, at, fault="cut", groups=((0,), (1, 2)), what="partition", occurrence=0):
    return FaultEvent(
        fault, occurrence, kind, at * MS, (at + 10) * MS, wall_ns=WALL + at * MS, kind=what, groups=groups
    )


def happening(start=5000, end=15_000, **more):
    """One whole occurrence, verified."""
    return [
        step(FaultStep.INJECTING, start, **more),
        step(FaultStep.EFFECTIVE, start, **more),
        step(FaultStep.VERIFIED, start + 300, **more),
        step(FaultStep.HEALING, end, **more),
        step(FaultStep.HEALED, end, **more),
    ]


def status(broker, at, *, leader=0, epoch=1, isr=(0, 1, 2), term=1, controller=1, role=None, **more):
    role = role or ("Leader" if leader == broker else "Follower")
    sample = BrokerSample("t", 0, leader, epoch, isr, (), 0, 0, role)
    return StatusSample(
        broker, at * MS, (at + 5) * MS, True, term=term, controller=controller, partitions=(sample,), **more
    )


def election(epoch, leader, at, seen=None):
    return ElectionSeen("t", 0, leader, epoch, WALL + at * MS, (seen or at + 50) * MS)


def write(start, end=None, *, leader=0, epoch=1, outcome=Outcome.OK, acks="All", **more):
    write.n += 1
    ok = outcome is Outcome.OK
    end = start + 2 if end is None else end
    return Produce(
        1,
        "t",
        0,
        start * MS,
        end * MS,
        outcome,
        acks,
        1 << 40 | write.n,
        1,
        base_offset=write.n if ok else -1,
        leader=leader if ok else -1,
        leader_epoch=epoch if ok else -1,
        **more,
    )


write.n = 0


def writes(start, end, every=10, **more):
    return [write(at, **more) for at in range(start, end, every)]


def outage(start, end):
    """A write that waited all the time and never was answered."""
    return [write(start, end, outcome=Outcome.UNKNOWN)]


def wide(by, start=5000, end=15_000):
    """A fault of which nobody knows better than to ``by`` ms when it took effect."""
    return [
        replace(event, after_ns=event.before_ns + by * MS) if event.step is FaultStep.EFFECTIVE else event
        for event in happening(start, end)
    ]


def probe(start, to=0, outcome=Outcome.FAILED, **more):
    return write(start, directed_to=to, outcome=outcome, leader=to, **more)


def metric(name, at, value, broker=1, **labels):
    return MetricSample(broker, at * MS, name, labels, value)


def elected_metric(at, epoch=2, scraped=6000):
    name = "broker_partition_leader_elected_timestamp_seconds"
    return metric(name, scraped, (WALL + at * MS) / 1e9, topic="t", partition="0", leader_epoch=str(epoch))


def isr_full_metric(at, scraped=20_000):
    name = "broker_partition_isr_full_timestamp_seconds"
    return metric(name, scraped, (WALL + at * MS) / 1e9, topic="t", partition="0")


BEFORE = [status(b, 4000) for b in (0, 1, 2)]
END = [PhaseEvent("Draining", 24_000 * MS), Footer(25_000 * MS)]


def judge(rule, records, faults=None, *, clock_error=0, document_faults=CUT, **options):
    faults = happening() if faults is None else faults
    header = Header(1, "isolation", "", "sim", 7, WALL, "test", 3, clock_error_ns=clock_error * MS)
    (finding,) = evaluate(
        History([header, *faults, *records, *END]), document(rule, document_faults, **options), MODEL.expectations
    )
    assert finding.name == "it"
    assert finding.rule == rule.partition(":")[0]
    return finding


def assert_judged(verdict, rule, records, *words, reason="", **options):
    finding = judge(rule, records, **options)
    assert finding.verdict is verdict, finding
    assert finding.reason == reason, finding
    for word in words:
        assert word in f"{finding.message} | {finding.measured} | {finding.limit}", finding
    return finding


# --- the registry and the rules that are the same for all -----------------------------------------------


def test_every_expectation_of_the_vocabulary_has_a_judge():
    assert list(MODEL.expectations) == list(EXPECTATIONS)


CHANGE = "leaderChange: {partition: 0, within: 3s, of: cut}"
CHANGED = [*BEFORE, election(2, 2, 6500), status(2, 6600, leader=2, epoch=2), status(2, 9000, leader=2, epoch=2)]


def test_a_fault_that_never_happened_says_nothing():
    assert_judged(INCONCLUSIVE, CHANGE, CHANGED, "never injected", reason="NotInjected", faults=[])


@pytest.mark.parametrize(
    ("dropped", "added", "reason"),
    [
        (FaultStep.VERIFIED, None, "NotVerified"),
        (FaultStep.EFFECTIVE, None, "NotVerified"),
        (None, FaultStep.UNVERIFIED, "NotVerified"),
        (None, FaultStep.LOST, "FaultLost"),
    ],
)
def test_a_fault_that_was_not_verified_says_nothing(dropped, added, reason):
    faults = [event for event in happening() if event.step is not dropped]
    faults += [step(added, 5400)] if added else []
    assert_judged(INCONCLUSIVE, CHANGE, CHANGED, reason=reason, faults=faults)


def test_an_expectation_that_names_no_fault_rests_on_all_of_them():
    faults = [event for event in happening() if event.step is not FaultStep.VERIFIED]
    assert_judged(INCONCLUSIVE, "maxWriteGap: {atMost: 1s}", [], reason="NotVerified", faults=faults)


def test_a_crashed_judge_is_inconclusive():
    def crash(body, run):
        raise KeyError("leader")

    header = Header(1, "isolation", "", "sim", 7, WALL, "test", 3)
    history = History([header, *happening(), *END])
    (finding,) = evaluate(history, document(CHANGE), {"leaderChange": crash})
    assert (finding.verdict, finding.reason) == (INCONCLUSIVE, "CheckerCrashed")
    (finding,) = evaluate(history, document(CHANGE), {})
    assert (finding.verdict, finding.reason) == (INCONCLUSIVE, "NotEvaluated")


LATE = [*BEFORE, election(2, 2, 8600), status(2, 9000, leader=2, epoch=2)]


@pytest.mark.parametrize(
    ("stall", "verdict"),
    [
        (Stall(-1, 6000 * MS, 6300 * MS), INCONCLUSIVE),
        (Stall(-1, 6000 * MS, 6150 * MS), FAIL),  # too short
        (Stall(-1, 1000 * MS, 1300 * MS), FAIL),  # before the window
        (Stall(2, 6000 * MS, 6300 * MS), FAIL),  # the fault names this broker
        (Stall(7, 6000 * MS, 6300 * MS), INCONCLUSIVE),
        (Stall(-2, 6000 * MS, 6300 * MS), FAIL),  # the proxies are not what is judged
    ],
)
def test_a_stall_voids_an_upper_bound_that_failed(stall, verdict):
    finding = judge(CHANGE, [*LATE, stall])
    assert finding.verdict is verdict, finding
    assert (finding.reason == "Stalled") == (verdict is INCONCLUSIVE)


def test_a_stall_voids_no_upper_bound_that_held():
    assert judge(CHANGE, [*CHANGED, Stall(-1, 6000 * MS, 6300 * MS)]).verdict is PASS


def test_limits_are_scaled_by_the_timing_preset():
    assert judge(CHANGE, LATE).verdict is FAIL
    assert_judged(PASS, CHANGE, LATE, "9.00 s", timing="Relaxed")


# --- leaders --------------------------------------------------------------------------------------------


def test_leader_change():
    finding = assert_judged(PASS, CHANGE, CHANGED, "broker 2 took over from broker 0 in epoch 2", "1.5")
    assert finding.fault == "cut"
    assert len(finding.witness) == 3


def test_leader_change_by_status_alone():
    assert_judged(PASS, CHANGE, [*BEFORE, status(2, 6600, leader=2, epoch=2)], "1.59-1.60 s")


def test_the_same_broker_leads_again_as_another_process():
    """After a restart of all either may win; one that never went away and leads on has not changed."""
    old, new = (status(0, 4500, incarnation="a"), status(0, 6600, epoch=2, incarnation="b"))
    assert_judged(PASS, CHANGE, [*BEFORE, old, new], "broker 0 leads again in epoch 2, 1.59-1.60 s")
    stayed = replace(new, incarnation="a")
    assert_judged(FAIL, CHANGE, [*BEFORE, old, stayed, status(0, 9000, epoch=2)], reason="NoLeaderChange")


def test_leader_change_too_late():
    assert_judged(FAIL, CHANGE, LATE, "3.59", reason="TooLate")


def test_leader_change_counts_from_the_early_edge_of_the_bracket():
    assert judge(CHANGE, [*BEFORE, election(2, 2, 8000), status(1, 9000, leader=2, epoch=2)]).verdict is PASS
    assert judge(CHANGE, [*BEFORE, election(2, 2, 8001), status(1, 9000, leader=2, epoch=2)]).verdict is FAIL


@pytest.mark.parametrize(
    ("bracket_ms", "elected", "verdict"),
    [
        (300, 8001, FAIL),  # a tenth of the limit: judged by the early edge
        (2000, 8000, PASS),  # in time from every moment of the bracket
        (2000, 9000, INCONCLUSIVE),  # 2 to 4 s: nobody knows
        (2000, 10_001, FAIL),  # late from every moment of it
    ],
)
def test_a_wide_bracket_decides_nothing_by_itself(bracket_ms, elected, verdict):
    records = [*BEFORE, election(2, 2, elected), status(1, 10_200, leader=2, epoch=2)]
    finding = judge(CHANGE, records, wide(bracket_ms))
    assert (finding.verdict, finding.reason == "BracketTooWide") == (verdict, verdict is INCONCLUSIVE), finding


@pytest.mark.parametrize(
    ("bracket_ms", "ends", "verdict"),
    [
        (150, 7100, FAIL),  # from the early edge on: 2.1 s of at most 2
        (1700, 6900, PASS),
        (1700, 7400, INCONCLUSIVE),  # of the gap from 5.0 to 7.4 s only 0.7 s lie behind the late edge
        (1700, 9000, FAIL),
    ],
)
def test_a_gap_counts_from_the_early_edge_of_the_bracket(bracket_ms, ends, verdict):
    """A window that began at the late edge, behind the gap, said 0.2 s beside a client that had waited a second."""
    records = [*writes(1000, 5000), *outage(4992, ends), *writes(ends, 24_000)]
    assert judge(GAP, records, wide(bracket_ms)).verdict is verdict


def test_epochs_in_the_bracket_count_against_the_system():
    none = "epochsGrowAtMost: {by: 0, during: cut}"
    assert_judged(FAIL, none, CHANGED, reason="TooManyElections", faults=wide(500))
    assert_judged(INCONCLUSIVE, none, CHANGED, reason="BracketTooWide", faults=wide(2000))


def test_the_leaders_that_prepare_moved_are_no_storm():
    moved = [election(2, 1, 2000), election(3, 2, 2500), status(1, 3000, leader=2, epoch=3)]
    assert judge("epochsGrowAtMost: {by: 0}", [*moved, status(1, 20_000, leader=2, epoch=3)]).verdict is PASS
    later = [*moved, election(4, 0, 17_000), status(1, 20_000, leader=0, epoch=4)]
    assert judge("epochsGrowAtMost: {by: 0}", later).verdict is FAIL


def test_what_was_settled_before_a_fault_was_lost_stands():
    lost = [event for event in happening() if event.step is not FaultStep.HEALING]
    lost.insert(3, step(FaultStep.LOST, 9000))
    assert_judged(PASS, CHANGE, CHANGED, faults=lost)  # settled at 6.5 s
    assert_judged(INCONCLUSIVE, GAP, AROUND, "ended by itself at 9.00 s", reason="FaultLost", faults=lost)
    slow = [*writes(1000, 5000), *outage(4992, 8000), *writes(8000, 24_000)]
    assert_judged(FAIL, GAP, slow, reason="GapTooLong", faults=lost)  # over before it was lost
    whole = [leader2(15_500, (1, 2)), leader2(17_000, (0, 1, 2))]
    assert_judged(INCONCLUSIVE, WHOLE, whole, reason="FaultLost", faults=lost)


LOST_CARRIER = Finding(FindingKind.RUN, "run", INCONCLUSIVE, "the proxy is gone", reason="InjectorLost")
KILLED = Finding(FindingKind.RUN, "run", INCONCLUSIVE, "broker 1 is gone", reason="BrokerExited")


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([], FAIL),
        ([FindingSeen(18_900 * MS, LOST_CARRIER)], INCONCLUSIVE),
        ([FindingSeen(19_300 * MS, LOST_CARRIER)], FAIL),  # it was 19.01 s that it had time until
        ([FindingSeen(18_900 * MS, replace(LOST_CARRIER, reason="NotHealed"))], FAIL),
        ([FindingSeen(18_900 * MS, KILLED)], INCONCLUSIVE),
        ([FindingSeen(18_900 * MS, KILLED), ProcessExit(1, 18_900 * MS, -9, "")], INCONCLUSIVE),
        ([FindingSeen(18_900 * MS, KILLED), ProcessExit(1, 18_900 * MS, 1, "AssertionError")], FAIL),
    ],
)
def test_what_others_did_convicts_nobody(found, verdict):
    """A proxy that died took the brokers' links with it, and an ISR that shrank by that counted as a flap."""
    flap = [leader2(15_500, (0, 1, 2)), leader2(18_950, (1, 2))]
    finding = judge(WHOLE, [*flap, *found])
    assert (finding.verdict, finding.reason == "IsrFlapped") == (verdict, verdict is FAIL), finding


def test_what_held_before_others_came_stands():
    back = [leader2(15_500, (1, 2)), leader2(17_000, (0, 1, 2))]
    assert judge(WHOLE, [*back, FindingSeen(18_000 * MS, LOST_CARRIER)]).verdict is PASS


def test_leader_change_needs_another_leader():
    same = [*BEFORE, election(2, 0, 6500), election(3, -1, 6600), status(1, 9000, leader=0, epoch=3)]
    assert_judged(FAIL, CHANGE, same, reason="NoLeaderChange")


def test_leader_change_that_nobody_looked_for():
    assert_judged(INCONCLUSIVE, CHANGE, BEFORE, reason="NoSamples")
    assert_judged(INCONCLUSIVE, CHANGE, [status(1, 9000, leader=2, epoch=2)], reason="NoEvidence")


def test_controller_change():
    rule = "leaderChange: {controller: true, within: 3s, of: cut}"
    new = status(2, 6500, term=2, controller=2)
    assert_judged(PASS, rule, [*BEFORE, new], "broker 2 took over from broker 1 in epoch 2")
    assert_judged(FAIL, rule, [*BEFORE, status(2, 9000)], reason="NoLeaderChange")


STAYS = "noLeaderChange: {partition: 0, during: cut}"


def test_no_leader_change():
    quiet = [*BEFORE, status(0, 9000)]
    assert_judged(PASS, STAYS, quiet, "broker 0 stayed leader in epoch 1")
    assert_judged(FAIL, STAYS, CHANGED, "epoch 2 (broker 2) was committed 1.50 s after", reason="LeaderChanged")
    after_heal = [*quiet, election(2, 1, 15_200), status(0, 16_000, leader=1, epoch=2)]
    assert judge(STAYS, after_heal).verdict is PASS
    assert_judged(INCONCLUSIVE, STAYS, BEFORE, reason="NoEvidence")


GROWTH = "epochsGrowAtMost: {by: 1, during: cut}"


def test_epochs_grow_at_most():
    assert_judged(PASS, GROWTH, CHANGED, "grew by 1 (from 1 to 2)")
    storm = [*CHANGED, election(3, 1, 7000), election(4, 2, 8000)]
    assert_judged(FAIL, GROWTH, storm, "grew by 3 (from 1 to 4)", reason="TooManyElections")
    assert (
        judge("epochsGrowAtMost: {by: 0, after: cut}", [*storm, status(1, 20_000, leader=2, epoch=4)]).verdict is PASS
    )
    assert judge("epochsGrowAtMost: {by: 0}", storm).verdict is FAIL
    assert_judged(INCONCLUSIVE, GROWTH, [], reason="NoEvidence")


def test_terms_grow_at_most():
    rule = "epochsGrowAtMost: {by: 1, controller: true}"
    assert judge(rule, [*BEFORE, status(1, 9000, term=2, controller=2)]).verdict is PASS
    assert judge(rule, [*BEFORE, status(1, 9000, term=5, controller=2)]).verdict is FAIL


DOWN = "stepsDown: {target: {role: PartitionLeader, partition: 0}, within: 2s, afterHealOf: cut}"


def test_steps_down():
    follows = status(0, 16_000, leader=2, epoch=2, truncated_records=7)
    assert_judged(PASS, DOWN, [*CHANGED, follows], "broker 0 followed a later epoch", "truncated 7 records")
    still = [*CHANGED, status(0, 16_000), status(0, 17_500, leader=2, epoch=2)]
    assert_judged(FAIL, DOWN, still, "broker 0 still led in epoch 1", reason="StillLeads")
    assert_judged(INCONCLUSIVE, DOWN, CHANGED, reason="NoSamples")
    assert_judged(INCONCLUSIVE, DOWN, [*BEFORE, status(0, 16_000)], reason="NeverReplaced")
    assert_judged(INCONCLUSIVE, DOWN, [], reason="Unresolved")


def test_steps_down_of_a_broker_that_led_nothing():
    rule = "stepsDown: {target: {ordinal: 2}, within: 2s, afterHealOf: cut}"
    assert_judged(INCONCLUSIVE, rule, CHANGED, reason="NotALeader")


# --- durations from metrics -----------------------------------------------------------------------------

FAILOVER = "failover: {partition: 0, atMost: 3s, of: cut}"
AROUND = [*writes(1000, 5000), *outage(4992, 6700), *writes(6700, 24_000, leader=2, epoch=2)]


def test_failover():
    finding = assert_judged(PASS, FAILOVER, [*CHANGED, elected_metric(6500), *AROUND], "failover 1.50 s", "was 1.70 s")
    assert (finding.limit, finding.measured) == ("3.00 s", "1.50 s")


def test_failover_is_the_earliest_election_after_the_fault():
    samples = [elected_metric(1000, 1), elected_metric(9000, 3, 10_000), elected_metric(6500, 2)]
    assert judge(FAILOVER, [*CHANGED, *samples, *AROUND]).measured == "1.50 s"


def test_failover_too_slow():
    around = [*writes(1000, 5000), *outage(4992, 8800), *writes(8800, 24_000, leader=2, epoch=2)]
    slow = [*BEFORE, election(2, 2, 8600), elected_metric(8600, 2, 9000), *around]
    assert_judged(FAIL, FAILOVER, slow, "failover 3.60 s", reason="TooSlow")


def test_failover_without_a_sample_or_a_later_election():
    assert_judged(INCONCLUSIVE, FAILOVER, [*CHANGED, *AROUND], reason="NoSample")
    assert_judged(INCONCLUSIVE, FAILOVER, [*CHANGED, elected_metric(1000, 1), *AROUND], reason="EmptyResult")


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([*BEFORE, election(2, 2, 6500), elected_metric(6600), *AROUND], "stamps the same election 1.50 s"),
        ([*BEFORE, status(2, 6000, leader=2, epoch=2), elected_metric(6500), *AROUND], "was seen 1.00 s after"),
        ([*CHANGED, elected_metric(6500), *writes(1000, 24_000)], "no client waited that long"),
    ],
)
def test_failover_that_the_history_contradicts(records, words):
    assert_judged(INCONCLUSIVE, FAILOVER, records, words, reason="ClocksDisagree")


def controller_asked(at, behind_ms=0, epoch=1):
    """The controller's own answer, with what was measured of its wall clock."""
    leader = 0 if epoch == 1 else 2
    off = -behind_ms * MS
    return status(1, at, leader=leader, epoch=epoch, raft_role="Leader", clock_low_ns=off, clock_high_ns=off + MS)


@pytest.mark.parametrize("behind_ms", [0, 300, 2000])
def test_the_clock_of_the_controller_does_not_shorten_a_change_of_leader(behind_ms):
    """Elected at 6.5 s, 1.5 s after the fault, whatever its stamp says."""
    records = [*BEFORE, controller_asked(4500, behind_ms), controller_asked(6400, behind_ms)]
    records += [election(2, 2, 6500 - behind_ms, seen=6600), controller_asked(6700, behind_ms, epoch=2)]
    finding = judge("leaderChange: {partition: 0, within: 2s, of: cut}", records)
    assert (finding.verdict, finding.measured) == (PASS, "1.49-1.50 s")
    assert judge("leaderChange: {partition: 0, within: 1200ms, of: cut}", records).verdict is FAIL


def test_a_stamp_that_the_samples_contradict_does_not_count():
    """Nobody measured its clock: what the controller said of itself bounds the stamp from below."""
    records = [*BEFORE, controller_asked(6400), election(2, 2, 5600, seen=6600)]
    assert judge("leaderChange: {partition: 0, within: 2s, of: cut}", records).measured == "1.39-1.60 s"


@pytest.mark.parametrize(
    ("stamped", "words"),
    [(6200, "there was no new leader for 1.40 s"), (4900, "its stamp says otherwise")],
    ids=["early", "before the fault"],
)
def test_failover_with_an_early_stamp(stamped, words):
    records = [*BEFORE, controller_asked(6400), election(2, 2, stamped, seen=6600), elected_metric(stamped), *AROUND]
    assert_judged(INCONCLUSIVE, FAILOVER, records, words, reason="ClocksDisagree")


def test_a_decision_that_was_long_on_its_way_to_the_disks_is_judged_by_when_it_counted():
    """The controller's clock was right before and after: it decided at 6,200, and had not committed it at 6,400."""
    asked = [controller_asked(6100), controller_asked(6400)]
    slow = [*BEFORE, *asked, election(2, 2, 6200, seen=6600), elected_metric(6200), *AROUND]
    right, set_back = controller_asked(6700, epoch=2), controller_asked(6700, behind_ms=300, epoch=2)
    took = judge(FAILOVER, [*slow, right])
    assert (took.verdict, took.measured) == (PASS, "1.40 s"), took
    assert_judged(FAIL, "failover: {partition: 0, atMost: 1300ms, of: cut}", [*slow, right], reason="TooSlow")
    assert_judged(INCONCLUSIVE, FAILOVER, [*slow, set_back], "its stamp says otherwise", reason="ClocksDisagree")


def test_failover_agrees_within_the_clock_error():
    off = [*BEFORE, election(2, 2, 6500), elected_metric(6600), *AROUND]
    assert judge(FAILOVER, off, clock_error=100).verdict is PASS


RECOVERY = "isrRecovery: {atMost: 10s, of: cut}"
SHRUNK = [*CHANGED, status(2, 8000, leader=2, epoch=2, isr=(1, 2)), status(2, 18_100, leader=2, epoch=2)]


def test_isr_recovery():
    assert_judged(PASS, RECOVERY, [*SHRUNK, isr_full_metric(18_000)], "ISR whole again 3.00 s after the heal")
    late = [*SHRUNK[:-1], status(2, 26_000, leader=2, epoch=2), isr_full_metric(25_500)]
    assert_judged(FAIL, RECOVERY, late, "10.50 s", reason="TooSlow")


def test_isr_recovery_with_an_early_stamp():
    smaller = status(2, 17_000, leader=2, epoch=2, isr=(1, 2))
    whole = status(2, 18_100, leader=2, epoch=2)
    early = [*SHRUNK[:-1], smaller, whole, isr_full_metric(16_000)]
    assert_judged(INCONCLUSIVE, RECOVERY, early, "still smaller after 2.00 s", reason="ClocksDisagree")
    around = [controller_asked(15_900, epoch=2), controller_asked(18_000, epoch=2)]
    slow = judge(RECOVERY, [*early, *around])
    assert (slow.verdict, slow.measured) == (PASS, "2.00 s"), slow
    before = [*SHRUNK[:-1], smaller, whole, isr_full_metric(14_000)]
    assert_judged(INCONCLUSIVE, RECOVERY, before, "its stamp says otherwise", reason="ClocksDisagree")


def test_isr_recovery_that_says_nothing():
    assert_judged(INCONCLUSIVE, RECOVERY, SHRUNK, reason="NoSample")
    assert_judged(INCONCLUSIVE, RECOVERY, [*SHRUNK, isr_full_metric(1000)], reason="EmptyResult")
    assert_judged(INCONCLUSIVE, RECOVERY, [*CHANGED, isr_full_metric(18_000)], reason="NeverShrank")
    contradicted = [
        *SHRUNK[:-1],
        status(2, 15_500, leader=2, epoch=2, isr=(1, 2)),
        status(2, 16_000, leader=2, epoch=2),
    ]
    assert_judged(INCONCLUSIVE, RECOVERY, [*contradicted, isr_full_metric(18_000)], reason="ClocksDisagree")


# --- who accepts writes ---------------------------------------------------------------------------------

REFUSED = "writesRefused: {by: {fault: cut, group: 0}, within: 1500ms}"


def test_writes_refused():
    probes = [probe(5500, outcome=Outcome.OK), probe(7000), probe(9000, outcome=Outcome.UNKNOWN)]
    finding = assert_judged(PASS, REFUSED, probes, "broker 0 refused all of 2 acks=All writes")
    assert finding.measured == "0 of 2 acknowledged"
    accepted = [*probes, probe(8000, outcome=Outcome.OK)]
    finding = assert_judged(FAIL, REFUSED, accepted, "acknowledged 1 of 3", reason="WriteAccepted")
    assert finding.witness == (9,)


def test_writes_refused_judges_only_the_certain_window():
    edges = [probe(6509, outcome=Outcome.OK), probe(14_990, 15_050, outcome=Outcome.OK)]
    assert judge(REFUSED, [*edges, probe(8000)]).verdict is PASS


@pytest.mark.parametrize(
    "probes",
    [[], [probe(1000), probe(16_000)], [probe(8000, to=1)], [probe(8000, acks="Leader")], [write(8000)]],
)
def test_writes_refused_needs_probes(probes):
    assert_judged(INCONCLUSIVE, REFUSED, probes, reason="NotProbed")


def test_writes_refused_for_every_acks():
    rule = "writesRefused: {by: {fault: cut, group: 0}, within: 1500ms, acks: Leader}"
    assert judge(rule, [probe(8000, acks="Leader")]).verdict is PASS
    assert judge(rule, [probe(8000, acks="Leader", outcome=Outcome.OK)]).verdict is FAIL


def test_writes_refused_by_a_broker():
    rule = "writesRefused: {by: {ordinal: 0}, within: 1500ms}"
    assert judge(rule, [probe(8000)]).verdict is PASS
    assert judge(rule, [probe(8000, outcome=Outcome.OK)]).verdict is FAIL


def test_a_stall_voids_a_refusal():
    probes = [probe(8000), probe(9000)]
    stall = Stall(-1, 8000 * MS, 8300 * MS)
    assert_judged(INCONCLUSIVE, REFUSED, [*probes, stall], reason="Stalled")
    assert judge(REFUSED, [probe(8500, outcome=Outcome.OK), stall]).verdict is FAIL


ACCEPTED = "writesAccepted: {by: {fault: cut, group: 1}, within: 3s}"


def test_writes_accepted():
    assert_judged(PASS, ACCEPTED, [write(6800, leader=2, epoch=2)], "broker 2 acknowledged a write 1.79-1.80 s after")
    assert_judged(FAIL, ACCEPTED, [write(8003, leader=2, epoch=2), status(1, 9000)], reason="TooLate")
    too_late = [write(6800, outcome=Outcome.UNKNOWN), write(8100, leader=2, epoch=2)]
    assert_judged(FAIL, ACCEPTED, too_late, reason="NothingAccepted")
    assert_judged(FAIL, ACCEPTED, [write(6800, leader=0), status(1, 9000)], reason="NothingAccepted")
    assert_judged(INCONCLUSIVE, ACCEPTED, [write(1000)], reason="NotTried")


TOPICS = "topicCreateRefused: {by: {fault: cut, group: 0}}"


def creation(start, outcome, to=0):
    return TopicCreate(5, f"probe-{start}", start * MS, (start + 5) * MS, outcome, directed_to=to)


def test_topic_create_refused():
    refusals = [creation(8000, Outcome.FAILED), creation(9000, Outcome.UNKNOWN), creation(9000, Outcome.OK, to=1)]
    assert_judged(PASS, TOPICS, refusals, "0 of 2 topic creations succeeded")
    assert_judged(FAIL, TOPICS, [*refusals, creation(9500, Outcome.OK)], reason="TopicCreated")
    assert_judged(INCONCLUSIVE, TOPICS, [creation(6000, Outcome.OK)], reason="NotProbed")


# --- availability ---------------------------------------------------------------------------------------

GAP = "maxWriteGap: {atMost: 2s, during: cut}"


def test_max_write_gap():
    assert_judged(PASS, GAP, AROUND, "1.70 s")
    long = [*writes(1000, 5000), *outage(4992, 7500), *writes(7500, 24_000)]
    finding = assert_judged(FAIL, GAP, long, "2.50 s", reason="GapTooLong")
    assert finding.partition == 0
    assert_judged(INCONCLUSIVE, GAP, writes(1000, 4000), reason="NotTried")
    assert_judged(INCONCLUSIVE, GAP, writes(1000, 24_000, acks="None"), reason="NotTried")


def test_max_write_gap_at_the_end_of_the_window():
    ends = [*writes(1000, 9000), write(9000, 30_000, outcome=Outcome.UNKNOWN)]
    assert judge(GAP, ends).verdict is FAIL
    assert judge("maxWriteGap: {atMost: 1s, afterHealOf: cut}", AROUND).verdict is PASS
    assert judge("maxWriteGap: {atMost: 1s}", AROUND).verdict is FAIL


def test_the_workloads_own_pace_and_silence_are_no_gap():
    assert judge(GAP, writes(1000, 24_000, every=3000)).verdict is PASS
    assert judge(GAP, [*writes(1000, 6000), *writes(12_000, 24_000)]).verdict is PASS
    due = [*writes(1000, 6000), write(9000, intended_ns=6000 * MS), *writes(9010, 24_000)]
    assert_judged(FAIL, GAP, due, "3.00 s", reason="GapTooLong")  # it was due and could not be sent


RATE = "throughput: {atLeastPercentOfSteady: 50, during: cut}"


def test_throughput():
    steady = writes(1000, 5000, 10)
    assert_judged(PASS, RATE, [*steady, *writes(5010, 15_000, 20)], "50 % of 100 records/s")
    assert_judged(FAIL, RATE, [*steady, *writes(5010, 15_000, 25)], "40 %", reason="TooSlow")
    assert_judged(INCONCLUSIVE, RATE, writes(5010, 15_000), reason="NoSteadyState")
    assert_judged(INCONCLUSIVE, RATE, writes(4500, 15_000), reason="NoSteadyState")


SMALLER = "inSyncReplicas: {equals: 2, within: 4s, of: cut}"
WHOLE = "inSyncReplicas: {equals: 3, within: 4s, afterHealOf: cut}"


def leader2(at, isr):
    return status(2, at, leader=2, epoch=2, isr=isr)


def test_isr_shrinks():
    assert_judged(
        PASS, SMALLER, [leader2(7000, (0, 1, 2)), leader2(8000, (1, 2)), leader2(9500, (0, 1, 2))], "ISR of 2 after"
    )
    assert_judged(FAIL, SMALLER, [leader2(7000, (0, 1, 2)), leader2(9500, (1, 2))], "ISR of 3", reason="WrongIsr")
    assert_judged(INCONCLUSIVE, SMALLER, [leader2(1000, (1, 2))], reason="NoSamples")


def test_isr_of_a_deposed_leader_does_not_count():
    deposed = status(0, 8000, leader=0, epoch=1, isr=(0, 1))
    assert judge(SMALLER, [leader2(7000, (0, 1, 2)), deposed, leader2(9500, (0, 1, 2))]).verdict is FAIL


def test_isr_is_whole_again_and_stays_so():
    back = [leader2(15_500, (1, 2)), leader2(17_000, (0, 1, 2)), leader2(20_000, (0, 1, 2))]
    assert judge(WHOLE, back).verdict is PASS
    assert_judged(FAIL, WHOLE, [*back, leader2(21_000, (1, 2))], "but of 2 again", reason="IsrFlapped")
    assert_judged(FAIL, WHOLE, [leader2(15_500, (1, 2)), leader2(19_100, (0, 1, 2))], reason="WrongIsr")


def test_isr_bounds():
    assert judge("inSyncReplicas: {atMost: 2, within: 4s, of: cut}", [leader2(8000, (2,))]).verdict is PASS
    alone = [leader2(8000, (2,)), leader2(9500, (2,))]
    assert judge("inSyncReplicas: {atLeast: 2, within: 4s, of: cut}", alone).verdict is FAIL


def test_a_limit_that_was_still_open_when_the_run_ended_has_not_failed():
    smaller = [leader2(7000, (0, 1, 2)), leader2(8000, (0, 1, 2))]
    assert_judged(INCONCLUSIVE, SMALLER, smaller, "the run was over at", reason="RunEnded")
    assert_judged(FAIL, SMALLER, [*smaller, leader2(9100, (0, 1, 2))], reason="WrongIsr")


# --- with fewer brokers ---------------------------------------------------------------------------------


def two_kills():
    """Broker 1 is down from 5 to 15 s, broker 2 from 10 to 14 s."""
    one = {"fault": "one", "groups": ((1,),), "what": "kill"}
    two = {"fault": "two", "groups": ((2,),), "what": "kill"}
    return [*happening(5000, 15_000, **one), *happening(10_000, 14_000, **two)]


def with_kills(verdict, rule, records, *words, reason=""):
    return assert_judged(verdict, rule, records, *words, reason=reason, faults=two_kills(), document_faults=KILLS)


def test_available_while_enough_are_alive():
    rule = "available: {when: {aliveAtLeast: 2}, within: 2s}"
    stops_below = [*writes(1000, 10_000), *outage(9992, 14_500), *writes(14_500, 24_000)]
    with_kills(PASS, rule, stops_below)
    with_kills(FAIL, rule, [*outage(5992, 9000), *stops_below[:500], *writes(9000, 24_000)], reason="Unavailable")
    with_kills(FAIL, "available: {within: 2s}", stops_below, reason="Unavailable")
    with_kills(INCONCLUSIVE, "available: {when: {aliveAtMost: 0}}", stops_below, reason="ConditionNeverHeld")
    with_kills(INCONCLUSIVE, rule, writes(1000, 4000), reason="NotTried")


def test_unavailable_while_too_few_are_alive():
    rule = "unavailable: {when: {aliveAtMost: 1}, within: 1s}"
    tries = [write(at, outcome=Outcome.UNKNOWN) for at in range(10_000, 14_000, 100)]
    with_kills(PASS, rule, [*writes(1000, 10_900), *tries, *writes(14_500, 20_000)], "0 of")
    with_kills(FAIL, rule, [*tries, write(12_000)], "1 of", reason="WriteAccepted")
    with_kills(PASS, rule, [*tries, write(12_000, acks="None")])  # asks for no acknowledgement
    with_kills(INCONCLUSIVE, rule, writes(1000, 9000), reason="NotTried")
    with_kills(INCONCLUSIVE, "unavailable: {when: {aliveAtMost: 0}}", tries, reason="ConditionNeverHeld")


# --- metrics --------------------------------------------------------------------------------------------

OFFLINE = "metric: {name: broker_offline_partitions, aggregate: %s, %s, during: cut}"


def offline(at, value, broker=1):
    return metric("broker_offline_partitions", at, value, broker)


@pytest.mark.parametrize(
    ("aggregate", "limit", "verdict"),
    [
        ("Max", "atMost: 3", PASS),
        ("Max", "atMost: 2", FAIL),
        ("Min", "equals: 1", PASS),
        ("Last", "equals: 2", PASS),
        ("Sum", "equals: 5", PASS),  # 3 of broker 2 and 2 of broker 1
        ("Delta", "equals: 1", PASS),
        ("Delta", "atLeast: 2", FAIL),
        ("Max", 'atMost: "2.5"', FAIL),
    ],
)
def test_metric(aggregate, limit, verdict):
    samples = [offline(1000, 9), offline(6000, 1), offline(8000, 3, broker=2), offline(9000, 2), offline(20_000, 9)]
    assert judge(OFFLINE % (aggregate, limit), samples).verdict is verdict


def test_a_counter_that_starts_again_has_not_shrunk():
    samples = [offline(6000, 5), offline(7000, 7), offline(8000, 1)]
    assert judge(OFFLINE % ("Delta", "equals: 3"), samples).measured == "3"


def test_metric_without_a_sample_is_inconclusive_never_zero():
    rule = OFFLINE % ("Max", "atMost: 3")
    assert_judged(INCONCLUSIVE, rule, [], reason="NoSample")
    assert_judged(INCONCLUSIVE, rule, [offline(1000, 0), metric("other", 6000, 0)], reason="NoSample")
    assert_judged(
        INCONCLUSIVE, rule, [offline(6000, 0, broker=-1)], reason="NoSample"
    )  # the operator's, not a broker's
    assert_judged(INCONCLUSIVE, rule, [offline(6000, float("nan"))], reason="NotANumber")


def test_metric_by_labels_and_of_the_operator():
    rule = "metric: {name: x, labels: {plane: Raft}, from: Operator, aggregate: Max, atMost: 1}"
    mine, other = metric("x", 6000, 1, -1, plane="Raft", more="1"), metric("x", 6000, 9, -1, plane="Client")
    assert judge(rule, [mine, other]).verdict is PASS


def test_promql():
    rule = 'promql: {query: "max(up)", equals: 1}'
    extra = "prometheusUrl: http://prometheus:9090"
    assert_judged(INCONCLUSIVE, rule, [], reason="EmptyResult", extra=extra)
    assert judge(rule, [metric("promql", 24_500, 1, -1, query="max(up)")], extra=extra).verdict is PASS
    values = [metric("promql", 24_500, value, -1, query="max(up)") for value in (1, 0)]
    assert_judged(FAIL, rule, values, "1 of 2 values", reason="OutOfBounds", extra=extra)
