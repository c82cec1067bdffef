"""One occurrence of a fault from beginning to end: due, resolved, injected, verified, held, healed.

::

    WAITING -> INJECTING -> VERIFYING -> HOLDING -> HEALING -> OVER
       |           |             (unverified: goes on to HOLDING, and says so)
       |           +-> HEALING (the injection failed, or the role had moved: heal, then resolve again)
       +-> OVER (never begun)

Invariants:
  1. Every ``Inject`` is followed by a ``Heal`` of the same occurrence before OVER.
  2. The heal is asked for at effective + duration, or at once when the run is ending.
  3. Nothing is VERIFIED by the injector's word, and its beginning is the measured one; see `interval`.
  4. It is judged as long as it lasts: what is seen to be whole again before the heal was asked for is LOST.
"""

from __future__ import annotations

from collections.abc import Sequence

from skerry.engine.actions import Inject
from skerry.engine.admission import Refused, RoleWatch, Standing, admit
from skerry.engine.baseline import Baseline
from skerry.engine.bounds import Bounds
from skerry.engine.fault_events import fault_event
from skerry.engine.heal_request import HealRequest
from skerry.engine.interval import Bracket
from skerry.engine.observation import ActionReport, ReportState
from skerry.engine.occurrence_proof import OccurrenceProof, nobody_measures
from skerry.engine.resolution import Unresolved
from skerry.engine.stage import Stage
from skerry.engine.step_context import StepContext
from skerry.engine.timeline import Occurrence
from skerry.experiment.document import Spec
from skerry.faults.port import Groups, ResolvedFault
from skerry.history.records import FaultStep
from skerry.targets.registry import rules_of, target

NS = 1_000_000_000
ATTEMPTS_MAX = 3
"""How often a role may move between resolution and injection."""


class FaultInstance:
    """One occurrence. The conductor calls ``step`` with the context of this step, and reads the rest."""

    def __init__(self, occurrence: Occurrence, spec: Spec, bounds: Bounds) -> None:
        self.occurrence = occurrence
        self.stage = Stage.WAITING
        self.fault: ResolvedFault | None = None
        self.groups: Groups = ()
        self.effective: Bracket | None = None
        """Between what two moments it took effect, as it was measured."""
        self.verified = False
        self.failure = ""
        """Why the run must end: the fault could not be injected, or the guard refused it."""
        self.failure_reason = ""
        self._spec = spec
        self._bounds = bounds
        self._baseline = Baseline(target(spec.target).peer_planes)
        self._proof: OccurrenceProof | None = None
        """What is known of the present attempt."""
        self._reported: ActionReport | None = None
        """What the world says of the injection."""
        self._heal_request = HealRequest(bounds)
        self._roles = RoleWatch(occurrence.fault, spec, 0)
        self._attempts = 0
        self._due_ns = 0
        self._inject_id: int | None = None
        self._injected_ns = 0
        self._deadline_ns = 0
        self._unregistered_ns = 0
        self._judged = False
        self._again = False
        self._lost = False
        self._moved_because = ""

    # --- what the conductor asks ------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """May be in effect: injected, and not yet measured to be gone."""
        return Stage.INJECTING <= self.stage <= Stage.HEALING

    @property
    def over(self) -> bool:
        return self.stage is Stage.OVER

    @property
    def wants_links(self) -> bool:
        """Needs new connections tried, from before it takes effect, so that its beginning is seen on them too."""
        return self._on_links and self.active

    # --- steps ------------------------------------------------------------------------------------------

    def step(self, context: StepContext, base_ns: int | None, others: Sequence[FaultInstance], ending: bool) -> None:
        """``base_ns``: the moment the occurrence counts from; None: not yet there.
        ``others``: all other occurrences.
        ``ending``: the run is over: heal now, begin nothing."""
        if self.stage is Stage.WAITING:
            if not any(instance.active for instance in others):
                self._baseline.look(context.observation)
            if ending:
                self.stage = Stage.OVER
            elif base_ns is not None and context.now_ns >= base_ns + self.occurrence.offset_ns:
                self._due_ns = self._due_ns or context.now_ns
                self._begin(context, others)
            return
        active = tuple(instance.fault for instance in others if instance.active and instance.fault is not None)
        if self._proof is not None:
            self._proof.look(context.observation, active, self._heal_request.asked_ns)
        if self.stage is Stage.INJECTING:
            self._injecting(context, ending)
        if self.stage is Stage.VERIFYING:
            self._verifying(context)
        if self.stage in (Stage.VERIFYING, Stage.HOLDING):
            self._holding(context, ending)
        if self.stage is Stage.HEALING:
            self._healing(context, active)

    def _begin(self, context: StepContext, others: Sequence[FaultInstance]) -> None:
        now_ns, fault = context.now_ns, self.occurrence.fault
        roles = rules_of(self._spec).roles(context.observation, now_ns - self._bounds.sample_age_ns)
        standing = [
            Standing(each.occurrence.id, each.fault, each.stage is Stage.HEALING)
            for each in others
            if each.active and each.fault is not None
        ]
        try:
            admitted = admit(fault, self._spec, roles, standing)
        except Unresolved as error:
            if now_ns >= self._due_ns + self._bounds.resolve_ns:
                self._give_up(context, error.reason, f"`{fault.name}` could not begin: {error}")
            return
        if admitted is None:
            return
        if isinstance(admitted, Refused):
            tried = "was not injected"
            if self._moved_because:
                tried = f"was injected and healed again, because {self._moved_because}; it was not injected once more"
            self._give_up(context, admitted.reason, f"`{fault.name}` {tried}: {admitted.why}")
            return
        self.fault, resolution = admitted.fault, admitted.resolution
        self.groups = resolution.groups
        self._attempts += 1
        self._roles = RoleWatch(fault, self._spec, now_ns - self._bounds.sample_age_ns)
        self._proof = OccurrenceProof(
            self.fault,
            context.observation,
            tuple(each.fault for each in standing),
            self._baseline.before(context.observation, now_ns),
            now_ns,
            fault.lasts_ns,
        )
        self._event(context, FaultStep.RESOLVED, now_ns, now_ns, f"{resolution.why}; {admitted.prediction}")
        self._event(context, FaultStep.INJECTING, now_ns, now_ns)
        self._injected_ns = now_ns
        slack_ns = self.fault.slack_ns(fault.lasts_ns) + self._bounds.deadline_margin_ns
        self._deadline_ns = now_ns + fault.lasts_ns + slack_ns
        self._inject_id = context.send(
            Inject(context.new_id(), self.occurrence.id, self.fault, fault.lasts_ns, self._deadline_ns)
        )
        self._heal_request.forget()
        self.effective = self._reported = None
        self._judged = self._again = self.verified = False
        self.stage = Stage.INJECTING

    def _injecting(self, context: StepContext, ending: bool) -> None:
        report = context.report(self._inject_id)
        if report is None or report.state is ReportState.STARTED:
            self._roles.look(context.observation)
        if report is not None and report.state is ReportState.FAILED:
            self._fail(context, "InjectionFailed", f"could not be injected: {report.error or 'no reason was given'}")
        elif ending:
            self._heal(context)
        elif report is not None and (report.state is ReportState.DONE or self._gradual):
            if self._moved(context, report.before_ns):
                return
            # What takes one victim after the other is in effect from the first on; its report is done with the last.
            self._reported = report
            self.stage = Stage.VERIFYING
        elif context.now_ns >= self._injected_ns + self._inject_bound_ns:
            self._fail(context, "InjectionTimedOut", "was not reported as applied in time")

    @property
    def _gradual(self) -> bool:
        return self.fault is not None and self.fault.gradual

    @property
    def _inject_bound_ns(self) -> int:
        """A graceful stop takes its grace period; a rolling restart is as long as it is."""
        assert self.fault is not None
        return self.fault.injection_bound_ns(self._bounds.inject_ns, self._bounds.heal_ns)

    def _moved(self, context: StepContext, before_ns: int) -> bool:
        """The role had moved before the fault took effect: heal, and begin again with the broker that has it now."""
        moved = self._roles.moved(self.groups, before_ns)
        if not moved:
            return False
        detail = f"the role moved before the fault took effect: {moved}"
        if self._attempts >= ATTEMPTS_MAX:
            self._fail(context, "RoleKeepsMoving", f"was given up after {ATTEMPTS_MAX} attempts: {detail}")
            return True
        # Only a note: the occurrence has not happened yet, and its steps are those of the attempt that counts.
        context.note(f"{self.occurrence.id}: {detail}; healed, and resolved again")
        self._again, self._moved_because = True, detail
        self._heal(context)
        return True

    @property
    def _reported_ns(self) -> int:
        """When the injection was complete, as the world says; what is gradual is so when it began."""
        assert self._reported is not None
        return self._reported.after_ns if self._reported.after_ns >= 0 else self._reported.before_ns

    def _verifying(self, context: StepContext) -> None:
        assert self._proof is not None
        if self.effective is None and self._on_links:  # a broker that is stopped hands over before it is gone
            self._roles.look(context.observation)
            if self._proof.began is not None and self._moved(context, self._proof.began.before_ns):
                return
        missing = self._missing()
        if self._proof.began is not None and not missing:
            self._take_effect(context)
            self._verified(context)
            self.stage = Stage.HOLDING
        elif context.now_ns >= self._reported_ns + self._verify_bound_ns:
            self._take_effect(context)
            self._unverified(context, missing)
            self.stage = Stage.HOLDING

    def _take_effect(self, context: StepContext) -> None:
        """Record the measured beginning, once; everything counts from it."""
        assert self._proof is not None
        if self.effective is None and (began := self._proof.beginning(self._reported)) is not None:
            self.effective = began
            self._event(context, FaultStep.EFFECTIVE, *self.effective)

    def _verified(self, context: StepContext) -> None:
        assert self._proof is not None
        assert self.effective is not None
        self.verified = self._judged = True
        self._proof.hold()
        self._event(context, FaultStep.VERIFIED, self.effective.before_ns, context.now_ns, self._proof.proven)

    def _missing(self) -> str:
        """Why it is not, or not as asked, in effect, as words; empty: it is."""
        assert self._proof is not None
        return self._proof.missing(None if self._reported is None else self._reported_ns)

    @property
    def _verify_bound_ns(self) -> int:
        assert self.fault is not None
        if self._gradual:
            return self._inject_bound_ns  # the last broker's turn comes late
        return self._bounds.verification_ns(self.occurrence.fault.lasts_ns, self.fault.shows_after_ns)

    def _holding(self, context: StepContext, ending: bool) -> None:
        after_ns = self.effective.after_ns if self.effective is not None else self._reported_ns
        self._watch_interval(context)
        if self._gradual and not ending:
            done = context.done(self._inject_id) or context.failed(self._inject_id)
            if done is None and context.now_ns < self._injected_ns + self._inject_bound_ns:
                return  # still rolling
            after_ns = context.now_ns
        if self._on_links and not context.observation.injector.alive:
            died = context.observation.injector.detail or "what carried it out is gone, for no reason that is known"
            self._lose(context, died, context.now_ns, context.now_ns)
        if context.now_ns >= self._deadline_ns and not self._gradual:
            said = "it had ended by itself before it was healed"
            self._lose(context, said, self._deadline_ns, context.now_ns)
        if ending or self._lost or context.now_ns >= after_ns + self.occurrence.fault.lasts_ns:
            self._heal(context)

    def _watch_interval(self, context: StepContext) -> None:
        """What was seen since it took effect: whole again, or somebody hit who had to be left alone."""
        assert self._proof is not None
        lost = self._proof.lost
        if lost is not None:
            when = f"between {lost.when.before_ns / NS:.2f} and {lost.when.after_ns / NS:.2f} s of the run"
            self._lose(context, f"{lost.said} {when}, while it should have lasted", *lost.when)
        if self.stage is Stage.HOLDING and self.verified and (stray := self._proof.stray):
            self.verified = False
            self._unverified(context, stray)

    @property
    def _on_links(self) -> bool:
        """It touches packets between brokers, not brokers."""
        return self.fault is not None and bool(self.fault.pairs)

    def _healing(self, context: StepContext, active: tuple[ResolvedFault, ...]) -> None:
        assert self.fault is not None
        request = self._heal_request
        if request.look(context) and request.done is not None and not self._again:
            self._event(context, FaultStep.HEALING, request.done.before_ns, request.done.after_ns)
        if request.done is not None:
            self._measure_heal(context, request.done, active)
        if self.stage is not Stage.HEALING:
            return
        age_ns = self._bounds.sample_age_ns
        if request.done is not None and nobody_measures(context.observation, context.now_ns, age_ns):
            self._leave_unhealed(context, "was lifted, and nobody is left to measure that it is gone")
        elif why := request.given_up(context.now_ns):
            self._leave_unhealed(context, f"was not healed: {why}")
        else:
            request.ask_again(context, self.occurrence.id, self.fault, self._deadline_ns)

    def _measure_heal(self, context: StepContext, done: ActionReport, active: tuple[ResolvedFault, ...]) -> None:
        assert self._proof is not None
        proof = self._proof.healed(context.observation, done.after_ns, active, context.done(self._inject_id))
        by_registration = not self._on_links
        if not proof.proven:
            self._heal_request.because = proof.detail
            self._unregistered_ns = self._proof.oldest_sample_ns(context.observation)
            return
        if self._again:
            self.stage, self._due_ns = Stage.WAITING, context.now_ns
            return
        self._last_words(context, done)
        self._settle(context)
        # A cut is gone when the action is; a victim is back when it has registered, which is later.
        before_ns = max(done.before_ns, self._unregistered_ns) if by_registration else done.before_ns
        after_ns = context.now_ns if by_registration else done.after_ns
        self._event(context, FaultStep.HEALED, before_ns, max(before_ns, after_ns), proof.detail)
        self.stage = Stage.OVER

    def _last_words(self, context: StepContext, done: ActionReport) -> None:
        """All of it has been seen: what does that say of the whole of it?"""
        assert self._proof is not None
        self._take_effect(context)
        self._watch_interval(context)
        if not self._judged and self.effective is not None and not self._missing():
            self._verified(context)  # who came back at once may be proven to have been away only by that
        asked_ns = None if self._lost else self._heal_request.asked_ns
        complete = context.done(self._inject_id)
        if found := self._proof.doubt(context.observation, self.verified, asked_ns, complete):
            self.verified = False
            self._unverified(context, found)
        by_deadline = "" if self._gradual else self._proof.by_deadline(context.now_ns, done.after_ns, self._deadline_ns)
        if by_deadline:
            context.inconclusive("NotHealed", f"`{self.occurrence.id}` {by_deadline}", self._name)

    # --- endings ----------------------------------------------------------------------------------------

    def _heal(self, context: StepContext) -> None:
        assert self.fault is not None
        self._heal_request.begin(context, self.occurrence.id, self.fault)
        self._unregistered_ns = context.now_ns
        self.stage = Stage.HEALING

    def _leave_unhealed(self, context: StepContext, why: str) -> None:
        context.inconclusive("NotHealed", f"`{self.occurrence.fault.name}` {why}", self._name)
        self._settle(context)
        self.stage = Stage.OVER

    def _give_up(self, context: StepContext, reason: str, message: str) -> None:
        """It never began; the run cannot be what the document asked for."""
        self.failure, self.failure_reason = message, reason
        self._event(context, FaultStep.UNVERIFIED, context.now_ns, context.now_ns, message)
        context.inconclusive(reason, message, self._name)
        self.stage = Stage.OVER

    def _fail(self, context: StepContext, reason: str, why: str) -> None:
        """It may have begun: heal it, and end the run."""
        self.failure, self.failure_reason = f"`{self.occurrence.fault.name}` {why}", reason
        self._unverified(context, why, reason)
        self._heal(context)

    def _unverified(self, context: StepContext, detail: str, reason: str = "NotVerified") -> None:
        self._judged = True
        if self.effective is None and self._reported is not None:
            # Not measured: what the world says is all there is, so that the picture shows when it was tried.
            self.effective = Bracket(self._reported.before_ns, max(self._reported.before_ns, self._reported.after_ns))
            self._event(context, FaultStep.EFFECTIVE, *self.effective)
        self._event(context, FaultStep.UNVERIFIED, context.now_ns, context.now_ns, detail)
        context.inconclusive(
            reason, f"`{self.occurrence.id}` was not seen to take effect: {detail}", self._name, "verified"
        )

    def _lose(self, context: StepContext, detail: str, before_ns: int, after_ns: int) -> None:
        if self._lost:
            return
        self._lost = True
        self._event(context, FaultStep.LOST, before_ns, after_ns, detail)
        context.inconclusive("FaultLost", f"`{self.occurrence.id}` was lost: {detail}", self._name)

    def _settle(self, context: StepContext) -> None:
        """An occurrence that took effect and was never judged was too short to be seen."""
        if not self._judged and self._reported is not None:
            missing = self._missing()
            self._unverified(context, f"it ended before it could be verified{f': {missing}' if missing else ''}")

    @property
    def _name(self) -> str:
        return self.occurrence.fault.name

    def _event(self, context: StepContext, step: FaultStep, before_ns: int, after_ns: int, detail: str = "") -> None:
        happened = Bracket(before_ns, after_ns)
        context.fault_event(fault_event(context, self.occurrence, self.fault, self.groups, step, happened, detail))
