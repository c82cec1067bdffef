"""The journal: every decision, before it is carried out; what a conductor that starts later learns of an earlier one.

It is bounded. Records for the history, link checks and probes leave no trace in it, because nothing must be undone
after them; when it grows beyond its limit, occurrences that were healed are forgotten first, and an injection without a
heal never.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from skerry.engine.actions import Action, CheckLinks, Finish, Heal, HealAll, Inject, Record, StartProbe, StopProbe

ENTRIES_MAX = 400

_UNDOING_NEEDS_NOTHING = (CheckLinks, Record, StartProbe, StopProbe)
_decoder = msgspec.json.Decoder(Action)
_encoder = msgspec.json.Encoder()


class JournalError(ValueError):
    """A line of a journal cannot be read."""


def keeps(action: Action) -> bool:
    """Whether it belongs in a journal."""
    return not isinstance(action, _UNDOING_NEEDS_NOTHING)


def encode(action: Action) -> bytes:
    """One line, without its line end."""
    if isinstance(action, Finish):
        action = msgspec.structs.replace(action, findings=())  # they are in the report; the journal stays small
    return _encoder.encode(action)


def decode(lines: Iterable[bytes]) -> list[Action]:
    """Raises JournalError when a line other than the last is damaged; a last line that was cut off by a crash was never
    acted upon, and is left out."""
    entries, held = [], list(lines)
    for number, line in enumerate(held, start=1):
        try:
            entries.append(_decoder.decode(line))
        except msgspec.DecodeError as error:
            if number == len(held):
                break
            raise JournalError(f"line {number} of the journal is damaged: {error}") from None
    return entries


def bounded(entries: list[Action], limit: int = ENTRIES_MAX) -> list[Action]:
    """At most ``limit`` entries if forgetting what was healed can achieve it. Order is kept."""
    if len(entries) <= limit:
        return entries
    excess = len(entries) - limit
    kept: list[Action] = []
    for position, entry in enumerate(entries):
        settled = isinstance(entry, Inject | Heal) and _healed_after(entries, position, entry)
        if excess > 0 and settled:
            excess -= 1
        else:
            kept.append(entry)
    return kept


def interrupted_run(entries: Iterable[Action]) -> str:
    """Why a conductor that finds this journal must heal and stop, as words; empty: nothing was in progress."""
    found = list(entries)
    if not found or any(isinstance(entry, Finish) for entry in found):
        return ""
    standing = unhealed(found)
    if not standing:
        return f"it had come to its action {found[-1].id}, with no fault in effect"
    names = ", ".join(f"`{each.occurrence}`" for each in standing)
    return f"{names} may still be in effect"


def unhealed(entries: Iterable[Action]) -> list[Inject]:
    """Injections after which no heal of the same occurrence was asked for."""
    standing: dict[tuple[str, int], Inject] = {}
    for entry in entries:
        if isinstance(entry, Inject):
            standing[entry.occurrence] = entry
        elif isinstance(entry, Heal):
            standing.pop(entry.occurrence, None)
        elif isinstance(entry, HealAll):
            standing.clear()
    return list(standing.values())


def _healed_after(entries: list[Action], position: int, entry: Inject | Heal) -> bool:
    """The last word on this occurrence is a heal, and it is not this entry alone that says so."""
    later = [
        each
        for each in entries[position + 1 :]
        if isinstance(each, Inject | Heal) and each.occurrence == entry.occurrence
    ]
    return isinstance(later[-1], Heal) if later else isinstance(entry, Heal)
