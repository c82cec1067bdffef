"""A crash at every change to the disk leaves a recoverable prefix that holds everything reported durable (I-SAF-8).

A script of disk effects runs on a disk that loses power at its n-th call, for every n; what is then on it (nothing,
all, or some prefix of what was not synced) is recovered and compared with a dumb twin of the script.
"""

from __future__ import annotations

import contextlib
import itertools
import random

import msgspec
import pytest
from crash_script import A, B, Run, Twin, TwinLog, batch, open_storage, states_of

from skerry_broker.batch import patch
from skerry_broker.core.messages import AppendLog, LogRead, SaveRaft
from skerry_broker.core.types import Batch, EpochStart, FlushMode, HardState
from skerry_broker.storage.checkpoints import ProducerTable


def common_prefix(lists: list[list]) -> list:
    return [same[0] for same in itertools.takewhile(lambda row: len(set(row)) == 1, zip(*lists, strict=False))]


def check(recovered, problems, raft_states: list[Twin], states: list[Twin]) -> None:
    """``states``: from the last one that must be durable to the last one asked for."""
    assert problems == ()
    assert recovered.raft_intact
    raft = (recovered.hard_state, recovered.snapshot, recovered.entries)
    assert raft in [(state.hard_state, state.snapshot, state.entries) for state in raft_states]
    assert recovered.cluster_id in [state.cluster_id for state in raft_states]
    found = {log.partition: log for log in recovered.logs}
    for partition in (A, B):
        twins = [state.logs.get(partition) for state in states]
        log = found.get(partition)
        if log is None:
            replaced = None in twins or len({twin.topic_id for twin in twins}) > 1
            assert replaced, f"{partition} is gone"
            continue
        assert log.intact
        same = [twin for twin in twins if twin is not None and twin.topic_id == log.topic_id]
        assert same, f"{partition} has a topic id of another time: {log.topic_id}"
        resetting = [twin for twin in same if twin.resets < same[-1].resets]
        assert any(explains(twin, log) or (twin in resetting and explains_reset(twin, log)) for twin in same), (
            f"{log} is no prefix of any of {same}"
        )
        if len(same) == len(twins):
            kept = common_prefix([twin.batches for twin in same])
            if kept:
                assert log.end_offset >= kept[-1].next_offset, "durable records are gone"
            for epoch in set.intersection(*[set(twin.epochs) for twin in same]):
                assert (
                    epoch in log.epochs or epoch.start_offset > log.end_offset or epoch.start_offset < log.start_offset
                )
        assert log.start_offset <= log.high_watermark <= log.end_offset
        assert log.high_watermark <= max(log.start_offset, *[twin.high_watermark for twin in same])


def explains(twin: TwinLog, log) -> bool:
    """Whether the recovered log is this one, cut off at some batch."""
    kept = [batch for batch in twin.batches if batch.next_offset <= log.end_offset]
    producers = ProducerTable()
    for b in kept:
        if b.producer_id >= 0:
            producers.apply(b.producer_id, b.producer_epoch, b.base_sequence, b.base_offset, b.record_count)
    end = kept[-1].next_offset if kept else twin.first
    # An epoch without records that was never reported durable may be missing: nobody has acted on it.
    told = {b.leader_epoch for b in kept}
    epochs = [
        epoch for epoch in twin.epochs if epoch.start_offset < end and (epoch.epoch in told or epoch in log.epochs)
    ]
    return (
        end == log.end_offset
        and twin.start == log.start_offset
        and log.producers == producers.states()
        and [epoch for epoch in log.epochs if epoch.start_offset < end] == epochs
    )


def explains_reset(twin: TwinLog, log) -> bool:
    """A crash in the middle of a reset leaves a prefix, perhaps empty, with epochs as its records tell them."""
    told = {EpochStart(b.leader_epoch, b.base_offset) for b in twin.batches}
    ends = {twin.start, twin.first, *[b.next_offset for b in twin.batches]}
    kept = [b for b in twin.batches if log.start_offset <= b.base_offset < log.end_offset]
    return (
        log.start_offset == twin.start
        and log.end_offset in ends
        and told.issuperset(log.epochs)
        and all(max(e for e in log.epochs if e.start_offset <= b.base_offset).epoch == b.leader_epoch for b in kept)
    )


def verify(disk, run: Run, rng: random.Random, power_cut, killed: bool, again: bool = True) -> None:
    """Recover, compare; then the content, a second recovery, and a power cut in the middle of the recovery."""
    raft_states, states = run.possible(killed=True), run.possible(killed=killed)
    untouched = disk.power_cut(rng, "all")
    storage, recovered = open_storage(disk, FlushMode.GROUP, lambda n: None, failures := [])
    check(recovered, storage.problems, raft_states, states)
    for log in recovered.logs:
        batches = storage.read(read_all(log)) if log.start_offset < log.end_offset else ()
        assert [b for b in batches if b.next_offset > log.start_offset] in [
            [
                b.stamped(b.base_offset, b.leader_epoch)
                for b in patched(state.logs[log.partition].batches)
                if log.start_offset < b.next_offset <= log.end_offset
            ]
            for state in states
            if log.partition in state.logs
        ]
    assert failures == []
    # What was found is durable: the power may go at once. And it can be appended to.
    _, second = open_storage(disk.power_cut(rng, "nothing"), FlushMode.GROUP, lambda n: None, [])
    assert [without_hint(log) for log in second.logs] == [without_hint(log) for log in recovered.logs]
    assert (second.hard_state, second.entries) == (recovered.hard_state, recovered.entries)
    for log in recovered.logs:
        epoch = max((epoch.epoch for epoch in log.epochs), default=0)
        storage.perform(AppendLog(1, log.partition, (batch(log.end_offset, epoch, size=500),)))
    storage.perform(SaveRaft(2, HardState(99, None)))
    storage.commit()
    storage, third = open_storage(disk.power_cut(rng, "nothing"), FlushMode.GROUP, lambda n: None, [])
    assert storage.problems == ()
    assert [log.end_offset for log in third.logs] == [log.end_offset + 2 for log in recovered.logs]
    assert (third.hard_state, third.entries) == (HardState(99, None), recovered.entries)
    if again:
        interrupted = untouched
        interrupted.calls_left = rng.randint(0, 30)
        with contextlib.suppress(power_cut):
            open_storage(interrupted, FlushMode.GROUP, lambda n: None, [])
        interrupted.calls_left = 10**9
        verify(interrupted.power_cut(rng, "some"), run, rng, power_cut, killed=False, again=False)


def without_hint(log):
    """A high watermark that was not synced may be lost: it is a hint, and a lower one is safe."""
    return msgspec.structs.replace(log, high_watermark=0)


def read_all(log):
    return LogRead(log.partition, log.start_offset, log.end_offset, 1 << 20)


def patched(batches):
    for b in batches:
        data = patch(b.data, b.base_offset, b.leader_epoch)
        yield Batch(
            b.base_offset,
            b.leader_epoch,
            b.record_count,
            data,
            b.producer_id,
            b.producer_epoch,
            b.base_sequence,
            b.max_timestamp_ms,
        )


def steps_of_script(memory_disk, flush: FlushMode) -> int:
    disk = memory_disk({"/data": None})
    run = Run(disk, flush)
    run.go()
    assert run.failures == []
    assert run.flushed == run.performed == len(states_of(None)[0]) - 1
    return disk.calls


@pytest.mark.parametrize(
    ("flush", "keep", "samples"),
    [
        (FlushMode.GROUP, "nothing", 1),
        (FlushMode.GROUP, "all", 1),
        (FlushMode.GROUP, "some", 1),
        (FlushMode.INTERVAL, "some", 1),
        (FlushMode.NONE, "all", 1),
    ],
)
def test_power_cut_at_every_call(memory_disk, power_cut, flush: FlushMode, keep: str, samples: int) -> None:
    """Without group commit a power cut may take partition writes that were reported, never raft writes, and
    never leaves anything but a prefix; a killed process ("all") loses nothing reported in any mode."""
    steps = steps_of_script(memory_disk, flush)
    assert steps > 200
    rng = random.Random(1)
    for step in range(steps):
        disk = memory_disk({"/data": None}, calls_left=step)
        run = Run(disk, flush)
        with pytest.raises(power_cut):
            run.go()
        assert run.failures == []
        for _ in range(samples):
            after = disk.power_cut(rng, keep)
            try:
                verify(after, run, rng, power_cut, killed=keep == "all")
            except AssertionError as error:
                raise AssertionError(f"power cut at call {step}, {keep} of the unsynced kept: {error}") from error


@pytest.mark.parametrize("first_seed", range(0, 80, 40))
def test_random_scripts_with_a_power_cut_somewhere(memory_disk, power_cut, first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 40):
        rng = random.Random(-seed)
        disk = memory_disk({"/data": None})
        run = Run(disk, FlushMode.GROUP, seed)
        run.go()
        steps = disk.calls
        assert run.failures == [], f"seed {seed}"
        verify(disk.power_cut(rng, "nothing"), run, rng, power_cut, killed=False)
        for _ in range(2):
            disk = memory_disk({"/data": None}, calls_left=rng.randrange(steps))
            run = Run(disk, FlushMode.GROUP, seed)
            with pytest.raises(power_cut):
                run.go()
            assert run.failures == [], f"seed {seed}"
            keep = rng.choice(("nothing", "all", "some"))
            try:
                verify(disk.power_cut(rng, keep), run, rng, power_cut, killed=keep == "all")
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, {keep} of the unsynced kept: {error}") from error
