"""The omniscient observer: the invariants of the protocol, checked after every step of every broker.

The observer sees each effect before it is carried out, every disk, and the true order of everything. It keeps one
*truth* (`truth`): the committed metadata log and, per partition, the committed records, both as first seen. Each rule
compares one effect with the truth and with the disks, in constant time or in time proportional to what is new.

| rule | invariant (docs/invariants.md) | module |
|---|---|---|
| one-leader-per-term, term-goes-back, vote-changed, vote-not-durable | I-SAF-2 | `raft` |
| leads-without-votes | I-SAF-2, 6 | `raft` |
| append-not-durable, commit-without-quorum, committed-entry-changed | Raft: what is committed stays | `raft` |
| commits-what-it-lacks, snapshot-beyond-commit | Raft: nobody applies what it does not have | `raft` |
| leader-lacks-committed-entry | Raft: leader completeness | `raft` |
| snapshots-differ | applying is deterministic | `raft` |
| log-matching, two-writers-in-one-epoch | I-SAF-2, 3 | `logs` |
| committed-record-truncated, committed-record-changed, leader-lacks-committed-record | I-SAF-1, 7 | `logs` |
| high-watermark-goes-back, high-watermark-beyond-isr, read-beyond-high-watermark | I-SAF-4, 7 | `logs` |
| in-sync-without-records, isr-member-not-registered | I-SAF-5, 6 | `logs` |
| lost-disk-keeps-its-place | I-SAF-6 | `truth` |
| two-leaders-in-one-epoch, leader-epoch-goes-back | I-SAF-2, as committed | `truth` |
| leader-not-in-sync | I-SAF-1, as committed | `logs` |
| acknowledged-before-durable, acknowledged-elsewhere, too-few-copies | I-SAF-1 | `answers` |
| answered-after-successor, answered-without-leadership | I-SAF-10 | `answers` |
| tail-read-behind | I-SAF-7 | `answers` |
| hung-leader-stays | I-LIV-6 | `disks` |
| progress-not-durable | I-SAF-4, the follower's half | `answers` |
| written-twice, gap-in-sequence | I-SAF-11 | `truth` |
| disk-contract, log written after its disk failed | I-SAF-8, 9 | `disk` |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from skerry.worlds.sim.invariants.answers import AnswerRules
from skerry.worlds.sim.invariants.disks import DiskRules
from skerry.worlds.sim.invariants.logs import LogRules
from skerry.worlds.sim.invariants.raft import RaftRules
from skerry.worlds.sim.invariants.truth import Truth, Violation
from skerry_broker.core.messages import Effect, Event, Send
from skerry_broker.core.types import FlushMode

if TYPE_CHECKING:
    from skerry.worlds.sim.cluster import Cluster
    from skerry.worlds.sim.node_host import NodeHost

__all__ = ["Invariants", "Violation"]

Rule = Callable[["NodeHost", Event, Any], None]


class Invariants:
    """The `Watcher` of a cluster. ``on_violation`` is called once, for the first one."""

    def __init__(self, flush: FlushMode = FlushMode.GROUP) -> None:
        self.truth = Truth()
        self._found = self.truth.violations
        self.on_violation: Callable[[], None] | None = None
        self.checks = 0
        """How many effects were looked at by a rule."""
        self.raft = RaftRules(self.truth)
        self.logs = LogRules(self.truth, durable=flush is FlushMode.GROUP)
        self.answers = AnswerRules(self.truth, self.logs, durable=flush is FlushMode.GROUP)
        self.disks = DiskRules(self.truth)
        self._effects: dict[type[Any], Rule] = {}
        self._messages: dict[type[Any], Rule] = {}
        for rules in (self.raft, self.logs, self.answers):
            self._effects.update(rules.effects())
            self._messages.update(rules.messages())
        self.truth.on_partition_changed = self.logs.partition_changed
        self.truth.on_forgotten = self._forget

    def attach(self, hosts: Sequence[NodeHost], now_ns: Callable[[], int]) -> None:
        self.truth.hosts = list(hosts)
        self.truth.now_ns = now_ns

    def _forget(self) -> None:
        self.raft.forget()
        self.disks.forget()

    @property
    def violations(self) -> list[Violation]:
        return self._found

    # --- the watcher's side ---------------------------------------------------------------------------------

    def started(self, host: NodeHost) -> None:
        self.raft.started(host)

    def stopped(self, host: NodeHost) -> None:
        pass

    def effect(self, host: NodeHost, event: Event, effect: Effect) -> None:
        # Whatever no rule is about, facts among them, is found in neither table.
        rule = self._messages.get(type(effect.message)) if type(effect) is Send else self._effects.get(type(effect))
        if rule is not None:
            self.checks += 1
            rule(host, event, effect)
            if self._found:
                self._report()

    def decided(self, host: NodeHost) -> bool:
        node = host.node
        if node is None or node.commit_index <= self.raft.seen[host.broker_id]:
            return False
        self.raft.commits(host, written=False)
        if self._found:
            self._report()
        return True

    def stepped(self, host: NodeHost) -> None:
        self.raft.commits(host, written=True)
        if self._found:
            self._report()

    def look(self, cluster: Cluster) -> None:
        """The rules of time, several times a second."""
        self.disks.look(cluster)
        if self._found:
            self._report()

    def broken(self, host: NodeHost, rule: str, message: str) -> None:
        self.truth.violate(rule, host.broker_id, message)
        self._report()

    def _report(self) -> None:
        if self.on_violation is not None:
            self.on_violation()
