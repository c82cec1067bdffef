"""From a run to the facts that choose the rows: what the document asked for, and which disks its faults took."""

from __future__ import annotations

from skerry.checker.models.log.guarantees import Guarantees
from skerry.experiment import Experiment
from skerry.faults.port import FaultBody
from skerry.faults.registry import may_lose_disk
from skerry.history import History
from skerry.history.records import FaultStep

_HAPPENED = (FaultStep.INJECTING, FaultStep.EFFECTIVE, FaultStep.VERIFIED)


def guarantees_of_run(history: History, experiment: Experiment | None) -> Guarantees:
    """Without a document the least is assumed: one in-sync replica, so that a single lost disk ends what is owed."""
    flush = history.header.flush if history.header else "group"
    return Guarantees(
        min_in_sync_replicas=experiment.spec.topic.min_in_sync_replicas if experiment else 1,
        flush=flush,
        disks_lost=_disks_lost(history, experiment, flush),
        replicas=experiment.spec.topic.replication_factor if experiment else 0,
    )


def _disks_lost(history: History, experiment: Experiment | None, flush: str) -> frozenset[int]:
    """Brokers whose acknowledged records a fault took: wiped, bit-flipped or, without group flush, without power."""
    return frozenset(
        broker
        for event in history.faults
        if event.step in _HAPPENED and may_lose_disk(event.kind, _body(experiment, event.fault), flush)
        for group in event.groups
        for broker in group
    )


def _body(experiment: Experiment | None, name: str) -> FaultBody | None:
    """What the document says of the fault; None: the document is not known."""
    found = (fault.body for fault in experiment.spec.faults if fault.name == name) if experiment else ()
    return next(iter(found), None)
