"""Replica dumps over the network: the segment files of running brokers, fetched through their admin planes.

They are read by the same independent reader as the files of stopped brokers. Nobody writes any more when it is done;
followers are given time to reach what the final read found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from skerry.experiment.document import Experiment
from skerry.history.records import ReplicaDump
from skerry.targets.port import Seen
from skerry.targets.skerry.admin import AdminClient
from skerry.targets.skerry.disk import dump_replica, partition_directory

CAUGHT_UP_TIMEOUT_S = 10.0
POLL_S = 0.1


async def fetch_dumps(
    experiment: Experiment, client: AdminClient, seen: Seen, ends: Mapping[int, int], directory: Path
) -> list[ReplicaDump]:
    """Every replica that a broker holds. One that cannot be fetched whole is a dump with an ``error``."""
    topic = experiment.spec.topic
    await _caught_up(seen, topic.name, ends)
    dumps: list[ReplicaDump] = []
    async with client as admin:
        for partition in range(topic.partitions):
            for ordinal in range(experiment.spec.cluster.brokers):
                end = ends.get(partition, -1)
                dump = await _fetch_dump(admin, ordinal, topic.name, partition, end, directory / f"broker-{ordinal}")
                if dump is not None:
                    dumps.append(dump)
    return dumps


async def _caught_up(seen: Seen, topic: str, ends: Mapping[int, int]) -> None:
    """Wait until every replica has what was read, but not for ever: what is missing then is evidence."""
    for _ in range(int(CAUGHT_UP_TIMEOUT_S / POLL_S)):
        behind = any(
            status.topic == topic and 0 <= status.log_end_offset < ends.get(status.partition, 0)
            for view in seen()
            for status in view.partitions
        )
        if not behind:
            return
        await asyncio.sleep(POLL_S)


async def _fetch_dump(
    admin: AdminClient, ordinal: int, topic: str, partition: int, high_watermark: int, directory: Path
) -> ReplicaDump | None:
    """None: the broker holds no replica of it."""
    names = await admin.replica_files(ordinal, topic, partition)
    if names is None:
        return None
    place = partition_directory(directory, topic, partition)
    place.mkdir(parents=True, exist_ok=True)
    for name in names:
        # The broker chose the name: it must not lead out of the directory.
        if (
            "/" in name
            or name.startswith(".")
            or not await admin.fetch_replica_file(ordinal, topic, partition, name, place / name)
        ):
            error = f"{name} of {topic}-{partition} could not be fetched from broker {ordinal}"
            return ReplicaDump(topic, partition, ordinal, 0, 0, high_watermark, (), (), error)
    return await asyncio.to_thread(dump_replica, directory, ordinal, topic, partition, high_watermark)
