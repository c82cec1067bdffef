"""What is known of one experiment, said everywhere it is said: status, Events, metrics, log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence

from skerry.controller.events import EventReason, EventRecorder, of_fault
from skerry.controller.status import Ended, StatusModel
from skerry.controller.status_writer import StatusWriter
from skerry.controller.tools import Tools
from skerry.engine.progress import Progress
from skerry.experiment.document import Experiment
from skerry.history.records import FaultEvent
from skerry.schema.base import JsonObject
from skerry.schema.verdict import Verdict
from skerry.worlds.kubernetes.api import Kube
from skerry.worlds.kubernetes.preflight import Refusal

MESSAGE_EVERY_NS = 2_000_000_000
"""How often the status says anew what the run waits for."""

log = logging.getLogger(__name__)


class StatusReporter:
    """Says what happens to an experiment. Methods return at once; ``open`` and ``settle`` write what they say."""

    def __init__(self, kube: Kube, resource: JsonObject, tools: Tools) -> None:
        """``resource``: as the API server has it."""
        self._told = StatusModel(resource)
        self._status_writer = StatusWriter(kube, resource, tools.sleep)
        self._event_recorder = EventRecorder(kube, resource)
        self._metrics = tools.metrics.of(kube.namespace, str(resource["metadata"]["name"]))
        self._now = tools.now
        self._said_ns = -MESSAGE_EVERY_NS
        self._events_heard = 0

    @property
    def gone(self) -> bool:
        """The experiment was deleted, or another operator writes its status; nothing is written any more."""
        return self._status_writer.gone

    def has_lease(self) -> None:
        """From now on no other operator may write the status."""
        self._status_writer.exclusive = True

    @property
    def seed(self) -> int | None:
        """The seed that an earlier operator drew."""
        return self._told.seed

    # --- the course of an experiment --------------------------------------------------------------------------

    def taken_up(self, experiment: Experiment, seed: int, interrupted: str = "") -> None:
        """``interrupted``: why a run was found begun; it is healed, drained and checked, nothing else."""
        self._told.taken_up(experiment, seed, self._now())
        if interrupted:
            log.warning("a run was found in progress: %s", interrupted)
            self._told.resumed(interrupted)
        self._tell()

    def waits(self, reason: str, message: str) -> None:
        self._told.waits(reason, message)
        self._tell()

    def refused(self, refusal: Refusal) -> None:
        log.info("refused: %s: %s", refusal.reason, refusal.message)
        self._told.refused(refusal.reason, refusal.message, self._now())
        self._metrics.verdict(Verdict.INCONCLUSIVE)
        self._event_recorder.tell(EventReason.REFUSED, refusal.message, self._now())
        self._tell()

    def planned(self, targets: Sequence[str]) -> None:
        """A dry run found out what each fault would hit."""
        self._told.accepted("It could be carried out.")
        self._told.targets = list(targets)
        self._tell()

    def accepted(self) -> None:
        self._told.accepted()
        self._event_recorder.tell(EventReason.ACCEPTED, "The run begins.", self._now())
        self._tell()

    def begins(self, workload: str) -> None:
        """The mark of a run that has begun: the name of its workload Job."""
        self._told.workload = workload
        self._tell()

    def hear(self, now_ns: int, progress: Progress) -> None:
        """How far the run has come, after a turn of the conductor."""
        changed = self._told.in_phase(progress.phase)
        for event in progress.fault_events[self._events_heard :]:
            self._told.hear(event)
            self._heard_fault(event, now_ns)
            changed = True
        self._events_heard = len(progress.fault_events)
        if progress.steady:
            changed = self._told.steady() or changed
        waits_for = progress.waiting_for
        if not waits_for or now_ns >= self._said_ns + MESSAGE_EVERY_NS:
            self._said_ns = now_ns
            changed = self._told.waiting_for(waits_for) or changed
        if changed:
            self._tell()

    def ended(self, outcome: Ended) -> None:
        """The verdict; only the first one counts."""
        if self._told.ended is not None:
            return
        log.info("%s: %s: %s", outcome.verdict, outcome.reason, outcome.message)
        self._told.end(outcome, self._now())
        self._metrics.verdict(outcome.verdict)
        self._event_recorder.tell(EventReason.COMPLETE, outcome.message, self._now())
        self._tell()

    def forget(self) -> None:
        """Its series go from the operator's metrics."""
        self._metrics.forget()

    # --- writing ----------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """While it is open, everything that is said is written in the background."""
        writers = [asyncio.create_task(self._status_writer.run()), asyncio.create_task(self._event_recorder.run())]
        try:
            yield
        finally:
            for task in writers:
                task.cancel()
            for result in await asyncio.gather(*writers, return_exceptions=True):
                if isinstance(result, Exception):
                    log.error("a writer of the status or of Events had failed", exc_info=result)

    async def journal(self, lines: Sequence[str]) -> None:
        """Durable when it returns. Raises KubeError."""
        await self._status_writer.journal(lines)

    async def status_written(self) -> None:
        """Return when the status is what was said, or cannot be."""
        await self._status_writer.settle()

    async def settle(self) -> None:
        """Return when status and Events are what was said, or cannot be; only while it is open."""
        await self._status_writer.settle()
        if not self._status_writer.gone:
            await self._event_recorder.settle()

    def _heard_fault(self, event: FaultEvent, now_ns: int) -> None:
        self._metrics.hear(event, now_ns)
        told = of_fault(event)
        if told is not None:
            self._event_recorder.tell(*told, self._now())

    def _tell(self) -> None:
        self._status_writer.tell(self._told.status(self._now()))
        self._metrics.in_phase(str(self._told.phase))
