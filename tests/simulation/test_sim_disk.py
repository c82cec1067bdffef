"""The simulated disk: what a crash and a power cut leave, what counts as durable, what the core may not ask for."""

from __future__ import annotations

import random

import pytest

from skerry.worlds.sim.disk import Disk
from skerry.worlds.sim.disk_files import ContractBroken
from skerry_broker.core.messages import (
    AdvanceLogStart,
    AppendLog,
    AssignEpoch,
    Checkpoint,
    CreateLog,
    DeleteLog,
    LogRead,
    ResetLog,
    SaveRaft,
    SaveSnapshot,
    TruncateLog,
)
from skerry_broker.core.records import Entry
from skerry_broker.core.types import Batch, EpochStart, HardState, TopicPartition, Voter

P = TopicPartition("t", 0)
Q = TopicPartition("t", 1)


def batch(base: int, epoch: int = 0, count: int = 1, producer: int = -1, sequence: int = -1) -> Batch:
    return Batch(base, epoch, count, b"%d.%d" % (base, epoch), producer, 0 if producer >= 0 else -1, sequence)


def entry(index: int, term: int) -> Entry:
    return Entry(index, term, ())


class Driver:
    """Numbers the writes, as the core's outbox does."""

    def __init__(self, seed: int = 1) -> None:
        self.disk = Disk("d", random.Random(seed))
        self.write_id = 0

    def next(self) -> int:
        self.write_id += 1
        return self.write_id

    def create(self, partition: TopicPartition = P) -> None:
        self.disk.carry_out(CreateLog(self.next(), partition, "id"))

    def append(self, *batches: Batch, partition: TopicPartition = P) -> None:
        self.disk.carry_out(AppendLog(self.next(), partition, batches))

    def truncate(self, end: int, partition: TopicPartition = P) -> None:
        self.disk.carry_out(TruncateLog(self.next(), partition, end))

    def raft(self, *entries: Entry, truncate_from: int | None = None, hard_state: HardState | None = None) -> None:
        self.disk.carry_out(SaveRaft(self.next(), hard_state, truncate_from, entries))

    def sync(self) -> None:
        self.disk.synced(self.write_id)

    def bases(self, partition: TopicPartition = P) -> list[int]:
        return self.disk.logs[partition].bases


@pytest.fixture
def driver() -> Driver:
    driver = Driver()
    driver.create()
    driver.append(batch(0), batch(1))
    driver.sync()
    return driver


class TestDurability:
    def test_only_what_a_sync_covered_is_durable(self, driver: Driver) -> None:
        log = driver.disk.logs[P]
        driver.append(batch(2))
        covered = driver.write_id
        driver.append(batch(3))
        assert log.durable_end == 2
        driver.disk.synced(covered)
        assert (log.durable_end, driver.disk.dirty) == (3, True)
        driver.sync()
        assert (log.durable_end, driver.disk.dirty) == (4, False)

    def test_a_truncation_takes_back_what_was_durable_at_once(self, driver: Driver) -> None:
        driver.truncate(1)
        driver.append(batch(1, epoch=3))
        assert driver.disk.logs[P].durable_end == 1

    def test_a_late_sync_does_not_vouch_for_what_was_truncated_since(self, driver: Driver) -> None:
        driver.append(batch(2))
        covered = driver.write_id
        driver.truncate(1)
        driver.append(batch(1, epoch=3), batch(2, epoch=3))
        driver.disk.synced(covered)
        assert driver.disk.logs[P].durable_end == 1
        driver.sync()
        assert driver.disk.logs[P].durable_end == 3

    def test_a_late_sync_does_not_vouch_for_another_log_of_that_name(self, driver: Driver) -> None:
        driver.append(batch(2))
        covered = driver.write_id
        driver.disk.carry_out(ResetLog(driver.next(), P, 7))
        driver.disk.synced(covered)
        assert driver.disk.logs[P].durable_end == 7

    def test_entries_and_hard_state_of_the_metadata_log(self) -> None:
        driver = Driver()
        raft = driver.disk.raft
        driver.raft(entry(1, 1), entry(2, 1), hard_state=HardState(1, Voter(0, "d")))
        assert (raft.durable_index, raft.durable_hard_state) == (0, HardState())
        driver.sync()
        assert (raft.durable_index, raft.durable_hard_state.term) == (2, 1)
        driver.raft(entry(2, 2), entry(3, 2), truncate_from=2)
        assert raft.durable_index == 1
        driver.sync()
        assert (raft.durable_index, raft.term_at(2)) == (3, 2)


class TestLosing:
    def test_a_kill_that_keeps_all_keeps_what_was_not_synced(self, driver: Driver) -> None:
        driver.append(batch(2))
        driver.disk.crash(keep_all=True)
        assert driver.bases() == [0, 1, 2]

    def test_a_power_cut_that_loses_all_keeps_what_was_synced(self, driver: Driver) -> None:
        driver.append(batch(2))
        driver.truncate(1)
        driver.append(batch(1, epoch=2))
        driver.create(Q)
        driver.disk.power_cut(lose_all=True)
        # The truncated record is back; of the lost append at most whole batches of its front remain.
        assert driver.bases()[:2] == [0, 1]
        assert Q not in driver.disk.logs
        assert [line.epoch for line in driver.disk.logs[P].epochs] == [0]

    @pytest.mark.parametrize("seed", range(60))
    def test_every_file_keeps_a_prefix_of_its_own(self, seed: int) -> None:
        """Against a dumb twin: the state of every file after each of its writes, remembered whole."""
        rng = random.Random(seed)
        driver = Driver(seed)
        states: dict[object, list[object]] = {}

        def remember(key: TopicPartition | str) -> None:
            states.setdefault(key, []).append(_state(driver.disk, key))

        for partition in (P, Q):
            driver.create(partition)
            remember(partition)
        driver.raft(entry(1, 1), hard_state=HardState(1))
        remember("raft")
        driver.sync()
        durable = {key: len(found) - 1 for key, found in states.items()}
        for _ in range(rng.randrange(0, 25)):
            key = rng.choice((P, Q, "raft"))
            _write(driver, rng, key)
            remember(key)
            if rng.random() < 0.2:
                driver.sync()
                durable = {each: len(found) - 1 for each, found in states.items()}
        driver.disk.power_cut()
        for key, found in states.items():
            after = _state(driver.disk, key)
            allowed = found[durable[key] :]
            assert any(after == one or _is_torn(after, one, found) for one in allowed), f"{key}: {after}"

    def test_after_a_failed_sync_nothing_covered_is_safe(self, driver: Driver) -> None:
        lost = 0
        for seed in range(20):
            driver = Driver(seed)
            driver.create()
            driver.append(batch(0))
            driver.sync()
            driver.append(batch(1))
            driver.disk.sync_failed(driver.write_id, raft=False)
            driver.disk.synced(driver.write_id)
            assert driver.disk.logs[P].durable_end == 1
            driver.disk.crash(keep_all=True)
            lost += driver.bases() == [0]
            assert driver.bases() in ([0], [0, 1])
        assert 0 < lost < 20

    def test_a_wiped_disk_is_another_disk(self, driver: Driver) -> None:
        driver.disk.wipe("other")
        recovered = driver.disk.recover("i")
        assert (recovered.directory_id, recovered.logs, recovered.entries) == ("other", (), ())


class TestRecovery:
    def test_tells_what_is_there(self) -> None:
        driver = Driver()
        driver.create()
        driver.append(batch(0, 0, 2, producer=7, sequence=0))
        driver.disk.carry_out(AssignEpoch(driver.next(), P, EpochStart(3, 2)))
        driver.append(batch(2, 3, 1, producer=7, sequence=2))
        driver.disk.carry_out(Checkpoint(P, 2))
        recovered = driver.disk.recover("i")
        (log,) = recovered.logs
        assert (log.start_offset, log.end_offset, log.high_watermark, log.intact) == (0, 3, 2, True)
        assert log.epochs == (EpochStart(0, 0), EpochStart(3, 2))
        assert [kept.base_sequence for kept in log.producers[0].batches] == [0, 2]
        assert driver.disk.logs[P].durable_end == 3

    def test_a_bad_block_ends_the_log_and_is_told(self, driver: Driver) -> None:
        driver.append(batch(2))
        assert driver.disk.flip_bit(P)
        (log,) = driver.disk.recover("i").logs
        assert not log.intact
        assert log.end_offset < 3

    def test_the_mark_of_a_clean_stop_is_read_once(self, driver: Driver) -> None:
        driver.disk.clean_shutdown_epoch = 9
        assert driver.disk.recover("i").clean_shutdown_epoch == 9
        assert driver.disk.recover("j").clean_shutdown_epoch is None

    def test_a_snapshot_replaces_the_front_of_the_metadata_log(self) -> None:
        driver = Driver()
        driver.raft(entry(1, 1), entry(2, 1), entry(3, 2), hard_state=HardState(2))
        driver.disk.carry_out(SaveSnapshot(driver.next(), 2, 1, (), b"image"))
        recovered = driver.disk.recover("i")
        assert recovered.snapshot is not None
        assert (recovered.snapshot.last_index, [one.index for one in recovered.entries]) == (2, [3])
        assert driver.disk.raft.term_at(2) == 1


class TestReads:
    def test_whole_batches_below_the_end(self) -> None:
        driver = Driver()
        driver.create()
        driver.append(batch(0, count=2), batch(2, count=2), batch(4, count=2))

        def read(start: int, end: int, bytes_max: int = 10_000) -> list[int]:
            return [found.base_offset for found in driver.disk.read(LogRead(P, start, end, bytes_max))]

        assert read(0, 6) == [0, 2, 4]
        assert read(3, 6) == [2, 4]
        assert read(0, 5) == [0, 2]
        assert read(2, 6, bytes_max=1) == [2]
        assert read(6, 6) == []
        assert list(driver.disk.read(LogRead(Q, 0, 9, 1))) == []

    def test_a_log_start_that_advances(self, driver: Driver) -> None:
        driver.append(batch(2))
        driver.disk.carry_out(AdvanceLogStart(driver.next(), P, 1))
        assert (driver.disk.logs[P].start_offset, driver.bases()) == (1, [1, 2])
        driver.disk.power_cut(lose_all=True)
        assert driver.disk.logs[P].start_offset == 0


class TestContract:
    @pytest.mark.parametrize(
        "effect",
        [
            AppendLog(9, P, (batch(5),)),
            AppendLog(9, Q, (batch(0),)),
            AppendLog(1, P, (batch(2),)),
            TruncateLog(9, Q, 0),
            CreateLog(9, P, "id"),
            SaveRaft(9, None, None, (entry(2, 1),)),
            SaveSnapshot(9, -1, 1, (), b""),
        ],
        ids=lambda effect: type(effect).__name__ + str(effect.write_id),
    )
    def test_what_the_core_may_not_ask_for(self, driver: Driver, effect: AppendLog) -> None:
        with pytest.raises(ContractBroken):
            driver.disk.carry_out(effect)

    def test_epochs_never_go_back(self, driver: Driver) -> None:
        driver.append(batch(2, epoch=4))
        with pytest.raises(ContractBroken, match="epoch 3 after epoch 4"):
            driver.append(batch(3, epoch=3))

    def test_no_truncation_inside_a_batch(self) -> None:
        driver = Driver()
        driver.create()
        driver.append(batch(0, count=3))
        with pytest.raises(ContractBroken, match="inside a batch"):
            driver.truncate(2)

    def test_no_write_to_a_log_whose_disk_has_failed(self, driver: Driver) -> None:
        driver.disk.sync_failed(driver.write_id, raft=False)
        driver.disk.failure_told = True
        with pytest.raises(ContractBroken, match="disk had failed"):
            driver.append(batch(2))
        driver.raft(entry(1, 1), hard_state=HardState(1))


def _write(driver: Driver, rng: random.Random, key: TopicPartition | str) -> None:
    if isinstance(key, str):
        raft = driver.disk.raft
        if raft.last_index > 1 and rng.random() < 0.3:
            cut = rng.randrange(2, raft.last_index + 1)
            driver.raft(entry(cut, raft.hard_state.term + 1), truncate_from=cut, hard_state=_next(raft.hard_state))
        else:
            driver.raft(entry(raft.last_index + 1, raft.hard_state.term))
        return
    log = driver.disk.logs[key]
    epoch = log.epochs[-1].epoch if log.epochs else 0
    draw = rng.random()
    if draw < 0.25 and log.bases:
        driver.truncate(rng.choice(log.bases), key)
    elif draw < 0.35:
        driver.disk.carry_out(AssignEpoch(driver.next(), key, EpochStart(epoch + 1, log.end_offset)))
    elif draw < 0.4:
        driver.disk.carry_out(ResetLog(driver.next(), key, log.end_offset))
    elif draw < 0.45:
        driver.disk.carry_out(DeleteLog(driver.next(), key))
        driver.disk.carry_out(CreateLog(driver.next(), key, "again"))
    else:
        end = log.end_offset
        driver.append(*(batch(end + number, epoch) for number in range(rng.randrange(1, 4))), partition=key)


def _next(hard_state: HardState) -> HardState:
    return HardState(hard_state.term + 1)


def _state(disk: Disk, key: TopicPartition | str) -> object:
    if isinstance(key, str):
        return (tuple(disk.raft.entries), disk.raft.hard_state)
    log = disk.logs.get(key)
    return None if log is None else (tuple(log.batches), tuple(log.epochs), log.start_offset)


def _is_torn(after: object, before: object, states: list[object]) -> bool:
    """``after`` is ``before`` plus some of the batches that the next write would have appended."""
    if not (isinstance(after, tuple) and isinstance(before, tuple) and len(after) == 3 and len(before) == 3):
        return after is None  # between the deletion of a log and its creation: one remembered state is two writes
    following = [one for one in states[states.index(before) + 1 :] if isinstance(one, tuple) and len(one) == 3]
    grown = after[0][: len(before[0])] == before[0]
    return grown and any(after[0] == one[0][: len(after[0])] for one in following)
