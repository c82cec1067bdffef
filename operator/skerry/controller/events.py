"""Kubernetes Events of an experiment: the few moments that `kubectl describe` should show.

An Event's name follows from the experiment and the message, so that saying it twice is saying it once.
"""

from __future__ import annotations

import asyncio
import logging
from enum import StrEnum

from skerry.controller.status import date_time
from skerry.history.records import FaultEvent, FaultStep
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import EVENTS, Kube, KubeError
from skerry.worlds.kubernetes.names import API_VERSION, EXPERIMENT_LABEL, KIND, MANAGED_BY_LABEL, MANAGER, digest

EVENTS_MAX = 20
"""Most events of one experiment. What happens to every one of many occurrences is in the report."""
RESERVED = 2
"""For `Refused` or `Complete`, which always come."""
MESSAGE_MAX = 1024
COMPONENT = "skerry-operator"

log = logging.getLogger(__name__)


class EventReason(StrEnum):
    ACCEPTED = "Accepted"
    REFUSED = "Refused"
    FAULT_EFFECTIVE = "FaultEffective"
    FAULT_VERIFIED = "FaultVerified"
    FAULT_UNVERIFIED = "FaultUnverified"
    HEALED = "Healed"
    COMPLETE = "Complete"


WARNINGS = frozenset({EventReason.REFUSED, EventReason.FAULT_UNVERIFIED})
LAST = frozenset({EventReason.REFUSED, EventReason.COMPLETE})
_OF_STEP = {
    FaultStep.EFFECTIVE: EventReason.FAULT_EFFECTIVE,
    FaultStep.VERIFIED: EventReason.FAULT_VERIFIED,
    FaultStep.UNVERIFIED: EventReason.FAULT_UNVERIFIED,
    FaultStep.LOST: EventReason.FAULT_UNVERIFIED,
    FaultStep.HEALED: EventReason.HEALED,
}


def of_fault(event: FaultEvent) -> tuple[EventReason, str] | None:
    """(reason, message) of a step in a fault's life; None: not worth an Event."""
    reason = _OF_STEP.get(event.step)
    if reason is None:
        return None
    return reason, f"{event.fault}#{event.occurrence}: {event.detail or event.kind}"


def event_manifest(resource: JsonObject, reason: EventReason, message: str, now_s: float) -> JsonObject:
    """``resource``: the experiment that it is about, as the API server has it."""
    metadata = resource["metadata"]
    name, uid = str(metadata["name"]), str(metadata["uid"])
    moment = date_time(now_s)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{name}.{digest(uid, reason, message)}",
            "namespace": metadata["namespace"],
            "labels": {MANAGED_BY_LABEL: MANAGER, EXPERIMENT_LABEL: name},
        },
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": name,
            "namespace": metadata["namespace"],
            "uid": uid,
        },
        "type": "Warning" if reason in WARNINGS else "Normal",
        "reason": str(reason),
        "message": message[:MESSAGE_MAX],
        "source": {"component": COMPONENT},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }


class EventRecorder:
    """Posts the Events of one experiment, in the background. That one is lost never matters to a run."""

    def __init__(self, kube: Kube, resource: JsonObject) -> None:
        self._kube = kube
        self._resource = resource
        self._queue: asyncio.Queue[JsonObject] = asyncio.Queue()
        self._count = 0

    def tell(self, reason: EventReason, message: str, now_s: float) -> None:
        if self._count >= EVENTS_MAX - (0 if reason in LAST else RESERVED):
            return
        self._count += 1
        self._queue.put_nowait(event_manifest(self._resource, reason, message, now_s))

    async def run(self) -> None:
        """Post what is told, until cancelled."""
        while True:
            manifest = await self._queue.get()
            try:
                await self._kube.create(EVENTS, manifest)
            except KubeError as error:
                if not error.conflict:  # it stands already: an earlier operator said so
                    log.warning("the Event %s was not posted: %s", manifest["reason"], error)
            except Exception:
                log.exception("the Event %s was not posted", manifest["reason"])
            finally:
                self._queue.task_done()

    async def settle(self) -> None:
        """Return when all that was told is posted, or given up. ``run`` must be running."""
        await self._queue.join()
