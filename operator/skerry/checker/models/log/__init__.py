"""The model of a replicated log: clients append batches to partitions and read records from offsets.

* ``content`` puts together, per partition, what the log held according to acknowledgements, readers, the final read and
  the replicas' segment files. All of them must agree, because a committed offset never changes.
* ``fates`` says of every acknowledged record whether it is there.
* ``linear`` decides whether one order of all operations agrees with real time; exactly, in one pass.
* Every other file is one property.
"""

from __future__ import annotations

from skerry.checker.common import clock, faults, processes, recording, stalls
from skerry.checker.model import Model
from skerry.checker.models.log import (
    aborted_read,
    accounting,
    availability,
    beyond_high_watermark,
    changed_record,
    duplicate,
    epoch_order,
    failovers,
    high_watermark,
    inconsistent_offset,
    linearizable,
    lost_write,
    phantom,
    producer_gap,
    producer_order,
    reader_back,
    replica_divergence,
    silent_skip,
    stale_epoch,
    two_leaders,
)
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.property import Property
from skerry.expectations.log.facts import LogFacts
from skerry.expectations.registry import judges_of
from skerry.targets.port import DataModel

PROPERTIES: tuple[Property, ...] = (
    recording.PROPERTY,
    clock.PROPERTY,
    faults.PROPERTY,
    processes.PROPERTY,
    accounting.PROPERTY,
    lost_write.PROPERTY,
    changed_record.PROPERTY,
    inconsistent_offset.PROPERTY,
    duplicate.PROPERTY,
    phantom.PROPERTY,
    aborted_read.PROPERTY,
    producer_order.PROPERTY,
    producer_gap.PROPERTY,
    stale_epoch.PROPERTY,
    two_leaders.PROPERTY,
    epoch_order.PROPERTY,
    beyond_high_watermark.PROPERTY,
    reader_back.PROPERTY,
    silent_skip.PROPERTY,
    high_watermark.PROPERTY,
    replica_divergence.PROPERTY,
    linearizable.PROPERTY,
    availability.PROPERTY,
    failovers.PROPERTY,
    stalls.PROPERTY,
)
"""In the order of the report: what is worst to break comes first."""


MODEL = Model(DataModel.LOG, Evidence, PROPERTIES, judges_of(DataModel.LOG), LogFacts)
