"""What a member says of itself, in the words of the engine and of the history."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.engine.observation import BrokerView, LinkView, ProcessState
from skerry.history.records import BrokerSample, ElectionSeen, StatusSample
from skerry.targets.etcd.status import MemberStatus, Role

GROUP = "etcd"
"""The name of the one group that all members form."""


class MemberReport:
    """One member's answer, translated on demand.

    etcd registers nobody, so that a start of the process is as good as a registration: its epoch is the moment of the
    start, in milliseconds. And a member does not say who is in sync; the voters are all that it has to offer.
    """

    pid = -1
    """It does not say."""
    wall_ns = 0
    """It does not say."""

    def __init__(self, status: MemberStatus, leader: int, members: int) -> None:
        """``leader``: its ordinal; -1: nobody, or somebody who has never answered. ``members``: how many there are."""
        self._status = status
        self._leader = leader
        self._members = members

    @property
    def incarnation(self) -> str:
        return self._status.generation

    def view(self, ordinal: int, sampled_ns: int, process: ProcessState, process_sampled_ns: int) -> BrokerView:
        status = self._status
        return BrokerView(
            ordinal=ordinal,
            sampled_ns=sampled_ns,
            reachable=True,
            process=process,
            process_sampled_ns=process_sampled_ns,
            broker_epoch=self._started_ms,
            incarnation=status.generation,
            directory_id=f"{status.member_id:x}",
            raft_role=str(status.role),
            term=status.term,
            controller=self._leader,
            fenced=self._leader < 0,
            partitions=(self._group(),),
        )

    def sample(self, ordinal: int, before_ns: int, after_ns: int) -> StatusSample:
        status = self._status
        return StatusSample(
            broker=ordinal,
            before_ns=before_ns,
            after_ns=after_ns,
            reachable=True,
            broker_epoch=self._started_ms,
            incarnation=status.generation,
            raft_role=str(status.role),
            term=status.term,
            controller=self._leader,
            fenced=self._leader < 0,
            partitions=(self._group(),),
        )

    def elections(self, seen_ns: int) -> Iterator[ElectionSeen]:
        """None: etcd stamps no election."""
        return iter(())

    def stalls(self) -> Iterator[tuple[int, int, int]]:
        """None: etcd does not measure its own."""
        return iter(())

    def links(self, ordinal: int, sampled_ns: int) -> list[LinkView]:
        """None: etcd does not report on its links."""
        return []

    @property
    def _started_ms(self) -> int:
        try:
            return int(float(self._status.generation) * 1000)
        except (ValueError, OverflowError):
            return -1

    def _group(self) -> BrokerSample:
        status = self._status
        return BrokerSample(
            topic=GROUP,
            partition=0,
            leader=self._leader,
            leader_epoch=status.term,
            isr=tuple(range(self._members)) if self._leader >= 0 else (),
            elr=(),
            high_watermark=status.revision,
            log_end_offset=status.applied_index,
            role="" if status.role is Role.NONE else str(status.role),
        )
