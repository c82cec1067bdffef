"""Every failover case of docs/decisions/0003-timing.md in virtual time: the client's longest gap around the fault.

    .venv/bin/python bench/timing.py [--runs 54] [--case NAME]

Each run is a fresh simulated cluster of three (default timing, disks of 0.2-1 ms, links of 0.2-0.5 ms), with leader and
controller placed on other brokers every time, and the fault at another phase of all heartbeats. One producer writes a
record every 10 ms (open loop, acks=All, idempotent). The figures show what the *protocol* costs; a real machine adds
its own scheduling (`bench/failover.py`). All invariants are on: a violation ends the measurement.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from rows import Goal, Row, measured, table

from skerry.worlds.sim.clients import ClientHub
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.invariants import Invariants
from skerry.worlds.sim.liveness import controller_of, statuses, why_not_whole
from skerry.worlds.sim.scheduler import NS_PER_MS, NS_PER_S
from skerry.worlds.sim.streams import Streams
from skerry_broker.core.api import (
    ClientRequest,
    CreateTopicRequest,
    ElectLeaderRequest,
    ProduceRequest,
    TransferControllerRequest,
)
from skerry_broker.core.client import ClientConfig, Completed, Operation, Outcome
from skerry_broker.core.node import Node
from skerry_broker.core.types import Acks, Batch, Plane, TopicPartition

TOPIC = "orders"
WRITE_EVERY_NS = 10 * NS_PER_MS
BEFORE_NS = 500 * NS_PER_MS
WITHIN_NS = 20 * NS_PER_S
RUNS = 54
"""Clusters per case: every placement equally often."""


class Placement(NamedTuple):
    leader: int
    controller: int
    other: int
    """A follower that is not the controller, where there is one."""


class Bench:
    """One cluster, placed and under load."""

    def __init__(self, seed: int, placement: Placement) -> None:
        self.placement = placement
        self.invariants = Invariants()
        self.cluster = Cluster(Streams(seed), Node, self.invariants, brokers=3, max_drift_ppm=100)
        self.invariants.attach(self.cluster.hosts, lambda: self.cluster.now_ns)
        self.invariants.on_violation = self.cluster.scheduler.stop
        self.hub = ClientHub(self.cluster)
        self.client = self.hub.client(ClientConfig(idempotent=True), "producer")
        self.mover = self.hub.client(ClientConfig(), "mover")
        self.acked_ns: list[int] = []
        self._writing = True
        self.cluster.start_all()
        self.ask(CreateTopicRequest(TOPIC, 1, 3, 2))
        self.until_whole()
        self._place()
        self._write(None)
        self.run(BEFORE_NS + random.Random(seed).randrange(0, 100 * NS_PER_MS))

    def run(self, duration_ns: int) -> None:
        self.cluster.run_for(duration_ns)
        if self.invariants.violations:
            raise RuntimeError(str(self.invariants.violations[0]))

    def until(self, holds: Callable[[], bool], what: str) -> None:
        deadline_ns = self.cluster.now_ns + WITHIN_NS
        while not holds():
            if self.cluster.now_ns >= deadline_ns:
                raise RuntimeError(f"{what} did not come about")
            self.run(5 * NS_PER_MS)

    def until_whole(self) -> None:
        self.until(lambda: not why_not_whole(self.cluster, TOPIC, 1), "a whole cluster")

    def ask(self, request: ClientRequest) -> None:
        done: list[Completed] = []
        self.mover.submit(Operation(request), done.append)
        self.until(lambda: bool(done), f"an answer to {request!r}")
        if done[0].outcome is not Outcome.OK:
            raise RuntimeError(f"{request!r}: {done[0]}")

    def _place(self) -> None:
        leader, controller, _ = self.placement
        if controller_of(statuses(self.cluster)) != controller:
            self.ask(TransferControllerRequest(controller))
            self.until_whole()
        self.ask(ElectLeaderRequest(TOPIC, 0, leader))
        self.until_whole()
        state = self.invariants.truth.partitions[TopicPartition(TOPIC, 0)]
        if (state.leader, controller_of(statuses(self.cluster))) != (leader, controller):
            raise RuntimeError(f"wanted {self.placement}, got leader {state.leader}")

    def _write(self, _: object) -> None:
        if self._writing:
            request = ProduceRequest(TOPIC, 0, Batch(-1, -1, 1, b"x" * 64), Acks.ALL, 3000)
            self.client.submit(Operation(request), self._written)
            self.cluster.scheduler.post(self.cluster.now_ns + WRITE_EVERY_NS, self._write)

    def _written(self, result: Completed) -> None:
        if result.outcome is Outcome.OK:
            self.acked_ns.append(self.cluster.now_ns)

    def longest_gap_s(self, since_ns: int) -> float:
        """Between two acknowledgements, the later one after ``since_ns``; writes must flow at the end."""
        times = [*self.acked_ns, self.cluster.now_ns]
        return max(later - earlier for earlier, later in itertools.pairwise(times) if later > since_ns) / NS_PER_S

    # --- faults ---------------------------------------------------------------------------------------------

    def isolate(self, victim: int, *, into: bool = True, out: bool = True, planes: tuple[Plane, ...] = ()) -> None:
        others = [broker for broker in range(3) if broker != victim]
        links = [(other, victim) for other in others if into] + [(victim, other) for other in others if out]
        self.cluster.cut("cut", links, planes or (Plane.RAFT, Plane.REPLICATION))

    def roll(self, pause_ns: int = NS_PER_S) -> None:
        """Stop each broker in order and start it again when it has stopped; on when all is whole, and a pause."""
        for victim in range(3):
            host = self.cluster.hosts[victim]
            self.cluster.terminate(victim)
            self.until(lambda host=host: not host.running, "the end of a broker")  # type: ignore[misc]
            self.run(500 * NS_PER_MS)
            self.cluster.start(victim)
            self.until_whole()
            self.run(pause_ns)


class Case(NamedTuple):
    name: str
    same: bool
    """The leader is the controller, too."""
    fault: Callable[[Bench], None]
    goals: tuple[Goal, ...] = ()
    after_ns: int = 4 * NS_PER_S


CRASH = (Goal("p50", True, 1.0), Goal("p99", True, 2.0))
BOTH = (Goal("p50", True, 2.0), Goal("p99", True, 3.0))
ISOLATED = (Goal("max", True, 3.0),)
LAG = (Goal("max", True, 2.0),)
GRACEFUL = (Goal("p50", True, 0.5), Goal("max", True, 1.0))
FETCH = (Plane.REPLICATION,)

CASES = (
    Case("leader killed", False, lambda b: b.cluster.kill(b.placement.leader), CRASH),
    Case("leader's machine gone", False, lambda b: b.cluster.power_cut(b.placement.leader), CRASH),
    Case("leader = controller killed", True, lambda b: b.cluster.kill(b.placement.leader), BOTH),
    Case("leader = controller's machine gone", True, lambda b: b.cluster.power_cut(b.placement.leader), BOTH),
    Case("leader isolated", False, lambda b: b.isolate(b.placement.leader), ISOLATED),
    Case("leader = controller isolated", True, lambda b: b.isolate(b.placement.leader), ISOLATED),
    Case("leader heard, but deaf", False, lambda b: b.isolate(b.placement.leader, out=False), ISOLATED),
    Case("leader = controller heard, but deaf", True, lambda b: b.isolate(b.placement.leader, out=False), ISOLATED),
    Case("leader hears, but is mute", False, lambda b: b.isolate(b.placement.leader, into=False), ISOLATED),
    Case("leader = controller hears, but is mute", True, lambda b: b.isolate(b.placement.leader, into=False), ISOLATED),
    Case("leader cut off on the fetch plane", False, lambda b: b.isolate(b.placement.leader, planes=FETCH), ISOLATED),
    Case("controller killed, leads nothing", False, lambda b: b.cluster.kill(b.placement.controller), LAG),
    Case("follower killed", True, lambda b: b.cluster.kill(b.placement.other), LAG),
    Case("follower isolated", True, lambda b: b.isolate(b.placement.other), LAG),
    Case("follower cut off on the fetch plane", True, lambda b: b.isolate(b.placement.other, planes=FETCH), LAG),
    Case("leader stopped in order", False, lambda b: b.cluster.terminate(b.placement.leader), GRACEFUL),
    Case("leader = controller stopped in order", True, lambda b: b.cluster.terminate(b.placement.leader), GRACEFUL),
    Case("rolling restart of all", False, lambda b: b.roll(), GRACEFUL, NS_PER_S),
)  # fmt: skip


def placements(same: bool) -> Iterator[Placement]:
    """All of them, over and over."""
    found = [
        Placement(leader, controller, next(b for b in range(3) if b not in (leader, controller)))
        for leader in range(3)
        for controller in range(3)
        if (leader == controller) == same
    ]
    return itertools.cycle(found)


def gaps(case: Case, runs: int) -> list[float]:
    found = []
    for seed, placement in zip(range(runs), placements(case.same), strict=False):
        bench = Bench(seed, placement)
        since_ns = bench.cluster.now_ns
        case.fault(bench)
        bench.run(case.after_ns)
        found.append(bench.longest_gap_s(since_ns))
    return found


def rows(runs: int = RUNS, only: str = "") -> list[Row]:
    found = []
    for case in CASES:
        if only in case.name:
            found.append(measured(f"simulated: {case.name}", "s", gaps(case, runs), *case.goals))
            print(f"{found[-1].name}: p50 {found[-1].p50:.3f} max {found[-1].max:.3f}", file=sys.stderr, flush=True)
    return found


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=RUNS, help="clusters per case")
    arguments.add_argument("--case", default="", help="only cases whose name holds this")
    options = arguments.parse_args()
    found = rows(options.runs, options.case)
    print(table(found))
    return 0 if all(row.met is not False for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
