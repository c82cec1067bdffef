"""``python -m skerry_broker.hold``: keeps a broker from starting until a moment that a file names.

It is an init container of a broker's pod. The file (one key of an optional ConfigMap, named after the pod) holds a
wall-clock second, decimal, such as ``1764259200`` or ``1764259200.5``. The wait expires by itself: the process that
wrote the file may be gone. A broker must never be kept away by a mistake, so whatever cannot be right is said and not
waited for: a text that is no number, or a moment more than an hour ahead.

The broker itself does the same with ``--hold-file``, for a container that is restarted in its pod: no init container
runs again then.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

AHEAD_MAX_S = 3600
ROUND_S = 0.5
ROUNDS_MAX = int(AHEAD_MAX_S / ROUND_S)
"""Bounds the wait even when the wall clock is set back or the file is moved on and on."""
SECOND = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


class WrongFile(Exception):
    """The file says something that cannot be meant; the message is one sentence."""


def held_until(text: str | None, now_s: float) -> float | None:
    """The wall-clock second to wait for; None when there is nothing (more) to wait for: no file, or a past moment.

    Raises WrongFile.
    """
    if text is None:
        return None
    words = text.strip()
    if not SECOND.fullmatch(words):
        raise WrongFile(f"{words[:60]!r} is no wall-clock second, such as 1764259200; not waiting")
    until_s = float(words)
    if until_s > now_s + AHEAD_MAX_S:
        raise WrongFile(f"{words} is {until_s - now_s:.0f} s ahead, more than {AHEAD_MAX_S}; not waiting")
    return until_s if until_s > now_s else None


def hold(
    read: Callable[[], str | None],
    now_s: Callable[[], float],
    sleep_s: Callable[[float], object],
    say: Callable[[str], None],
) -> None:
    """Wait as long as the file says, reading it again twice a second, and never longer than an hour in all.

    Says one line when it starts to wait and one when it goes on, and nothing when there is nothing to wait for. Raises
    WrongFile.
    """
    started_s = now_s()
    waited = False
    for _ in range(ROUNDS_MAX):
        until_s = held_until(read(), now_s())
        if until_s is None:
            break
        left_s = max(0.0, until_s - now_s())
        if not waited:
            waited = True
            say(f"held for {left_s:.1f} s, until {_clock(until_s)}")
        sleep_s(min(ROUND_S, left_s))
    if waited:
        say(f"goes on after {now_s() - started_s:.1f} s")


def _clock(wall_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall_s))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WrongFile(f"cannot be read ({error.strerror}); not waiting") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Always 0: the init container must let the broker start."""
    parser = argparse.ArgumentParser(prog="skerry-broker-hold", description="Waits until the moment a file names.")
    parser.add_argument("--file", type=Path, required=True, help="holds a wall-clock second; may be absent")
    wait_for(parser.parse_args(arguments).file)
    return 0


def wait_for(path: Path) -> None:
    """Until the moment that the file names. Raises nothing: what is wrong with it is said, and not waited for."""

    def say(line: str) -> None:
        sys.stdout.write(f"skerry-broker-hold: {path}: {line}\n")
        sys.stdout.flush()

    try:
        hold(lambda: _read(path), time.time, time.sleep, say)
    except WrongFile as problem:
        sys.stderr.write(f"skerry-broker-hold: {path}: {problem}\n")


if __name__ == "__main__":
    sys.exit(main())
