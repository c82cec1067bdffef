"""What a start makes of the files of one replica.

| found                                                                      | made of it                      |
|----------------------------------------------------------------------------|---------------------------------|
| incomplete or bad last batch, nothing valid after it, at or above the      | a torn tail: cut off            |
| recovery point                                                             |                                 |
| bad batch with a valid one after it; bad or missing records below the      | a lost disk: kept in corrupt-*, |
| recovery point; a gap between segments; an unreadable topic id             | starts empty, ``intact`` False  |
| index, time index, producer snapshot or epoch file missing or wrong        | derived from the records        |
| an epoch in the epoch file that starts at the end, without records         | kept (KAFKA-7415)               |
| an epoch in the epoch file that starts above the end                       | dropped: its records were lost  |

A lost replica stays lost over restarts (marker ``lost``) until its owner writes to it again: a second crash before the
controller has heard of the first must not make it look whole.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

from skerry_broker.core.types import EpochStart, RecoveredLog, TopicPartition
from skerry_broker.storage.checkpoints import load_epochs, load_lines, load_number, save_epochs, save_lines
from skerry_broker.storage.files import File, FileSystem, remove_tree
from skerry_broker.storage.log import SEGMENT, LogFiles, SpaceLimit, read_producers, snapshot_offsets
from skerry_broker.storage.segment import Batches, Segment, segment_name, valid_batch_after

_DIRECTORY = re.compile(r"(?P<topic>.+)-(?P<partition>\d+)")


class LostLog(Exception):
    """The files are not a log that a crash can have left. The message says what is wrong with which file."""


def recover_logs(
    fs: FileSystem, topics: str, *, segment_bytes: int, space: SpaceLimit, clean: bool, quarantine: str
) -> list[tuple[LogFiles, RecoveredLog, str | None]]:
    """Every replica below ``topics``, with what was wrong with it (None: nothing).

    ``clean``: the last stop was orderly, so that index files may be believed. ``quarantine``: where in its directory
    the files of a lost replica go; another name at each start.
    """
    for name in fs.list(topics):
        if name.endswith((".new", ".deleted")):
            remove_tree(fs, f"{topics}/{name}")
    found = []
    for name in fs.list(topics):
        match = _DIRECTORY.fullmatch(name)
        if match is None:
            continue
        partition = TopicPartition(match["topic"], int(match["partition"]))
        log = LogFiles(fs, f"{topics}/{name}", partition, "", segment_bytes, space)
        problem = None
        try:
            last_wall_ms = _recover(fs, log, clean)
        except LostLog as lost:
            problem, last_wall_ms = str(lost), 0
            log = _start_over(fs, log, quarantine)
        recovered = RecoveredLog(
            partition,
            log.topic_id,
            log.start_offset,
            log.end_offset,
            log.high_watermark,
            tuple(log.epochs),
            log.producers.states() if log.producers else (),
            problem is None,
            last_wall_ms,
        )
        found.append((log, recovered, problem))
    return found


def _recover(fs: FileSystem, log: LogFiles, clean: bool) -> int:
    """Fills in ``log``; returns the youngest timestamp. Raises LostLog."""
    topic_id = load_lines(fs, log.path("topic_id"))
    if not topic_id:
        raise LostLog(f"{log.path('topic_id')} is missing or corrupt")
    log.topic_id = topic_id[0]
    if fs.exists(log.path("lost")):
        raise LostLog(f"{log.directory} was found corrupt earlier and has not been started over")
    for name in fs.list(log.directory):
        if name.endswith(".tmp"):
            fs.unlink(log.path(name))
    recovery_point = load_number(fs, log.path("recovery-point")) or 0
    log_start = load_number(fs, log.path("log-start"))

    segments = _segments(fs, log, log_start or 0)
    if not segments:
        if recovery_point > (log_start or 0):
            raise LostLog(f"{log.directory} holds no segment, but offsets below {recovery_point} were durable")
        log.open_segment(log_start or 0)
        segments = list(log.segments)
    log.start_offset = max(log_start or 0, segments[0].base_offset)
    checkpointed = load_epochs(fs, log.path("epochs"))
    epochs = _read_segments(fs, log, segments, recovery_point, clean and checkpointed is not None)

    last = segments[-1]
    if last.next_offset < recovery_point:
        raise LostLog(f"{last.path} ends at offset {last.next_offset}, but {recovery_point} was durable")
    log.segments = tuple(segments)
    log.end_offset = log.durable_end = max(last.next_offset, log.start_offset)
    if last.next_offset < log.start_offset:
        log.reset(log.start_offset)
    last = log.segments[-1]
    last.file = last.opened()
    last.file.sync()  # what the last process wrote and did not sync is about to be counted as durable
    fs.sync_directory(log.directory)

    log.space.used_bytes += sum(segment.size for segment in log.segments)
    for offset in snapshot_offsets(fs, log.directory):
        if offset > log.end_offset:
            fs.unlink(log.path(f"{segment_name(offset)}.producers"))
    log.producers = read_producers(fs, log.directory, log.segments)
    log.epochs = merge_epochs(checkpointed or (), epochs, log.end_offset)
    if log.epochs != checkpointed:
        save_epochs(fs, log.path("epochs"), log.epochs)
    high_watermark = load_number(fs, log.path("high-watermark")) or 0
    log.high_watermark = min(max(high_watermark, log.start_offset), log.end_offset)
    log.remember_saved([("high-watermark", high_watermark), ("recovery-point", recovery_point)])
    return max(segment.max_timestamp_ms for segment in segments)


def _segments(fs: FileSystem, log: LogFiles, log_start: int) -> list[Segment]:
    """Not read yet. Those wholly below the log start are what a crash left of a retention: removed."""
    bases = [int(name[:20]) for name in fs.list(log.directory) if SEGMENT.fullmatch(name)]
    kept = bases[-1:]
    for base, following in itertools.pairwise(bases):
        if following > log_start:
            kept.append(base)
            continue
        for suffix in (".log", ".index", ".timeindex", ".producers"):
            if fs.exists(path := log.path(segment_name(base) + suffix)):
                fs.unlink(path)
    return [Segment(fs, log.directory, base) for base in sorted(kept)]


def _read_segments(
    fs: FileSystem, log: LogFiles, segments: list[Segment], recovery_point: int, clean: bool
) -> list[EpochStart]:
    """Check and index every segment; cut a torn tail. Returns the epochs that the records tell."""
    epochs: list[EpochStart] = []
    expected, believed = (
        segments[0].base_offset,
        clean,
    )  # once one is read, all after it are: `merge_epochs` counts on it
    for segment in segments:
        if segment.base_offset != expected:
            raise LostLog(
                f"{segment.path} should begin at offset {expected}: a segment before it is cut short or missing"
            )
        file = segment.opened()
        believed = believed and segment is not segments[-1] and segment.load_index(file.size())
        if not believed:
            _scan(segment, file, segment is segments[-1], recovery_point, epochs)
            if segment is not segments[-1]:
                segment.save_index()
        file.close()
        expected = segment.next_offset
    return epochs


def _scan(segment: Segment, file: File, last: bool, recovery_point: int, epochs: list[EpochStart]) -> None:
    batches = Batches(file, 0, segment.base_offset)
    for batch in batches:
        segment.add(batch.base_offset, batch.record_count, len(batch.data), batch.max_timestamp_ms)
        if not epochs or batch.leader_epoch > epochs[-1].epoch:
            epochs.append(EpochStart(batch.leader_epoch, batch.base_offset))
    if batches.problem is not None:
        where = f"{segment.path} at byte {batches.position}"
        if not last:
            raise LostLog(f"{where}: {batches.problem}, and a later segment exists")
        if segment.next_offset < recovery_point:
            raise LostLog(f"{where}: {batches.problem}, but everything below offset {recovery_point} was durable")
        if batches.misplaced:
            raise LostLog(f"{where}: {batches.problem}")
        after = valid_batch_after(file, batches.position, segment.next_offset)
        if after is not None:
            raise LostLog(f"{where}: {batches.problem}, and a valid batch follows at byte {after}")
        file.truncate(batches.position)


def merge_epochs(
    checkpointed: Iterable[EpochStart], derived: Sequence[EpochStart], end_offset: int
) -> list[EpochStart]:
    """The epoch cache from its file and from the records that were read, which are all from some offset on.

    Records decide what they cover. The file is believed for what is before them (records not read again, or removed by
    retention), and for one epoch without records at the end: a leader had entered it (KAFKA-7415).
    """
    first_read = derived[0].start_offset if derived else end_offset
    merged: list[EpochStart] = []
    for entry in checkpointed:
        if entry.start_offset < first_read and (not derived or entry.epoch <= derived[0].epoch):
            merged.append(entry)
    for entry in derived:
        if not merged or entry.epoch > merged[-1].epoch:
            merged.append(entry)
    for entry in checkpointed:
        if entry.start_offset == end_offset and (not merged or entry.epoch > merged[-1].epoch):
            merged.append(entry)
    return merged


def _start_over(fs: FileSystem, log: LogFiles, quarantine: str) -> LogFiles:
    """Mark the replica as lost, put its records aside, and begin an empty log. Doing it again after a crash
    in the middle does the rest of it."""
    if not fs.exists(log.path("lost")):
        save_lines(fs, log.path("lost"), ["corrupt"], durable=True)
    fresh = LogFiles(fs, log.directory, log.partition, log.topic_id, log.segment_bytes, log.space)
    fresh.lost = True
    aside = log.path(f"corrupt-{quarantine}")
    for name in fs.list(log.directory):
        if name not in ("lost", "topic_id") and not name.startswith("corrupt-"):
            fs.make_directory(aside)
            fs.rename(log.path(name), f"{aside}/{name}")
    fs.sync_directory(log.directory)
    fresh.open_segment(0)
    return fresh
