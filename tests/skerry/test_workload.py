"""The workload's plans: open loop, bounded, in order, unique."""

import pytest

from skerry.workload.log.probe import Probe
from skerry.workload.log.producer import BACKLOG_MAX, WINDOW, Producer, producers
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


def test_the_rate_is_met_whatever_became_of_earlier_operations() -> None:
    machines = producers(count=4, partitions=3, records_per_second=400, start_ns=0)
    records = 0
    for now_ns in range(0, 10 * SECOND_NS, 10_000_000):
        for producer in machines:
            for planned in producer.due(now_ns):
                records += planned.count
                producer.completed(planned.partition)
    assert records == pytest.approx(4000, rel=0.02)


def test_an_outage_fills_the_window_and_then_the_backlog() -> None:
    producer = Producer(process=0, partitions=1, records_per_second=10, start_ns=0)
    assert len(producer.due(100 * SECOND_NS)) == WINDOW
    assert producer.due(101 * SECOND_NS) == []
    producer.due(1000 * SECOND_NS)
    assert producer.given_up == 10_001 - WINDOW - BACKLOG_MAX
    producer.completed(0)
    (next_one,) = producer.due(1000 * SECOND_NS)
    assert next_one.intended_ns == WINDOW * producer.interval_ns  # late, and it says so


def test_values_are_unique_and_in_order_per_partition() -> None:
    seen: set[int] = set()
    last: dict[tuple[int, int], int] = {}
    for producer in producers(count=2, partitions=2, records_per_second=100, start_ns=0):
        for planned in producer.due(SECOND_NS):
            values = set(range(planned.first_value, planned.first_value + planned.count))
            assert not values & seen
            seen |= values
            key = (producer.process, planned.partition)
            assert planned.first_value > last.get(key, -1)
            last[key] = planned.first_value


def test_a_stopped_producer_plans_nothing_more() -> None:
    producer = Producer(process=0, partitions=1, records_per_second=10, start_ns=0)
    producer.due(100 * SECOND_NS)
    producer.stop()
    for _ in range(WINDOW):
        producer.completed(0)
    assert producer.due(200 * SECOND_NS) == []
    assert producer.idle


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
