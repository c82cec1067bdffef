"""Ends that nobody asked for: a broker that is gone by itself, a lost carrier of traffic."""

from __future__ import annotations

import msgspec
import pytest

from skerry.engine.capabilities import Capabilities, all_features
from skerry.engine.world import Drain, Heal, HealAll, Inject, InjectorView, Observation, ProcessState, StartWorkload
from skerry.experiment import Verdict
from skerry.history.records import FaultStep

SAID = "it exited with code 3; its log ends with: the address is in use"


def with_exit(observation: Observation) -> Observation:
    gone = msgspec.structs.replace(observation.brokers[1], reachable=False, process=ProcessState.GONE, exited=SAID)
    return msgspec.structs.replace(observation, brokers=(observation.brokers[0], gone, observation.brokers[2]))


def with_lost_carrier(observation: Observation) -> Observation:
    return msgspec.structs.replace(observation, injector=InjectorView(False, "the proxy died", essential=True))


def test_a_broker_that_does_not_start_is_named_with_its_last_words_at_once(conductor, toy):
    world = toy()
    honest = world.observe
    world.observe = lambda: with_exit(honest())
    world.run(conductor(), seconds=1)
    assert (world.finish.verdict, world.finish.reason) == (Verdict.INCONCLUSIVE, "BrokersNotReady")
    assert world.finish.message == f"Broker 1 did not start: {SAID}."
    assert not world.of(StartWorkload)


@pytest.mark.parametrize(
    ("offset_ms", "error_ms", "refused"),
    [(-1500, 1, True), (300, 40, True), (-25, 3, True), (25, 6, False), (19, 0, False), (None, 0, False)],
)
def test_clocks_that_certainly_disagree_end_the_run_before_anything_is_injected(
    conductor, toy, offset_ms, error_ms, refused
):
    """The planted bug: a controller whose clock was 300 ms behind made its failover look 300 ms quicker."""

    def skewed(seen: Observation) -> Observation:
        offset_ns = None if offset_ms is None else offset_ms * 10**6
        views = [
            msgspec.structs.replace(view, clock_offset_ns=offset_ns, clock_error_ns=error_ms * 10**6)
            if view.ordinal == 2
            else view
            for view in seen.brokers
        ]
        return msgspec.structs.replace(seen, brokers=tuple(views))

    world = toy()
    honest = world.observe
    world.observe = lambda: skewed(honest())
    world.run(
        conductor(capabilities=Capabilities("toy", all_features(), frozenset({"skerry"}), clock_error_ns=20 * 10**6))
    )
    if not refused:
        assert world.finish.verdict is Verdict.PASS
        return
    assert (world.finish.verdict, world.finish.reason) == (Verdict.INCONCLUSIVE, "ClocksDisagree")
    side = "behind" if offset_ms < 0 else "ahead of"
    assert world.finish.message.startswith(
        f"The wall clock of broker 2 is {abs(offset_ms)} ms {side} the recorder's, and 20 ms are allowed for"
    )
    assert not world.of(Inject)


@pytest.mark.parametrize("phase", ["Injecting", "Verifying", "Holding", "Healing"])
def test_nobody_waits_for_a_measurement_that_cannot_come(conductor, toy, phase):
    """The samples come with the workload, and it is gone: what is shown is the last that it saw."""
    world = toy(report_delay_ns=200_000_000)
    conduct = conductor()
    world.run(conduct, until=lambda: conduct.phase == phase)
    honest, last = world.observe, world.observe()
    lost = msgspec.structs.replace(last.workload, lost="its pod was deleted")

    def spoiled() -> Observation:
        seen = honest()
        return msgspec.structs.replace(last, workload=lost, reports=seen.reports, findings=seen.findings)

    world.observe = spoiled
    world.run(conduct, seconds=30)  # again: far less than the 60 s
    assert (world.finish.verdict, world.finish.reason) == (Verdict.INCONCLUSIVE, "WorkloadLost")
    assert world.finish.message == "The workload is gone: its pod was deleted."
    assert world.standing == {}
    said = [finding.message for finding in world.finish.findings if finding.reason == "NotHealed"]
    assert said == ["`cut` was lifted, and nobody is left to measure that it is gone"]
    assert world.of(HealAll), "so the broom comes too"


@pytest.mark.parametrize("phase", ["SteadyState", "Injecting", "Verifying", "Holding", "Healing", "Recovering"])
@pytest.mark.parametrize(
    ("spoil", "reason", "message"),
    [
        (with_exit, "BrokerExited", f"No fault took broker 1: {SAID}."),
        (
            with_lost_carrier,
            "InjectorLost",
            "What carries the traffic between the brokers is lost: the proxy died.",
        ),
    ],
)
def test_the_run_is_healed_drained_and_inconclusive(conductor, toy, phase, spoil, reason, message):
    world = toy(report_delay_ns=200_000_000)
    conduct = conductor()
    world.run(conduct, until=lambda: conduct.phase == phase)
    honest = world.observe
    world.observe = lambda: spoil(honest())
    world.run(conduct, seconds=30)  # far less than the 60 s that a heal may take: nobody waits for what is gone
    assert (world.finish.verdict, world.finish.reason, world.finish.message) == (Verdict.INCONCLUSIVE, reason, message)
    assert world.standing == {}
    assert len(world.of(Heal)) >= len(world.of(Inject))
    assert bool(world.of(Drain)) == bool(world.of(StartWorkload))


def test_a_cut_is_lost_with_its_carrier(conductor, toy):
    """The run ends by the same turn; what rests on the cut must still not count the time after it."""
    world = toy()
    conduct = conductor()
    world.run(conduct, until=lambda: conduct.phase == "Holding")
    honest = world.observe
    world.observe = lambda: with_lost_carrier(honest())
    world.run(conduct, seconds=30)
    (lost,) = [event for event in world.fault_events if event.step is FaultStep.LOST]
    assert lost.detail == "the proxy died"


def test_what_is_not_healed_says_what_was_measured_last(conductor, toy):
    world = toy()
    world.heal = lambda occurrence: None  # reported done, and it stays
    world.run(conductor())
    (said,) = {finding.message for finding in world.finish.findings if finding.reason == "NotHealed"}
    assert said.startswith("`cut` was not healed: it is not measured to be gone (")
    assert " on Raft " in said


def test_what_cannot_be_healed_says_why(conductor, toy):
    world = toy(fails=(Heal,))
    world.run(conductor())
    (said,) = {finding.message for finding in world.finish.findings if finding.reason == "NotHealed"}
    assert said == "`cut` was not healed: its heal was never reported done (the toy refuses)"
