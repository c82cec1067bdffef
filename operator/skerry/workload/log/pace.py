"""How fast the producers write, decided from what is to be seen by it.

A gap in the acknowledgements of a partition can only be seen if the partition is written to all the time. So the
producers spread the rate that the document asks for over enough operations that each partition gets `SEEN_PER_SECOND`
of them, as far as the rate has that many records and a client can carry them out; a higher rate makes larger batches,
not more operations. What remains between two writes to one partition is known before the first of them
(`partition_interval_ns`) and stands in the history: what lies below it this instrument cannot see.
"""

from __future__ import annotations

from itertools import pairwise

import msgspec

NS_PER_SECOND = 1_000_000_000
OPERATIONS_PER_SECOND = 25
"""The pace of one producer, when the partitions need no more."""
SEEN_PER_SECOND = 10
"""Writes to each partition that are wanted, of all producers together."""
OPERATIONS_PER_SECOND_MAX = 400
"""The pace of all producers together, for the partitions' sake: a measurement must not be the load."""


class ProducerPace(msgspec.Struct, frozen=True):
    """The schedule of one producer: ``count`` records every ``interval_ns`` from ``start_ns`` on, to one partition
    after the other, beginning with ``first_partition``."""

    process: int
    count: int
    interval_ns: int
    start_ns: int
    first_partition: int


def paces(producers: int, partitions: int, records_per_second: int, start_ns: int) -> list[ProducerPace]:
    """All producers of a workload: the rate is shared evenly; schedules and partitions are staggered.

    A producer whose share is no record at all is left out.
    """
    operations = max(OPERATIONS_PER_SECOND * producers, min(SEEN_PER_SECOND * partitions, OPERATIONS_PER_SECOND_MAX))
    each = -(-operations // producers)
    shares = [records_per_second // producers + (i < records_per_second % producers) for i in range(producers)]
    stagger_ns = NS_PER_SECOND // each // producers
    return [
        _pace(process, share, each, start_ns + process * stagger_ns, process * partitions // producers)
        for process, share in enumerate(shares)
        if share
    ]


def _pace(process: int, share: int, operations: int, start_ns: int, first_partition: int) -> ProducerPace:
    count = -(-share // operations)
    return ProducerPace(process, count, NS_PER_SECOND * count // share, start_ns, first_partition)


def partition_interval_ns(schedules: list[ProducerPace], partitions: int) -> int:
    """The longest time between two writes to one partition that these schedules mean to leave, however well all goes.

    Every producer comes by once a round; where in the round, is the same for all partitions but for a shift. Rounds of
    different length drift against each other: then only the shortest round of one producer is certain.
    """
    rounds = [each.interval_ns * partitions for each in schedules]
    if len(set(rounds)) > 1:
        return min(rounds)
    length = rounds[0]
    visits = sorted((each.start_ns - each.first_partition * each.interval_ns) % length for each in schedules)
    return max(later - earlier for earlier, later in pairwise([*visits, visits[0] + length]))
