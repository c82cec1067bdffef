"""The records that prove a failure: which, when, and in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from skerry.history.records import Fetch, HistoryRecord, Produce, RegisterAction, RegisterOperation, ReplicaDump
from skerry.history.run import History
from skerry.schema.verdict import Finding, Verdict

FINDINGS_MAX = 3


class Witness(NamedTuple):
    at_ns: int
    """Dumps have no time of their own: the end."""
    rule: str
    record: HistoryRecord
    offset: int
    """The first offset that it convicts; -1: the finding names none."""


def witnesses(history: History, findings: Iterable[Finding]) -> list[Witness]:
    """The records that prove the first `FINDINGS_MAX` failures, each once."""
    failed = [finding for finding in findings if finding.verdict is Verdict.FAIL][:FINDINGS_MAX]
    end_ns = history.footer.ended_ns if history.footer is not None else 0
    found: dict[int, Witness] = {}
    for finding in failed:
        for index in finding.witness:
            if 0 <= index < len(history.records):
                record = history.records[index]
                at_ns = getattr(record, "completed_ns", getattr(record, "after_ns", end_ns))
                found.setdefault(index, Witness(at_ns, finding.rule, record, min(finding.offsets, default=-1)))
    return list(found.values())


def told_of(record: HistoryRecord, offset: int = -1) -> str:
    """What a record says, of this offset if it says anything of it; empty for those that say nothing by themselves."""
    match record:
        case Produce():
            by = f" by broker {record.leader} in epoch {record.leader_epoch}" if record.leader >= 0 else ""
            step = offset - record.base_offset
            if record.base_offset >= 0 and 0 <= step < record.count:
                return f"{short_value(record.first_value + step)} is acknowledged at offset {offset}{by}"
            where = f" at offsets {_span(record.base_offset, record.count)}" if record.base_offset >= 0 else ""
            return f"the write of {short_value(record.first_value)} is answered {record.outcome}{where}{by}"
        case Fetch():
            who = "the final read" if record.final else f"reader {record.process}"
            step = offset - record.base_offset
            if offset >= 0 and 0 <= step < len(record.values):
                return f"{who} finds {short_value(record.values[step])} at offset {offset}"
            if record.values:
                seen = short_value(record.values[0])
                return f"{who} finds {seen} and on at offsets {_span(record.base_offset, len(record.values))}"
            return f"{who} finds the end of the log at {record.high_watermark}"
        case RegisterOperation():
            return _told_of_register(record)
        case ReplicaDump():
            return f"the disk of broker {record.broker} ends at offset {record.log_end_offset}"
    return ""


def _told_of_register(record: RegisterOperation) -> str:
    by = f" by member {record.member}" if record.member >= 0 else ""
    at = f" at revision {record.revision}" if record.revision > 0 else ""
    if record.action is RegisterAction.PUT:
        return f"the put of {short_value(record.value)} to {record.key} is answered {record.outcome}{at}{by}"
    who = "the final read" if record.final else f"client {record.process}"
    found = f"finds {short_value(record.value)}{at}" if record.value >= 0 else "finds no such key"
    return f"{who} asks for {record.key} and {found}{by}"


def _span(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + count - 1}"


def short_value(value: int) -> str:
    """Process and sequence: `3:118` is the 118th record of producer 3."""
    return str(value) if value < 0 else f"{value >> 40}:{value & (1 << 40) - 1}"
