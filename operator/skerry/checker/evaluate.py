"""Judges the expectations of a document: one finding for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from skerry.checker.common.faults import doubt_of, lost
from skerry.checker.common.processes import ended_by_itself
from skerry.checker.findings import place
from skerry.checker.model import Model
from skerry.expectations.facts import RunFacts
from skerry.expectations.judged import Judged, unknown
from skerry.expectations.port import Judge
from skerry.experiment import Expectation, Experiment, Finding, FindingKind, Verdict
from skerry.history import History, PartitionKey
from skerry.history.occurrences import Occurrence
from skerry.history.records import FaultStep, Stall

STALL_MIN_NS = 200_000_000
RUNNER = -1
_RANK = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}


def evaluate(
    history: History, experiment: Experiment, model: Model, clock_trouble: str = "", disproved: Sequence[Finding] = ()
) -> list[Finding]:
    """One finding per expectation, in the order of the document. ``clock_trouble``: what shows that the run's clock
    went back, so that nothing can be judged in time; empty: nothing. ``disproved``: of faults that were not those of
    the document. Never raises."""
    run = model.facts(history, experiment)
    expected = experiment.spec.expect
    if clock_trouble:
        said = unknown("ClockWentBack", f"not judged: {clock_trouble}")
        return [_finding(run, expectation, said) for expectation in expected]
    wrong = {found.fault: found for found in disproved if found.fault}
    return [
        _finding(run, expectation, _judged(run, expectation, model.expectations, wrong)) for expectation in expected
    ]


def _judged(
    run: RunFacts, expectation: Expectation, judges: Mapping[str, Judge], wrong: Mapping[str, Finding]
) -> Judged:
    problem = unverified(run, expectation) or _disproved(run, expectation, wrong)
    if problem is not None:
        return problem
    judge = judges.get(expectation.rule)
    if judge is None:
        return unknown("NotEvaluated", f"this version of skerry cannot judge `{expectation.rule}`")
    try:
        all_judged = list(judge(expectation.body, run))
    except Exception as error:
        what = f"the check of `{expectation.rule}` crashed ({type(error).__name__}: {error}); nothing is known about it"
        return unknown("CheckerCrashed", what)
    if not all_judged:
        return unknown("NotEvaluated", "the moment that it is about never came")
    sound = [_sound(run, expectation, judged) for judged in all_judged]
    return max(sound, key=lambda judged: (_RANK[judged.verdict], judged.weight))


def _sound(run: RunFacts, expectation: Expectation, judged: Judged) -> Judged:
    """The outcome, unless something else than the system may have made it."""
    judged = _after_loss(run, expectation, judged)
    return _after_stalls(run, _after_end(run, _after_intrusion(run, judged)))


def _finding(run: RunFacts, expectation: Expectation, judged: Judged) -> Finding:
    faults = fault_names(expectation)
    witness = run.history.index_of(*(record for record in judged.witness if record is not None))
    return Finding(
        FindingKind.EXPECTATION,
        expectation.rule,
        judged.verdict,
        judged.message,
        reason=judged.reason,
        name=expectation.name,
        limit=judged.limit,
        measured=judged.measured,
        **place(PartitionKey(run.written_to, judged.partition) if judged.partition >= 0 else None),
        witness=tuple(dict.fromkeys(witness)),
        fault=faults[0] if faults else "",
    )


# --- faults that were not what they were meant to be ------------------------------------------------------


def fault_names(expectation: Expectation) -> list[str]:
    """The faults that it names, each once."""
    body = expectation.body
    names = [name for _, name in body.faults_named()]
    names += [side.fault for _, side in body.sides() if side.fault is not None]
    return list(dict.fromkeys(names))


def _disproved(run: RunFacts, expectation: Expectation, wrong: Mapping[str, Finding]) -> Judged | None:
    """A fault that it rests on was not the one of the document: what came of it is nobody's failure, and no proof."""
    names = fault_names(expectation) or list(wrong)
    found = next((wrong[name] for name in names if name in wrong), None)
    return None if found is None else unknown(found.reason, found.message)


def unverified(run: RunFacts, expectation: Expectation) -> Judged | None:
    """Why nothing can be said about this expectation: a fault that it rests on (all of them, where it names none) did
    not happen, or was not measured to be in effect."""
    names = fault_names(expectation) or [fault.name for fault in run.experiment.spec.faults]
    for name in names:
        occurrences = run.occurrences.get(name, [])
        if not occurrences:
            return unknown("NotInjected", f"the fault `{name}` was never injected")
        for occurrence in occurrences:
            doubt = doubt_of(occurrence, run.history.clock_error_ns)
            if doubt is not None:
                return unknown(*doubt)
    return None


def _after_loss(run: RunFacts, expectation: Expectation, judged: Judged) -> Judged:
    """A fault that ended by itself while it should have held: what was settled before that moment stands, and nothing
    else. The time that was judged reaches to the end of its window."""
    names = fault_names(expectation) or [fault.name for fault in run.experiment.spec.faults]
    for name in names:
        for occurrence in run.occurrences.get(name, ()):
            lost_ns = occurrence.lost_ns
            if lost_ns is not None and (judged.window is None or judged.window[1] > lost_ns):
                return unknown("FaultLost", lost(occurrence), limit=judged.limit, measured=judged.measured)
    return judged


# --- what came from outside -------------------------------------------------------------------------------


def _after_intrusion(run: RunFacts, judged: Judged) -> Judged:
    """What failed after the carrier of the cluster's traffic was gone, or after somebody else ended a node, convicts
    nobody. A node that ended by itself is no such excuse."""
    if judged.verdict is not Verdict.FAIL:
        return judged
    for seen in run.history.findings:
        reason = seen.finding.reason
        from_outside = reason == "InjectorLost" or (reason == "BrokerExited" and not _died_by_itself(run))
        if from_outside and (judged.window is None or judged.window[1] > seen.at_ns):
            message = f"{judged.message}; but at {seen.at_ns / 1e9:.2f} s: {seen.finding.message}"
            return replace(judged, verdict=Verdict.INCONCLUSIVE, reason=reason, message=message)
    return judged


def _died_by_itself(run: RunFacts) -> bool:
    return any(ended_by_itself(ended) for ended in run.history.exits)


# --- runs that ended early --------------------------------------------------------------------------------


def _after_end(run: RunFacts, judged: Judged) -> Judged:
    """What had time left when the last broker was asked has not failed: the run was cut short, or aborted."""
    late = judged.window is not None and judged.window[1] > run.observed_until_ns
    if not (judged.upper_bound and judged.verdict is Verdict.FAIL and late):
        return judged
    message = f"{judged.message}; but the run was over at {run.observed_until_ns / 1e9:.2f} s, before the limit"
    return replace(judged, verdict=Verdict.INCONCLUSIVE, reason="RunEnded", message=message)


# --- stalls -----------------------------------------------------------------------------------------------


def _after_stalls(run: RunFacts, judged: Judged) -> Judged:
    """A runner (or a broker that no fault explains) that stood still may have made this outcome: it says nothing."""
    at_stake = (judged.upper_bound and judged.verdict is Verdict.FAIL) or (
        judged.stall_voids_pass and judged.verdict is Verdict.PASS
    )
    if not at_stake or judged.window is None:
        return judged
    for stall in run.history.stalls:
        if _counts(run, stall) and stall.from_ns <= judged.window[1] and stall.to_ns >= judged.window[0]:
            who = "the runner" if stall.process == RUNNER else f"broker {stall.process}"
            message = (
                f"{judged.message}; but {who} stood still for {(stall.to_ns - stall.from_ns) / 1e6:.0f} ms at "
                f"{stall.from_ns / 1e9:.2f} s, which may explain it"
            )
            return replace(
                judged,
                verdict=Verdict.INCONCLUSIVE,
                reason="Stalled",
                message=message,
                witness=(*judged.witness, stall),
            )
    return judged


def _counts(run: RunFacts, stall: Stall) -> bool:
    if stall.to_ns - stall.from_ns <= STALL_MIN_NS:
        return False
    if stall.process == RUNNER:
        return True
    return stall.process >= 0 and not any(
        _active(occurrence, stall) and stall.process in occurrence.victims for occurrence in run.all_occurrences
    )


def _active(occurrence: Occurrence, stall: Stall) -> bool:
    """It may have been in effect during the stall: from its injection to the end of its heal."""
    begin = occurrence.steps.get(FaultStep.INJECTING) or occurrence.effective
    end = occurrence.healed
    return begin is not None and begin.before_ns <= stall.to_ns and (end is None or end.after_ns >= stall.from_ns)
