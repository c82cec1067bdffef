"""Whether a fault held from its beginning to its heal, judged from readings of everything it must take or leave alone.

Pure, and the same for every fault. Each step feeds the readings of that step's samples; what is judged:

* **When it began**: between the last moment at which something that it must take was whole and the first at which all
  of it was taken. Until all is taken nothing has begun: what was silent for another reason and answers again does not
  count. What the handler reported plays no part, except that nothing begins before it was asked for.
* **Where**: what it must leave alone may not be taken for longer than `STRAY_NS` (a busy machine misses a few pings).
* **Until when**: a moment at which something that was taken is whole again, before the heal was asked for, is the
  moment at which the fault was lost. Until it was verified nothing can be lost: a machine that stood still for a moment
  looks like a cut, and has not begun when it answers again.
* **Whether anybody looked**: a thing that was not looked at for longer than `GAP_NS` proves nothing for that time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from skerry.faults.readings import NEVER_NS, Reading

STRAY_NS = 1_000_000_000
STALE_NS = 2_000_000_000
"""What a fault takes must have been seen whole so shortly before: what is dead already proves nothing."""
GAP_NS = 2_000_000_000
LATE_NS = 1_000_000_000
"""How much later than its injection was reported as complete a fault may begin."""
MEASURES_MAX = 2_000
_SECOND_NS = 1_000_000_000


class Bracket(NamedTuple):
    """Something happened between these two moments."""

    before_ns: int
    after_ns: int


class Lost(NamedTuple):
    """When it was lost, and what showed it."""

    when: Bracket
    said: str


class _Subject:
    """All that was read of one thing."""

    def __init__(self, reading: Reading) -> None:
        self.last = reading
        self.well_ns = NEVER_NS
        self.well_before_ns = NEVER_NS
        """The last moment at which it was whole before it was taken."""
        self.first_taken_ns = NEVER_NS
        self.taken_ns = NEVER_NS
        self.looked_ns = NEVER_NS
        self.hidden_ns = NEVER_NS
        """When another fault was last seen to lie over it."""
        self.quiet_ns = NEVER_NS
        """Since when no look has shown it whole."""
        self.gap: Bracket | None = None
        self.measures: list[int] = []

    @property
    def is_taken(self) -> bool:
        return self.first_taken_ns != NEVER_NS

    def forget(self) -> None:
        self.first_taken_ns = self.taken_ns = NEVER_NS


class IntervalJudge:
    """It judges one occurrence, from its injection on."""

    def __init__(self, asked_ns: int, holds: bool, gradual: bool = False, unsure_ns: int = 0) -> None:
        """The injection was asked for at ``asked_ns``. A fault that ``holds`` is to last; another one is over at once,
        and what it took comes back by itself. A ``gradual`` one takes one after another, and begins with the first. So
        much later than it began (``unsure_ns``) may it be measured to have begun."""
        self._late_ns = LATE_NS + unsure_ns
        self._gradual = gradual
        self._asked_ns = asked_ns
        self._holds = holds
        self._subjects: dict[str, _Subject] = {}
        self.began: Bracket | None = None
        self.lost: Lost | None = None
        self._verified = False

    def hold(self) -> None:
        """It was verified: from now on it can be lost."""
        self._verified = True

    def look(self, readings: Iterable[Reading]) -> None:
        """Before the injection: until when everything was whole."""
        for reading in readings:
            subject = self._subjects.setdefault(reading.subject, _Subject(reading))
            subject.well_ns = max(subject.well_ns, reading.well_ns)

    def feed(self, readings: Iterable[Reading], until_ns: int | None = None) -> None:
        """Take readings. The heal was asked for at ``until_ns``; what was seen later says nothing of a fault that is to
        last, but a broker that comes back by itself may be proven to have been away only by that."""
        found = list(readings)
        newest_ns = max((reading.looked_ns for reading in found), default=NEVER_NS)
        for reading in found:
            self._note(reading, newest_ns, until_ns if self._holds else None)
        meant = self._meant()
        enough = any if self._gradual else all
        if self.began is None and meant and enough(each.is_taken for each in meant):
            self.began = self._beginning()

    # --- what is known ------------------------------------------------------------------------------------

    def missing(self) -> str:
        """What is not as it must be for the fault to be in effect, as words; empty: nothing."""
        if not self._meant():
            return "nobody looked at anything that it must take"
        for subject in self._subjects.values():
            reading = subject.last
            if reading.meant and reading.hidden and not subject.is_taken:
                return f"{reading.subject} cannot be judged: another fault lies over it"
            if reading.meant and reading.times and not reading.lazy and subject.is_taken:
                if subject.well_before_ns < self._asked_ns - STALE_NS:
                    return f"{reading.subject} was not whole before, so that nothing is known of what the fault took"
            elif reading.meant and not subject.is_taken:
                fresh = subject.well_ns >= self._asked_ns or subject.looked_ns >= self._asked_ns
                return reading.whole if fresh else reading.unseen
            if not reading.meant and not reading.hidden and subject.well_ns < self._asked_ns:
                return reading.taken if subject.taken_ns >= self._asked_ns else reading.unseen
        return self.stray()

    def stray(self) -> str:
        """What was hit although it had to be left alone, as words; empty: nothing."""
        for subject in self._subjects.values():
            since_ns = max(subject.well_ns, self._asked_ns)
            if not subject.last.meant and subject.taken_ns - since_ns >= STRAY_NS:
                return subject.last.taken
        return ""

    def unseen(self, until_ns: int) -> str:
        """For which time nobody looked at something that it must take, as words; empty: all was looked at."""
        if self.began is None or not self._holds:
            return ""
        for subject in self._meant():
            gap = subject.gap
            if gap is None and not subject.last.hidden and until_ns - subject.looked_ns > GAP_NS:
                gap = Bracket(subject.looked_ns, until_ns)
            if gap is not None:
                return f"{subject.last.subject} was not looked at from {_s(gap.before_ns)} to {_s(gap.after_ns)}"
        return ""

    def late(self, reported_ns: int) -> str:
        """How much later it began than its injection was reported as complete, or than it could be seen, as words;
        empty: it did not."""
        for subject in self._meant():
            # What shows only when it is used may look whole for a while: it is late when it was not seen for so long.
            shown_ns = subject.first_taken_ns if subject.last.lazy else subject.well_before_ns
            by_ns = shown_ns - max(reported_ns, subject.hidden_ns)
            if by_ns > self._late_ns:
                return (
                    f"{subject.last.whole} {_s(by_ns)} after the injection was reported as complete: it began too late"
                )
        return ""

    def measures(self) -> dict[str, list[int]]:
        """How strongly each thing was taken while it lasted."""
        return {each.last.subject: each.measures for each in self._meant() if each.measures}

    # --- how it is known ----------------------------------------------------------------------------------

    def _meant(self) -> list[_Subject]:
        return [each for each in self._subjects.values() if each.last.meant]

    def _note(self, reading: Reading, newest_ns: int, until_ns: int | None) -> None:
        subject = self._subjects.setdefault(reading.subject, _Subject(reading))
        subject.last = reading
        if reading.hidden:
            subject.looked_ns = max(subject.looked_ns, reading.looked_ns)
            subject.hidden_ns = newest_ns
            return
        if until_ns is not None and reading.looked_ns + reading.settles_ns > until_ns:
            return
        if reading.looked_ns > subject.looked_ns:
            since_ns = max(subject.looked_ns, self.began.after_ns if self.began else reading.looked_ns)
            if reading.looked_ns - since_ns > GAP_NS and subject.gap is None:
                subject.gap = Bracket(since_ns, reading.looked_ns)
            if reading.measure is not None and self.began is not None and len(subject.measures) < MEASURES_MAX:
                subject.measures.append(reading.measure)
            subject.looked_ns = reading.looked_ns
        self._note_well(subject, reading)
        if reading.well_ns == NEVER_NS and subject.quiet_ns < subject.well_ns:
            subject.quiet_ns = reading.looked_ns
        if reading.taken_ns >= self._asked_ns:
            if not subject.is_taken:
                quiet = subject.well_ns < subject.quiet_ns <= reading.taken_ns
                since_ns = max(subject.quiet_ns, self._asked_ns) if quiet else reading.taken_ns
                subject.first_taken_ns, subject.well_before_ns = since_ns, subject.well_ns
            subject.taken_ns = max(subject.taken_ns, reading.taken_ns)

    def _note_well(self, subject: _Subject, reading: Reading) -> None:
        if subject.is_taken and reading.again_ns > subject.taken_ns:
            self._lose(subject, reading.again_ns, reading.again)
        if reading.well_ns <= subject.well_ns:
            return
        again = subject.is_taken and reading.well_ns > subject.first_taken_ns
        if again and reading.meant:
            if self.began is None or (self._holds and not self._verified):
                subject.forget()
                self.began = None
            else:
                self._lose(subject, reading.well_ns, reading.whole)
        subject.well_ns = reading.well_ns

    def _lose(self, subject: _Subject, at_ns: int, said: str) -> None:
        """Something that it took is whole again, or comes back."""
        if self.began is not None and self._holds and self.lost is None:
            early_ns = min(max(subject.taken_ns, self.began.after_ns), at_ns)
            self.lost = Lost(Bracket(early_ns, at_ns), said)

    def _beginning(self) -> Bracket:
        taken = [each for each in self._meant() if each.is_taken]
        timed = [each for each in taken if each.last.times] or taken
        # What shows only when it is used looks whole for a while after it was taken; so does what acts before it shows.
        at_once = [each for each in timed if each.last.lazy or each.last.acts_first]
        known = [each.well_before_ns for each in timed if each.well_before_ns != NEVER_NS and each not in at_once]
        known += [self._asked_ns for _ in at_once]
        before_ns = max(self._asked_ns, min(known, default=self._asked_ns))
        return Bracket(before_ns, max(before_ns, *(each.first_taken_ns for each in timed)))


def _s(ns: int) -> str:
    return f"{ns / _SECOND_NS:.2f} s"
