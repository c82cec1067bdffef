"""Every expectation there is, by its word in the document; in the order of the reference page."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.expectations import (
    available,
    epochs_grow_at_most,
    leader_change,
    log,
    max_write_gap,
    metric,
    no_leader_change,
    promql,
    throughput,
    unavailable,
    writes_accepted,
    writes_refused,
)
from skerry.expectations.port import Advice, Column, ExpectationType, Judge
from skerry.faults.port import Feature
from skerry.schema.registry import by_word
from skerry.targets.port import DataModel

GROUP = "skerry.expectations"
"""Entry points of this group name the ``EXPECTATION`` of an expectation that is installed beside Skerry."""
BUILT_IN: tuple[ExpectationType, ...] = (
    leader_change.EXPECTATION,
    no_leader_change.EXPECTATION,
    writes_refused.EXPECTATION,
    writes_accepted.EXPECTATION,
    max_write_gap.EXPECTATION,
    throughput.EXPECTATION,
    epochs_grow_at_most.EXPECTATION,
    available.EXPECTATION,
    unavailable.EXPECTATION,
    metric.EXPECTATION,
    promql.EXPECTATION,
    *log.EXPECTATIONS,
)

EXPECTATIONS = by_word(GROUP, BUILT_IN, lambda expectation: expectation.word)


def judges_of(model: DataModel) -> dict[str, Judge]:
    """By its word, every expectation that can be asked of a system whose clients can do this."""
    return {word: each.judges[model] for word, each in EXPECTATIONS.items() if model in each.judges}


def columns() -> dict[Column, tuple[str, ...]]:
    """The columns of the status, and the words of those that measure for each: what nodes stamp comes first."""
    found: dict[Column, list[ExpectationType]] = {}
    for each in EXPECTATIONS.values():
        if each.column is not None:
            found.setdefault(each.column, []).append(each)
    return {
        column: tuple(each.word for each in sorted(those, key=lambda each: not each.stamped))
        for column, those in found.items()
    }


def advice() -> Iterator[Advice]:
    """The reasons that single expectations have for being Inconclusive."""
    for each in EXPECTATIONS.values():
        yield from each.reasons


def features() -> tuple[Feature, ...]:
    """Everything that some expectation can need of a world."""
    return tuple(dict.fromkeys(feature for each in EXPECTATIONS.values() for feature in each.needs))
