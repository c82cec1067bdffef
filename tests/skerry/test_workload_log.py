"""The workload's plans: open loop, bounded, in order, unique."""

from itertools import pairwise

import pytest

from skerry.workload.log.pace import paces, partition_interval_ns
from skerry.workload.log.probe import Probe
from skerry.workload.log.producer import BACKLOG_MAX, WINDOW, Producer
from skerry.workload.log.reader import PartitionReader, trim
from skerry.workload.values import decode, encode, process_of, value_of

SECOND_NS = 1_000_000_000


def test_a_value_names_its_process_and_survives_the_wire() -> None:
    value = value_of(7, 42)
    record = encode(value, 256)
    assert (len(record), decode(record), process_of(value)) == (256, value, 7)


@pytest.mark.parametrize("record", [b"", b"1234567"])
def test_a_short_record_is_not_ours(record: bytes) -> None:
    with pytest.raises(ValueError, match="shorter than a value"):
        decode(record)


def producer(records_per_second: int, partitions: int = 1) -> Producer:
    (pace,) = paces(1, partitions, records_per_second, 0)
    return Producer(pace, partitions)


def all_producers(count: int, partitions: int, records_per_second: int) -> list[Producer]:
    return [Producer(pace, partitions) for pace in paces(count, partitions, records_per_second, 0)]


@pytest.mark.parametrize("partitions", [1, 3, 24, 240, 999])
def test_the_rate_is_met_whatever_became_of_earlier_operations(partitions: int) -> None:
    machines = all_producers(4, partitions, 400)
    records = 0
    for now_ns in range(0, 10 * SECOND_NS, 10_000_000):
        for machine in machines:
            for planned in machine.due(now_ns):
                records += planned.count
                machine.completed(planned.partition)
    assert records == pytest.approx(4000, rel=0.02)


def test_an_outage_fills_the_window_and_then_the_backlog() -> None:
    machine = producer(10)
    assert len(machine.due(100 * SECOND_NS)) == WINDOW
    assert machine.due(101 * SECOND_NS) == []
    machine.due(1000 * SECOND_NS)
    assert machine.given_up == 10_001 - WINDOW - BACKLOG_MAX
    (next_one,) = machine.completed(0)
    assert next_one.intended_ns == WINDOW * SECOND_NS // 10  # late, and it says so


def test_values_are_unique_and_in_order_per_partition() -> None:
    seen: set[int] = set()
    last: dict[tuple[int, int], int] = {}
    for machine in all_producers(2, 2, 100):
        for planned in machine.due(SECOND_NS):
            values = set(range(planned.first_value, planned.first_value + planned.count))
            assert not values & seen
            seen |= values
            key = (machine.process, planned.partition)
            assert planned.first_value > last.get(key, -1)
            last[key] = planned.first_value


def test_a_stopped_producer_plans_nothing_more() -> None:
    machine = producer(10)
    machine.due(100 * SECOND_NS)
    machine.stop()
    for _ in range(WINDOW):
        assert machine.completed(0) == []
    assert machine.due(200 * SECOND_NS) == []
    assert machine.idle


# --- the pace --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("producers", "partitions", "rate", "at_most_ms"),
    [
        (4, 3, 400, 60),  # the defaults
        (1, 24, 400, 150),  # one producer over many partitions: 960 ms if it kept to 25 operations a second
        (4, 30, 400, 200),
        (4, 999, 400, 2600),  # the rate has no more records than that
        (1, 1, 1, 1000),  # one record a second is one record a second
        (3, 7, 100, 420),  # shares that are not equal drift against each other: one round of one producer
    ],
)
def test_each_partition_is_written_as_often_as_the_rate_allows(
    producers: int, partitions: int, rate: int, at_most_ms: int
) -> None:
    assert partition_interval_ns(paces(producers, partitions, rate, 0), partitions) <= at_most_ms * 1_000_000


@pytest.mark.parametrize("partitions", [1, 2, 3, 5, 24, 100])
@pytest.mark.parametrize("producers", [1, 2, 4, 7])
def test_no_partition_waits_longer_for_a_write_than_was_announced(producers: int, partitions: int) -> None:
    announced_ns = partition_interval_ns(paces(producers, partitions, 840, 0), partitions)
    visits: dict[int, list[int]] = {partition: [] for partition in range(partitions)}
    for machine in all_producers(producers, partitions, 840):
        while machine.next_due_ns < 5 * SECOND_NS:
            for planned in machine.due(machine.next_due_ns):
                visits[planned.partition].append(planned.intended_ns)
                machine.completed(planned.partition)
    for times in visits.values():
        times.sort()
        assert max(later - earlier for earlier, later in pairwise(times)) <= announced_ns


def test_a_measurement_is_not_the_load() -> None:
    """Many partitions do not make ever more operations; only the document's own rate and producers do."""
    operations = sum(SECOND_NS / pace.interval_ns for pace in paces(4, 999, 1_000_000, 0))
    assert operations <= 410


@pytest.mark.parametrize(
    ("offset", "base_offset", "values", "expected"),
    [
        (5, 5, (1, 2), (5, (1, 2))),
        (6, 5, (1, 2), (6, (2,))),
        (7, 5, (1, 2), (7, ())),
        (3, 5, (1, 2), (5, (1, 2))),  # a skip: kept as it came, for the checker to judge
    ],
)
def test_whole_batches_are_cut_to_what_was_asked(
    offset: int, base_offset: int, values: tuple[int, ...], expected: tuple[int, tuple[int, ...]]
) -> None:
    assert trim(offset, base_offset, values) == expected


def test_a_reader_goes_on_after_the_last_record() -> None:
    reader = PartitionReader(process=100, partition=0)
    reader.received(0, (1, 2, 3))
    assert (reader.offset, reader.session) == (3, 0)
    reader.start_over(10)
    assert (reader.offset, reader.session) == (10, 1)


def test_a_probe_does_not_catch_up() -> None:
    probe = Probe(process=200, broker=0, partitions=2, start_ns=0)
    assert [planned.partition for now in (0, 5 * SECOND_NS, 5 * SECOND_NS + 1) for planned in probe.due(now)] == [0, 1]
