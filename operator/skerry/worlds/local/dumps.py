"""What the stopped brokers of a run left on their disks."""

from __future__ import annotations

from collections.abc import Mapping

from skerry.experiment.document import Experiment
from skerry.history.records import ReplicaDump
from skerry.targets.skerry.disk import dump_replica
from skerry.worlds.local.brokers import BrokerProcess


def dump_replicas(
    experiment: Experiment, brokers: Mapping[int, BrokerProcess], ends: Mapping[int, int]
) -> list[ReplicaDump]:
    """What is on the disks of the brokers that hold a replica. Call it when they have stopped."""
    topic = experiment.spec.topic
    found = (
        dump_replica(brokers[ordinal].data_directory, ordinal, topic.name, partition, ends.get(partition, -1))
        for partition in range(topic.partitions)
        for ordinal in sorted(brokers)
    )
    return [dump for dump in found if dump is not None]
