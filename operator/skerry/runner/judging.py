"""The judgement of a run in a process of its own, which a deadline really ends: the report always comes.

    python -m skerry.runner.judging HISTORY

reads the history, judges it by the document that it carries, and writes the findings to standard output as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import msgspec

from skerry.checker import judge
from skerry.checker.findings import not_judged
from skerry.history.codec import blocks_of, read_history
from skerry.schema.verdict import Finding

CHECK_WITHIN_S = 100
"""The conductor waits for two minutes (``Bounds.check_ns``)."""


async def judged_apart(path: Path, deadline_s: float = CHECK_WITHIN_S) -> tuple[Finding, ...]:
    """What is found in the history at ``path``. A process that is late, or dies, has found nothing: one Inconclusive
    finding (``CheckerCrashed``) says so."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "skerry.runner.judging", str(path)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the run, which still wants the answer
    )
    try:
        async with asyncio.timeout(deadline_s):
            answer, said = await process.communicate()
    except TimeoutError:
        return (not_judged(f"the check did not end within {deadline_s:g} s and was stopped"),)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode == 0:
        return tuple(msgspec.json.decode(answer, type=list[Finding]))
    last = said.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
    return (not_judged(f"the process that checked ended with {_code(process.returncode)}: {last[0]}"),)


def _code(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def main(path: str) -> None:
    with Path(path).open("rb") as file:
        history = read_history(blocks_of(file))
    sys.stdout.buffer.write(msgspec.json.encode(judge(history)))


if __name__ == "__main__":
    main(sys.argv[1])
