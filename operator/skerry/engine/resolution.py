"""Roles -> broker ordinals, at the moment of injection, and the document's fault -> what a world carries out."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from skerry.experiment.document import Fault, Spec
from skerry.faults.port import Groups, ResolvedFault
from skerry.faults.registry import FAULTS
from skerry.schema.selectors import Selector
from skerry.targets import registry
from skerry.targets.port import Holders, RoleKind, Roles


class Unresolved(Exception):
    """A role that nobody has at the moment; the message says which."""

    reason = "Unresolved"
    """The reason of the finding that it becomes."""


class NothingToBreak(Unresolved):
    """Roles are held, and the fault that they make would break nothing; the message says why."""

    reason = "NothingToBreak"


class Resolution(msgspec.Struct, frozen=True):
    groups: Groups
    """Ordinals, group by group as `FaultBody.target_groups` lists them."""
    why: str
    """Who had which role, in which epoch."""
    sampled_ns: int
    """When the newest sample behind it was asked."""


def resolve(fault: Fault, roles: Roles, spec: Spec) -> Resolution:
    """Who is meant now. Within one fault no broker stands for two targets, unless its groups are pairs of their own.

    Raises Unresolved when a role is vacant, or not enough brokers have it.
    """
    wanted = fault.body.target_groups()
    kinds: Mapping[str, RoleKind] = registry.target(spec.target).roles
    pairwise = fault.body.pairwise
    chosen: dict[tuple[int, int], tuple[int, ...]] = {}
    taken: set[int] = set()
    why: list[str] = []
    places = [
        (group, place, selector) for group, group_of in enumerate(wanted) for place, selector in enumerate(group_of)
    ]
    # `Other` comes last: it is those that the others left over.
    for group, place, selector in sorted(places, key=lambda each: _kind(each[2], kinds) is RoleKind.OTHER):
        kind = _kind(selector, kinds)
        having, evidence, vacant = _holders(selector, kind, roles, spec.cluster.brokers)
        free = having if pairwise else tuple(ordinal for ordinal in having if ordinal not in taken)
        if kind is RoleKind.OTHER and pairwise:
            # Of a pair: everybody but the other end.
            ends = {o for (g, _), found in chosen.items() if g // 2 == group // 2 for o in found}
            free = tuple(ordinal for ordinal in having if ordinal not in ends)
        count = selector.count_max
        found = free if count is None else free[:count]
        if len(found) < (count or 1):
            problem = NothingToBreak if having and set(having) <= taken else Unresolved
            raise problem(f"{selector}: {_nobody(selector, having, taken, vacant)}")
        chosen[group, place] = found
        taken.update(found)
        if selector.role is not None:
            why.append(f"{selector} = {_list(found)}{f' ({evidence})' if evidence else ''}")
    groups = tuple(
        tuple(dict.fromkeys(ordinal for place in range(len(targets)) for ordinal in chosen[group, place]))
        for group, targets in enumerate(wanted)
    )
    return Resolution(groups, "; ".join(why) or "by ordinal", roles.sampled_ns)


def concrete(fault: Fault, groups: Groups) -> ResolvedFault:
    """What a world is asked to do, once the brokers are known.

    Raises NothingToBreak: a link to itself, a group of one.
    """
    made: ResolvedFault = FAULTS[fault.kind].concrete(fault.body, groups)
    if made.empty:
        who = _list(tuple(dict.fromkeys(ordinal for group in groups for ordinal in group)))
        raise NothingToBreak(f"it comes down to {who} alone, and that leaves nothing to break")
    return made


def _kind(selector: Selector, kinds: Mapping[str, RoleKind]) -> RoleKind | None:
    """What its role is, by the words of the system; None: it has no such role, or the selector is an ordinal."""
    return None if selector.role is None else kinds.get(selector.role)


def _holders(selector: Selector, kind: RoleKind | None, roles: Roles, brokers: int) -> Holders:
    """Everybody who fits."""
    if selector.ordinal is not None:
        return Holders((selector.ordinal,))
    if kind in (RoleKind.ALL, RoleKind.OTHER):
        return Holders(tuple(range(brokers)))
    return Holders(()) if kind is None else roles.holders(kind, selector.partition or 0)


def _nobody(selector: Selector, having: tuple[int, ...], taken: set[int], vacant: str) -> str:
    if not having:
        return vacant or "nobody has this role"
    if set(having) <= taken:
        return f"only {_list(having)}, already named by another target"
    return f"only {_list(having)}, and {selector.count_max} are wanted"


def _list(ordinals: tuple[int, ...]) -> str:
    return f"broker{'s' if len(ordinals) > 1 else ''} {', '.join(map(str, ordinals))}"
