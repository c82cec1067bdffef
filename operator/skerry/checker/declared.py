"""The faults of a recording are those of its document, each of its occurrences as the document says.

A document is a promise of what was tried. A recording that lacks one of its faults has not tried it, and one whose
faults differ from it (another kind, other brokers, too early, healed too soon) is of another run: neither is a Pass,
whether an expectation asks for the fault or not. Only what is certain counts: a fault may begin later than its document
says (roles move, machines are busy) and last longer, and nobody knows here who had a role.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from skerry.checker.common.faults import NOT_LIKE_THIS, said_already
from skerry.checker.declared_run import contradictions_of_the_run
from skerry.checker.declared_samples import samples_contradict
from skerry.checker.findings import undecided
from skerry.experiment import Experiment, Finding, FindingKind
from skerry.experiment.document import Fault
from skerry.faults.port import Groups
from skerry.faults.registry import FAULTS
from skerry.history import History
from skerry.history.occurrences import Occurrence, occurrences_by_fault
from skerry.history.records import FaultEvent, FaultStep
from skerry.schema.base import format_duration
from skerry.schema.selectors import Selector

RULE = "document"
STEADY = "SteadyState"
"""The phase in which the run waits until faults may begin."""
LATE_NS = 1_000_000_000
"""So much later than its injection was reported may a fault be seen to begin; its duration counts from the report."""
_IN_EFFECT = (FaultStep.EFFECTIVE, FaultStep.VERIFIED, FaultStep.LOST, FaultStep.HEALING, FaultStep.HEALED)


def contradictions(history: History, experiment: Experiment) -> list[Finding]:
    """What the recording says otherwise than its own document: what is wrong with the run as a whole, at most one
    finding for each fault of the document, and one for all others. Never raises."""
    try:
        return list(_contradictions(history, experiment))
    except Exception as error:
        what = f"the check of {RULE} crashed ({type(error).__name__}: {error}); nothing is known about it"
        return [undecided(RULE, "CheckerCrashed", what, kind=FindingKind.RUN)]


def _contradictions(history: History, experiment: Experiment) -> Iterator[Finding]:
    for reason, sentence in contradictions_of_the_run(history, experiment):
        yield undecided(RULE, reason, sentence, kind=FindingKind.RUN)
    found = occurrences_by_fault(history.faults)
    names = [fault.name for fault in experiment.spec.faults]
    for fault in experiment.spec.faults:
        if not said_already(history, fault.name):
            yield from _fault(_Recorded(history, experiment, found), fault)
    strange = next((name for name in found if name not in names), None)
    if strange is not None:
        sentence = f"the recording holds a fault `{strange[:40]}`, and its document has none of that name"
        yield undecided(RULE, "FaultContradicts", sentence, kind=FindingKind.RUN, fault=strange)


class _Recorded(NamedTuple):
    history: History
    experiment: Experiment
    occurrences: dict[str, list[Occurrence]]

    def events(self, occurrence: Occurrence) -> list[FaultEvent]:
        key = occurrence.fault, occurrence.number
        return [each for each in self.history.faults if (each.fault, each.occurrence) == key]


def _fault(recorded: _Recorded, fault: Fault) -> Iterator[Finding]:
    count = fault.repeat.count if fault.repeat else 1
    occurrences = recorded.occurrences.get(fault.name, [])
    wrong = next((each.number for each in occurrences if not 0 <= each.number < count), None)
    if wrong is not None:
        sentence = f"the recording holds occurrence {wrong + 1} of `{fault.name}`, and its document has {count}"
        yield undecided(RULE, "FaultContradicts", sentence, kind=FindingKind.RUN, fault=fault.name)
        return
    for occurrence in occurrences:
        if sentence := _differs(recorded, fault, occurrence):
            said = f"{occurrence} {NOT_LIKE_THIS}: {sentence}"
            yield undecided(RULE, "FaultContradicts", said, kind=FindingKind.RUN, fault=fault.name)
            return
    if len(occurrences) < count:
        missing = f"`{fault.name}` was never injected"
        if occurrences:
            missing = f"{count - len(occurrences)} of {count} occurrences of `{fault.name}` were never injected"
        yield undecided(RULE, "NotInjected", missing, kind=FindingKind.RUN, fault=fault.name)


def _differs(recorded: _Recorded, fault: Fault, occurrence: Occurrence) -> str:
    """What is otherwise than the document says, in words; empty: nothing is."""
    events = recorded.events(occurrence)
    other = next((each.kind for each in events if each.kind != fault.kind), None)
    if other is not None:
        return f"it is recorded as `{other[:20]}`, and the document says `{fault.kind}`"
    if occurrence.verified and FaultStep.INJECTING not in occurrence.steps:
        return "nobody recorded that it was injected"
    return (
        _hits_others(events, recorded.experiment, fault, occurrence)
        or _too_early(recorded, fault, occurrence)
        or _too_short(recorded.history, fault, occurrence)
        or samples_contradict(recorded.history, fault, occurrence)
    )


# --- whom it hits -----------------------------------------------------------------------------------------


def _hits_others(events: list[FaultEvent], experiment: Experiment, fault: Fault, occurrence: Occurrence) -> str:
    in_effect = {each.groups for each in events if each.step in _IN_EFFECT}
    if len(in_effect) > 1:
        return f"its steps name different brokers ({' and '.join(map(_named, sorted(in_effect)[:2]))})"
    for groups in {each.groups for each in events if each.groups} or (in_effect if occurrence.verified else ()):
        if sentence := _impossible(groups, experiment, fault):
            return sentence
    if occurrence.verified:
        pairs = FAULTS[fault.kind].concrete(fault.body, occurrence.groups).pairs
        if set(occurrence.links) != set(pairs):
            return f"the links that are recorded are not those between {_named(occurrence.groups)}"
    return ""


def _impossible(groups: Groups, experiment: Experiment, fault: Fault) -> str:
    """Why no resolution of the document's targets comes to these brokers, in words; empty: one may."""
    wanted, brokers = fault.body.target_groups(), experiment.spec.cluster.brokers
    if len(groups) != len(wanted):
        return f"it names {len(groups)} groups of brokers, and the document {len(wanted)}"
    everybody = [broker for group in groups for broker in group]
    if any(not 0 <= broker < brokers for broker in everybody):
        return f"it names {_named(groups)}, and there are {brokers} brokers"
    alone = not fault.body.pairwise
    if alone and len(set(everybody)) < len(everybody):
        return f"it names one broker twice ({_named(groups)})"
    for group, selectors in zip(groups, wanted, strict=True):
        if not _may_be(group, selectors, alone):
            meant = " and ".join(map(str, selectors))
            return f"it names {_named((group,))}, and the document {meant}"
    open_ended = any(selector.count_max is None for selectors in wanted for selector in selectors)
    if alone and open_ended and set(everybody) != set(range(brokers)):
        return f"it names {_named(groups)}, and the document leaves out none of the {brokers} brokers"
    return ""


def _may_be(group: tuple[int, ...], selectors: tuple[Selector, ...], alone: bool) -> bool:
    ordinals = {selector.ordinal for selector in selectors if selector.ordinal is not None}
    counts = [selector.count_max for selector in selectors]
    if not ordinals <= set(group) or not group:
        return False
    if any(count is None for count in counts):
        return True
    most = sum(count or 0 for count in counts)
    return len(group) == most if alone else len(group) <= most


def _named(groups: Groups) -> str:
    return " | ".join(", ".join(map(str, group)) for group in groups) or "nobody"


# --- when -------------------------------------------------------------------------------------------------


def _too_early(recorded: _Recorded, fault: Fault, occurrence: Occurrence) -> str:
    base_ns, since = _counted_from(recorded, fault)
    offset_ns = fault.start_after_ns + (occurrence.number * fault.repeat.every_ns if fault.repeat else 0)
    for step in (FaultStep.INJECTING, FaultStep.EFFECTIVE):
        event = occurrence.steps.get(step)
        if event is not None and event.after_ns + recorded.history.clock_error_ns < base_ns + offset_ns:
            at, due = event.after_ns / 1e9, format_duration(offset_ns)
            return f"it is recorded as {step} at {at:.2f} s, and was due {due} after {since} at the earliest"
    return ""


def _counted_from(recorded: _Recorded, fault: Fault) -> tuple[int, str]:
    """The earliest moment from which its `startAfter` can count."""
    if fault.following is not None:
        first = recorded.occurrences.get(fault.following, [])[:1]
        effective = first[0].effective if first else None
        if effective is not None:
            return effective.before_ns, f"`{fault.following}` took effect ({effective.before_ns / 1e9:.2f} s)"
    steady_ns = next((phase.at_ns for phase in recorded.history.phases if phase.phase == STEADY), 0)
    return steady_ns, f"the steady state began ({steady_ns / 1e9:.2f} s)" if steady_ns else "the run began"


def _too_short(history: History, fault: Fault, occurrence: Occurrence) -> str:
    """Healed before its duration was over; one that was lost, or whose run was broken off, is told as that."""
    steps = occurrence.steps
    heal = steps.get(FaultStep.HEALING) or steps.get(FaultStep.HEALED)
    broken_off = history.footer is None or history.footer.aborted
    if heal is None or broken_off or FaultStep.LOST in steps:
        return ""
    begins = [(FaultStep.INJECTING, 0), (FaultStep.EFFECTIVE, LATE_NS)]
    for step, late_ns in begins:
        event = steps.get(step)
        if event is not None and heal.after_ns + history.clock_error_ns < event.before_ns - late_ns + fault.lasts_ns:
            lasted, lasts = (heal.after_ns - event.before_ns) / 1e9, format_duration(fault.lasts_ns)
            return f"it was healed {lasted:.2f} s after it was recorded as {step}, and the document says {lasts}"
    return ""
