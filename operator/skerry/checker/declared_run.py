"""What a recording says of its run is what its document means: the system, its size, and what clients asked for.

What is owed to a write depends on what was asked for, so a workload that asked for less than the document says would be
owed less, and a partition that nobody wrote to has not been tried.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import plural
from skerry.experiment import Experiment, FindingKind, Verdict
from skerry.experiment.places import partitions_of
from skerry.history import History
from skerry.history.records import Produce


def contradictions_of_the_run(history: History, experiment: Experiment) -> Iterator[tuple[str, str]]:
    """(reason, sentence) of each."""
    if sentence := _header(history, experiment):
        yield "HeaderContradicts", sentence
    workload = [each for each in history.produces if each.directed_to < 0]
    if sentence := _asked_for(workload, experiment):
        yield "WorkloadContradicts", sentence
    if (sentence := _untried(workload, experiment)) and not _ended_early(history):
        yield "NotTried", sentence


def _header(history: History, experiment: Experiment) -> str:
    header, spec = history.header, experiment.spec
    if header is None:
        return ""
    for what, said, declared in (
        ("brokers", header.brokers, spec.cluster.brokers),
        ("target", header.target, experiment.target.name),
        ("model", header.model, str(experiment.target.model)),
    ):
        if said != declared:
            return f"the header of the recording says {what} {str(said)[:20]}, and its document means {declared}"
    return ""


def _asked_for(workload: list[Produce], experiment: Experiment) -> str:
    """Probes, which are sent to one broker only, ask for what their expectation says."""
    meant = experiment.spec.workload
    for write in workload:
        if (write.acks, write.idempotent) != (str(meant.acks), meant.idempotent):
            return (
                f"the workload wrote with {_request(write.acks, write.idempotent)}, and its document means "
                f"{_request(str(meant.acks), meant.idempotent)}"
            )
    return ""


def _request(acks: str, idempotent: bool) -> str:
    return f"acks={acks}{', idempotent' if idempotent else ''}"


def _untried(workload: list[Produce], experiment: Experiment) -> str:
    """No fault begins before every partition is written to."""
    if not workload:
        return ""  # nothing was acknowledged then, which is told
    count, field = partitions_of(experiment)
    left = sorted(set(range(count)) - {write.partition for write in workload})
    if not left:
        return ""
    return (
        f"the workload never wrote to {plural(len(left), 'partition')} of `{field}` ({count}), the first is {left[0]}"
    )


def _ended_early(history: History) -> bool:
    """The run said itself why it came to nothing."""
    return any(
        seen.finding.kind is FindingKind.RUN and seen.finding.verdict is not Verdict.PASS and not seen.finding.fault
        for seen in history.findings
    )
