"""The conductor: one experiment from the first look at the cluster to the verdict.

::

    Preflight -> SteadyState -> (faults: Injecting, Verifying, Holding, Healing) -> Recovering -> Draining
              -> Checking -> Complete

Several faults may be in effect at once; the phase is then the furthest of theirs. Each part has a bound (`bounds`), so
that the end is reached whatever the world does; ``timeout``, an abort, a lost workload or a fault that could not be
injected lead to *ending*: every fault is healed, the history is drained and checked, and the verdict is Inconclusive at
best. Safety findings stand even then. A kill that proves to have been another's deed makes it Inconclusive however late
that is known.

Invariants:
  1. Nothing is injected before the steady state, nor after the ending began.
  2. ``Drain`` is sent only when every occurrence is over; and after ``HealAll`` when one could not be healed.
  3. ``Finish`` is sent exactly once, and is the last action.
  4. A conductor that is told that a run was in progress never injects: HealAll, Drain, Check, Finish.
"""

from __future__ import annotations

from skerry.engine.actions import Action, Check, Drain, Finish, HealAll, Prepare, StartWorkload
from skerry.engine.bounds import SECOND_NS, Bounds
from skerry.engine.capabilities import Capabilities
from skerry.engine.fault_instance import FaultInstance
from skerry.engine.link_checks import LinkChecks
from skerry.engine.observation import Observation
from skerry.engine.preflight import refusal
from skerry.engine.probes import Probes
from skerry.engine.progress import Phase, Progress
from skerry.engine.stage import Stage
from skerry.engine.steady import (
    brokers_missing,
    clocks_disagree,
    cluster_missing,
    placement_missing,
    timing_mismatch,
    writes_missing,
)
from skerry.engine.step_context import StepContext
from skerry.engine.timeline import timeline_of
from skerry.experiment.document import Experiment
from skerry.history.records import PhaseEvent
from skerry.schema.verdict import Finding, Verdict, worst

PREPARE_AGAIN_NS = 5 * SECOND_NS


_SHOWN = {
    Stage.INJECTING: Phase.INJECTING,
    Stage.VERIFYING: Phase.VERIFYING,
    Stage.HOLDING: Phase.HOLDING,
    Stage.HEALING: Phase.HEALING,
}


class Conductor:
    """Pure: all it knows comes through ``step``. See `skerry.engine` for the loop around it."""

    def __init__(
        self,
        experiment: Experiment,
        seed: int,
        capabilities: Capabilities,
        *,
        interrupted: str = "",
        last_action_id: int = 0,
        bounds: Bounds | None = None,
    ) -> None:
        """``seed``: of repeats' jitter.
        ``interrupted``: why another conductor's run is found in progress (`journal.interrupted_run`); then this one
            only heals, drains and checks.
        ``last_action_id``: of that run; ids go on from there.
        ``bounds``: default: `Bounds` for the document's timing and this world.
        """
        self.experiment = experiment
        self.spec = experiment.spec
        self.phase = Phase.PREFLIGHT
        self.finished = False
        self.verdict: Verdict | None = None
        self.steady_ns: int | None = None
        """When the steady state was reached: `startAfter` counts from here."""
        self._bounds = bounds or Bounds().for_run(self.spec.cluster.timing.factor, capabilities.injecting_ns)
        self._capabilities = capabilities
        self._seed = seed
        self._interrupted = interrupted
        self._context = StepContext(last_action_id)
        self.instances = tuple(FaultInstance(each, self.spec, self._bounds) for each in timeline_of(experiment, seed))
        self._probes = Probes(self.spec)
        self._link_checks = LinkChecks(self._bounds, self.instances)
        self._began_ns: int | None = None
        self._phase_ns = 0
        self._announced: Phase | None = None
        self._ending = ""
        """The reason, once the run is ending early."""
        self._ending_message = ""
        self._aborted = False
        self._prepare_id: int | None = None
        self._prepare_sent_ns = 0
        self._workload_id: int | None = None
        self._good_since_ns: int | None = None
        self._waiting_for = ""
        self._heal_all_id: int | None = None
        self._drain_id: int | None = None
        self._check_id: int | None = None

    @property
    def waiting_for(self) -> str:
        """What the present phase still misses, for the live display."""
        return self._waiting_for

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._context.findings)

    @property
    def progress(self) -> Progress:
        return Progress(self.phase, self.steady_ns is not None, self._waiting_for, tuple(self._context.fault_events))

    def step(self, now_ns: int, observation: Observation) -> list[Action]:
        """Decide. ``now_ns`` never decreases; a smaller one counts as no time passed."""
        context = self._context
        context.begin(now_ns, observation)
        if self.finished:
            return []
        if self._began_ns is None:
            self._began_ns = self._phase_ns = context.now_ns
            self._announce()
            self._preflight()
        self._watch_for_an_end()
        self._handle()
        return context.take()

    def _handle(self) -> None:
        match self.phase:
            case Phase.PREFLIGHT:
                self._wait_for_brokers()
            case Phase.STEADY_STATE if self.steady_ns is None:
                self._wait_for_steady_state()
            case Phase.RECOVERING:
                self._recover()
            case Phase.DRAINING:
                self._drain()
            case Phase.CHECKING:
                self._check()
            case Phase.COMPLETE:
                pass
            case _:
                self._faults()

    # --- ends -------------------------------------------------------------------------------------------

    def _watch_for_an_end(self) -> None:
        assert self._began_ns is not None
        if self._ending:
            return
        if disproof := self._context.observation.disproof:  # in every phase: else another's deed would pass as ours
            self._end("InjectionFailed", f"{disproof[:1].upper()}{disproof[1:]}.")
        elif self.phase in (Phase.DRAINING, Phase.CHECKING, Phase.COMPLETE):
            return
        elif self._context.observation.abort:
            self._aborted = True
            self._end("Aborted", f"The run was aborted: {self._context.observation.abort}.")
        elif self._context.observation.workload.lost:
            self._end("WorkloadLost", f"The workload is gone: {self._context.observation.workload.lost}.")
        elif (injector := self._context.observation.injector).essential and not injector.alive:
            self._end("InjectorLost", f"What carries the traffic between the brokers is lost: {injector.detail}.")
        elif exited := next((view for view in self._context.observation.brokers if view.exited), None):
            if self.phase is Phase.PREFLIGHT:
                self._finish_now("BrokersNotReady", f"Broker {exited.ordinal} did not start: {exited.exited}.")
            else:
                self._end("BrokerExited", f"No fault took broker {exited.ordinal}: {exited.exited}.")
        elif self._context.now_ns >= self._began_ns + self.spec.timeout_ns:
            missing = f" while it waited: {self._waiting_for}" if self._waiting_for else ""
            self._end("Timeout", f"The run did not end within its timeout, in {self.phase}{missing}.")

    def _end(self, reason: str, message: str) -> None:
        """Heal everything, drain, check. The verdict is Inconclusive, or Fail when safety was violated."""
        self._ending, self._ending_message = reason, message
        self._context.inconclusive(reason, message)
        self._context.note(message)
        if self.phase in (Phase.PREFLIGHT, Phase.STEADY_STATE, Phase.RECOVERING):
            self._go(Phase.HEALING)

    # --- before the faults ------------------------------------------------------------------------------

    def _preflight(self) -> None:
        if self._interrupted:
            self._heal_all_id = self._context.send(HealAll(self._context.new_id()))
            self._end("Interrupted", f"A run was found in progress and is not resumed: {self._interrupted}.")
            return
        reason, message = refusal(self.experiment, self._seed, self._capabilities)
        if reason:
            self._finish_now(reason, message)

    def _wait_for_brokers(self) -> None:
        context = self._context
        self._waiting_for = brokers_missing(self.spec, context.observation, context.now_ns, self._bounds.sample_age_ns)
        mismatch = timing_mismatch(self.spec, context.observation)
        if mismatch:
            self._finish_now("TimingMismatch", mismatch)
        elif not self._waiting_for:
            if self.spec.dry_run:
                self._finish_now("DryRun", "Dry run: the plan was made and nothing was touched.")
                return
            self._go(Phase.STEADY_STATE)
            self._wait_for_steady_state()
        elif self._late(self._bounds.brokers_ns):
            self._finish_now("BrokersNotReady", f"The cluster was not ready in time: {self._waiting_for}.")

    def _wait_for_steady_state(self) -> None:
        """What is written to and placement first, then the workload: so it never runs into a leadership move."""
        context, now_ns = self._context, self._context.now_ns
        observation, age_ns = context.observation, self._bounds.sample_age_ns
        placed = placement_missing(self.spec, observation, now_ns, age_ns)
        cluster = cluster_missing(self.spec, observation, now_ns, age_ns)
        unfinished = bool(placed or cluster or context.failed(self._prepare_id))
        again_ns = self._prepare_sent_ns + PREPARE_AGAIN_NS * self.spec.cluster.timing.factor
        if self._prepare_id is None or (unfinished and now_ns >= again_ns):
            self._prepare()
        if self._workload_id is None and not placed and not cluster and context.done(self._prepare_id):
            self._workload_id = context.send(StartWorkload(context.new_id()))
        writes = writes_missing(self.spec, observation, now_ns)
        failed = context.failed(self._workload_id)
        if failed is not None:
            self._end("WorkloadLost", f"The workload could not be started: {failed.error}.")
            return
        self._waiting_for = cluster or placed or writes
        if self._held(not self._waiting_for, self._bounds.steady_hold_ns):
            if wrong := clocks_disagree(observation, self._capabilities.clock_error_ns):
                self._end("ClocksDisagree", wrong)
                return
            self.steady_ns = now_ns
            context.note("The steady state is reached: the cluster is whole, and takes writes everywhere.")
            self._faults()
        elif self._late(self._bounds.steady_ns):
            self._end("NoSteadyState", f"The steady state was not reached in time: {self._waiting_for or 'unstable'}.")

    def _prepare(self) -> None:
        self._prepare_sent_ns = self._context.now_ns
        self._prepare_id = self._context.send(Prepare(self._context.new_id()))

    # --- the faults -------------------------------------------------------------------------------------

    def _faults(self) -> None:
        context = self._context
        for instance in self.instances:
            if not instance.over:
                others = [other for other in self.instances if other is not instance]
                instance.step(context, self._base_ns(instance), others, bool(self._ending))
            if instance.failure and not self._ending:
                self._end(
                    instance.failure_reason, f"{instance.failure[:1].upper()}{instance.failure[1:]}.".replace("..", ".")
                )
        self._probes.step(context, self.instances)
        self._link_checks.step(self._context, self._base_ns)
        stages = [instance.stage for instance in self.instances if instance.active]
        self._waiting_for = ""
        if stages:
            self._go(_SHOWN[max(stages)])
        elif self._ending:
            self._after_faults_of_an_ending()
        elif all(instance.over for instance in self.instances):
            self._go(Phase.RECOVERING)
            self._recover()

    def _base_ns(self, instance: FaultInstance) -> int | None:
        """What the occurrence counts from: the steady state, or the first effect of the fault that it follows."""
        if instance.occurrence.following is None:
            return self.steady_ns
        first = next(other for other in self.instances if other.occurrence.id == (instance.occurrence.following, 0))
        return None if first.effective is None else first.effective.before_ns

    def _after_faults_of_an_ending(self) -> None:
        """Whatever could not be healed one by one is healed by the broom."""
        context = self._context
        if self._heal_all_id is None and any(finding.reason == "NotHealed" for finding in context.findings):
            self._heal_all_id = context.send(HealAll(context.new_id()))
        waited = (
            context.done(self._heal_all_id) or context.failed(self._heal_all_id) or self._late(self._bounds.heal_ns)
        )
        if self._heal_all_id is None or waited:
            self._start_drain()

    # --- after the faults -------------------------------------------------------------------------------

    def _recover(self) -> None:
        context = self._context
        if self._heal_all_id is None and any(finding.reason == "NotHealed" for finding in context.findings):
            self._heal_all_id = context.send(HealAll(context.new_id()))
        age_ns = self._bounds.sample_age_ns
        self._waiting_for = cluster_missing(self.spec, context.observation, context.now_ns, age_ns) or writes_missing(
            self.spec, context.observation, context.now_ns
        )
        if self._held(not self._waiting_for, self._bounds.recover_hold_ns):
            self._start_drain()
        elif self._late(max(self._bounds.recover_ns, self._longest_wait_ns())):
            missing = self._waiting_for or "it was not stable"
            context.inconclusive("NotRecovered", f"The cluster did not recover in time: {missing}.")
            self._start_drain()

    def _longest_wait_ns(self) -> int:
        """The longest limit that an expectation sets after a heal, and a little more: the checker must see it pass."""
        limits = [self.experiment.limit_ns(expectation.body.longest_ns) for expectation in self.spec.expect]
        return max(limits, default=0) + self._bounds.recover_hold_ns

    def _start_drain(self) -> None:
        if self._workload_id is None and not self._interrupted:
            # Nothing was written: there is nothing to read back.
            self._finish()
            return
        self._go(Phase.DRAINING)
        self._drain_id = self._context.send(Drain(self._context.new_id()))

    def _drain(self) -> None:
        context = self._context
        failed = context.failed(self._drain_id)
        late = self._late(self._bounds.drain_ns)
        if failed is not None or late:
            why = failed.error if failed is not None else "it took too long"
            context.inconclusive("NotDrained", f"The final read did not finish: {why}.")
        if failed is not None or late or context.done(self._drain_id):
            self._go(Phase.CHECKING)
            self._check_id = context.send(Check(context.new_id()))

    def _check(self) -> None:
        context = self._context
        failed = context.failed(self._check_id)
        if context.observation.findings is not None:
            context.findings += context.observation.findings
            self._finish()
        elif failed is not None or self._late(self._bounds.check_ns):
            why = failed.error if failed is not None else "it took too long"
            context.inconclusive("CheckerCrashed", f"The history could not be judged: {why}.")
            self._finish()

    def _finish_now(self, reason: str, message: str) -> None:
        """Before anything was touched."""
        self._context.inconclusive(reason, message)
        self._ending, self._ending_message = reason, message
        self._finish()

    def _finish(self) -> None:
        context = self._context
        self.verdict = worst(finding.verdict for finding in context.findings)
        leading = next((finding for finding in context.findings if finding.verdict is self.verdict), None)
        reason, message = leading_reason(self.verdict, leading)
        if self.verdict is Verdict.INCONCLUSIVE and self._ending:
            reason, message = self._ending, self._ending_message
        self._go(Phase.COMPLETE)
        self._waiting_for = ""
        context.send(Finish(context.new_id(), self.verdict, reason, message, self.findings, self._aborted))
        self.finished = True

    # --- small things -----------------------------------------------------------------------------------

    def _go(self, phase: Phase) -> None:
        if phase is not self.phase:
            self.phase = phase
            self._phase_ns, self._good_since_ns = self._context.now_ns, None
        self._announce()

    def _announce(self) -> None:
        if self._announced is not self.phase:
            self._announced = self.phase
            self._context.record(PhaseEvent(self.phase, self._context.now_ns))

    def _late(self, bound_ns: int) -> bool:
        return self._context.now_ns >= self._phase_ns + bound_ns

    def _held(self, good: bool, hold_ns: int) -> bool:
        """``good`` without a break for ``hold_ns``."""
        if not good:
            self._good_since_ns = None
            return False
        if self._good_since_ns is None:
            self._good_since_ns = self._context.now_ns
        return self._context.now_ns >= self._good_since_ns + hold_ns


def leading_reason(verdict: Verdict, finding: Finding | None) -> tuple[str, str]:
    """(reason, message) of a verdict, from the first finding that made it so."""
    if finding is None:
        return "NothingChecked", "Nothing was checked."
    if verdict is Verdict.PASS:
        return "Passed", "Every property and every expectation holds."
    return finding.reason or "ExpectationNotMet", finding.message
