"""How long each part of a run may take. With `timing: Relaxed` every bound is three times as long.

The sum after the document's `timeout` is what a run can last at most: HEAL + DRAIN + CHECK.
"""

from __future__ import annotations

import msgspec

SECOND_NS = 1_000_000_000
HEAL_AGAIN_NS = 200_000_000
"""After a heal that was refused for the first time."""


class Bounds(msgspec.Struct, frozen=True):
    brokers_ns: int = 60 * SECOND_NS
    """Until every broker of the experiment has answered and registered."""
    steady_ns: int = 60 * SECOND_NS
    """Until the cluster is as it should be, and takes writes."""
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
    """Until it is so again; longer when an expectation allows longer."""
    recover_hold_ns: int = 2 * SECOND_NS
    drain_ns: int = 60 * SECOND_NS
    check_ns: int = 120 * SECOND_NS
    sample_age_ns: int = 2 * SECOND_NS
    """A sample older than this says nothing about now."""
    links_every_ns: int = 200_000_000
    """Between two requests for new connections while a fault of links is in effect."""
    deadline_margin_ns: int = 5 * SECOND_NS
    """How much later than its regular heal a fault ends by itself."""

    def verification_ns(self, lasts_ns: int, shows_after_ns: int) -> int:
        """Until a fault was seen. A broker that comes back at once may be proven to have been away only by its new
        registration."""
        bound_ns = self.verify_ns + shows_after_ns
        return min(bound_ns, lasts_ns) if lasts_ns else bound_ns

    def heal_pause_ns(self, refused: bool, heals: int) -> int:
        """Until a heal is asked for again: one that was refused soon, then ever later, so that a server which refuses
        is not asked in every turn. ``heals`` is how often it was asked for again."""
        return min(self.heal_retry_ns, HEAL_AGAIN_NS << min(heals, 20)) if refused else self.heal_retry_ns

    def for_run(self, factor: int, injecting_ns: int) -> Bounds:
        """``factor``: of the timing. Where an injection may be on its way for ``injecting_ns``, a fault's own
        end is so much later."""
        bounds = {name: getattr(self, name) * factor for name in self.__struct_fields__}
        bounds["deadline_margin_ns"] += injecting_ns
        return Bounds(**bounds)
