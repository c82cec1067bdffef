"""How long each part of a run may take. With `timing: Relaxed` every bound is three times as long.

The sum after the document's `timeout` is what a run can last at most: HEAL + DRAIN + CHECK.
"""

from __future__ import annotations

import msgspec

SECOND_NS = 1_000_000_000


class Bounds(msgspec.Struct, frozen=True):
    brokers_ns: int = 60 * SECOND_NS
    """Until every broker of the experiment has answered and registered."""
    steady_ns: int = 60 * SECOND_NS
    """Until leaders, ISR and writes are as they should be."""
    steady_hold_ns: int = 1 * SECOND_NS
    """How long they must have been so without a break."""
    resolve_ns: int = 5 * SECOND_NS
    """Until somebody has the role that a fault names."""
    inject_ns: int = 15 * SECOND_NS
    """Until the world reports that the fault is applied."""
    verify_ns: int = 5 * SECOND_NS
    """Until the fault was seen on the wire; never longer than the fault itself lasts."""
    heal_retry_ns: int = 5 * SECOND_NS
    """After so long without success the heal is asked for again: it is idempotent."""
    heal_ns: int = 60 * SECOND_NS
    """Until the fault is measured to be gone."""
    recover_ns: int = 60 * SECOND_NS
    """Until ISR and writes are whole again; longer when an expectation allows longer."""
    recover_hold_ns: int = 2 * SECOND_NS
    drain_ns: int = 60 * SECOND_NS
    check_ns: int = 120 * SECOND_NS
    sample_age_ns: int = 2 * SECOND_NS
    """A sample older than this says nothing about now."""
    links_every_ns: int = 300_000_000
    """Between two requests for new connections while something is being verified."""
    deadline_margin_ns: int = 5 * SECOND_NS
    """How much later than its regular heal a fault ends by itself."""

    def scaled(self, factor: int) -> Bounds:
        return Bounds(**{name: getattr(self, name) * factor for name in self.__struct_fields__})
