"""The run's clock, which is the workload pod's, as seen from the operator.

An exchange is sent at ``a`` and received at ``b`` on the operator's monotonic clock, and brings the pod's run clock
``r``, which was read somewhere between. So the offset (run clock minus operator's clock) lay in [r - b, r - a]. Every
exchange narrows what is known of it; age widens it again, by as much as two machines' clocks may drift apart.
"""

from __future__ import annotations

DRIFT_PPM = 200
"""Parts per million: twice what a machine's quartz may be off."""
PPM = 1_000_000


class ClockUnknown(RuntimeError):
    """There was no exchange yet."""


class BracketClock:
    """All times are integer nanoseconds; ``op`` is the operator's monotonic clock.

    Invariant: while the clocks drift by no more than the allowance, and none of them jumps, the true offset at
    ``_at_ns`` lies in [``_low_ns``, ``_high_ns``].
    """

    def __init__(self, drift_ppm: int = DRIFT_PPM) -> None:
        self._drift_ppm = drift_ppm
        self._low_ns = self._high_ns = self._at_ns = 0
        self._shown_ns: int | None = None
        self.exchanges = 0
        self.restarts = 0
        """How often an exchange contradicted all earlier ones: a clock jumped, or the pod is another one."""

    def exchange(self, sent_ns: int, run_ns: int, received_ns: int) -> None:
        """Take in one exchange. They may come in any order.

        ``sent_ns``: op, before the question was sent.
        ``run_ns``: the pod's run clock, read after the question came and before the answer went.
        ``received_ns``: op, after the answer had come.
        Raises ValueError: it was received before it was sent.
        """
        if received_ns < sent_ns:
            raise ValueError(f"an exchange was sent at {sent_ns} ns and received at {received_ns} ns, which is before")
        at_ns = received_ns if not self.exchanges else max(received_ns, self._at_ns)
        low_ns = run_ns - received_ns - self._drift_ns(at_ns - sent_ns)
        high_ns = run_ns - sent_ns + self._drift_ns(at_ns - sent_ns)
        if self.exchanges:
            known_low_ns, known_high_ns = self._bounds_ns(at_ns)
            if max(low_ns, known_low_ns) <= min(high_ns, known_high_ns):
                low_ns, high_ns = max(low_ns, known_low_ns), min(high_ns, known_high_ns)
            else:
                self.restarts += 1
        self._low_ns, self._high_ns, self._at_ns = low_ns, high_ns, at_ns
        self.exchanges += 1

    def lower_ns(self, op_ns: int) -> int:
        """The run clock was at least this at ``op_ns``. Raises ClockUnknown."""
        return op_ns + self._bounds_ns(op_ns)[0]

    def upper_ns(self, op_ns: int) -> int:
        """The run clock was at most this at ``op_ns``. Raises ClockUnknown."""
        return op_ns + self._bounds_ns(op_ns)[1]

    def now_ns(self, op_ns: int) -> int:
        """The best estimate of the run clock, which never goes back from one call to the next. Raises ClockUnknown."""
        self._shown_ns = self._estimate_ns(op_ns)
        return self._shown_ns

    def error_ns(self, op_ns: int) -> int:
        """How far ``now_ns`` may be from the run clock at ``op_ns``. Raises ClockUnknown."""
        estimate_ns = self._estimate_ns(op_ns)
        return max(self.upper_ns(op_ns) - estimate_ns, estimate_ns - self.lower_ns(op_ns))

    def _estimate_ns(self, op_ns: int) -> int:
        middle_ns = (self.lower_ns(op_ns) + self.upper_ns(op_ns)) // 2
        return middle_ns if self._shown_ns is None else max(middle_ns, self._shown_ns)

    def _bounds_ns(self, op_ns: int) -> tuple[int, int]:
        """The bounds of the offset, at any moment of the operator's clock."""
        if not self.exchanges:
            raise ClockUnknown("the run's clock is not known: the workload pod has not answered yet")
        drift_ns = self._drift_ns(abs(op_ns - self._at_ns))
        return self._low_ns - drift_ns, self._high_ns + drift_ns

    def _drift_ns(self, elapsed_ns: int) -> int:
        return -(-elapsed_ns * self._drift_ppm // PPM)
