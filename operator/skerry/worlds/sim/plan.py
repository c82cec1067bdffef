"""One seed's plan, drawn before anything runs: the cluster, the workload, and every fault with its time and target.

Swarm testing (Groce et al., ISSTA'12): each seed first draws *which* classes of faults it has at all, then how many and
how hard. A run that has everything has nothing often enough. Because the plan is a list of plain values, a failing run
can be replayed without its generator, and shrunk.

The plan stays inside what the cluster must survive: at most one disk is ever lost or corrupt, and while it is, no
machine loses power. Everything else may come in any number and at the same time; below quorum the cluster may stop, it
may not lie.
"""

from __future__ import annotations

import random
from enum import StrEnum
from itertools import pairwise, permutations

import msgspec

from skerry.worlds.sim.network import CLIENTS, CutMode, LinkFaults
from skerry.worlds.sim.scheduler import NS_PER_MS, NS_PER_S
from skerry.worlds.sim.streams import Streams
from skerry_broker.core.types import Acks, FlushMode, Plane

CHAOS_BEGINS_NS = 4 * NS_PER_S


class Verb(StrEnum):
    CUT = "cut"
    SLOW = "slow"
    HEAL = "heal"
    KILL = "kill"
    POWER_CUT = "power cut"
    POWER_CUT_ALL = "power cut of all"
    KILL_ALL = "kill all"
    START = "start"
    TERMINATE = "terminate"
    WIPE = "wipe"
    PAUSE = "pause"
    RESUME = "resume"
    FSYNC_ERROR = "fsync error"
    SLOW_DISK = "slow disk"
    JUMP = "wall clock jump"
    DRIFT = "clock drift"
    ELECT = "elect leader"
    TRANSFER = "transfer controller"
    CORRUPT_LOG = "corrupt log"
    CORRUPT_RAFT = "corrupt metadata log"
    CREATE_TOPIC = "create topic"
    DELETE_TOPIC = "delete topic"


DISK_VERBS = (
    Verb.KILL,
    Verb.KILL_ALL,
    Verb.POWER_CUT,
    Verb.POWER_CUT_ALL,
    Verb.WIPE,
    Verb.FSYNC_ERROR,
)

LEADER = -10
"""In place of a broker: the leader of partition 0 at that moment."""
CONTROLLER = -11


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One action of the plan. Unused fields are left out."""

    at_ns: int
    verb: Verb
    broker: int = -1
    """Which broker: an id, `LEADER` or `CONTROLLER`."""
    name: str = ""
    """The name of a network fault, for its heal."""
    links: tuple[tuple[int, int], ...] = ()
    around: int = -1
    """A network fault around one broker that is only known then (`LEADER`, ...): all its links, both ways."""
    planes: tuple[Plane, ...] = ()
    mode: CutMode = CutMode.DROP
    faults: LinkFaults = LinkFaults()
    amount: int = 0
    keep_all: bool = True


class Plan(msgspec.Struct, frozen=True):
    seed: int
    brokers: int
    partitions: int
    min_in_sync_replicas: int
    flush: FlushMode
    producers: int
    consumers: int
    records_per_second: int
    acks: Acks
    idempotent: bool
    codec: bool
    max_drift_ppm: int
    entries_before_snapshot: int
    classes: tuple[str, ...]
    """The classes of faults that this seed has."""
    steps: tuple[Step, ...]
    chaos_ends_ns: int


CLASSES = (
    "isolate",
    "split",
    "partial",
    "one-way",
    "flap",
    "raft-plane",
    "replication-plane",
    "clients",
    "latency",
    "lossy",
    "reorder",
    "kill",
    "kill-all",
    "power",
    "power-all",
    "graceful",
    "wipe",
    "pause",
    "fsync",
    "slow-disk",
    "clock",
    "moves",
)
MORE_CLASSES = ("topics", "corrupt-log", "corrupt-raft")
"""Drawn from a stream of their own, so that the classes above stay what they were in older seeds. So is
``hanging-disk``."""
DISK_CLASSES = ("kill", "kill-all", "power", "power-all", "wipe", "fsync")
ONCE = ("wipe", "kill-all", "power-all", "fsync", "corrupt-log", "corrupt-raft", "hanging-disk")


def draw_plan(seed: int) -> Plan:
    """The plan of a seed; a function of the seed alone."""
    rng = Streams(seed).stream("plan")
    brokers = 3 if rng.random() < 0.7 else 5
    acks = rng.choice((Acks.ALL, Acks.ALL, Acks.ALL, Acks.LEADER))
    classes = tuple(name for name in CLASSES if rng.random() < 0.35)
    length_ns = rng.randrange(6, 16) * NS_PER_S
    ends_ns = CHAOS_BEGINS_NS + length_ns
    steps: list[Step] = []
    for name in classes:
        steps += _draw_class(rng, name, brokers, ends_ns)
    more = Streams(seed).stream("plan", "more")
    more_classes = tuple(name for name in MORE_CLASSES if more.random() < 0.2)
    flush = FlushMode.GROUP
    if more.random() < 0.1:
        # What is not synced may be lost, so that a crash costs membership and a power cut data: only what is owed then.
        flush = more.choice((FlushMode.INTERVAL, FlushMode.NONE))
        classes = tuple(name for name in classes if name not in DISK_CLASSES)
        more_classes = ("topics",)
        steps = [step for step in steps if step.verb not in DISK_VERBS]
    for name in more_classes:
        steps += _draw_class(more, name, brokers, ends_ns)
    hangs = Streams(seed).stream("plan", "hanging disk")
    if hangs.random() < 0.15:
        more_classes = (*more_classes, "hanging-disk")
        steps += _draw_class(hangs, "hanging-disk", brokers, ends_ns)
    return Plan(
        seed=seed,
        brokers=brokers,
        partitions=rng.randrange(1, 4),
        min_in_sync_replicas=2,
        flush=flush,
        producers=rng.randrange(1, 4),
        consumers=rng.randrange(1, 3),
        records_per_second=rng.choice((40, 100, 200)),
        acks=acks,
        idempotent=acks is Acks.ALL and rng.random() < 0.75,
        codec=seed % 100 == 7,
        max_drift_ppm=rng.choice((0, 0, 500, 20_000)),
        entries_before_snapshot=rng.choice((20, 100, 1000)),
        classes=(*classes, *more_classes),
        steps=tuple(sorted(steps, key=lambda step: step.at_ns)),
        chaos_ends_ns=ends_ns,
    )


def _draw_class(rng: random.Random, name: str, brokers: int, ends_ns: int) -> list[Step]:
    if name in ONCE:
        count = 1
    elif name in ("flap", "moves", "topics"):
        count = rng.randrange(3, 12)
    else:
        count = rng.randrange(1, 4)
    steps: list[Step] = []
    for number in range(count):
        at_ns = rng.randrange(CHAOS_BEGINS_NS, ends_ns - NS_PER_S)
        until_ns = min(ends_ns, at_ns + _length(rng, name))
        steps += _draw_fault(rng, name, number, brokers, at_ns, until_ns)
    return steps


def _length(rng: random.Random, name: str) -> int:
    if name == "flap":
        return rng.randrange(200, 1500) * NS_PER_MS
    if name == "pause":
        return rng.choice((300, 1000, 3000, 6000)) * NS_PER_MS
    return rng.randrange(500, 6000) * NS_PER_MS


def _victim(rng: random.Random, brokers: int) -> int:
    """Half of the time a broker that matters."""
    draw = rng.random()
    if draw < 0.25:
        return LEADER
    if draw < 0.5:
        return CONTROLLER
    return rng.randrange(0, brokers)


def _draw_fault(rng: random.Random, name: str, number: int, brokers: int, at_ns: int, until_ns: int) -> list[Step]:
    fault = f"{name}#{number}"
    victim = _victim(rng, brokers)
    planes: tuple[Plane, ...] = (Plane.RAFT, Plane.REPLICATION)
    mode = rng.choice((CutMode.DROP, CutMode.DROP, CutMode.HOLD, CutMode.REJECT))
    heal = Step(until_ns, Verb.HEAL, name=fault)
    start = Step(until_ns, Verb.START, victim)
    ids = list(range(brokers))
    rng.shuffle(ids)
    if name == "raft-plane":
        planes = (Plane.RAFT,)
    elif name == "replication-plane":
        planes = (Plane.REPLICATION,)
    match name:
        case "isolate" | "flap" | "raft-plane" | "replication-plane":
            return [Step(at_ns, Verb.CUT, name=fault, around=victim, planes=planes, mode=mode), heal]
        case "split":
            size = rng.randrange(1, brokers)
            links = _both_ways(ids[:size], ids[size:])
            return [Step(at_ns, Verb.CUT, name=fault, links=links, planes=planes, mode=mode), heal]
        case "partial":
            pairs = rng.randrange(1, brokers)
            links = tuple(link for a, b in pairwise(ids[: pairs + 1]) for link in ((a, b), (b, a)))
            return [Step(at_ns, Verb.CUT, name=fault, links=links, planes=planes, mode=mode), heal]
        case "one-way":
            some = rng.sample(list(permutations(ids, 2)), rng.randrange(1, brokers))
            return [
                Step(at_ns, Verb.CUT, name=fault, links=tuple(sorted(some)), planes=planes, mode=CutMode.DROP),
                heal,
            ]
        case "clients":
            links = ((CLIENTS, ids[0]), (ids[0], CLIENTS))
            some_links = rng.choice((links, links[:1], links[1:]))
            return [Step(at_ns, Verb.CUT, name=fault, links=some_links, planes=(Plane.CLIENT,), mode=mode), heal]
        case "latency" | "lossy" | "reorder":
            return [
                Step(
                    at_ns,
                    Verb.SLOW,
                    name=fault,
                    links=tuple(sorted(permutations(ids, 2))),
                    planes=(*planes, Plane.CLIENT),
                    faults=_link_faults(rng, name),
                ),
                heal,
            ]
        case "kill":
            return [Step(at_ns, Verb.KILL, victim, name=fault, keep_all=rng.random() < 0.5), start_of(start, fault)]
        case "power":
            keep_all = rng.random() < 0.5
            return [Step(at_ns, Verb.POWER_CUT, victim, name=fault, keep_all=keep_all), start_of(start, fault)]
        case "kill-all":
            return [Step(at_ns, Verb.KILL_ALL, keep_all=rng.random() < 0.5)]
        case "power-all":
            return [Step(at_ns, Verb.POWER_CUT_ALL, keep_all=rng.random() < 0.5)]
        case "graceful":
            return [Step(at_ns, Verb.TERMINATE, victim, name=fault), start_of(start, fault)]
        case "wipe":
            return [Step(at_ns, Verb.WIPE, victim, name=fault), start_of(start, fault)]
        case "corrupt-log":
            return [Step(at_ns, Verb.CORRUPT_LOG, victim, name=fault), start_of(start, fault)]
        case "corrupt-raft":
            return [Step(at_ns, Verb.CORRUPT_RAFT, victim, name=fault), start_of(start, fault)]
        case "topics":
            return [Step(at_ns, rng.choice((Verb.CREATE_TOPIC, Verb.DELETE_TOPIC)))]
        case "pause":
            return [Step(at_ns, Verb.PAUSE, victim, name=fault), Step(until_ns, Verb.RESUME, victim, name=fault)]
        case "fsync":
            return [Step(at_ns, Verb.FSYNC_ERROR, victim, name=rng.choice(("raft", "logs")))]
        case "slow-disk":
            slow_ns = rng.choice((5, 30, 150, 600)) * NS_PER_MS
            return [
                Step(at_ns, Verb.SLOW_DISK, ids[0], amount=slow_ns),
                Step(until_ns, Verb.SLOW_DISK, ids[0], amount=0),
            ]
        case "hanging-disk":
            hung_ns = rng.randrange(2000, 8000) * NS_PER_MS
            return [
                Step(at_ns, Verb.SLOW_DISK, victim, name=fault, amount=hung_ns),
                Step(until_ns, Verb.SLOW_DISK, victim, name=fault, amount=0),
            ]
        case "clock":
            if rng.random() < 0.5:
                return [Step(at_ns, Verb.JUMP, ids[0], amount=rng.randrange(-3600, 3600) * NS_PER_S)]
            return [Step(at_ns, Verb.DRIFT, ids[0], amount=rng.randrange(-20_000, 20_000))]
        case _:
            if rng.random() < 0.5:
                return [Step(at_ns, Verb.TRANSFER, ids[0])]
            return [Step(at_ns, Verb.ELECT, ids[0])]


def start_of(step: Step, fault: str) -> Step:
    """The start that ends a fault: of the very broker that the fault stopped."""
    return msgspec.structs.replace(step, name=fault)


def _both_ways(one: list[int], other: list[int]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted([(a, b) for a in one for b in other] + [(b, a) for a in one for b in other]))


def _link_faults(rng: random.Random, name: str) -> LinkFaults:
    if name == "latency":
        latency_ns = rng.choice((5, 20, 50, 100)) * NS_PER_MS
        rate_kbps = rng.choice((0, 0, 3000))
        return LinkFaults(latency_ns=latency_ns, jitter_ns=latency_ns // 4, rate_kbps=rate_kbps)
    if name == "lossy":
        return LinkFaults(
            loss=rng.choice((0.0, 0.005, 0.05)),
            reset=rng.choice((0.0, 0.001, 0.01)),
            retransmit=rng.choice((0.0, 0.01)),
        )
    return LinkFaults(reorder=rng.choice((0.02, 0.2)), duplicate=rng.choice((0.0, 0.02, 0.2)))
