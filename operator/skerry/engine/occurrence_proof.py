"""What is known of one occurrence from samples: in effect or not, since when, until when, as strongly as asked, gone.

It puts a fault's own proof (`skerry.faults`), which reads samples, and the judge of intervals together.
"""

from __future__ import annotations

from skerry.engine.interval import Bracket, IntervalJudge, Lost
from skerry.engine.observation import ActionReport, Observation, ProcessState
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Proof
from skerry.faults.registry import fault_type

NS = 1_000_000_000
HEAL_SHOWS_NS = 2 * NS
"""Within what a heal that did something shows."""
TOLD_LATE_NS = NS
"""How long after a fault has ended samples may still tell of it: a connection that was tried while it lasted."""
Active = tuple[ResolvedFault, ...]
"""The other faults that are in effect."""


class OccurrenceProof:
    """It follows one attempt to inject one fault."""

    def __init__(
        self,
        fault: ResolvedFault,
        observation: Observation,
        others: Active,
        earlier: Before,
        asked_ns: int,
        lasts_ns: int,
    ) -> None:
        """``earlier`` is how things are without it; ``asked_ns`` is when the injection is asked for, which is now."""
        self._fault = fault
        self._kind = fault_type(fault)
        self._asked_ns = asked_ns
        self._earlier = earlier
        holds = lasts_ns > 0 and not fault.gradual
        self._judge = IntervalJudge(asked_ns, holds, fault.gradual, fault.begin_unsure_ns)
        self._judge.look(self._kind.read(fault, observation, self._earlier, others))
        self._back_ns = -1
        self._others_ns: dict[ResolvedFault, int] = {}
        """When each of the others was last in effect."""
        self._still_ns = -1
        """When it was last looked at after its heal, and was not gone yet."""

    def look(self, observation: Observation, others: Active, heal_asked_ns: int | None) -> None:
        """Take the samples of this step."""
        over = self._over_it(observation, others)
        self._judge.feed(self._kind.read(self._fault, observation, self._earlier, over), heal_asked_ns)

    def _over_it(self, observation: Observation, others: Active) -> Active:
        """The others, and those that ended shortly before."""
        now_ns = max((view.sampled_ns for view in observation.brokers), default=0)
        self._others_ns.update(dict.fromkeys(others, now_ns))
        return tuple(other for other, last_ns in self._others_ns.items() if now_ns - last_ns <= TOLD_LATE_NS)

    def hold(self) -> None:
        """It was verified, and may be lost from now on."""
        self._judge.hold()

    # --- in effect ----------------------------------------------------------------------------------------

    @property
    def began(self) -> Bracket | None:
        return self._judge.began

    def beginning(self, report: ActionReport | None) -> Bracket | None:
        """``began``, no wider than what was measured of the injection itself. Samples that contradict that count alone:
        what a world says of its own deeds is no proof."""
        began = self._judge.began
        if began is None or report is None or not report.measured:
            return began
        narrow = Bracket(max(began.before_ns, report.before_ns), min(began.after_ns, report.after_ns))
        return narrow if narrow.before_ns <= narrow.after_ns else began

    @property
    def lost(self) -> Lost | None:
        return self._judge.lost

    @property
    def stray(self) -> str:
        """Who was hit who had to be left alone, as words; empty: nobody."""
        return self._judge.stray()

    @property
    def proven(self) -> str:
        """What was seen, as words, when nothing is missing."""
        return str(self._kind.proven(self._fault))

    def missing(self, reported_ns: int | None) -> str:
        """Why it is not, or not as asked, in effect, as words; empty: it is. ``reported_ns`` is when the world says
        that the injection was complete; None: it does not say so."""
        if missing := self._judge.missing():
            return missing
        return "" if reported_ns is None or self._fault.gradual else self._judge.late(reported_ns)

    def doubt(
        self, observation: Observation, verified: bool, heal_asked_ns: int | None, complete: ActionReport | None
    ) -> str:
        """When it is gone: why all that was seen does not show what was asked for, as words; empty: it does. A fault
        that was lost, or never was to last, has no ``heal_asked_ns``. ``complete``: the report of the whole injection:
        by then what takes one victim after the other has taken the last one. One that was broken off before all of it
        was seen is judged by what is missing."""
        if self._fault.gradual and complete is None and not verified:
            return ""
        gone_after_ns = -1 if self.began is None else self.began.after_ns - self._asked_ns
        disproof = str(self._kind.disproof(self._fault, observation, gone_after_ns))
        if disproof or not verified:
            return disproof
        if self._fault.gradual and complete is not None and (late := self._judge.late(complete.after_ns)):
            return late
        weak = str(self._kind.weigh(self._fault, self._earlier, self._judge.measures()))
        return weak or ("" if heal_asked_ns is None else self._judge.unseen(heal_asked_ns))

    # --- gone ---------------------------------------------------------------------------------------------

    def healed(self, observation: Observation, done_ns: int, others: Active, complete: ActionReport | None) -> Proof:
        """Is it gone, as measured after its heal was done? ``complete`` as in ``doubt``: nobody has to come back whose
        turn did not come before it was broken off."""
        self._note_return(observation, done_ns)
        fault, spared = self._fault, frozenset[int]()
        if fault.gradual and complete is None:
            spared = self._spared(observation, done_ns)
            fault = fault.without(spared)
        if not fault.victims:
            return Proof(True, "it was broken off before it began")
        proof: Proof = self._kind.healed(fault, done_ns, observation, self._earlier, others)
        if not proof.proven and not proof.hidden:
            self._still_ns = max((view.sampled_ns for view in observation.brokers), default=-1)
        if not (proof.proven and spared):
            return proof
        turns = ", ".join(str(ordinal) for ordinal in sorted(spared))
        return Proof(True, f"{proof.detail}; it was broken off before the turn of broker {turns}")

    def _spared(self, observation: Observation, done_ns: int) -> frozenset[int]:
        """The victims that are, after the heal was done, the processes that they were before the fault."""
        olds = self._earlier.brokers
        return frozenset(
            view.ordinal
            for view in observation.brokers
            if view.ordinal in self._fault.victims and view.reachable and view.sampled_ns >= done_ns
            if view.ordinal in olds and view.incarnation == olds[view.ordinal].incarnation
        )

    def oldest_sample_ns(self, observation: Observation) -> int:
        """Up to when the samples speak of the victims: one that they show unregistered may have registered since, and
        the early edge of a heal must not lie after what followed from it (a replica that has caught up, say)."""
        victims = self._fault.victims
        return min((view.sampled_ns for view in observation.brokers if view.ordinal in victims), default=0)

    def by_deadline(self, now_ns: int, done_ns: int, deadline_ns: int) -> str:
        """Why its heal did nothing, as words, now that it is measured to be gone; empty: it did something, or nobody
        could see. A victim is back when its process runs again, which is before it has registered."""
        shows_ns = done_ns + HEAL_SHOWS_NS
        back_ns = self._back_ns if self._back_ns >= 0 else now_ns if self._still_ns > shows_ns else -1
        if not back_ns >= deadline_ns > shows_ns:
            return ""
        return (
            f"was reported as healed at {done_ns / NS:.2f} s, which changed nothing: it ended by itself at its "
            f"deadline, {deadline_ns / NS:.2f} s"
        )

    def _note_return(self, observation: Observation, done_ns: int) -> None:
        views = [view for view in observation.brokers if view.ordinal in self._fault.victims]
        run = all(view.process is ProcessState.RUNNING or view.reachable for view in views)
        takes_processes = any(effect.down for effect in self._fault.effects())
        if self._back_ns < 0 and takes_processes and run:
            self._back_ns = max(done_ns, min((view.process_sampled_ns for view in views), default=0))


def nobody_measures(observation: Observation, now_ns: int, age_ns: int) -> bool:
    """Where the samples come with the workload, they end with it: what was healed cannot be seen to be gone."""
    newest_ns = max((view.sampled_ns for view in observation.brokers), default=0)
    return bool(observation.workload.lost) and now_ns > newest_ns + age_ns
