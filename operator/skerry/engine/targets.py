"""Roles -> broker ordinals, at the moment of injection, and the document's fault -> what a world carries out."""

from __future__ import annotations

import msgspec

from skerry.engine.cluster_view import ClusterView
from skerry.experiment.document import Fault
from skerry.faults.port import Groups, ResolvedFault
from skerry.faults.registry import FAULTS
from skerry.schema.targets import Target
from skerry.schema.vocabulary import Role


class Unresolved(Exception):
    """A role that nobody has at the moment; the message says which."""


class NothingToBreak(Unresolved):
    """Roles are held, and the fault that they make would break nothing; the message says why."""


class Resolution(msgspec.Struct, frozen=True):
    groups: Groups
    """Ordinals, group by group as `FaultBody.target_groups` lists them."""
    why: str
    """Who had which role, in which epoch."""
    sampled_ns: int
    """When the newest sample behind it was asked."""


def resolve(fault: Fault, cluster_view: ClusterView, brokers: int) -> Resolution:
    """Who is meant now. Within one fault no broker stands for two targets, unless its groups are pairs of their own.

    Raises Unresolved when a role is vacant, or not enough brokers have it.
    """
    wanted = fault.body.target_groups()
    pairwise = fault.body.pairwise
    chosen: dict[tuple[int, int], tuple[int, ...]] = {}
    taken: set[int] = set()
    why: list[str] = []
    places = [(group, place, target) for group, targets in enumerate(wanted) for place, target in enumerate(targets)]
    # `Other` comes last: it is those that the others left over.
    for group, place, target in sorted(places, key=lambda each: each[2].role is Role.OTHER):
        having, reason = _holders(target, cluster_view, brokers)
        free = having if pairwise else tuple(ordinal for ordinal in having if ordinal not in taken)
        if target.role is Role.OTHER and pairwise:
            # Of a pair: everybody but the other end.
            ends = {o for (g, _), found in chosen.items() if g // 2 == group // 2 for o in found}
            free = tuple(ordinal for ordinal in having if ordinal not in ends)
        count = target.count_max
        found = free if count is None else free[:count]
        if len(found) < (count or 1):
            problem = NothingToBreak if having and set(having) <= taken else Unresolved
            raise problem(f"{target}: {_nobody(target, having, taken, reason)}")
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
    """What a world is asked to do, once the brokers are known.

    Raises NothingToBreak: a link to itself, a group of one.
    """
    made: ResolvedFault = FAULTS[fault.kind].concrete(fault.body, groups)
    if made.empty:
        who = _list(tuple(dict.fromkeys(ordinal for group in groups for ordinal in group)))
        raise NothingToBreak(f"it comes down to {who} alone, and that leaves nothing to break")
    return made


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
        return (), "there is no leader" if target.partition is None else "the partition has no leader"
    epoch = f"epoch {partition.leader_epoch}"
    if target.role in (Role.LEADER, Role.PARTITION_LEADER):
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
