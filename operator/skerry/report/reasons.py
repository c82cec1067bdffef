"""Every reason for which a run is Inconclusive: what happened, and what to do about it.

One table, two readers: a report puts the advice beside each Inconclusive, and ``docs/inconclusive.md`` is generated
from it (``hack/generate.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from skerry.expectations.registry import advice


class Reason(NamedTuple):
    """Reasons that are met and mended in the same way."""

    names: tuple[str, ...]
    happened: str
    """What happened, as a sentence without its full stop."""
    todo: str
    """What to do about it, in the same form."""


class Section(NamedTuple):
    """The reasons of one kind of finding."""

    title: str
    reasons: tuple[Reason, ...]


def _reason(names: str, happened: str, todo: str) -> Reason:
    return Reason(tuple(names.split()), happened, todo)


THE_RUN = (
    _reason(
        "UnsupportedFault",
        "this world, or this cluster, cannot do what the document asks; nothing was touched",
        "switch on what the message names, or choose a world that can: `skerry plan FILE` says which can",
    ),
    _reason(
        "UnsupportedTarget",
        "this world cannot have the system under test that the document names; nothing was touched",
        "choose another world: the message names the systems that this one can have",
    ),
    _reason(
        "GuardRefused",
        "the plan takes more from the cluster than it may lose; what was to follow was not injected",
        "change the plan, or list what you accept in `spec.allow`",
    ),
    _reason(
        "TimingMismatch",
        "the brokers run with another timing preset than `spec.cluster.timing` says",
        "correct one of the two",
    ),
    _reason(
        "BrokersNotReady",
        "the brokers did not come up, or not in time",
        "read their logs (`out/NAME-001/broker-0` and so on); on Kubernetes, `kubectl describe pods`",
    ),
    _reason(
        "NoSteadyState",
        "the cluster was never whole and written to everywhere at the same time",
        "mend what the message says was missing; a cluster that is not healthy before the faults proves nothing",
    ),
    _reason(
        "Unresolved",
        "nobody had the role that a fault is to hit when it was due",
        "choose another moment (`startAfter`, `following`), or `prepare` the placement",
    ),
    _reason(
        "NothingToBreak",
        "the roles that a fault names fell on one broker, so that there was no link, or nobody, left to break",
        "`prepare` the placement so that they are different brokers, or name other roles",
    ),
    _reason(
        "FaultsCollide",
        "a fault was to begin while another one held the same broker or link: neither could have been told apart",
        "let one begin after the other has ended (`following`, `startAfter`); `skerry plan` shows who holds what when",
    ),
    _reason(
        "RoleKeepsMoving",
        "the role went from broker to broker each time the fault was to hit it",
        "choose a longer `startAfter`, and look at why leadership moves",
    ),
    _reason(
        "InjectionFailed",
        "the fault could not be injected, or proved later not to have been ours (a broker that died by itself at that "
        "moment)",
        "mend what the message names; on Kubernetes, `skerry doctor` says what is missing",
    ),
    _reason(
        "InjectionTimedOut",
        "nobody reported it as injected in time",
        "look at the injector's image and events, and whether the node is busy; then run it again",
    ),
    _reason(
        "NotVerified",
        "it was injected, and the wire, or the process, did not show it",
        "look at the fault's pairs in the report; on Kubernetes, `skerry doctor` says whether the network plugin "
        "enforces policies",
    ),
    _reason(
        "FaultContradicts",
        "the steps of a fault are recorded in an order in which they cannot have happened, or otherwise than the "
        "recording's own document says: another kind, other brokers, too early, too short",
        "report it, with the history, unless somebody edited the recording",
    ),
    _reason(
        "NotInjected",
        "a fault of the document, or one of its occurrences, is not in the recording",
        "see why the run did not come so far; where nothing says why, report it, with the history",
    ),
    _reason(
        "FaultLost",
        "it ended before it was healed: its own deadline, its injector, or somebody removed it",
        "find out who else changes policies, pods or processes there, then run it again",
    ),
    _reason(
        "NotHealed",
        "it was healed, and the wire did not show that",
        "look at the fault's pairs in the report; on Kubernetes, `skerry clean` removes what is left",
    ),
    _reason(
        "InjectorLost",
        "the process that carries the brokers' traffic in the local world is gone",
        "read its last words in the message; memory?",
    ),
    _reason(
        "BrokerExited",
        "a broker ended, or was restarted, and no fault of this run did that",
        "see who else ends processes there (memory, an eviction, an operator); what crashes by itself is a Fail",
    ),
    _reason(
        "WorkloadLost",
        "the workload is gone, and its recording with it, or did not start",
        "see in the message how its pod ended: memory, eviction, a node that left; then run it again",
    ),
    _reason(
        "WorkloadNotStarted",
        "the workload's pod was never ready",
        "make room for it, or change what refuses it: `kubectl describe` its Job and its pod",
    ),
    _reason(
        "NotRecovered",
        "after the heal the cluster did not become whole in time",
        "look at what the message says was missing; what safety and expectations say stands",
    ),
    _reason(
        "NotDrained",
        "the final read did not finish",
        "find out which partition has no leader, and why",
    ),
    _reason(
        "Timeout",
        "the run did not end within `spec.timeout`",
        "raise `spec.timeout`, or mend what the message says it waited for",
    ),
    _reason("Aborted", "somebody ended it (Ctrl-C, the annotation, a deletion)", "run it again, to its end"),
    _reason(
        "Interrupted",
        "whoever conducted it was restarted in the middle; everything was healed, drained and checked",
        "run it again",
    ),
    _reason("DryRun", "it was one", "set `spec.dryRun: false` to run it"),
    _reason("CheckerCrashed", "a bug of ours; other checks were made", "report it, with the history"),
)

THE_RECORDING = (
    _reason(
        "EmptyHistory NoHeader HistoryCutOff",
        "the recording is not whole: its writer was stopped",
        "run it again; is a disk full?",
    ),
    _reason(
        "UnknownModel",
        "the recording names a model of what clients did that this version cannot judge by",
        "use the `skerry` that recorded it, or a later one",
    ),
    _reason(
        "HeaderContradicts",
        "the recording begins with another number of brokers, target or model than its own document means",
        "report it, with the history, unless somebody edited the recording",
    ),
    _reason(
        "WorkloadContradicts",
        "the workload asked for other acknowledgements than the recording's own document means",
        "report it, with the history, unless somebody edited the recording",
    ),
    _reason(
        "MixedModels",
        "a recording is of clients of one model; what those of another did in it, nobody has judged",
        "report it, with the history, unless somebody edited the recording",
    ),
    _reason(
        "NothingAcknowledged",
        "no write was acknowledged in the whole run",
        "look at the writes' errors in the history: a run that wrote nothing proves nothing",
    ),
    _reason(
        "NoFinalRead FinalReadIncomplete",
        "a partition or key was not read to its end after the run, so nobody knows whether a write is lost",
        "raise `spec.timeout`, and find out which partition or system has no leader",
    ),
    _reason(
        "NoRevision",
        "an answer of the store does not say, or says impossibly, at which revision it stands",
        "report it, with the history",
    ),
    _reason(
        "ClockWentBack",
        "the clock of the recording process went back, so nothing can be judged in time",
        "run it again, on a machine whose boot clock stands still for nobody",
    ),
    _reason(
        "WriteRecordedTwice",
        "one write stands twice in the recording, which gives every record a number of its own",
        "report it, with the history, unless somebody edited the recording",
    ),
    _reason(
        "NoDumps DumpFailed MissingDump NoHighWatermark",
        "a replica could not be compared with the others",
        "read that broker's log",
    ),
    _reason(
        "DisksLost ContentConflict",
        "disks were lost on purpose, and what is missing may be theirs; or the log contradicts itself",
        "see what the other findings say of that partition",
    ),
    _reason(
        "DocumentUnreadable",
        "the document in the history cannot be read by this version",
        "use the `skerry` that recorded it",
    ),
    _reason("CheckerSilent", "a bug of ours", "report it, with the history"),
)

AN_EXPECTATION = (
    _reason("NotInjected", "it is about a fault that never was", "see why the run did not come so far"),
    _reason(
        "NotEvaluated",
        "the moment that it is about never came, or this version cannot judge it",
        "see why the run did not come so far, or use the `skerry` that recorded it",
    ),
    _reason(
        "RunEnded",
        "the run ended while it still had time",
        "a run ends when all is whole again: shorten the limit, or let the fault last longer; else see why it ended",
    ),
    _reason(
        "Stalled",
        "whoever records, or a broker, stood still for longer than may be passed over, at a moment that matters; "
        "or a CPU limit kept it from running for a fifth of half a second",
        "run it on a machine that is less busy, and without a CPU limit for the workload pod (a LimitRange may set "
        "one)",
    ),
    _reason(
        "NoEvidence NoSample NoSamples EmptyResult NotANumber",
        "nobody answered, or no answer could be used, in the window that is judged",
        "see whether the broker is reachable, and whether the metric's name, or the query, is right",
    ),
    _reason(
        "NotTried NotProbed",
        "nobody wrote, or asked, in that window",
        "give the workload a higher rate, or the expectation a longer window",
    ),
    _reason(
        "ConditionNeverHeld EmptyWindow", "the window never opened, or was empty", "correct `during`, `after` or `when`"
    ),
    _reason(
        "BracketTooWide",
        "when a fault or what followed from it began is known to a bracket only, and the limit holds at one edge of it "
        "and not at the other",
        "run it on a machine that is less busy, or give the limit room",
    ),
    _reason(
        "NoWallClock ClocksDisagree",
        "the clocks that a metric's timestamps need were not known well enough; or, before the first fault, a broker's "
        "wall clock was further from the recorder's than is allowed for",
        "let NTP keep the clocks of the nodes together",
    ),
)

SECTIONS = (
    Section("The run", THE_RUN),
    Section("The recording", THE_RECORDING),
    Section("An expectation", (*AN_EXPECTATION, *(_reason(*each) for each in advice()))),
)

_HEAD = """# Inconclusive, and what to do

Generated from `operator/skerry/report/reasons.py` by `hack/generate.py`; do not edit.

A run that could not prove what it was asked to is Inconclusive: never a Pass, and no Fail either. `reason` says why in
one word, `message` in one sentence with numbers, and every report puts beside it what this page says to do. Findings
that were made before the run broke off stand: a lost write is a Fail however the run ended.
"""
_FOOT = """
What only the operator says of a run (`LeaseLost`, `ReportLost`, ...) is in [the operator](operator.md), with the
reasons of its refusals.
"""


def todo(reason: str, *, expectation: bool = False) -> str:
    """What to do about it, as a sentence; empty for a reason that is not in the table. ``expectation``: an expectation
    says it, which may mean something else than when the run does."""
    sections = reversed(SECTIONS) if expectation else SECTIONS
    advice = next((row.todo for section in sections for row in section.reasons if reason in row.names), "")
    return f"{advice[:1].upper()}{advice[1:]}{'' if advice.endswith('?') else '.'}" if advice else ""


def page() -> str:
    """The whole of ``docs/inconclusive.md``."""
    return _HEAD + "\n".join(_lines()) + "\n" + _FOOT


def _lines() -> Iterator[str]:
    for section in SECTIONS:
        yield from ("", f"## {section.title}", "", "| reason | what happened | what to do |", "|---|---|---|")
        for row in section.reasons:
            yield f"| {', '.join(f'`{name}`' for name in row.names)} | {row.happened} | {row.todo} |"
