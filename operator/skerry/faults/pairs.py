"""Ordered pairs of brokers, for faults of the network."""

from __future__ import annotations

from collections.abc import Iterable

from skerry.faults.port import Groups, Hold


def between(groups: Groups) -> tuple[tuple[int, int], ...]:
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


def ends(pairs: tuple[tuple[int, int], ...]) -> frozenset[int]:
    """Everybody who stands at an end of one."""
    return frozenset(ordinal for pair in pairs for ordinal in pair)


def holds_of(pairs: tuple[tuple[int, int], ...], planes: Iterable[str]) -> frozenset[Hold]:
    """What a fault of these pairs holds."""
    return frozenset(f"the link {a} -> {b} on {plane}" for a, b in pairs for plane in planes)
