"""A leader epoch has one leader, and a Raft term has one controller.

Evidence: who answered produces and fetches under an epoch, the elections, and what every broker's status says.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import broken, held, plural
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import ALWAYS, Evidence
from skerry.checker.property import Property
from skerry.history import PartitionKey
from skerry.history.records import Fetch, HistoryRecord, Outcome, Produce
from skerry.schema.verdict import Finding

NAME = "two-leaders-in-one-epoch"

_Leaders = dict[int, HistoryRecord]
"""Broker -> the first record that shows it as leader."""


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    epochs = _leaders_by_epoch(evidence)
    terms = _controllers_by_term(evidence)
    clashes = [(key, epoch, leaders) for (key, epoch), leaders in epochs.items() if len(leaders) > 1]
    for key, epoch, leaders in clashes:
        brokers = sorted(leaders)
        message = f"partition {key}: brokers {_and(brokers)} both led in epoch {epoch}"
        witness = tuple(sorted(evidence.witness(*leaders.values())))
        yield broken(NAME, "TwoLeaders", message, key, witness=witness, owed=ALWAYS)
    rival_terms = {term: leaders for term, leaders in terms.items() if len(leaders) > 1}
    for term, leaders in sorted(rival_terms.items()):
        message = f"brokers {_and(sorted(leaders))} were both controller in term {term}"
        yield broken(NAME, "TwoControllers", message, witness=evidence.witness(*leaders.values()), owed=ALWAYS)
    if not clashes and not rival_terms:
        yield held(NAME, f"{plural(len(epochs), 'leader epoch')} and {plural(len(terms), 'term')}, one leader each")


def _leaders_by_epoch(evidence: Evidence) -> dict[tuple[PartitionKey, int], _Leaders]:
    found: dict[tuple[PartitionKey, int], _Leaders] = {}
    for key, operations in evidence.history.partitions.items():
        either: list[Produce | Fetch] = [*operations.produces, *operations.fetched]
        leader = epoch = -1
        for operation in either:
            # Most were answered by whoever answered the one before.
            if operation.leader_epoch != epoch or operation.leader != leader:
                if operation.outcome is not Outcome.OK:
                    continue
                leader, epoch = operation.leader, operation.leader_epoch
                if leader >= 0 and epoch >= 0:
                    found.setdefault((key, epoch), {}).setdefault(leader, operation)
    for election in evidence.history.elections:
        if election.leader >= 0:
            key = PartitionKey(election.topic, election.partition)
            found.setdefault((key, election.leader_epoch), {}).setdefault(election.leader, election)
    for status in evidence.history.statuses:
        for sample in status.partitions:
            if sample.leader >= 0:
                key = PartitionKey(sample.topic, sample.partition)
                found.setdefault((key, sample.leader_epoch), {}).setdefault(sample.leader, status)
    return found


def _controllers_by_term(evidence: Evidence) -> dict[int, _Leaders]:
    found: dict[int, _Leaders] = {}
    for status in evidence.history.statuses:
        if status.reachable and status.group_role == "Leader" and status.term >= 0:
            found.setdefault(status.term, {}).setdefault(status.broker, status)
    return found


def _and(brokers: list[int]) -> str:
    return " and ".join(str(broker) for broker in brokers)


PROPERTY = Property(NAME, __doc__, check)
