"""The clocks of one simulated machine, as functions of true (scheduler) time."""

from __future__ import annotations

_MILLION = 1_000_000


class NodeClock:
    """A monotonic clock that may run fast or slow, and a wall clock that may also jump.

    ``local(true_ns)`` never decreases as true time passes; a change of rate bends it, it does not break it.
    """

    def __init__(self, offset_ns: int = 0, wall_offset_ns: int = 0, drift_ppm: int = 0) -> None:
        """``offset_ns``: what the monotonic clock shows at true time 0; ``wall_offset_ns``: wall minus *true* time."""
        self.offset_at_start_ns = offset_ns
        self._true_anchor_ns = 0
        self._local_anchor_ns = offset_ns
        self.drift_ppm = drift_ppm
        self.wall_error_ns = wall_offset_ns
        self._shifts_ns: dict[str, int] = {}
        """By how much the wall clock is off, by the name of the fault that shifted it."""

    def local(self, true_ns: int) -> int:
        elapsed = true_ns - self._true_anchor_ns
        if self.drift_ppm:
            return self._local_anchor_ns + elapsed + elapsed * self.drift_ppm // _MILLION
        return self._local_anchor_ns + elapsed

    def true(self, local_ns: int) -> int:
        """The first true time at which ``local`` is at least ``local_ns`` (at the present rate)."""
        elapsed = local_ns - self._local_anchor_ns
        if self.drift_ppm and elapsed > 0:
            rate = _MILLION + self.drift_ppm
            # Rounded up, and then up again while rounding down in `local` still falls short.
            candidate = -(-elapsed * _MILLION // rate)
            while candidate + candidate * self.drift_ppm // _MILLION < elapsed:
                candidate += 1
            elapsed = candidate
        return self._true_anchor_ns + elapsed

    def set_drift(self, true_ns: int, drift_ppm: int) -> None:
        self._local_anchor_ns = self.local(true_ns)
        self._true_anchor_ns = true_ns
        self.drift_ppm = drift_ppm

    def jump_wall(self, by_ns: int) -> None:
        """A step of the wall clock (NTP, an operator); the monotonic clock does not notice."""
        self.wall_error_ns += by_ns

    def shift_wall(self, name: str, by_ns: int) -> bool:
        """The wall clock is off by ``by_ns`` under this name until it is shifted by 0. False: it was so already."""
        known_ns = self._shifts_ns.get(name, 0)
        self._shifts_ns[name] = by_ns
        self.wall_error_ns += by_ns - known_ns
        return by_ns != known_ns

    def wall(self, true_ns: int) -> int:
        """Both clocks drift alike: they are driven by one crystal."""
        return self.local(true_ns) - self.offset_at_start_ns + self.wall_error_ns

    def wall_minus_monotonic(self, true_ns: int) -> int:
        """What the `WallClock` event tells a node."""
        return self.wall(true_ns) - self.local(true_ns)
