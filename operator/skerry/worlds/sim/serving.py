"""Answers that need the disk: the batches of a fetch, the offset at a time (what a runtime does with its storage)."""

from __future__ import annotations

from skerry.worlds.sim.disk import Disk
from skerry_broker.core.api import FetchResponse, ListOffsetsResponse
from skerry_broker.core.messages import ServeClient, ServeOffsets, ServePeer
from skerry_broker.core.peer_messages import FetchedPartition, ReplicaFetched


def client_fetch(disk: Disk, effect: ServeClient) -> FetchResponse:
    response = effect.response
    return FetchResponse(
        response.high_watermark,
        response.log_start_offset,
        response.leader_epoch,
        response.leader,
        disk.read(effect.read),
    )


def client_offsets(disk: Disk, effect: ServeOffsets) -> ListOffsetsResponse:
    response = effect.response
    found = disk.offset_at_time(effect.partition, effect.at_wall_ms, response.high_watermark)
    return ListOffsetsResponse(
        response.log_start_offset, response.high_watermark, response.leader_epoch, response.leader, found
    )


def peer_fetch(disk: Disk, effect: ServePeer) -> ReplicaFetched:
    message = effect.message
    filled = []
    for part, read in zip(message.partitions, effect.reads, strict=True):
        if read is not None:
            part = FetchedPartition(
                part.partition,
                part.leader_epoch,
                part.error,
                part.high_watermark,
                part.log_start_offset,
                part.log_end_offset,
                part.diverging,
                disk.read(read),
            )
        filled.append(part)
    return ReplicaFetched(message.request_id, tuple(filled))
