"""From a run to the facts that choose the rows: what the document asked for, and which disks its faults took."""

from __future__ import annotations

from skerry.checker.models.log.guarantees import Guarantees
from skerry.experiment import Experiment
from skerry.history import History
from skerry.history.records import FaultStep

_DISK_KINDS = ("wipe", "disk")
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
    """Brokers whose acknowledged records a fault took: wiped, bit-flipped or, without group flush, cut off from power.

    A disk fault whose document is not known counts: less is then owed, never more.
    """
    harmless = _harmless_disk_faults(experiment, flush) if experiment else frozenset()
    return frozenset(
        broker
        for event in history.faults
        if event.kind in _DISK_KINDS and event.step in _HAPPENED and event.fault not in harmless
        for group in event.groups
        for broker in group
    )


def _harmless_disk_faults(experiment: Experiment, flush: str) -> frozenset[str]:
    """Disk faults that cannot take anything that was acknowledged."""
    return frozenset(
        fault.name
        for fault in experiment.spec.faults
        if fault.disk is not None
        and not fault.disk.bit_flip
        and (flush == "group" or not (fault.disk.lose_unsynced or fault.disk.torn_write))
    )
