"""The end of a run: everything is read once more by a fresh client."""

from __future__ import annotations

from skerry.experiment.document import Experiment
from skerry.history.records import Note, Outcome
from skerry.runner.clock import RunClock
from skerry.runner.load import Load
from skerry.runner.recorder import Recorder
from skerry.targets.skerry.client import SkerryClient
from skerry.targets.skerry.system import SkerrySystem
from skerry.workload import FINAL_READER
from skerry.workload.log.reader import PartitionReader
from skerry.workload.operations import ClientSpec

NS = 1_000_000_000
FINAL_READ_TIMEOUT_NS = 30 * NS
FETCH_WAIT_MS = 200


async def final_read(
    experiment: Experiment, target: SkerrySystem, load: Load, recorder: Recorder, clock: RunClock
) -> dict[int, int]:
    """Read every partition from its start to its high watermark; returns the high watermark of each.

    A partition that cannot be read within 30 s is missing in the answer, with a note in the history.
    """
    ends: dict[int, int] = {}
    deadline_ns = clock.now_ns() + FINAL_READ_TIMEOUT_NS
    async with target.client(ClientSpec("final reader")) as client:
        for partition in range(experiment.spec.topic.partitions):
            end = await _read_partition(client, load, PartitionReader(FINAL_READER, partition), deadline_ns, clock)
            if end is None:
                text = f"partition {partition} could not be read to its end within {FINAL_READ_TIMEOUT_NS // NS} s"
                recorder.append(Note(clock.now_ns(), text))
            else:
                ends[partition] = end
    return ends


async def _read_partition(
    client: SkerryClient, load: Load, reader: PartitionReader, deadline_ns: int, clock: RunClock
) -> int | None:
    """To the first empty answer at the high watermark: the log's end, since nobody writes any more."""
    while clock.now_ns() < deadline_ns:
        result = await load.read_once(client, reader, wait_ms=FETCH_WAIT_MS, final=True)
        if result.outcome is Outcome.OK and not result.values and reader.offset >= result.high_watermark:
            return result.high_watermark
        if result.outcome is Outcome.OK and result.log_start_offset > reader.offset:
            reader.start_over(result.log_start_offset)
    return None
