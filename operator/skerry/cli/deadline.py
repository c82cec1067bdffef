"""Judging in a process of its own, which a deadline really ends.

A recording may have been written by anybody, and a check may have a bug: the user gets an answer all the same.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Sequence

import msgspec

from skerry.checker.findings import not_judged
from skerry.schema.verdict import Finding

CHECK_WITHIN_S = 300
_CHUNK_BYTES = 1 << 16


def within_deadline(check: Callable[[], Sequence[Finding]], deadline_s: float = CHECK_WITHIN_S) -> list[Finding]:
    """What ``check`` finds, in a copy of this process that is killed when it takes longer. A copy that is late, or that
    dies, has found nothing: one Inconclusive finding (``CheckerCrashed``) says so."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(check, write_end)
    os.close(write_end)
    try:
        answer = _read_until(read_end, time.monotonic() + deadline_s)
    finally:
        os.close(read_end)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if answer is None:
        return [not_judged(f"the check did not end within {deadline_s:g} s and was stopped")]
    try:
        return msgspec.json.decode(answer, type=list[Finding])
    except msgspec.DecodeError:
        return [not_judged("the process that checked has died; memory?")]


def _answer(check: Callable[[], Sequence[Finding]], write_end: int) -> None:
    """The copy: it writes its answer and is gone, without running anything that belongs to the original."""
    code = 1
    try:
        with os.fdopen(write_end, "wb") as pipe:
            pipe.write(msgspec.json.encode(list(check())))
        code = 0
    finally:
        os._exit(code)


def _read_until(descriptor: int, until_s: float) -> bytes | None:
    """Everything up to the end; None: the end did not come in time."""
    chunks: list[bytes] = []
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, until_s - time.monotonic()))
        if not ready:
            return None
        chunk = os.read(descriptor, _CHUNK_BYTES)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
