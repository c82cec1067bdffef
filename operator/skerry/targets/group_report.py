"""What a node of a system that forms one group says of itself, in the words of the engine and of the history.

A target whose rules are `targets.group.GroupRules` makes a `GroupReport` of each answer.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from skerry.engine.observation import BrokerView, LinkView, ProcessState
from skerry.history.records import BrokerSample, ElectionSeen, StatusSample


class GroupReport(msgspec.Struct, frozen=True):
    """One node's answer.

    Where nobody registers nodes, a start of the process is as good as a registration. And where a node does not say who
    is in sync, all of them are all that it has to offer.
    """

    group: str
    """The name of the one group that all nodes form."""
    nodes: int
    """How many there are."""
    incarnation: str
    """Changes whenever the process restarts; empty: not known."""
    started_ms: int
    """When it did, by whatever clock: a later start has a higher number. -1: not known."""
    role: str
    """What it takes itself for; `targets.group.LEADS` of the one that leads, empty of one that belongs to nobody."""
    leader: int
    """The ordinal that it takes for the leader; -1: none, or one that is not known."""
    term: int
    committed: int = -1
    """The newest that it knows to be committed, by revision or offset."""
    applied: int = -1
    """The newest that it has."""
    identity: str = ""
    """What its disk is known by."""
    pid: int = -1
    wall_ns: int = 0

    def view(self, ordinal: int, sampled_ns: int, process: ProcessState, process_sampled_ns: int) -> BrokerView:
        return BrokerView(
            ordinal=ordinal,
            sampled_ns=sampled_ns,
            reachable=True,
            process=process,
            process_sampled_ns=process_sampled_ns,
            broker_epoch=self.started_ms,
            incarnation=self.incarnation,
            directory_id=self.identity,
            group_role=self.role,
            term=self.term,
            controller=self.leader,
            fenced=self.leader < 0,
            partitions=(self._group(),),
        )

    def sample(self, ordinal: int, before_ns: int, after_ns: int) -> StatusSample:
        return StatusSample(
            broker=ordinal,
            before_ns=before_ns,
            after_ns=after_ns,
            reachable=True,
            broker_epoch=self.started_ms,
            incarnation=self.incarnation,
            group_role=self.role,
            term=self.term,
            controller=self.leader,
            fenced=self.leader < 0,
            partitions=(self._group(),),
        )

    def elections(self, seen_ns: int) -> Iterator[ElectionSeen]:
        """None: no election is stamped."""
        return iter(())

    def stalls(self) -> Iterator[tuple[int, int, int]]:
        """None: nodes do not measure their own."""
        return iter(())

    def links(self, ordinal: int, sampled_ns: int) -> list[LinkView]:
        """None: nodes do not report on their links."""
        return []

    def _group(self) -> BrokerSample:
        return BrokerSample(
            topic=self.group,
            partition=0,
            leader=self.leader,
            leader_epoch=self.term,
            isr=tuple(range(self.nodes)) if self.leader >= 0 else (),
            elr=(),
            high_watermark=self.committed,
            log_end_offset=self.applied,
            role=self.role,
        )
