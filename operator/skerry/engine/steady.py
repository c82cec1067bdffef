"""Is the cluster as it should be when nothing is broken? What is missing, as words; empty: nothing."""

from __future__ import annotations

from skerry.engine.observation import Observation
from skerry.experiment.document import Spec
from skerry.targets.registry import rules_of

WRITES_FLOW_WITHIN_NS = 1_000_000_000
"""A partition takes writes when its last acknowledgement is no older than this (or five of the
intervals at which the workload means to write to it)."""


def brokers_missing(spec: Spec, observation: Observation, now_ns: int, age_ns: int) -> str:
    """Every broker answers and is registered."""
    for ordinal in range(spec.cluster.brokers):
        view = observation.broker(ordinal)
        if view is None or not view.reachable or view.sampled_ns < now_ns - age_ns:
            return f"broker {ordinal} does not answer"
        if view.broker_epoch < 0:
            return f"broker {ordinal} is not registered"
    return ""


def timing_mismatch(spec: Spec, observation: Observation) -> str:
    """A broker that runs with another preset: every limit would be judged by the wrong measure."""
    for view in observation.brokers:
        if view.timing and view.timing != spec.cluster.timing:
            return (
                f"Broker {view.ordinal} runs with timing {view.timing}, and the document says {spec.cluster.timing}: "
                "make `cluster.timing` the same."
            )
    return ""


def clocks_disagree(observation: Observation, allowed_ns: int) -> str:
    """A broker whose wall clock is certainly further from the runner's than may be passed over: what it stamps cannot
    be compared with what others stamp. A clock that nobody measured says nothing."""
    for view in observation.brokers:
        offset_ns = view.clock_offset_ns
        if offset_ns is not None and abs(offset_ns) - view.clock_error_ns > allowed_ns:
            side = "ahead of" if offset_ns > 0 else "behind"
            return (
                f"The wall clock of broker {view.ordinal} is {abs(offset_ns) // 10**6} ms {side} the recorder's, and "
                f"{allowed_ns // 10**6} ms are allowed for: elections are stamped by such clocks; keep "
                "the machines' clocks together (NTP)."
            )
    return ""


def cluster_missing(spec: Spec, observation: Observation, now_ns: int, age_ns: int) -> str:
    """Every broker is there and the cluster is whole, by the rules of its system, on samples that are young enough."""
    missing = brokers_missing(spec, observation, now_ns, age_ns)
    rules = rules_of(spec)
    return missing or rules.missing(rules.roles(observation, now_ns - age_ns))


def placement_missing(spec: Spec, observation: Observation, now_ns: int, age_ns: int) -> str:
    """Everybody stands where the document wants it before the faults."""
    rules = rules_of(spec)
    return rules.misplaced(rules.roles(observation, now_ns - age_ns))


def writes_missing(spec: Spec, observation: Observation, now_ns: int) -> str:
    """Everything that is written to acknowledged something a moment ago."""
    if observation.workload.lost:
        return f"the workload is gone: {observation.workload.lost}"
    if not observation.workload.started:
        return "the workload has not started"
    interval_ns = observation.workload.partition_interval_ns
    fresh_ns = max(WRITES_FLOW_WITHIN_NS, 5 * interval_ns) * spec.cluster.timing.factor
    last = {each.partition: each.last_ns for each in observation.workload.partitions}
    for unit, name in rules_of(spec).units.items():
        seen_ns = last.get(unit, -1)
        if seen_ns < 0:
            return f"{name} has not acknowledged a write yet"
        if seen_ns < now_ns - fresh_ns:
            return f"{name} acknowledges no writes"
    return ""
