"""One occurrence of a fault from beginning to end: due, resolved, injected, verified, held, healed.

::

    WAITING -> INJECTING -> VERIFYING -> HOLDING -> HEALING -> OVER
       |           |             (unverified: goes on to HOLDING, and says so)
       |           +-> HEALING (the injection failed, or the role had moved: heal, then resolve again)
       +-> OVER (never begun)

Invariants:
  1. Every ``Inject`` is followed by a ``Heal`` of the same occurrence before OVER.
  2. The heal is asked for at effective + duration, or at once when the run is ending.
  3. Nothing is VERIFIED by the injector's word; see `verification`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from skerry.engine import guard
from skerry.engine.actions import Heal, Inject
from skerry.engine.bounds import Bounds
from skerry.engine.cluster_view import cluster_view_of
from skerry.engine.observation import ActionReport, ReportState
from skerry.engine.step_context import StepContext
from skerry.engine.targets import Resolution, Unresolved, concrete, resolve
from skerry.engine.timeline import Occurrence
from skerry.experiment.document import Spec
from skerry.faults.port import Groups, ResolvedFault
from skerry.faults.proof import Before, before
from skerry.faults.registry import fault_type
from skerry.history.records import FaultEvent, FaultStep

ATTEMPTS_MAX = 3
"""How often a role may move between resolution and injection."""
HEAL_AGAIN_NS = 200_000_000
"""After a heal that was refused for the first time."""


class Stage(IntEnum):
    WAITING = 0
    INJECTING = 1
    VERIFYING = 2
    HOLDING = 3
    HEALING = 4
    OVER = 5


class FaultInstance:
    """One occurrence. The conductor calls ``step`` with the context of this step, and reads the rest."""

    def __init__(self, occurrence: Occurrence, spec: Spec, bounds: Bounds) -> None:
        self.occurrence = occurrence
        self.stage = Stage.WAITING
        self.fault: ResolvedFault | None = None
        self.groups: Groups = ()
        self.effective: ActionReport | None = None
        """The bracket in which it took effect."""
        self.verified = False
        self.failure = ""
        """Why the run must end: the fault could not be injected, or the guard refused it."""
        self.failure_reason = ""
        self._spec = spec
        self._bounds = bounds
        self._earlier = Before({}, {})
        self._resolution: Resolution | None = None
        self._later: list[Resolution] = []
        self._attempts = 0
        self._due_ns = 0
        self._inject_id: int | None = None
        self._injected_ns = 0
        self._deadline_ns = 0
        self._heal_id: int | None = None
        self._heal_first_ns = 0
        self._heals = 0
        """How often it was asked for again."""
        self._heal_sent_ns = 0
        self._heal_done: ActionReport | None = None
        self._unregistered_ns = 0
        self._judged = False
        self._again = False
        self._lost = False
        self._moved_because = ""
        self._not_healed_because = ""

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
        """Needs new connections tried."""
        return self.fault is not None and bool(self.fault.pairs) and self.stage in (Stage.VERIFYING, Stage.HEALING)

    # --- steps ------------------------------------------------------------------------------------------

    def step(self, context: StepContext, base_ns: int | None, others: Sequence[FaultInstance], ending: bool) -> None:
        """``base_ns``: the moment the occurrence counts from; None: not yet there.
        ``others``: all other occurrences.
        ``ending``: the run is over: heal now, begin nothing."""
        if self.stage is Stage.WAITING:
            if ending:
                self.stage = Stage.OVER
            elif base_ns is not None and context.now_ns >= base_ns + self.occurrence.offset_ns:
                self._due_ns = self._due_ns or context.now_ns
                self._begin(context, others)
            return
        active = [instance.fault for instance in others if instance.active and instance.fault is not None]
        if self.stage is Stage.INJECTING:
            self._injecting(context, ending)
        if self.stage is Stage.VERIFYING:
            self._verifying(context, active)
        if self.stage in (Stage.VERIFYING, Stage.HOLDING):
            self._holding(context, ending)
        if self.stage is Stage.HEALING:
            self._healing(context, active)

    def _begin(self, context: StepContext, others: Sequence[FaultInstance]) -> None:
        now_ns, fault = context.now_ns, self.occurrence.fault
        cluster_view = cluster_view_of(context.observation, self._spec.topic.name, now_ns - self._bounds.sample_age_ns)
        try:
            resolution = resolve(fault, cluster_view, self._spec.cluster.brokers)
        except Unresolved as error:
            if now_ns >= self._due_ns + self._bounds.resolve_ns:
                self._give_up(context, "Unresolved", f"`{fault.name}` could not begin: {error}")
            return
        concrete_fault = concrete(fault, resolution.groups)
        active = [instance.fault for instance in others if instance.active and instance.fault is not None]
        predictions = guard.predict_all(
            active,
            concrete_fault,
            self._spec.cluster.brokers,
            {partition: each.isr for partition, each in cluster_view.partitions.items()},
            self._spec.topic.min_in_sync_replicas,
        )
        refused = guard.refusals(predictions, self._spec.allow)
        if refused:
            tried = "was not injected"
            if self._moved_because:
                tried = f"was injected and healed again, because {self._moved_because}; it was not injected once more"
            self._give_up(context, "GuardRefused", f"`{fault.name}` {tried}: {'; '.join(refused)}")
            return
        self.fault, self.groups, self._resolution = concrete_fault, resolution.groups, resolution
        self._attempts += 1
        self._later, self._earlier = [], before(context.observation)
        self._event(context, FaultStep.RESOLVED, now_ns, now_ns, f"{resolution.why}; {predictions[0].sentence}")
        self._event(context, FaultStep.INJECTING, now_ns, now_ns)
        self._injected_ns = now_ns
        self._deadline_ns = now_ns + concrete_fault.settling_ns + fault.lasts_ns + self._bounds.deadline_margin_ns
        self._inject_id = context.send(
            Inject(context.new_id(), self.occurrence.id, concrete_fault, fault.lasts_ns, self._deadline_ns)
        )
        self._heal_id = self._heal_done = self.effective = None
        self._judged = self._again = self.verified = False
        self.stage = Stage.INJECTING

    def _injecting(self, context: StepContext, ending: bool) -> None:
        report = context.report(self._inject_id)
        if report is None or report.state is ReportState.STARTED:
            self._watch_roles(context)
        if report is not None and report.state is ReportState.FAILED:
            self._fail(context, "InjectionFailed", f"could not be injected: {report.error or 'no reason was given'}")
        elif ending:
            self._heal(context, FaultStep.HEALING)
        elif report is not None and (report.state is ReportState.DONE or self._gradual):
            if self._moved(context, report):
                return
            # What takes one victim after the other is in effect from the first on; its report is done with the last.
            self.effective = report
            after_ns = report.after_ns if report.state is ReportState.DONE else context.now_ns
            self._event(context, FaultStep.EFFECTIVE, report.before_ns, after_ns)
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

    def _watch_roles(self, context: StepContext) -> None:
        """Keep what the roles are while the injection is under way; which of it came before is known afterwards."""
        cluster_view = cluster_view_of(
            context.observation, self._spec.topic.name, self._injected_ns - self._bounds.sample_age_ns
        )
        try:
            self._later.append(resolve(self.occurrence.fault, cluster_view, self._spec.cluster.brokers))
        except Unresolved:
            return
        del self._later[:-50]

    def _moved(self, context: StepContext, report: ActionReport) -> bool:
        """The role had moved before the fault took effect: heal, and begin again with the broker that has it now."""
        earlier = [each for each in self._later if each.sampled_ns < report.before_ns]
        if not earlier or earlier[-1].groups == self.groups:
            return False
        detail = f"the role moved before the fault took effect: {earlier[-1].why}"
        if self._attempts >= ATTEMPTS_MAX:
            self._fail(context, "RoleKeepsMoving", f"was given up after {ATTEMPTS_MAX} attempts: {detail}")
            return True
        # Only a note: the occurrence has not happened yet, and its steps are those of the attempt that counts.
        context.note(f"{self.occurrence.id}: {detail}; healed, and resolved again")
        self._again, self._moved_because = True, detail
        self._heal(context, FaultStep.HEALING)
        return True

    def _verifying(self, context: StepContext, active: list[ResolvedFault]) -> None:
        assert self.fault is not None
        assert self.effective is not None
        since_ns = self.effective.after_ns if self.effective.after_ns >= 0 else self.effective.before_ns
        proof = fault_type(self.fault).verify(
            self.fault, since_ns, context.observation, self._earlier, tuple(active), context.now_ns - since_ns
        )
        if proof.proven:
            self.verified = True
            self._event(context, FaultStep.VERIFIED, self.effective.before_ns, context.now_ns, proof.detail)
            self._judged = True
            self.stage = Stage.HOLDING
        elif context.now_ns >= since_ns + self._verify_bound_ns:
            self._unverified(context, proof.detail)
            self.stage = Stage.HOLDING

    @property
    def _verify_bound_ns(self) -> int:
        """A broker that comes back at once may be proven to have been away only by its new registration."""
        if self._gradual:
            return self._inject_bound_ns  # the last broker's turn comes late
        lasts_ns = self.occurrence.fault.lasts_ns
        instant = lasts_ns == 0
        return self._bounds.verify_ns if instant else min(self._bounds.verify_ns, lasts_ns)

    def _holding(self, context: StepContext, ending: bool) -> None:
        assert self.effective is not None
        after_ns = self.effective.after_ns if self.effective.after_ns >= 0 else context.now_ns
        if self._gradual and not ending:
            done = context.done(self._inject_id) or context.failed(self._inject_id)
            if done is None and context.now_ns < self._injected_ns + self._inject_bound_ns:
                return  # still rolling
            after_ns = context.now_ns
        if not ending and self._on_links and not context.observation.injector.alive:
            self._lose(
                context,
                f"its injector died: {context.observation.injector.detail or 'no reason known'}",
                context.now_ns,
            )
        if context.now_ns >= self._deadline_ns and not self._gradual:
            self._lose(context, "it had ended by itself before it was healed", self._deadline_ns)
        if ending or self._lost or context.now_ns >= after_ns + self.occurrence.fault.lasts_ns:
            self._heal(context, FaultStep.HEALING)

    @property
    def _on_links(self) -> bool:
        """It touches packets between brokers, not brokers."""
        return self.fault is not None and bool(self.fault.pairs)

    def _healing(self, context: StepContext, active: list[ResolvedFault]) -> None:
        assert self.fault is not None
        done = context.done(self._heal_id)
        if done is not None and self._heal_done is None:
            self._heal_done = done
            if not self._again:
                self._event(context, FaultStep.HEALING, done.before_ns, done.after_ns)
        if self._heal_done is not None:
            self._measure_heal(context, self._heal_done, active)
        if self.stage is not Stage.HEALING:
            return
        if self._heal_done is not None and self._nobody_measures(context):
            self._leave_unhealed(context, "was lifted, and nobody is left to measure that it is gone")
            return
        failed = context.failed(self._heal_id)
        if failed is not None:
            self._not_healed_because = failed.error
        if context.now_ns >= self._heal_first_ns + self._bounds.heal_ns:
            why = "its heal was never reported done" if self._heal_done is None else "it is not measured to be gone"
            because = f" ({self._not_healed_because})" if self._not_healed_because else ""
            self._leave_unhealed(context, f"was not healed: {why}{because}")
        elif context.now_ns >= self._heal_sent_ns + self._heal_pause_ns(context):
            self._heal(context, None)

    def _heal_pause_ns(self, context: StepContext) -> int:
        """Until the heal is asked for again: one that was refused soon, then ever later, so that a
        server which refuses is not asked in every turn."""
        if context.failed(self._heal_id) is None:
            return self._bounds.heal_retry_ns
        return int(min(self._bounds.heal_retry_ns, HEAL_AGAIN_NS << self._heals))

    def _measure_heal(self, context: StepContext, done: ActionReport, active: list[ResolvedFault]) -> None:
        assert self.fault is not None
        kind, observation = fault_type(self.fault), context.observation
        excused = frozenset(ordinal for other in active for ordinal in other.victims)
        excused |= frozenset(view.ordinal for view in observation.brokers if view.exited)
        proof = kind.healed(self.fault, done.after_ns, observation, self._earlier, excused)
        by_registration = not self._on_links
        if not proof.proven:
            self._not_healed_because = proof.detail
            self._unregistered_ns = self._oldest_sample_ns(context)
            return
        if not self._judged and self.effective is not None:
            late = kind.verify(self.fault, self.effective.after_ns, observation, self._earlier, tuple(active), 0)
            if late.proven and by_registration:
                self.verified = self._judged = True
                self._event(context, FaultStep.VERIFIED, self.effective.before_ns, context.now_ns, late.detail)
        disproof = kind.disproof(self.fault, observation)
        if disproof is not None and self.effective is not None:
            self.verified = False
            self._unverified(context, disproof.detail)
        if self._again:
            self.stage, self._due_ns = Stage.WAITING, context.now_ns
            return
        self._settle(context)
        # A cut is gone when the action is; a victim is back when it has registered, which is later.
        before_ns = max(done.before_ns, self._unregistered_ns) if by_registration else done.before_ns
        after_ns = context.now_ns if by_registration else done.after_ns
        self._event(context, FaultStep.HEALED, before_ns, max(before_ns, after_ns), proof.detail)
        self.stage = Stage.OVER

    def _oldest_sample_ns(self, context: StepContext) -> int:
        """Up to when the samples that were just looked at speak of the victims: one that they show unregistered may
        have registered since: the early edge of a heal must not lie after what followed from it (a whole ISR, say)."""
        assert self.fault is not None
        ordinals = self.fault.victims
        return min((view.sampled_ns for view in context.observation.brokers if view.ordinal in ordinals), default=0)

    # --- endings ----------------------------------------------------------------------------------------

    def _heal(self, context: StepContext, step: FaultStep | None) -> None:
        """Ask for the heal, for the first time (with a step) or again."""
        assert self.fault is not None
        self._heal_id = context.send(Heal(context.new_id(), self.occurrence.id, self.fault))
        self._heal_sent_ns = context.now_ns
        self._heals = 0 if step is not None else self._heals + 1
        if step is not None:
            self._heal_first_ns = self._unregistered_ns = context.now_ns
            self._heal_done = None
        self.stage = Stage.HEALING

    def _nobody_measures(self, context: StepContext) -> bool:
        """Where the samples come with the workload, they end with it: what was healed cannot be seen to be gone."""
        newest_ns = max((view.sampled_ns for view in context.observation.brokers), default=0)
        lost = bool(context.observation.workload.lost)
        return lost and context.now_ns > newest_ns + self._bounds.sample_age_ns

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
        self._heal(context, FaultStep.HEALING)

    def _unverified(self, context: StepContext, detail: str, reason: str = "NotVerified") -> None:
        self._judged = True
        self._event(context, FaultStep.UNVERIFIED, context.now_ns, context.now_ns, detail)
        context.inconclusive(
            reason, f"`{self.occurrence.id}` was not seen to take effect: {detail}", self._name, "verified"
        )

    def _lose(self, context: StepContext, detail: str, since_ns: int) -> None:
        if self._lost:
            return
        self._lost = True
        self._event(context, FaultStep.LOST, since_ns, context.now_ns, detail)
        context.inconclusive("FaultLost", f"`{self.occurrence.id}` was lost: {detail}", self._name)

    def _settle(self, context: StepContext) -> None:
        """An occurrence that took effect and was never judged was too short to be seen."""
        if not self._judged and self.effective is not None:
            self._unverified(context, "it ended before it could be verified")

    @property
    def _name(self) -> str:
        return self.occurrence.fault.name

    def _event(self, context: StepContext, step: FaultStep, before_ns: int, after_ns: int, detail: str = "") -> None:
        context.fault_event(
            FaultEvent(
                fault=self._name,
                occurrence=self.occurrence.id.number,
                step=step,
                before_ns=before_ns,
                after_ns=after_ns,
                wall_ns=context.wall_ns(before_ns),
                kind=self.occurrence.fault.kind,
                groups=self.groups,
                links=self.fault.pairs if self.fault is not None else (),
                detail=detail,
            )
        )
