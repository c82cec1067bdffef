"""What a proof is, and what it may be made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from skerry.faults.samples import BrokerView, LinkKind, LinkView, Samples

PING_FAILED_AFTER_NS = 300_000_000
"""A kept connection counts as failed when nothing was answered for so long."""
Link = tuple[int, int, str]
"""(source, target, plane)"""


class Proof(msgspec.Struct, frozen=True):
    proven: bool
    detail: str
    """Proven: by what. Not (yet): what is missing."""
    hidden: bool = False
    """It is missing because other faults lie over all of it, so that nobody can see."""


class Before(msgspec.Struct, frozen=True):
    """How things were before the fault, to compare with."""

    brokers: Mapping[int, BrokerView]
    rtt_ns: Mapping[Link, int]
    """The last round trip of each kept connection."""
    rtts_ns: Mapping[Link, tuple[int, ...]] = {}
    """Many of them, from while no fault was in effect."""
    at_ns: int = 0
    """When the injection was asked for."""
    planes: tuple[str, ...] = ()
    """On which the nodes talk to each other, and report on it: what is to be left alone is seen there."""


def before(
    samples: Samples,
    planes: tuple[str, ...],
    rtts_ns: Mapping[Link, tuple[int, ...]] | None = None,
    at_ns: int = 0,
) -> Before:
    """What is to be compared with.

    ``planes``: all on which the nodes talk to each other; on one that is left out nothing would be missed."""
    return Before(
        {view.ordinal: view for view in samples.brokers},
        {
            (link.source, link.target, link.plane): link.rtt_ns
            for link in samples.links
            if link.kind is LinkKind.KEPT and link.rtt_ns >= 0
        },
        rtts_ns or {},
        at_ns,
        planes,
    )


def expected_links(
    links: Iterable[tuple[int, int]], planes: Iterable[str], both_ways: bool = False
) -> Iterator[tuple[int, int, str]]:
    pairs = set(links)
    pairs |= {(b, a) for a, b in pairs} if both_ways else set()
    for plane in planes:
        for source, target in sorted(pairs):
            yield source, target, plane


def fresh_link(
    samples: Samples, source: int, target: int, plane: str, kind: LinkKind, since_ns: int
) -> LinkView | None:
    return next(
        (
            link
            for link in samples.links
            if link.source == source
            and link.target == target
            and link.plane == plane
            and link.kind is kind
            and link.sampled_ns >= since_ns
        ),
        None,
    )


def link_name(source: int, target: int, plane: str) -> str:
    return f"{source} -> {target} on {plane}"
