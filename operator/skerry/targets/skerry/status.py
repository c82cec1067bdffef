"""Skerry's own broker as its `GET /status` describes it, in the words of the engine and of the history."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.engine.world import BrokerView, LinkKind, LinkView, ProcessState
from skerry.history.records import BrokerSample, ElectionSeen, StatusSample
from skerry.targets.skerry.planes import Plane
from skerry_broker.core.status import NodeStatus, PartitionStatus
from skerry_broker.status_report import PeerCheck, PeerCheckReport, StatusReport

LINK_TIMEOUT_NS = 300_000_000
"""No answer for this long is a failed link: three pings of the broker's, which sends one every 100 ms."""
PLANES = {str(plane): plane for plane in Plane}


class NodeAnswer:
    """What one broker says of itself, translated on demand.

    Only the run's own topic is translated: a name that was deleted and made anew is another topic, and no sample could
    say so; and what a cluster does with the topics of others is nobody's business here.
    """

    fsync_ns = -1
    """How long its last fsync took; -1: it does not say."""
    clock_offset_ns: int | None = None
    """Its wall clock minus the recorder's; None: not measured."""

    def __init__(self, node: NodeStatus, topic: str, timing: str) -> None:
        """``topic``: the run's own; empty: translate all. ``timing``: the preset with which it runs."""
        self._node = node
        self._topic = topic
        self._timing = timing

    @property
    def _partitions(self) -> Iterator[PartitionStatus]:
        return (each for each in self._node.partitions if not self._topic or each.partition.topic == self._topic)

    def view(self, ordinal: int, sampled_ns: int, process: ProcessState, process_sampled_ns: int) -> BrokerView:
        node = self._node
        return BrokerView(
            ordinal=ordinal,
            sampled_ns=sampled_ns,
            reachable=True,
            process=process,
            process_sampled_ns=process_sampled_ns,
            broker_epoch=node.broker_epoch,
            incarnation=node.incarnation,
            directory_id=node.directory_id,
            registered_clean=node.registered_clean,
            group_role=node.raft.role,
            term=node.raft.term,
            controller=node.controller,
            fenced=node.fenced,
            timing=self._timing,
            partitions=tuple(_partition(status) for status in self._partitions),
            log_offline=node.log_offline,
            fsync_ns=self.fsync_ns,
            clock_offset_ns=self.clock_offset_ns,
        )

    def sample(self, ordinal: int, before_ns: int, after_ns: int) -> StatusSample:
        node = self._node
        return StatusSample(
            broker=ordinal,
            before_ns=before_ns,
            after_ns=after_ns,
            reachable=True,
            broker_epoch=node.broker_epoch,
            incarnation=node.incarnation,
            group_role=node.raft.role,
            term=node.raft.term,
            controller=node.controller,
            fenced=node.fenced,
            lease_remaining_ns=node.lease_remaining_ns,
            truncations=sum(status.truncations for status in node.partitions),
            truncated_records=sum(status.truncated_records for status in node.partitions),
            partitions=tuple(_partition(status) for status in self._partitions),
        )

    def elections(self, seen_ns: int) -> Iterator[ElectionSeen]:
        for status in self._partitions:
            for election in status.elections:
                yield ElectionSeen(
                    topic=status.partition.topic,
                    partition=status.partition.partition,
                    leader=election.leader,
                    leader_epoch=election.leader_epoch,
                    wall_ns=election.wall_ns,
                    seen_ns=seen_ns,
                    reason=election.reason,
                )

    @property
    def incarnation(self) -> str:
        return self._node.incarnation


class StatusAnswer(NodeAnswer):
    """The answer to `GET /status`."""

    def __init__(self, report: StatusReport, topic: str = "") -> None:
        super().__init__(report.node, topic, report.timing_preset)
        self._report = report

    @property
    def pid(self) -> int:
        """The id of the broker's process, in its own PID namespace."""
        return self._report.process.pid

    @property
    def wall_ns(self) -> int:
        """The wall clock of the broker's machine while it answered."""
        return self._report.wall_ns

    def stalls(self) -> Iterator[tuple[int, int, int]]:
        """(end, from, to), oldest first. The end is by the boot clock of the broker's machine, which need not be ours:
        it tells one stall of a process from another. From and to are nanoseconds before this answer was made."""
        for stall in self._report.stalls:
            ago_ns = self._report.boot_ns - stall.ended_boot_ns
            yield stall.ended_boot_ns, ago_ns + stall.duration_ns, ago_ns

    def links(self, ordinal: int, sampled_ns: int) -> list[LinkView]:
        """The kept-open connections."""
        return [kept_link(ordinal, check, sampled_ns) for check in self._report.peers if str(check.plane) in PLANES]


def _partition(status: PartitionStatus) -> BrokerSample:
    return BrokerSample(
        topic=status.partition.topic,
        partition=status.partition.partition,
        leader=status.leader,
        leader_epoch=status.leader_epoch,
        isr=status.isr,
        elr=status.elr,
        high_watermark=-1 if status.high_watermark is None else status.high_watermark,
        log_end_offset=-1 if status.log_end_offset is None else status.log_end_offset,
        role=status.role or "",
    )


def kept_link(ordinal: int, check: PeerCheck, sampled_ns: int) -> LinkView:
    kept = check.kept
    return LinkView(
        source=ordinal,
        target=check.broker_id,
        plane=PLANES[str(check.plane)],
        kind=LinkKind.KEPT,
        sampled_ns=sampled_ns,
        ok=kept.silent_ns < LINK_TIMEOUT_NS,
        silent_ns=kept.silent_ns,
        unanswered_ns=-1 if kept.unanswered_ns is None else kept.unanswered_ns,
        rtt_ns=-1 if kept.rtt_ns is None else kept.rtt_ns,
        received_one_way=int(_hears(check)),
    )


def _hears(check: PeerCheck) -> bool:
    """Whether the peer's own numbered pings arrive here. They are sent without waiting for an answer, so that of a
    one-way cut only one side goes deaf."""
    silent_ns = check.received.silent_ns
    return silent_ns is not None and silent_ns < LINK_TIMEOUT_NS


def new_links(ordinal: int, report: PeerCheckReport, asked_ns: int) -> list[LinkView]:
    """The connections that a broker opened because it was asked to."""
    return [
        LinkView(
            source=ordinal,
            target=probe.broker_id,
            plane=PLANES[str(probe.plane)],
            kind=LinkKind.NEW,
            sampled_ns=asked_ns,
            ok=probe.ok,
            rtt_ns=-1 if probe.rtt_ns is None else probe.rtt_ns,
        )
        for probe in report.probes
        if str(probe.plane) in PLANES
    ]
