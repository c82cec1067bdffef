"""Hand-written register histories: times are milliseconds, values are those of process 1."""

from __future__ import annotations

from skerry.history.records import Outcome, RegisterAction, RegisterOperation

MS = 1_000_000


def v(n: int, process: int = 1) -> int:
    return process << 40 | n


def put(
    value: int,
    revision: int,
    start: int,
    end: int,
    key: str = "k",
    *,
    outcome: Outcome = Outcome.OK,
    error: str = "",
    member: int = -1,
) -> RegisterOperation:
    """A put of ``v(value)``; -1: the answer named no revision."""
    return RegisterOperation(
        1,
        RegisterAction.PUT,
        key,
        start * MS,
        end * MS,
        outcome,
        v(value),
        revision,
        revision,
        error=error,
        member=member,
    )


def lost_answer(value: int, start: int, end: int, key: str = "k") -> RegisterOperation:
    """A put whose client gave up at ``end``."""
    return put(value, -1, start, end, key, outcome=Outcome.UNKNOWN, error="TimedOut")


def refused(value: int, start: int, end: int, key: str = "k") -> RegisterOperation:
    return put(value, -1, start, end, key, outcome=Outcome.FAILED, error="ConnectionRefused")


def get(
    value: int,
    revision: int,
    start: int,
    end: int,
    key: str = "k",
    *,
    store: int = -1,
    version: int = -1,
    final: bool = False,
    member: int = -1,
) -> RegisterOperation:
    """A get that returned ``v(value)``; ``value`` 0: there was no such key. ``store`` -1: the same as the revision."""
    return RegisterOperation(
        2,
        RegisterAction.GET,
        key,
        start * MS,
        end * MS,
        Outcome.OK,
        v(value) if value else -1,
        revision,
        revision if store < 0 else store,
        version,
        final=final,
        member=member,
    )
