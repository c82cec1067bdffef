"""`partition`: brokers that cannot reach each other."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from skerry.faults.link_body import LinkFaultBody
from skerry.faults.port import Path
from skerry.schema.base import JsonObject, Model, exactly_one
from skerry.schema.cel import PLANES_ONCE, rule
from skerry.schema.cel import exactly_one as one_of
from skerry.schema.selectors import Selector
from skerry.schema.vocabulary import Role


class Connections(StrEnum):
    NEW = "New"
    """No connection can be opened; what is open stays open. All that a NetworkPolicy can promise."""
    ALL = "All"
    """New connections, and those that are open."""


class CutAction(StrEnum):
    DROP = "Drop"
    """Silence: the peer learns nothing."""
    REJECT = "Reject"
    """Refused: the peer learns it at once."""


class Link(Model):
    """Packets from one to the other; the opposite direction stays whole."""

    from_: Annotated[Selector, Field(alias="from")]
    to: Selector


class PartitionFault(LinkFaultBody):
    """Brokers of different groups cannot reach each other on the named planes. Clients still reach all of them."""

    groups: (
        Annotated[
            tuple[Annotated[tuple[Selector, ...], Field(min_length=1, max_length=16)], ...],
            Field(min_length=2, max_length=8),
        ]
        | None
    ) = None
    """The sides, each a list of targets. Every broker of one is cut from every broker of the others."""
    links: Annotated[tuple[Link, ...], Field(min_length=1, max_length=64)] | None = None
    """One-way cuts of packets. A NetworkPolicy cannot do that: it needs the packet method."""
    connections: Connections = Connections.ALL
    """New: no connection can be opened. All: open ones are cut too."""
    action: CutAction = CutAction.DROP
    """Drop: silence. Reject: refused at once."""

    @model_validator(mode="after")
    def _consistent(self) -> PartitionFault:
        exactly_one(self, ("groups", "links"), "what is cut")
        targets = [target for group in self.target_groups() for target in group]
        if self.groups and sum(target.role == Role.OTHER for target in targets) > 1:
            raise ValueError("only one target may be `Other` (the brokers that nothing else names)")
        if self.groups and any(target.role == Role.ALL for target in targets):
            raise ValueError("`All` cannot be a side: nobody would be left on the other; use `Other`")
        return self

    def target_groups(self) -> tuple[tuple[Selector, ...], ...]:
        if self.groups is not None:
            return self.groups
        return tuple((target,) for link in self.links or () for target in (link.from_, link.to))

    @property
    def pairwise(self) -> bool:
        return self.links is not None

    @property
    def groups_count(self) -> int | None:
        return len(self.groups) if self.groups is not None else None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Sides need different brokers; `links` may name the same pair in both directions."""
        ordinals = [target.ordinal for group in self.groups or () for target in group if target.ordinal is not None]
        twice = sorted({ordinal for ordinal in ordinals if ordinals.count(ordinal) > 1})
        if twice:
            yield ("groups",), f"broker {twice[0]} stands on two sides"
        for index, link in enumerate(self.links or ()):
            if link.from_ == link.to and link.to.count_max == 1:
                yield ("links", index), f"goes from {link.from_} to itself, which leaves nothing to cut"


def _is(role: Role) -> str:
    """The target `t` has this role."""
    return f"t.?role.orValue('') == '{role}'"


RULES: dict[str, tuple[JsonObject, ...]] = {
    "PartitionFault": (
        one_of("what is cut", ("groups", "links")),
        PLANES_ONCE,
        rule(
            f"!has(self.groups) || self.groups.filter(g, g.exists(t, {_is(Role.OTHER)})).size() <= 1 && "
            f"self.groups.all(g, g.filter(t, {_is(Role.OTHER)}).size() <= 1)",
            "only one target may be `Other` (the brokers that nothing else names)",
        ),
        rule(
            f"!has(self.groups) || !self.groups.exists(g, g.exists(t, {_is(Role.ALL)}))",
            "`All` cannot be a side: nobody would be left on the other; use `Other`",
        ),
        rule(
            "!has(self.groups) || self.groups.all(g, g.all(t, !has(t.ordinal) || "
            "g.exists_one(u, u == t) && self.groups.exists_one(h, t in h)))",
            "a broker stands on two sides",
        ),
    ),
}
