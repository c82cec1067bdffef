"""One experiment, from the resource to its verdict. The task that runs this is the supervisor's.

Whatever ends it leaves through ``finally``: the world heals in its own; the Lease is released, or handed over when the
operator itself is stopping (the next one takes it up again). While another operator conducts the experiment, nothing is
done or written here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from skerry.controller.admission import AGAIN_S, UNREACHABLE, admit
from skerry.controller.document import InvalidDocument, document_text, read_resource
from skerry.controller.dry_run import dry_run
from skerry.controller.lease import AnotherOperator, TargetLease
from skerry.controller.outcome import ABORTED, ended, never_began, report_of
from skerry.controller.report import files_of, packed, store
from skerry.controller.resume import brokers_of, capabilities_of
from skerry.controller.status import Ended, is_complete
from skerry.controller.status_journal import Interruption, StatusJournal, interruption
from skerry.controller.status_reporter import StatusReporter
from skerry.controller.status_writer import RETRY_S
from skerry.controller.tools import Tools
from skerry.engine.actions import Action, Inject
from skerry.engine.capabilities import Capabilities
from skerry.engine.conductor import Conductor
from skerry.experiment.document import Experiment
from skerry.schema.base import JsonObject
from skerry.schema.verdict import Verdict
from skerry.worlds.kubernetes.api import EXPERIMENTS, JOBS, Kube, KubeError
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.drive import ClusterWorld, RunEnd, broken_off, drive
from skerry.worlds.kubernetes.names import ABORT_ANNOTATION, workload_name
from skerry.worlds.kubernetes.preflight import Refusal, namespace_refusal
from skerry.worlds.kubernetes.sweep import SweepIncomplete, sweep

OPERATOR_ERROR = "OperatorError"
REFUSED = "ApiServerRefused"
STORE_ATTEMPTS = 5
OPT_IN_S = 5.0
"""How often the namespace's label is looked at; before each injection it is anyway."""
HEAL_NOW_S = 5.0

log = logging.getLogger(__name__)


class ExperimentRun:
    """Use it once: ``run``; after an exception, ``crashed``."""

    def __init__(self, kube: Kube, resource: JsonObject, tools: Tools) -> None:
        """``kube``: of the experiment's namespace. ``resource``: as the API server has it, without a verdict."""
        self.name, self.uid = str(resource["metadata"]["name"]), str(resource["metadata"]["uid"])
        self.retain_ns = 0
        """How long its metrics are kept after its end."""
        self.stopping = False
        """The operator is: the Lease is kept for the next one."""
        self._kube = kube
        self._resource = resource
        self._tools = tools
        self._status_reporter = StatusReporter(kube, resource, tools)
        self._world: ClusterWorld | None = None
        self._lease: TargetLease | None = None
        self._journal = StatusJournal(self._status_reporter.journal)
        self._abort_code = self._abort = ""
        self.seen(resource)

    # --- from outside ---------------------------------------------------------------------------------------

    def seen(self, resource: JsonObject) -> None:
        """It was modified. Only the annotation that aborts it matters: the spec cannot change."""
        reason = (resource["metadata"].get("annotations") or {}).get(ABORT_ANNOTATION)
        if reason is not None:
            self._abort_for(ABORTED, str(reason).strip() or f"the annotation {ABORT_ANNOTATION} was set")

    async def run(self) -> None:
        """Return when the verdict is written: by us, or by the operator that conducts it already."""
        while await self._is_ours_to_conduct():
            with contextlib.suppress(AnotherOperator):
                await self._conduct()
                return

    async def _conduct(self) -> None:
        """Raises AnotherOperator when it turns out to be conducted already; nothing was touched then."""
        async with self._status_reporter.open():
            try:
                await self._run()
                await self._status_reporter.settle()
            finally:
                if self._lease is not None:
                    await (self._lease.hand_over() if self.stopping else self._lease.release())

    async def _is_ours_to_conduct(self) -> bool:
        """Wait while another operator conducts it. False: nothing is left to do."""
        spec = self._resource.get("spec") or {}
        stateful_set = (spec.get("cluster") or {}).get("statefulSet")
        waited = self._status_reporter.gone
        if not waited and interruption(self._resource.get("status") or {}) is None:
            return True  # it has not begun; admission looks at the Lease
        while stateful_set and not spec.get("dryRun"):
            try:
                await self._tools.lease(self._kube, str(stateful_set), self._resource).held_by_another()
                if not waited:
                    return True
                found = await self._kube.get(EXPERIMENTS, self.name)
            except AnotherOperator as other:
                if not waited:
                    log.info("operator `%s` conducts it", other)
                waited = True
            except KubeError:
                if not waited:
                    return True  # what begins it is told, and says so
            else:
                if found is None or str(found["metadata"]["uid"]) != self.uid or is_complete(found):
                    return False
                self._resource = found
                self._status_reporter = StatusReporter(self._kube, found, self._tools)
                return True
            await self._tools.sleep(AGAIN_S)
        return not waited

    async def crashed(self, error: Exception) -> None:
        """``run`` raised what it never should. Returns when what can be healed is healed, and the verdict written."""
        if self._world is not None:
            with contextlib.suppress(Exception):  # whatever is wrong with it: the fuses end the rest
                async with asyncio.timeout(HEAL_NOW_S):
                    await self._world.close_now()
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        self._status_reporter.ended(
            Ended(
                Verdict.INCONCLUSIVE,
                OPERATOR_ERROR,
                f"The operator met a bug of its own ({what}); this says nothing about the cluster.",
                finished=False,
            )
        )
        await self._status_reporter.status_written()

    def forget(self) -> None:
        """Its series go from the operator's metrics."""
        self._status_reporter.forget()

    # --- the course of it -------------------------------------------------------------------------------------

    async def _run(self) -> None:
        found = interruption(self._resource.get("status") or {})
        try:
            experiment = read_resource(self._resource)
        except InvalidDocument as error:
            if found is not None:  # another version of us could read it
                await self._sweep()
            self._status_reporter.refused(Refusal("InvalidDocument", str(error)))
            return
        self.retain_ns = experiment.spec.retain_ns
        seed = self._seed(experiment)
        self._status_reporter.taken_up(experiment, seed, interrupted=found.why if found is not None else "")
        if found is not None:
            await self._resume(experiment, seed, found)
        else:
            await self._begin(experiment, seed)

    def _seed(self, experiment: Experiment) -> int:
        if experiment.spec.seed is not None:
            return experiment.spec.seed
        drawn = self._status_reporter.seed
        return self._tools.draw_seed() if drawn is None else drawn

    async def _begin(self, experiment: Experiment, seed: int) -> None:
        answer = await admit(
            self._kube, self._resource, experiment, seed, self._tools, self._waits, lambda: self._abort
        )
        if isinstance(answer, Refusal):
            self._status_reporter.refused(answer)
            return
        accepted, self._lease = answer
        if self._lease is None:
            plan = dry_run(experiment, seed, await self._tools.look(experiment, accepted.brokers))
            self._status_reporter.planned(plan.targets)
            self._status_reporter.ended(Ended(Verdict.INCONCLUSIVE, "DryRun", plan.message, finished=False))
        else:
            self._status_reporter.has_lease()
            self._status_reporter.accepted()
            await self._drive(experiment, seed, accepted.brokers, accepted.capabilities, None)

    def _waits(self, reason: str, message: str) -> None:
        if self._status_reporter.gone:
            raise AnotherOperator("who writes its status")
        self._status_reporter.waits(reason, message)

    async def _resume(self, experiment: Experiment, seed: int, found: Interruption) -> None:
        """Heal, drain, check what was found begun; nothing can refuse that, and it is tried until it could be done."""
        self._journal = StatusJournal(self._status_reporter.journal, found.entries)
        while True:
            try:
                brokers = await brokers_of(self._kube, experiment)
                self._lease = await self._lease_or_not(brokers.name)
                self._status_reporter.has_lease()
                able = capabilities_of(self._kube.namespace)
                await self._drive(experiment, seed, brokers, able, found)
                return
            except KubeError as error:
                log.warning("the run could not be healed yet: %s", error)
                await self._tools.sleep(RETRY_S)

    async def _lease_or_not(self, stateful_set: str) -> TargetLease:
        """Healing does not depend on whether it can be had. Raises AnotherOperator: then that one heals."""
        lease = self._tools.lease(self._kube, stateful_set, self._resource)
        try:
            other = await lease.take()
        except KubeError as error:
            log.warning("healing without the Lease: %s", error)
            return lease
        if other:
            log.warning("healing without the Lease: the experiment %s has it", other)
        return lease

    async def _drive(
        self, experiment: Experiment, seed: int, brokers: BrokerSet, able: Capabilities, found: Interruption | None
    ) -> None:
        """From here on the run has begun, and its status says so to an operator that finds it."""
        self._status_reporter.begins(workload_name(self.name))
        await self._status_reporter.status_written()
        if self._status_reporter.gone:
            return
        keeps = experiment.target.own
        own = keeps().document(experiment, self.uid) if keeps is not None else experiment
        why, last_id = (found.why, found.last_action_id) if found is not None else ("", 0)
        conductor = Conductor(own, seed, able, interrupted=why, last_action_id=last_id)
        self._world = self._tools.make_world(
            self._kube,
            self._resource,
            own,
            document_text(own),
            seed,
            brokers,
            able,
            self._tools.settings(self._kube.namespace),
            self._tools.draw_token(),
            own_metrics=self._tools.metrics.samples,
        )
        if self._abort:
            self._world.abort(self._abort)
        if found is not None:
            await self._world.close_now()  # at once: the conductor heals only when the recorder answers
        end = await self._watched(self._world, conductor, resumed=found is not None)
        await self._finish(own, seed, end, interrupted=found is not None)

    async def _watched(self, world: ClusterWorld, conductor: Conductor, *, resumed: bool) -> RunEnd:
        """The run, with Lease and opt-in watched meanwhile. Raises KubeError if it is one that must be tried again."""
        assert self._lease is not None
        keeping = [asyncio.create_task(self._lease.keep(lambda why: self._abort_for("LeaseLost", why)))]
        if not resumed:
            keeping.append(asyncio.create_task(self._watch_opt_in()))
        self._tools.metrics.running.inc()
        try:
            return await drive(
                conductor,
                world,
                self._write_journal,
                lambda now_ns, observation, actions: self._status_reporter.hear(now_ns, conductor.progress),
                sleep=self._tools.sleep,
                turn_s=self._tools.turn_s,
            )
        except KubeError as error:
            if resumed:
                raise
            return broken_off(UNREACHABLE if error.unanswered else REFUSED, f"{error}.")
        finally:
            self._tools.metrics.running.dec()
            for task in keeping:
                task.cancel()

    async def _finish(self, own: Experiment, seed: int, end: RunEnd, *, interrupted: bool) -> None:
        if never_began(end):
            await self._remove_workload()
        report = report_of(own, seed, end)
        outcome = ended(report, end, interrupted=interrupted, abort_code=self._abort_code)
        content = packed(end.files if end.report is not None else files_of(report), report)
        stored, problem = "", ""
        for attempt in range(STORE_ATTEMPTS):
            if attempt:
                await self._tools.sleep(RETRY_S)
            try:
                stored = await store(self._kube, self._resource, content)
                break
            except KubeError as error:
                problem = f"The report could not be stored: {error}."
                log.warning(problem)
        self._status_reporter.ended(outcome._replace(report=stored, note=content.note if stored else problem))

    async def _remove_workload(self) -> None:
        """One that never came up has nothing to serve, and would want its place on a node until its deadline. Without
        the Lease it may be another operator's, and stays."""
        if self._lease is None or not await self._lease.is_ours():
            return
        try:
            await self._kube.delete(JOBS, workload_name(self.name))
        except KubeError as error:
            log.warning("the workload could not be removed, and ends at its deadline: %s", error)

    async def _sweep(self) -> None:
        try:
            for line in await sweep(self._kube, self.name):
                log.info("%s", line)
        except SweepIncomplete as error:
            log.warning("%s", error)

    # --- what may still be done -------------------------------------------------------------------------------

    async def _write_journal(self, actions: Sequence[Action]) -> None:
        """Raises KubeError: then nothing may be injected."""
        if any(isinstance(action, Inject) for action in actions):
            await asyncio.gather(self._journal.append(actions), self._require_opt_in())
        else:
            await self._journal.append(actions)

    async def _require_opt_in(self) -> None:
        refusal = await namespace_refusal(self._kube)
        if refusal is not None:
            self._abort_for(refusal.reason, refusal.message.rstrip("."))
            raise KubeError(0, refusal.reason, refusal.message.rstrip("."))

    async def _watch_opt_in(self) -> None:
        """The run ends when the namespace says so, even if nothing is left to inject."""
        while not self._abort:
            await self._tools.sleep(OPT_IN_S)
            with contextlib.suppress(KubeError):
                await self._require_opt_in()

    def _abort_for(self, code: str, why: str) -> None:
        if self._abort:
            return
        self._abort_code, self._abort = code, why
        log.info("aborted: %s", why)
        if self._world is not None:
            self._world.abort(why)
