"""The whole judgement of one run."""

from __future__ import annotations

from collections.abc import Sequence

from skerry.checker.common import faults
from skerry.checker.common.clock import REASON as CLOCK_WENT_BACK
from skerry.checker.declared import contradictions
from skerry.checker.evaluate import evaluate
from skerry.checker.findings import undecided
from skerry.checker.guarantees import guarantees_of_run
from skerry.checker.model import Model
from skerry.checker.models import MODELS
from skerry.checker.models.log import MODEL as LOG_MODEL
from skerry.checker.property import Property, run_property
from skerry.experiment import DocumentError, Experiment, Finding, FindingKind, Verdict, load_document, worst
from skerry.history import History
from skerry.history.collector import collector_paused


def check(
    history: History, experiment: Experiment | None = None, *, properties: Sequence[Property] | None = None
) -> list[Finding]:
    """Judge a recording again: what was found while the run went on, as the recording says, and what ``judge`` finds.

    The arguments are those of ``judge``. Never raises.
    """
    return [*(record.finding for record in history.findings), *judge(history, experiment, properties=properties)]


@collector_paused()
def judge(
    history: History, experiment: Experiment | None = None, *, properties: Sequence[Property] | None = None
) -> list[Finding]:
    """Every property and every expectation, each with at least one finding, in the order of the report. What was found
    while the run went on is not among them: who has found it has it still.

    ``experiment``: None takes the document that the history itself carries; if that cannot be read, what is owed is the
    least, no expectation is judged, and a finding says so. ``properties``: None takes those of the model. Never raises.
    """
    findings: list[Finding] = []
    if experiment is None:
        experiment, problem = document_of(history)
        if problem is not None:
            findings.append(problem)
    model, problem = model_of(history)
    if model is None:
        return findings + ([problem] if problem is not None else [])
    trouble = history.clock_trouble
    evidence, guarantees = model.evidence(history), guarantees_of_run(history, experiment)
    chosen = model.properties if properties is None else properties
    for rule in chosen:
        if trouble and rule.timed:
            findings.append(undecided(rule.name, CLOCK_WENT_BACK, f"not judged: {trouble}", kind=rule.kind))
        else:
            findings += run_property(rule, evidence, guarantees)
    if experiment is not None:
        found = contradictions(history, experiment) if faults.PROPERTY in chosen else []
        findings += [*found, *evaluate(history, experiment, model, trouble, disproved=found)]
    return findings


def model_of(history: History) -> tuple[Model | None, Finding | None]:
    """The model that the header names, or a finding that says that this version has none of that name."""
    name = history.header.model if history.header is not None else LOG_MODEL.name
    if name in MODELS:
        return MODELS[name], None
    known = ", ".join(sorted(MODELS))
    message = f"this version of skerry cannot judge what clients did by the model `{name}`; it knows {known}"
    return None, undecided("recording", "UnknownModel", message, kind=FindingKind.RUN)


def document_of(history: History) -> tuple[Experiment | None, Finding | None]:
    """The document in the header, or a finding that says why there is none."""
    if history.header is None:
        return None, None  # `recording` says so
    try:
        return load_document(history.header.document, source_name=history.header.experiment), None
    except DocumentError as error:
        message = f"the history's own document cannot be read, so no expectation is judged: {error}".splitlines()[0]
        return None, undecided("document", "DocumentUnreadable", message, kind=FindingKind.RUN)


def verdict_of(findings: Sequence[Finding]) -> Verdict:
    """The worst finding's. (Expectations of a fault that was not verified are Inconclusive already.)"""
    return worst(finding.verdict for finding in findings)
