"""The properties: what must hold of every run. One file each, all of one shape, and a line in this registry."""

from __future__ import annotations

from skerry.checker.properties import (
    aborted_read,
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
    recording,
    replica_divergence,
    silent_skip,
    stale_epoch,
    stalls,
    two_leaders,
)
from skerry.checker.property import Property

PROPERTIES: tuple[Property, ...] = (
    recording.PROPERTY,
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
