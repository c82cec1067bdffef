"""What a client of a store of registers can be asked to do, what it answers, and the record that says both."""

from __future__ import annotations

import msgspec

from skerry.history.records import Outcome, RegisterAction, RegisterOperation


class Put(msgspec.Struct, frozen=True, gc=False):
    """Write this value under the key. Answered by `RegisterAnswer`."""

    key: str
    value: int


class Get(msgspec.Struct, frozen=True, gc=False):
    """Read the key; the read is linearizable. Answered by `RegisterAnswer`."""

    key: str


Request = Put | Get


class PlannedOperation(msgspec.Struct, frozen=True):
    """One operation that is due. ``value`` is -1 for a get."""

    id: int
    """Unique among those of its machine; its `Ended` names it."""
    action: RegisterAction
    key: str
    value: int
    intended_ns: int
    final: bool = False

    @property
    def request(self) -> Request:
        """What a client is asked to do."""
        return Put(self.key, self.value) if self.action is RegisterAction.PUT else Get(self.key)


class RegisterAnswer(msgspec.Struct, frozen=True):
    """What a client of the store learned. The fields are those of `RegisterOperation`; -1: not known."""

    outcome: Outcome
    value: int = -1
    """What a get read."""
    revision: int = -1
    store_revision: int = -1
    version: int = -1
    member: int = -1
    term: int = -1
    attempts: int = 1
    error: str = ""


class Ended(msgspec.Struct, frozen=True):
    """The operation with this id ended, in whatever way."""

    id: int
    outcome: Outcome


def record_of(
    process: int, planned: PlannedOperation, invoked_ns: int, completed_ns: int, answer: RegisterAnswer
) -> RegisterOperation:
    """What the history keeps of it."""
    put = planned.action is RegisterAction.PUT
    return RegisterOperation(
        process=process,
        action=planned.action,
        key=planned.key,
        invoked_ns=invoked_ns,
        completed_ns=completed_ns,
        outcome=answer.outcome,
        value=planned.value if put else answer.value,
        revision=answer.revision,
        store_revision=answer.store_revision,
        version=answer.version,
        intended_ns=planned.intended_ns,
        member=answer.member,
        term=answer.term,
        attempts=answer.attempts,
        final=planned.final,
        error=answer.error,
    )


def key_names(prefix: str, count: int) -> tuple[str, ...]:
    """The keys of a run. ``prefix`` is the run's own, so that nobody else writes them."""
    return tuple(f"{prefix}{number}" for number in range(count))
