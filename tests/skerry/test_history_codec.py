"""JSON Lines in and out: what comes back, what breaks off, what is refused and where."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skerry.history import History, HistoryError, HistoryWriter, PartitionKey, blocks_of, encode_history, read_history
from skerry.history.records import (
    DumpedBatch,
    ElectionSeen,
    FaultEvent,
    FaultStep,
    Fetch,
    FindingSeen,
    Footer,
    Header,
    LinkSample,
    MetricSample,
    Note,
    Outcome,
    PhaseEvent,
    Produce,
    RegisterAction,
    RegisterOperation,
    ReplicaDump,
    Stall,
    StatusSample,
    TopicCreate,
)
from skerry.schema.verdict import Finding, FindingKind, Verdict

HEADER = Header(1, "leader-isolation", "kind: ChaosExperiment\n", "sim", 7, 1_700_000_000_000_000_000, "0.1.0", 3)
ONE_OF_EACH = [
    HEADER,
    Produce(1, "t", 0, 1, 2, Outcome.OK, "All", 1 << 40, 1, base_offset=0, leader=1, leader_epoch=1),
    Produce(1, "t", 1, 1, 2, Outcome.UNKNOWN, "All", (1 << 40) + 1, 1, error="TimedOut"),
    Fetch(2, "t", 0, 3, 4, Outcome.OK, 0, base_offset=0, values=(1 << 40,), high_watermark=1),
    Fetch(2, "t", 0, 3, 4, Outcome.FAILED, 0, error="NotLeader"),
    TopicCreate(1, "t", 0, 1, Outcome.OK),
    RegisterOperation(1, RegisterAction.PUT, "k", 1, 2, Outcome.OK, 1 << 40, revision=2, store_revision=2, member=1),
    RegisterOperation(2, RegisterAction.GET, "k", 3, 4, Outcome.OK, 1 << 40, 2, 5, version=1, term=3, final=True),
    RegisterOperation(1, RegisterAction.PUT, "k", 1, 2, Outcome.UNKNOWN, (1 << 40) + 1, error="TimedOut"),
    FaultEvent("cut", 0, FaultStep.EFFECTIVE, 5, 6, kind="partition", groups=((0,), (1, 2))),
    PhaseEvent("Holding", 6),
    StatusSample(0, 6, 7, False),
    ElectionSeen("t", 0, 2, 2, 8, 9, "isolation"),
    LinkSample(0, 1, "Raft", "new", 5, 6, False),
    MetricSample(0, 7, "broker_offline_partitions", {"topic": "ß"}, 0.5),
    Stall(-1, 7, 8),
    Note(8, "line\nbreak"),
    FindingSeen(9, Finding(FindingKind.RUN, "run", Verdict.INCONCLUSIVE, "it did not recover", reason="NotRecovered")),
    ReplicaDump("t", 0, 1, 0, 1, 1, (DumpedBatch(0, 1, 1 << 40, 1, 77),), epochs=((1, 0),)),
    Footer(10),
]


def lines(records):
    return b"".join(encode_history(records))


def test_every_record_comes_back():
    history = read_history([lines(ONE_OF_EACH)])
    assert history.records == ONE_OF_EACH
    assert history.complete
    assert history.header == HEADER
    assert history.footer == Footer(10)


def test_records_are_grouped_once():
    history = read_history([lines(ONE_OF_EACH)])
    assert list(history.partitions) == [PartitionKey("t", 0), PartitionKey("t", 1)]
    first, second = history.partitions.values()
    assert (len(first.produces), len(first.acked), len(first.fetches), len(first.fetched)) == (1, 1, 2, 1)
    assert (len(second.produces), len(second.acked), len(first.dumps)) == (1, 0, 1)
    assert [len(group) for group in (history.topics, history.faults, history.statuses, history.metrics)] == [1] * 4
    assert history.index_of(first.fetches[1], history.records[0]) == (4, 0)


@given(st.lists(st.integers(1, 4000), max_size=6))
def test_pieces_may_be_of_any_size(cuts):
    data = lines(ONE_OF_EACH)
    edges = [0, *sorted(c for c in cuts if c < len(data)), len(data)]
    history = read_history(data[a:b] for a, b in pairwise(edges))
    assert history.records == ONE_OF_EACH


def test_more_than_one_block():
    many = [HEADER, *(Note(n, "x" * 100) for n in range(30_000)), Footer(1)]
    data = lines(many)
    history = read_history(data[at : at + 65_536] for at in range(0, len(data), 65_536))
    assert history.records == many


def test_replicas_that_hold_the_same_share_it_and_others_do_not():
    same = tuple(DumpedBatch(n, 1, n, 1, 77) for n in range(3))
    other = (*same[:2], DumpedBatch(2, 1, 2, 1, 78))
    dumps = [ReplicaDump("t", 0, broker, 0, 3, 3, held) for broker, held in enumerate((same, same, other, same))]
    first, second, third, fourth = read_history([lines([HEADER, *dumps, Footer(1)])]).dumps
    assert [first, second, third, fourth] == dumps
    assert first.batches is second.batches


def test_a_wrong_batch_is_told_with_its_line():
    dump = ReplicaDump("t", 0, 0, 0, 1, 1, (DumpedBatch(0, 1, 5, 1, 77),))
    before, batch, behind = lines([HEADER, dump, dump]).rpartition(b"[0,1,5,1,77]")
    with pytest.raises(HistoryError, match=r"line 3: not a record of a run .*>= 0"):
        read_history([before + batch.replace(b"5,1", b"5,-1") + behind])


def test_the_blocks_of_a_file_are_the_file():
    data = lines([HEADER, *(Note(n, "x" * 100) for n in range(30_000)), Footer(1)])
    blocks = list(blocks_of(io.BytesIO(data)))
    assert len(blocks) > 2
    assert b"".join(blocks) == data
    assert read_history(blocks).digest == read_history([data]).digest


def test_the_writer_appends_whole_lines_and_knows_the_digest():
    sink = io.BytesIO()
    writer = HistoryWriter(sink)
    for record in ONE_OF_EACH:
        writer.append(record)
        assert sink.getvalue().endswith(b"}\n")
    assert read_history([sink.getvalue()]).digest == writer.digest
    assert read_history([sink.getvalue() + b"\n"]).digest != writer.digest


def test_a_history_cut_at_any_byte_is_read_up_to_there_and_is_never_complete():
    data = lines(ONE_OF_EACH)
    for length in range(len(data) - 1):
        history = read_history([data[:length]])
        assert not history.complete
        assert history.records == ONE_OF_EACH[: len(history.records)]
        assert len(history.records) in (data[:length].count(b"\n"), data[:length].count(b"\n") + 1)


def test_a_last_record_without_its_line_feed_is_whole():
    assert read_history([lines(ONE_OF_EACH)[:-1]]).complete


def test_an_empty_file_is_an_empty_history():
    history = read_history([])
    assert (history.records, history.complete, history.header) == ([], False, None)


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"hello", 1, "not a record of a run"),
        (b'{"type":"note","at_ns":1,"text":"a"}\nhello\n', 2, "it begins with 'hello'"),
        (b'{"type":"note","at_ns":1,"text":"a"}\n{"type":"mystery"}\n', 2, "mystery"),
        (b'{"type":"note","at_ns":"soon","text":"a"}\n', 1, "at_ns"),
        (b'{"type":"note","at_ns":1,"text":"\xff"}\n', 1, "not a record of a run"),
        (b'{"type":"note","at\n{"type":"note","at_ns":1,"text":"a"}\n', 1, "not a record of a run"),
        (b'{"type":"mystery"}', 1, "mystery"),
        (lines([HEADER, HEADER]), 2, "a second header"),
        (lines([Note(1, "x"), HEADER]), 2, "a second header"),
        (lines([HEADER, Footer(1), Note(2, "late")]), 3, "after the footer"),
        (lines([HEADER, Footer(1), Footer(2)]), 3, "after the footer"),
        (lines([Header(2, "x", "", "sim", 1, 0, "9", 3)]), 1, "format 2"),
    ],
)
def test_garbage_is_refused_with_its_line(data, line, words):
    with pytest.raises(HistoryError) as caught:
        read_history([data])
    assert caught.value.line == line
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"history, line {line}: ")


def test_garbage_deep_inside_a_large_file_is_found():
    data = lines([HEADER, *(Note(n, "x" * 200) for n in range(20_000))])
    with pytest.raises(HistoryError) as caught:
        read_history([data + b"oops\n" + data])
    assert caught.value.line == 20_002


def test_a_hand_written_history_needs_no_file():
    assert History([HEADER, Footer(1)]).complete
    assert not History([HEADER, Footer(1)], cut_off=True).complete
