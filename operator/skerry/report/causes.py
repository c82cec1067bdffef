"""Findings in the order in which a person understands them, and put together where they have one cause. Pure.

Order: what was lost, changed or doubled comes before what was too slow, and that before the protocol's own invariants,
which only a simulator sees. Why a run cannot be judged is said by the run itself before anything that suffers from it.

One cause is told once. Findings belong together when

* they convict the same records: offsets of one partition that overlap;
* they are the same rule, broken for the same reason, in several places;
* they are Inconclusive for one reason, about one fault;
* they are Inconclusive only because the run, or the fault that they are about, did not come so far.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from skerry.checker import PROPERTIES
from skerry.history.records import FaultStep
from skerry.history.run import History
from skerry.report.reasons import todo
from skerry.schema.verdict import Finding, FindingKind, Verdict

CONDUCTOR_RULES = ("run", "verified")
"""What the conductor itself says: before anything that the checker concludes from a short history."""
INVARIANTS = "invariants"
"""The rule of the simulator's own findings."""
_PROPERTY_RANK = {rule.name: rank for rank, rule in enumerate(PROPERTIES)}
_VERDICT_RANK = {Verdict.FAIL: 0, Verdict.INCONCLUSIVE: 1, Verdict.PASS: 2}
_FAIL_KINDS = (FindingKind.SAFETY, FindingKind.RUN, FindingKind.EXPECTATION)
_OTHER_KINDS = (FindingKind.RUN, FindingKind.SAFETY, FindingKind.EXPECTATION)
FOLLOWS_FROM_THE_END = frozenset(
    {
        "Aborted",
        "NotInjected",
        "NotEvaluated",
        "RunEnded",
        "EmptyHistory",
        "NothingAcknowledged",
        "NoFinalRead",
        "FinalReadIncomplete",
        "NoDumps",
    }
)
"""Reasons that say no more than that the run did not come so far, where the run itself says why."""
NOT_AN_END = frozenset({"NotVerified", "NotHealed", "NotRecovered", "CheckerCrashed"})
"""What the conductor says of a run that went on to its end."""
SEE_OTHERS = "ContentConflict"
"""The reason of what cannot be judged because the records of its partition contradict each other."""


class Cause(msgspec.Struct, frozen=True):
    """One thing that went wrong, and every finding that it explains."""

    verdict: Verdict
    reason: str
    """A CamelCase code, that of the finding that tells it best; may be empty."""
    name: str
    """The rule, or the expectation's own name."""
    message: str
    """The sentence of the finding that tells it best."""
    todo: str
    """What to do about it, from ``docs/inconclusive.md``; empty for a Fail."""
    at_ns: int
    """When it first showed, on the run's clock; -1: it has no moment."""
    findings: tuple[int, ...]
    """The findings it explains, as positions in the report's list; the one that tells it best is the first."""

    @property
    def when(self) -> str:
        """``at 4.78 s``, or nothing."""
        return f"at {self.at_ns / 1e9:.2f} s" if self.at_ns >= 0 else ""

    def others(self, findings: Sequence[Finding]) -> tuple[str, ...]:
        """The names of what else it explains in the report's ``findings``, each once."""
        head, *rest = (findings[index] for index in self.findings)
        names = (
            f"{name_of(each)} of {each.place}"
            if each.partition >= 0 and name_of(each) == name_of(head) and each.partition != head.partition
            else name_of(each)
            for each in rest
        )
        return tuple(name for name in dict.fromkeys(names) if name != name_of(head))

    def says(self, finding: Finding) -> bool:
        """The finding's sentence, or what follows its first colon, is in this one's: it need not be told again."""
        _, colon, detail = finding.message.partition(": ")
        return finding.message in self.message or bool(colon and detail in self.message)

    def others_sentence(self, findings: Sequence[Finding], shown_max: int = 12) -> str:
        """What else it explains, as a sentence; empty: nothing."""
        names = self.others(findings)
        if not names:
            return ""
        shown = ", ".join(names[:shown_max]) + (f" and {len(names) - shown_max} more" if len(names) > shown_max else "")
        return f"{'The same shows in' if self.verdict is Verdict.FAIL else 'For this reason undecided'}: {shown}."


def name_of(finding: Finding) -> str:
    """What a person calls it: the expectation's own name, else the rule."""
    return finding.name or finding.rule


def by_importance(findings: Sequence[Finding]) -> list[Finding]:
    """The worst first, and of the equally bad those that a person understands best. Passes keep their order."""
    return sorted(findings, key=_rank)


def _rank(finding: Finding) -> tuple[int, ...]:
    verdict = _VERDICT_RANK[finding.verdict]
    if finding.verdict is Verdict.PASS:
        return (verdict,)
    kinds = _FAIL_KINDS if finding.verdict is Verdict.FAIL else _OTHER_KINDS
    kind = len(kinds) if finding.rule == INVARIANTS else kinds.index(finding.kind)
    return verdict, finding.rule not in CONDUCTOR_RULES, kind, _PROPERTY_RANK.get(finding.rule, len(_PROPERTY_RANK))


def causes_of(findings: Sequence[Finding], history: History | None = None) -> tuple[Cause, ...]:
    """Everything that is no Pass, in the order of ``findings`` (see `by_importance`).

    ``history``: tells when things happened; without it no cause has a moment.
    """
    groups = _grouped(findings)
    return tuple(_cause(findings, group, history) for group in groups)


def _cause(findings: Sequence[Finding], group: Sequence[int], history: History | None) -> Cause:
    head = findings[group[0]]
    advice = todo(head.reason, expectation=head.kind is FindingKind.EXPECTATION)
    moments = [moment_ns(findings[index], history) for index in group] if history is not None else []
    return Cause(
        verdict=head.verdict,
        reason=head.reason,
        name=name_of(head),
        message=head.message,
        todo=advice if head.verdict is Verdict.INCONCLUSIVE else "",
        at_ns=min((moment for moment in moments if moment >= 0), default=-1),
        findings=tuple(group),
    )


# --- what belongs together -------------------------------------------------------------------------------------------


def _grouped(findings: Sequence[Finding]) -> list[list[int]]:
    """The positions of what is no Pass: each group in order, the groups in the order of their first."""
    bad = [index for index, finding in enumerate(findings) if finding.verdict is not Verdict.PASS]
    groups: list[list[int]] = []
    for index in bad:
        finding = findings[index]
        home = next((group for group in groups if _together(findings, group, finding)), None)
        if home is None:
            groups.append([index])
        else:
            home.append(index)
    return groups


def _together(findings: Sequence[Finding], group: Sequence[int], finding: Finding) -> bool:
    head = findings[group[0]]
    if finding.verdict is Verdict.FAIL:
        return _same_records(findings, group, finding) or _same_rule(head, finding)
    if head.verdict is Verdict.FAIL:
        return finding.reason == SEE_OTHERS and head.place == finding.place
    if finding.reason in FOLLOWS_FROM_THE_END and _ended_the_run(head):
        return True
    return bool(finding.reason) and head.reason == finding.reason and finding.fault in ("", head.fault)


def _same_records(findings: Sequence[Finding], group: Sequence[int], finding: Finding) -> bool:
    if not finding.offsets:
        return False
    low, high = min(finding.offsets), max(finding.offsets)
    return any(
        other.place == finding.place and other.offsets and min(other.offsets) <= high and low <= max(other.offsets)
        for other in (findings[index] for index in group)
    )


def _same_rule(head: Finding, finding: Finding) -> bool:
    """The simulator's invariants are one: where one breaks, those that rest on it follow."""
    return finding.kind is FindingKind.SAFETY and (head.kind, head.rule, head.reason) == (
        finding.kind,
        finding.rule,
        finding.reason,
    )


def _ended_the_run(head: Finding) -> bool:
    return head.kind is FindingKind.RUN and head.rule == "run" and head.reason not in NOT_AN_END


# --- when ------------------------------------------------------------------------------------------------------------


def moment_ns(finding: Finding, history: History) -> int:
    """When it first showed: when the first record that proves it was written (of an expectation the last, which settles
    it), else when it was found while the run went on, else when its fault was judged; -1 where nothing tells."""
    proofs = [_time_of(history.records[index]) for index in finding.witness if 0 <= index < len(history.records)]
    found = [seen.at_ns for seen in history.findings if seen.finding == finding]
    judged = [
        event.after_ns
        for event in history.faults
        if event.fault == finding.fault and event.step in (FaultStep.UNVERIFIED, FaultStep.LOST)
    ]
    told = [moment for moment in proofs if moment >= 0] or found
    if told and finding.kind is FindingKind.EXPECTATION:
        return max(told)
    if not told and finding.verdict is Verdict.INCONCLUSIVE:
        told = judged
    return min(told, default=-1)


_TIMES = ("completed_ns", "after_ns", "at_ns", "from_ns", "seen_ns")


def _time_of(record: object) -> int:
    """When what a record says was known; -1: it has no moment (a disk that was read after the run)."""
    return next((getattr(record, name) for name in _TIMES if hasattr(record, name)), -1)
