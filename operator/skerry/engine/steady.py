"""Is the cluster as it should be when nothing is broken? What is missing, as words; empty: nothing."""

from __future__ import annotations

from skerry.engine.cluster_view import ClusterView, cluster_view_of
from skerry.engine.observation import Observation
from skerry.experiment.document import Spec

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
                f"{allowed_ns // 10**6} ms are allowed for: elections and ISR changes are stamped by such clocks; keep "
                "the machines' clocks together (NTP)."
            )
    return ""


def cluster_missing(spec: Spec, observation: Observation, now_ns: int, age_ns: int) -> str:
    """A controller, a leader and a full ISR everywhere, on samples that are young enough."""
    missing = brokers_missing(spec, observation, now_ns, age_ns)
    if missing:
        return missing
    cluster_view = cluster_view_of(observation, spec.topic.name, now_ns - age_ns)
    if cluster_view.controller < 0:
        return "there is no controller"
    for partition in range(spec.topic.partitions):
        found = cluster_view.partitions.get(partition)
        name = f"{spec.topic.name}-{partition}"
        if found is None:
            return f"{name} is not there"
        if found.leader < 0:
            return f"{name} has no leader"
        if len(found.isr) < spec.topic.replication_factor:
            return f"the ISR of {name} has {len(found.isr)} of {spec.topic.replication_factor} replicas"
    return ""


def placement_missing(spec: Spec, cluster_view: ClusterView) -> str:
    """Controller and leaders stand where `prepare` wants them."""
    if spec.prepare is None:
        return ""
    wanted = spec.prepare.controller
    if wanted is not None and cluster_view.controller != wanted.ordinal:
        return f"the controller is broker {cluster_view.controller}, and `prepare` wants broker {wanted.ordinal}"
    for place in spec.prepare.leaders:
        found = cluster_view.partitions.get(place.partition)
        leader = -1 if found is None else found.leader
        if leader != place.ordinal:
            name = f"{spec.topic.name}-{place.partition}"
            return f"{name} is led by broker {leader}, and `prepare` wants broker {place.ordinal}"
    return ""


def writes_missing(spec: Spec, observation: Observation, now_ns: int) -> str:
    """Every partition acknowledged something a moment ago."""
    if observation.workload.lost:
        return f"the workload is gone: {observation.workload.lost}"
    if not observation.workload.started:
        return "the workload has not started"
    interval_ns = observation.workload.partition_interval_ns
    fresh_ns = max(WRITES_FLOW_WITHIN_NS, 5 * interval_ns) * spec.cluster.timing.factor
    last = {each.partition: each.last_ns for each in observation.workload.partitions}
    for partition in range(spec.topic.partitions):
        seen_ns = last.get(partition, -1)
        if seen_ns < 0:
            return f"{spec.topic.name}-{partition} has not acknowledged a write yet"
        if seen_ns < now_ns - fresh_ns:
            return f"{spec.topic.name}-{partition} acknowledges no writes"
    return ""
