"""Is there one order of the puts and gets of a key that agrees with real time? Exact, in one pass over sorted lists.

Each operation takes effect at one instant between its invocation and its answer. Revisions fix the order: a get that
saw revision r stands after the put at r and before the next put. What remains is a chain of instants, one per put, in
the order of revisions, with the gets of a revision between two of them. Put every instant as early as it can be; that
is earliest for all later ones too, so if one does not fit, no placement fits. A failure is always a pair: the operation
that pushed the chain forward, and one that was answered before that was invoked.

A put whose outcome is unknown and whose value was seen has no end; one whose value nobody saw binds nobody: it may not
have happened. Compared with exhaustive search by `tests/skerry/register/test_register_order.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from skerry.checker.models.register.keys import Key
from skerry.history.records import RegisterAction, RegisterOperation

FOREVER_NS = 1 << 62
_by_revision = attrgetter("revision")


class Violation(NamedTuple):
    """``later`` stands behind ``earlier`` by revision, but was answered before that was invoked."""

    revision: int
    """Where in the order ``later`` shows that."""
    earlier: RegisterOperation
    later: RegisterOperation

    @property
    def stale(self) -> bool:
        """``earlier`` is a get: it began after ``later`` had been answered, and did not see it."""
        return self.earlier.action is RegisterAction.GET


def first_violation(key: Key, *, clock_error_ns: int = 0) -> Violation | None:
    """The first place where no order fits; None: this key's history is linearizable.

    ``clock_error_ns``: how far two times of the recording may disagree. The key must have no `Key.conflict`, and every
    value that was seen must have been put: those are other properties' findings.
    """
    latest_ns, pusher = -FOREVER_NS, None
    for revision, put, gets in _by_place(key):
        if put is not None:
            if put.invoked_ns > latest_ns:
                latest_ns, pusher = put.invoked_ns, put
            if pusher is not None and latest_ns > _end_ns(put) + clock_error_ns:
                return Violation(revision, pusher, put)
        for get in gets:
            if pusher is not None and latest_ns > get.completed_ns + clock_error_ns:
                return Violation(revision, pusher, get)
        newest = max(gets, key=attrgetter("invoked_ns"), default=None)
        if newest is not None and newest.invoked_ns > latest_ns:
            latest_ns, pusher = newest.invoked_ns, newest
    return None


def _by_place(key: Key) -> Iterator[tuple[int, RegisterOperation | None, list[RegisterOperation]]]:
    """Revision, the put at it, and the gets that saw it; ascending. At ABSENT there is no put."""
    puts = {put.revision: put for put in key.acknowledged}
    seen = {revision: list(gets) for revision, gets in groupby(key.seen, key=_by_revision)}
    for revision in sorted(puts.keys() | seen.keys()):
        gets = seen.get(revision, [])
        put = puts.get(revision)
        if put is None and gets:
            put = key.writers.get(gets[0].value)  # of unknown outcome, and here it is
        yield revision, put, gets


def _end_ns(put: RegisterOperation) -> int:
    """A put whose outcome is unknown may still happen after its client gave up."""
    return put.completed_ns if put.outcome == "ok" else FOREVER_NS
