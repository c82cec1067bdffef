"""Roles -> broker ordinals, at the moment of injection, and the document's fault -> what a world carries out."""

from __future__ import annotations

import msgspec

from skerry.engine.cluster_view import ClusterView
from skerry.engine.faults import ClockShift, Cut, Disk, Kill, Pause, ResolvedFault, Restart, Slow, Wipe
from skerry.experiment.document import Fault
from skerry.experiment.faults import (
    ClockFault,
    DiskFault,
    KillFault,
    PartitionFault,
    PauseFault,
    RestartFault,
    SlowFault,
    WipeFault,
)
from skerry.experiment.faults.kill import GRACE_DEFAULT_NS
from skerry.schema.targets import Target
from skerry.schema.vocabulary import RestartOrder, Role

Groups = tuple[tuple[int, ...], ...]


class Unresolved(Exception):
    """A role that nobody has at the moment; the message says which."""


class Resolution(msgspec.Struct, frozen=True):
    groups: Groups
    """Ordinals, group by group as `FaultBody.target_groups` lists them."""
    why: str
    """Who had which role, in which epoch."""
    sampled_ns: int
    """When the newest sample behind it was asked."""


def resolve(fault: Fault, cluster_view: ClusterView, brokers: int) -> Resolution:
    """Who is meant now. Within one fault no broker stands for two targets, except in one-way links.

    :raises Unresolved: a role is vacant, or not enough brokers have it.
    """
    wanted = fault.body.target_groups()
    links = isinstance(fault.body, PartitionFault) and fault.body.links is not None
    chosen: dict[tuple[int, int], tuple[int, ...]] = {}
    taken: set[int] = set()
    why: list[str] = []
    places = [(group, place, target) for group, targets in enumerate(wanted) for place, target in enumerate(targets)]
    # `Other` comes last: it is whoever the others left over.
    for group, place, target in sorted(places, key=lambda each: each[2].role is Role.OTHER):
        having, reason = _holders(target, cluster_view, brokers)
        free = having if links else tuple(ordinal for ordinal in having if ordinal not in taken)
        if target.role is Role.OTHER and links:
            # Of a link: everybody but the other end.
            ends = {o for (g, _), found in chosen.items() if g // 2 == group // 2 for o in found}
            free = tuple(ordinal for ordinal in having if ordinal not in ends)
        count = target.count_max
        found = free if count is None else free[:count]
        if len(found) < (count or 1):
            raise Unresolved(f"{target}: {_nobody(target, having, taken, reason)}")
        chosen[group, place] = found
        taken.update(found)
        if target.role is not None:
            why.append(f"{target} = {_list(found)}{f' ({reason})' if reason else ''}")
    groups = tuple(
        tuple(dict.fromkeys(ordinal for place in range(len(targets)) for ordinal in chosen[group, place]))
        for group, targets in enumerate(wanted)
    )
    return Resolution(groups, "; ".join(why) or "by ordinal", cluster_view.sampled_ns)


def concrete(fault: Fault, groups: Groups) -> ResolvedFault:
    """What a world is asked to do, once it is known who is meant."""
    body = fault.body
    victims = tuple(ordinal for group in groups for ordinal in group)
    match body:
        case PartitionFault():
            if body.links is not None:
                pairs = [(groups[i], groups[i + 1]) for i in range(0, len(groups), 2)]
                links = {(a, b) for sources, targets in pairs for a in sources for b in targets if a != b}
                return Cut(tuple(sorted(links)), body.planes, body.connections, body.action)
            return Cut(_between(groups), body.planes, body.connections, body.action, groups)
        case SlowFault():
            sides = groups if len(groups) > 1 else tuple((ordinal,) for ordinal in groups[0])
            return Slow(
                _between(sides),
                body.planes,
                body.latency_ns,
                body.jitter_ns,
                body.loss_percent,
                body.rate_kbps,
            )
        case KillFault():
            grace_ns = GRACE_DEFAULT_NS if body.grace_period_ns is None else body.grace_period_ns
            return Kill(victims, body.how, body.down_for_ns, grace_ns if body.how == "PodDelete" else 0)
        case RestartFault():
            return Restart(victims, body.how, body.order is RestartOrder.TOGETHER, body.pause_between_ns)
        case PauseFault():
            return Pause(victims)
        case WipeFault():
            return Wipe(victims, body.down_for_ns)
        case DiskFault():
            return Disk(
                victims,
                torn_write=body.torn_write,
                lose_unsynced=body.lose_unsynced,
                fsync_error=body.fsync_error,
                bit_flip=body.bit_flip,
                slow_by_ns=body.slow_by_ns,
                down_for_ns=body.down_for_ns,
            )
        case ClockFault():
            jump_ns = body.jump_ns or 0
            return ClockShift(victims, -jump_ns if body.backwards else jump_ns, body.drift_ppm)
        case _:
            raise TypeError(f"no concrete form of {type(body).__name__}")


def _between(groups: Groups) -> tuple[tuple[int, int], ...]:
    """Every ordered pair of brokers of different groups, sorted."""
    return tuple(
        sorted(
            (a, b)
            for index, sources in enumerate(groups)
            for other, targets in enumerate(groups)
            if index != other
            for a in sources
            for b in targets
        )
    )


def _holders(target: Target, cluster_view: ClusterView, brokers: int) -> tuple[tuple[int, ...], str]:
    """Everybody who fits, ascending, and in which epoch."""
    everyone = tuple(range(brokers))
    if target.ordinal is not None:
        return (target.ordinal,), ""
    match target.role:
        case Role.ALL | Role.OTHER:
            return everyone, ""
        case Role.CONTROLLER:
            return ((cluster_view.controller,) if cluster_view.controller >= 0 else ()), f"term {cluster_view.term}"
        case Role.NON_CONTROLLER:
            if cluster_view.controller < 0:
                return (), "there is no controller"
            return tuple(o for o in everyone if o != cluster_view.controller), f"term {cluster_view.term}"
    partition = cluster_view.partitions.get(target.partition or 0)
    if partition is None or partition.leader < 0:
        return (), "the partition has no leader"
    epoch = f"epoch {partition.leader_epoch}"
    if target.role is Role.PARTITION_LEADER:
        return (partition.leader,), epoch
    pool = partition.isr if target.role is Role.IN_SYNC_FOLLOWER else partition.replicas
    return tuple(ordinal for ordinal in pool if ordinal != partition.leader), epoch


def _nobody(target: Target, having: tuple[int, ...], taken: set[int], reason: str) -> str:
    if not having:
        return reason if reason.startswith("the") else "nobody has this role"
    if set(having) <= taken:
        return f"only {_list(having)}, already named by another target"
    return f"only {_list(having)}, and {target.count_max} are wanted"


def _list(ordinals: tuple[int, ...]) -> str:
    return f"broker{'s' if len(ordinals) > 1 else ''} {', '.join(map(str, ordinals))}"
