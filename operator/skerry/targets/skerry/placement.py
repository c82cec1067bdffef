"""Where the brokers put the replicas of a topic, as far as that is known before it is made, and who can lead them.

Partition p of a topic is on `replicationFactor` brokers one after the other, from some broker on that moves with p. On
an empty cluster partition 0 begins with broker 0; on others it depends on the topics that are there already.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from skerry.schema import log
from skerry.schema.log import Path

if TYPE_CHECKING:
    from skerry.experiment.document import Spec


def replicas_of(partition: int, spec: Spec, first: int = 0) -> tuple[int, ...]:
    """The brokers that hold it, in ascending order, where partition 0 begins with the broker ``first``."""
    brokers = spec.cluster.brokers
    return tuple(sorted((first + partition + step) % brokers for step in range(spec.topic.replication_factor)))


class Placement(log.Placement):
    __doc__ = log.Placement.__doc__

    def problems(self, spec: Spec) -> Iterator[tuple[Path, str]]:
        """Wherever the topic begins, a leader without a replica would never lead."""
        yield from super().problems(spec)
        begins = list(range(spec.cluster.brokers))
        for index, wanted in enumerate(self.leaders):
            if wanted.ordinal >= spec.cluster.brokers or wanted.partition >= spec.topic.partitions:
                continue  # which is said elsewhere
            begins = [first for first in begins if wanted.ordinal in replicas_of(wanted.partition, spec, first)]
            if not begins:
                count = spec.topic.replication_factor
                yield (
                    ("leaders", index),
                    f"broker {wanted.ordinal} can hold no replica of partition {wanted.partition} when the leaders in "
                    f"front of it have one of theirs: the {count} replicas of a partition are in a row, and those of "
                    "the next begin one broker further; choose another broker, or raise `replicationFactor`",
                )
                return
