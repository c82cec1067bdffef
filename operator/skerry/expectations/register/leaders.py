"""Who led the store, term by term, as the members said of themselves; and when each of them began to.

Nobody stamps an election. A member is asked again and again, so what is known is an interval: from the last answer in
which it did not lead to the first in which it did.
"""

from __future__ import annotations

from typing import NamedTuple

from skerry.history import History
from skerry.history.records import StatusSample

LEADS = "Leader"


class Leadership(NamedTuple):
    """One member's lead in one term."""

    term: int
    member: int
    without: StatusSample | None
    """The last answer of this member before, in which it did not lead in this term; None: it never gave one."""
    first: StatusSample
    """The first answer in which it did."""

    @property
    def earliest_ns(self) -> int:
        """It began after this; 0 where nobody knows."""
        return self.without.before_ns if self.without is not None else 0

    @property
    def latest_ns(self) -> int:
        """It had begun by then."""
        return self.first.after_ns


def leaderships(history: History) -> list[Leadership]:
    """By term. Two members that both claim one term are both here."""
    last: dict[int, StatusSample] = {}
    found: dict[tuple[int, int], Leadership] = {}
    for status in sorted(history.statuses, key=lambda status: status.after_ns):
        if not status.reachable:
            continue
        key = (status.term, status.broker)
        if status.group_role == LEADS and key not in found:
            found[key] = Leadership(status.term, status.broker, last.get(status.broker), status)
        last[status.broker] = status
    return [found[key] for key in sorted(found)]


def leader_before(known: list[Leadership], at_ns: int) -> Leadership | None:
    """The leadership of the highest term that had certainly begun."""
    return next((each for each in reversed(known) if each.latest_ns <= at_ns), None)
