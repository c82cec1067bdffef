"""Another member, or another process of the same one, leads the store in a higher term within the limit after the fault
took effect.

Nobody stamps an election: the members are asked again and again, and what is known is the interval from the last answer
in which the new leader did not lead to the first in which it did. It is judged by the longest that it may have taken,
from the early edge of the effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from skerry.expectations.facts import RunFacts
from skerry.expectations.judged import Judged, failed, seconds, span, unknown, within
from skerry.expectations.register.leaders import Leadership, leader_before, leaderships
from skerry.history.records import FaultEvent

if TYPE_CHECKING:
    from skerry.expectations.leader_change import LeaderChange


def judge(body: LeaderChange, run: RunFacts) -> Iterator[Judged]:
    limit_ns = run.limit_ns(body.within_ns)
    known = leaderships(run.history)
    for occurrence, effective in run.occurrences_of(body.of):
        start_ns, deadline_ns = effective.after_ns, effective.after_ns + limit_ns
        shown = {"limit": seconds(limit_ns), "window": (effective.before_ns, deadline_ns), "upper_bound": True}
        old = leader_before(known, effective.before_ns)
        if old is None:
            yield unknown("NoEvidence", f"no member said that it led before {occurrence}", **shown)
            continue
        new = next((each for each in known if each.term > old.term and _is_another(run, old, each, effective)), None)
        if new is None:
            message = f"no other leader than member {old.member} after {occurrence}"
            yield failed("NoLeaderChange", message, measured="none", witness=(old.first, effective), **shown)
            continue
        earliest_ns, latest_ns = new.earliest_ns - start_ns, new.latest_ns - effective.before_ns
        measured = span(earliest_ns, latest_ns)
        took_over = f"took over from member {old.member}" if new.member != old.member else "leads again"
        message = f"member {new.member} {took_over} in term {new.term}, {measured} after {occurrence} took effect"
        shown |= {"measured": measured, "weight": latest_ns, "witness": (old.first, effective, new.without, new.first)}
        shown["window"] = (effective.before_ns, min(new.latest_ns, deadline_ns))
        yield within(earliest_ns, latest_ns, limit_ns, "TooLate", message, **shown)


def _is_another(run: RunFacts, old: Leadership, seen: Leadership, effective: FaultEvent) -> bool:
    return seen.member != old.member or run.began_anew(old.member, effective.before_ns, seen.latest_ns)
