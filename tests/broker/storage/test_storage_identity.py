"""Whose directory it is: identity, the clean mark, locks, foreign files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from storage_owner import Owner, filled

from skerry_broker.core.messages import FormatDisk
from skerry_broker.storage import DirectoryLocked, DirectoryMismatch, StorageError


def test_a_directory_keeps_its_identity_and_a_start_has_its_own(owner: Owner) -> None:
    owner.open().close()
    first = owner.recovered
    owner.open()
    assert owner.recovered.directory_id == first.directory_id
    assert owner.recovered.incarnation != first.incarnation
    assert first.cluster_id is None


def test_the_clean_mark_counts_once(owner: Owner) -> None:
    owner.open().close(17)
    owner.open().close()
    assert owner.recovered.clean_shutdown_epoch == 17
    owner.open()
    assert owner.recovered.clean_shutdown_epoch is None


def test_a_removed_clean_mark_does_not_come_back_after_a_power_cut(memory_disk) -> None:
    owner, disk = Owner("/data"), memory_disk()
    owner.open(fs=disk).close(17)
    owner.open(fs=disk)
    owner.open(fs=disk.power_cut(random.Random(0), "nothing"))
    assert owner.recovered.clean_shutdown_epoch is None


def test_directories_of_others_are_refused(owner: Owner) -> None:
    storage = owner.open()
    storage.perform(FormatDisk(1, "cluster-a"))
    storage.commit()
    storage.close()
    with pytest.raises(DirectoryMismatch, match=r"belongs to broker 1, this is broker 2; correct the broker id"):
        owner.open(2)
    with pytest.raises(DirectoryMismatch, match=r"belongs to cluster cluster-a, not to cluster-b"):
        owner.open(cluster_id="cluster-b")
    owner.open(cluster_id="cluster-a")
    assert owner.recovered.cluster_id == "cluster-a"


def test_binding_to_a_second_cluster_fails(owner: Owner) -> None:
    storage = owner.open()
    storage.perform(FormatDisk(1, "cluster-a"))
    storage.perform(FormatDisk(2, "cluster-b"))
    storage.commit()
    assert owner.flushed == []
    assert "belongs to cluster cluster-a" in owner.failed[0][1]


def test_unusable_directories_are_refused_in_one_sentence(owner: Owner, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StorageError, match=r"data cannot be used: .*check that it exists on a writable volume"):
        owner.open()
    owner.path = tmp_path / "other"
    (tmp_path / "other/topics/orders-0").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"holds logs but no meta\.json"):
        owner.open()
    owner.path = tmp_path / "third"
    owner.open().close()
    (tmp_path / "third/meta.json").write_text("{")
    with pytest.raises(StorageError, match=r"meta\.json cannot be read"):
        owner.open()


def test_a_locked_directory_is_waited_for(owner: Owner) -> None:
    first = owner.open()
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    with pytest.raises(DirectoryLocked, match="still in use by another process after 30 s"):
        Owner(owner.path).open(clock=lambda: now[0], sleep=sleep)
    assert sum(slept) == pytest.approx(30, abs=0.2)

    def give_up_then(seconds: float) -> None:
        first.close(5)

    second = Owner(owner.path)
    second.open(sleep=give_up_then)
    assert second.recovered.clean_shutdown_epoch == 5


def test_foreign_files_do_not_disturb(owner: Owner) -> None:
    filled(owner).close()
    for name in ("notes.log", "x.producers", "README"):
        (Path(owner.path) / "topics/orders-0" / name).write_text("hello")
    (Path(owner.path) / "topics/lost+found").mkdir()
    owner.open()
    assert (owner.log().intact, owner.log().end_offset) == (True, 12)
