"""What was sampled of a fault's links and victims: the links that it silences fail, and who it takes away is away.

The run itself has looked more closely, and says so by the steps of the fault. Here it is only asked whether the samples
that stand beside these steps can be of the same fault, as its document describes it.
"""

from __future__ import annotations

from skerry.experiment.document import Fault
from skerry.faults.port import Absence
from skerry.faults.registry import FAULTS, absence
from skerry.history import History
from skerry.history.occurrences import Occurrence
from skerry.history.records import LinkSample

EDGE_NS = 1_000_000_000
"""So near to its edges a sample says nothing: what is asked for inside may be answered outside."""
NEW = "new"


def samples_contradict(history: History, fault: Fault, occurrence: Occurrence) -> str:
    """What the samples say against it, as words; empty: nothing."""
    return _links_contradict(history, fault, occurrence) or _victims_contradict(history, fault, occurrence)


def _victims_contradict(history: History, fault: Fault, occurrence: Occurrence) -> str:
    effective, end_ns = occurrence.effective, occurrence.heal_begins_ns
    away = absence(fault.kind, fault.body) is Absence.ALWAYS
    if not (occurrence.verified and away) or effective is None or end_ns is None or occurrence.lost_ns is not None:
        return ""
    from_ns, to_ns = effective.after_ns + EDGE_NS, end_ns - EDGE_NS
    for status in history.statuses:
        inside = from_ns <= status.before_ns and status.after_ns <= to_ns
        if status.reachable and inside and status.broker in occurrence.victims:
            return f"broker {status.broker} answered at {status.after_ns / 1e9:.2f} s, when it was to be away"
    return ""


def _links_contradict(history: History, fault: Fault, occurrence: Occurrence) -> str:
    planes = FAULTS[fault.kind].silenced(fault.body, frozenset(each.plane for each in history.links))
    effective, end_ns = occurrence.effective, occurrence.heal_begins_ns
    if not (occurrence.verified and occurrence.links and planes) or effective is None or end_ns is None:
        return ""
    pairs = set(occurrence.links)
    of_it = [each for each in history.links if (each.source, each.target) in pairs and each.plane in planes]
    if not any(not each.ok and each.after_ns >= effective.before_ns and each.before_ns <= end_ns for each in of_it):
        return f"no sample shows any of its {len(pairs)} links failing on {' or '.join(sorted(planes))}"
    from_ns, to_ns = effective.after_ns + EDGE_NS, end_ns - EDGE_NS
    whole = next((each for each in of_it if _opened(each, from_ns, to_ns)), None)
    if whole is None or occurrence.lost_ns is not None:
        return ""
    link = f"{whole.source} -> {whole.target} on {whole.plane}"
    return f"a new connection {link} succeeded at {whole.after_ns / 1e9:.2f} s, while it was in effect"


def _opened(sample: LinkSample, from_ns: int, to_ns: int) -> bool:
    return sample.connection == NEW and sample.ok and from_ns <= sample.before_ns and sample.after_ns <= to_ns
