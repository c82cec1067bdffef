"""How long a CPU limit kept the workload pod from running, by the kernel's own account.

The workload is an instrument. Under a limit of the container (its own, or one that a LimitRange sets) the kernel stops
every process of it for the rest of a period of 100 ms as soon as the period's share is used up. No single pause is as
long as a stall, and yet nothing is sampled or written in time. So what counts is the share: a window of which a fifth
or more was taken away is a stall of the runner, from its beginning to its end.

`cpu.stat` of the container's cgroup tells it: version 2 as `throttled_usec`, version 1 as `throttled_time` in
nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

FILES = (Path("/sys/fs/cgroup/cpu.stat"), Path("/sys/fs/cgroup/cpu/cpu.stat"))
"""Where cgroup version 2 tells it, and where version 1 does."""
SHARE_PERCENT = 20
"""The part of a window from which on it counts as a stall."""


class Throttled(NamedTuple):
    """A window in which the runner could not run as it wanted."""

    from_ns: int
    to_ns: int
    throttled_ns: int
    """How long it was kept from running; with several processors it may be longer than the window."""

    def __str__(self) -> str:
        return (
            f"a CPU limit kept the workload pod from running for {self.throttled_ns // 10**6} of "
            f"{(self.to_ns - self.from_ns) // 10**6} ms: give its container more, or remove the limit (a LimitRange of "
            "the namespace may set one)"
        )


def read_cpu_stat() -> str:
    """The text of `cpu.stat`; empty: there is none that can be read."""
    for path in FILES:
        try:
            return path.read_text()
        except OSError:
            continue
    return ""


def throttled_ns(cpu_stat: str) -> int | None:
    """Since the container was started; None: the text does not say."""
    for line in cpu_stat.splitlines():
        name, _, value = line.partition(" ")
        if name in ("throttled_usec", "throttled_time") and value.isdecimal():
            return int(value) * (1000 if name == "throttled_usec" else 1)
    return None


class ThrottlingWatch:
    """Look now and then: each look ends a window."""

    def __init__(self, read: Callable[[], str] = read_cpu_stat) -> None:
        self._read = read
        self._known: tuple[int, int] | None = None
        """(when, how much until then)."""

    def look(self, now_ns: int) -> Throttled | None:
        """What the window since the last look was, if a fifth of it or more was taken away.

        ``now_ns``: the run's clock.
        """
        total_ns = throttled_ns(self._read())
        if total_ns is None:
            self._known = None
            return None
        before, self._known = self._known, (now_ns, total_ns)
        if before is None or now_ns <= before[0]:
            return None
        window = Throttled(before[0], now_ns, total_ns - before[1])
        length_ns = window.to_ns - window.from_ns
        return window if window.throttled_ns * 100 >= length_ns * SHARE_PERCENT else None
