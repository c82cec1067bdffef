"""What the recorded operations say of each key, put together once for all properties of the register model.

The store numbers the writes of all keys with one counter, the *revision*. So the writes of a key are ordered already,
and every read says after which write it stands: nothing is left to search.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

from skerry.history.records import Outcome, RegisterAction, RegisterOperation

ABSENT = 0
"""The revision of a key that does not exist."""

_by_revision = attrgetter("revision")


class Conflict(NamedTuple):
    """Two answers that cannot both be true of one register."""

    reason: str
    """``TwoValues`` at one revision, ``TwoRevisions`` of one value, ``OwnRevision``: an answer contradicts itself."""
    first: RegisterOperation
    second: RegisterOperation


class Key:
    """One key's operations.

    Invariant 1: ``puts`` and ``gets`` are in the order of recording, ``acknowledged`` and ``seen`` by revision.
    Invariant 2: an operation without a usable revision is in none of ``acknowledged`` and ``seen``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.puts: list[RegisterOperation] = []
        """All of them, whatever their outcome."""
        self.gets: list[RegisterOperation] = []
        """All of them, whatever their outcome."""
        self.acknowledged: list[RegisterOperation] = []
        """Puts that are OK and say at which revision."""
        self.seen: list[RegisterOperation] = []
        """Gets that are OK and say which revision they saw; ABSENT comes first."""
        self.unplaced: list[RegisterOperation] = []
        """OK, and yet without a revision, or a put at ABSENT: the answer is not usable."""
        self.writers: dict[int, RegisterOperation] = {}
        """By value. Of a value that was put twice, the first."""
        self.reused: list[tuple[RegisterOperation, RegisterOperation]] = []
        """Puts of one value: the recording broke its promise that values are unique."""

    @property
    def final(self) -> RegisterOperation | None:
        """The last usable get of the final read."""
        return next((get for get in reversed(self.gets) if get.final and usable(get)), None)

    def conflict(self) -> Conflict | None:
        """The first contradiction among the answers, by revision; None: they describe one register."""
        at: dict[int, RegisterOperation] = {}
        of: dict[int, RegisterOperation] = {}
        ambiguous = {put.value for _, put in self.reused}
        for operation in sorted((*self.acknowledged, *self.seen), key=_by_revision):
            first = at.setdefault(operation.revision, operation)
            if first.value != operation.value:
                return Conflict("TwoValues", first, operation)
            elsewhere = of.setdefault(operation.value, operation)
            if elsewhere.revision != operation.revision and operation.value not in ambiguous:
                return Conflict("TwoRevisions", elsewhere, operation)
        return None

    def _close(self) -> None:
        self.acknowledged.sort(key=_by_revision)
        self.seen.sort(key=_by_revision)

    def _add_put(self, put: RegisterOperation) -> None:
        self.puts.append(put)
        first = self.writers.setdefault(put.value, put)
        if first is not put:
            self.reused.append((first, put))
        if put.outcome is Outcome.OK:
            (self.acknowledged if usable(put) else self.unplaced).append(put)

    def _add_get(self, get: RegisterOperation) -> None:
        self.gets.append(get)
        if get.outcome is Outcome.OK:
            (self.seen if usable(get) else self.unplaced).append(get)


def usable(operation: RegisterOperation) -> bool:
    """Answered, and the answer says where among the writes it stands."""
    if operation.outcome is not Outcome.OK:
        return False
    if operation.action is RegisterAction.PUT:
        return operation.revision > ABSENT
    return operation.revision == ABSENT if operation.value < 0 else operation.revision > ABSENT


def keys_of(operations: Iterable[RegisterOperation]) -> dict[str, Key]:
    """Every key that was put or asked for, by name."""
    found: dict[str, Key] = {}
    for operation in operations:
        key = found.get(operation.key)
        if key is None:
            key = found[operation.key] = Key(operation.key)
        if operation.action is RegisterAction.PUT:
            key._add_put(operation)
        else:
            key._add_get(operation)
    for key in found.values():
        key._close()
    return {name: found[name] for name in sorted(found)}
