"""What an observer asks, and what it hears."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from skerry.engine.observation import ProcessState

if TYPE_CHECKING:
    from skerry.targets.port import Reported

MS = 1_000_000


class Look(StrEnum):
    STATUS = "status"
    """Heard: a `Reported`, or None; and what is known of the process."""
    METRICS = "metrics"
    """Heard: (name, labels, value) of every series that was asked for."""
    LINKS = "links"
    """Heard: a `LinkView` for one new connection to every peer on every plane."""


class Ask(NamedTuple):
    """Look at one node, now. ``asked_ns`` is before anything was sent."""

    id: int
    look: Look
    ordinal: int
    asked_ns: int
    metric_names: frozenset[str] = frozenset()
    closely: bool = False
    """See `CheckLinks`."""


class ProcessLook(NamedTuple):
    """What is known of a node's process beside what the node itself says."""

    state: ProcessState = ProcessState.UNKNOWN
    ended_by_itself: str = ""
    """How, and its last words, when nobody told the process to end; else empty."""
    starts: int = 0
    """How often it was started: one that is started again may end again."""
    log_tail: str = ""
    """The last lines that it wrote; needed only when it ended by itself."""
    exit_code: int | None = None
    """The exit code of the process that ended; the negative number of the signal that ended it. None: it runs, or is
    unseen."""


class Heard(NamedTuple):
    """The answer to an ask. ``after_ns``: read when it was there, or when it was given up."""

    id: int
    after_ns: int
    answer: Reported | list[Any] | None
    process: ProcessLook = ProcessLook()
    wall_ns: tuple[int, int] = (0, 0)
    """The recorder's wall clock before the question was sent, and after its answer was there."""


class Cadence(msgspec.Struct, frozen=True):
    """How often, from ask to ask; 0: never. A slow answer delays the next ask for the same thing, never another."""

    status_ns: int = 100 * MS
    metrics_ns: int = 200 * MS
    own_lag_ns: int = 20 * MS
    kept_links: bool = True
    """Whether the links that come with every status are of interest."""


SAMPLED_AT_LEAST_EVERY_NS = 200 * MS
"""What every figure of `Cadence` must keep: nothing that is judged is looked at less often."""
