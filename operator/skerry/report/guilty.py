"""The records that prove a failure: which, when, and in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from skerry.experiment.verdict import Finding, Verdict
from skerry.history.records import Fetch, HistoryRecord, Produce, ReplicaDump
from skerry.history.run import History

GUILTY_FINDINGS_MAX = 3


def witnesses(history: History, findings: Iterable[Finding]) -> list[tuple[int, str, HistoryRecord]]:
    """(when, rule, record) of the records that prove the first failures; dumps have no time of their own: the end."""
    failed = [finding for finding in findings if finding.verdict is Verdict.FAIL][:GUILTY_FINDINGS_MAX]
    end_ns = history.footer.ended_ns if history.footer is not None else 0
    found: dict[int, tuple[int, str, HistoryRecord]] = {}
    for finding in failed:
        for index in finding.witness:
            if 0 <= index < len(history.records):
                record = history.records[index]
                at_ns = getattr(record, "completed_ns", getattr(record, "after_ns", end_ns))
                found.setdefault(index, (at_ns, finding.rule, record))
    return list(found.values())


def told_of(record: HistoryRecord) -> str:
    """What a record says, as half a sentence; empty for those that say nothing by themselves."""
    match record:
        case Produce():
            where = f" at offsets {_span(record.base_offset, record.count)}" if record.base_offset >= 0 else ""
            by = f" by broker {record.leader} in epoch {record.leader_epoch}" if record.leader >= 0 else ""
            values = f"{short_value(record.first_value)} ({record.count})" if record.count > 1 else ""
            return f"write {values or short_value(record.first_value)} was answered {record.outcome}{where}{by}"
        case Fetch(values=values) if values:
            who = "the final read" if record.final else f"reader {record.process}"
            seen = ", ".join(short_value(value) for value in values[:3]) + (" ..." if len(values) > 3 else "")
            return f"{who} finds {seen} at offsets {_span(record.base_offset, len(values))}"
        case Fetch():
            who = "the final read" if record.final else f"reader {record.process}"
            return f"{who} finds the end of the log at {record.high_watermark}"
        case ReplicaDump():
            return f"the disk of broker {record.broker} ends at offset {record.log_end_offset}"
    return ""


def _span(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + count - 1}"


def short_value(value: int) -> str:
    """Process and sequence: `3:118` is the 118th record of producer 3."""
    return str(value) if value < 0 else f"{value >> 40}:{value & (1 << 40) - 1}"
