"""The run's journal in the resource's status: what was decided, written before it is done. What belongs in it:
`skerry.engine.journal`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec

from skerry.engine.journal import JournalError, bounded, decode, encode, interrupted_run, keeps, unhealed
from skerry.engine.world import Action, Heal, Inject
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import KubeError

ENTRY_MAX = 4000
"""Most characters of the journal in a status: the bound of the CRD."""
ENTRIES_MAX = 400
"""Most entries of the journal in a status: the bound of the CRD."""
TOTAL_MAX = 256 * 1024
"""Characters in all. An object of the API server has 1.5 MB."""
KEPT = 100
"""Beyond this, occurrences that were healed are forgotten."""
UNSEEN_IDS = 1_000_000
"""Ids of actions that are in no journal (records, link checks). A resumed run begins above them, so that no report of
the old run answers an action of the new one."""


class Interruption(NamedTuple):
    """A run was found begun."""

    why: str
    last_action_id: int
    entries: tuple[Action, ...] = ()


def interruption(status: JsonObject) -> Interruption | None:
    """What ``status`` says of an earlier conductor's run; None: none began.

    A run has begun when its workload is named, though its journal may be empty still.
    """
    lines = [str(line).encode() for line in status.get("journal") or []]
    if not lines and not status.get("workload"):
        return None
    try:
        entries = decode(lines)
    except (JournalError, RecursionError) as error:  # brackets within brackets: nobody of us writes such a line
        return Interruption(f"its journal cannot be read ({str(error) or type(error).__name__})", UNSEEN_IDS)
    last_id = max((entry.id for entry in entries), default=0) + UNSEEN_IDS
    why = interrupted_run(entries)
    if not entries:
        why = "it had only just begun"
    elif not why:
        why = "it had its verdict, and the report was not stored yet"
    return Interruption(why, last_id, tuple(entries))


class StatusJournal:
    """Use it for one run. Invariant: what ``append`` was given is in the status when it returns."""

    def __init__(self, write: Callable[[Sequence[str]], Awaitable[None]], entries: Sequence[Action] = ()) -> None:
        """``write`` makes lines durable, or raises KubeError. ``entries``: of the run that is taken over."""
        self._write = write
        self._entries: list[Action] = list(entries)

    async def append(self, actions: Sequence[Action]) -> None:
        """Raises KubeError."""
        self._entries += [action for action in actions if keeps(action)]
        self._entries, lines = fitting(self._entries)
        await self._write(lines)


def fitting(entries: list[Action]) -> tuple[list[Action], list[str]]:
    """What is kept of them, and its lines.

    Raises KubeError: what may still be in effect is more than the status can hold.
    """
    limit = KEPT
    while True:
        entries = bounded(entries, limit)
        lines = [_line(entry) for entry in entries]
        if len(lines) <= ENTRIES_MAX and sum(map(len, lines)) <= TOTAL_MAX:
            return entries, lines
        if not limit:
            message = f"the journal is full: {len(unhealed(entries))} occurrences may be in effect at once"
            raise KubeError(0, "JournalFull", message)
        limit //= 2


def _line(action: Action) -> str:
    line = encode(action).decode()
    if len(line) > ENTRY_MAX and isinstance(action, Inject | Heal):
        # Which pairs it meant is in the history; that it may be in effect is what the journal is for.
        return encode(msgspec.structs.replace(action, fault=action.fault.shortened())).decode()
    return line
