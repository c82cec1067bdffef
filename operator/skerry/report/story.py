"""The story of a run: timestamped sentences from its history. Pure.

Ties are told in the order of cause: a fault before an election before a change of the ISR.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

from skerry.history.records import ElectionSeen, StatusSample
from skerry.history.run import History
from skerry.report.causes import INVARIANTS, name_of
from skerry.report.occurrences import occurrences
from skerry.report.witnesses import told_of, witnesses
from skerry.schema.verdict import Finding, Verdict

SENTENCES_MAX = 60
TOGETHER_NS = 500_000_000
"""What happens to several partitions within this time is one sentence."""
STALL_TOLD_NS = 200_000_000
BY_ORDINAL = "by ordinal"
"""How a target was found that the document names itself: no news."""
NAMES = {-1: "the runner", -2: "the fault proxies"}


class Kind(IntEnum):
    """For the colour of its dot; and the order in which things that happen at once are told."""

    FAULT = 0
    LEADER = 1
    ISR = 2
    TRUNCATION = 3
    WITNESS = 4
    """A record that proves a failure, or a failure that was seen while the run went on."""
    DOUBT = 5
    """A stall, or something that keeps the run from being judged."""
    NOTE = 6


KEPT = (Kind.FAULT, Kind.WITNESS, Kind.DOUBT)
"""What is kept of a story that is too long."""


class Sentence(NamedTuple):
    at_ns: int
    kind: Kind
    text: str

    @property
    def css(self) -> str:
        return self.kind.name.lower()


def story(history: History, findings: Sequence[Finding] = ()) -> list[Sentence]:
    """What happened, in the order of time. Of more than `SENTENCES_MAX` sentences, faults, records that
    prove a failure and doubts stay, then elections, then the rest."""
    told = [
        *_faults(history),
        *_elections(history),
        *_controllers(history),
        *_isr_changes(history),
        *_truncations(history),
        *_witnesses(history, findings),
        *_stalls(history),
        *_notes(history),
    ]
    if len(told) > SENTENCES_MAX:
        told.sort(key=lambda sentence: (0 if sentence.kind in KEPT else sentence.kind, sentence.at_ns))
        del told[SENTENCES_MAX:]
    return sorted(told)


def _notes(history: History) -> Iterable[Sentence]:
    """Notes, and what was found while the run went on. What a fault or a finding says already is not told again."""
    proofs = [each.detail for each in occurrences(history.faults) if each.detail and not each.verified]
    told = {seen.finding.message for seen in history.findings}
    broken = [seen.finding for seen in history.findings if seen.finding.rule == INVARIANTS]
    for seen in history.findings:
        finding = seen.finding
        if finding.verdict is Verdict.PASS or (finding.rule == "verified" and _says(finding, proofs)):
            continue
        if finding.rule == INVARIANTS and finding is not broken[0]:
            continue  # where one breaks, those that rest on it follow
        what = finding.reason if finding.verdict is Verdict.INCONCLUSIVE and finding.reason else name_of(finding)
        kind = Kind.WITNESS if finding.verdict is Verdict.FAIL else Kind.DOUBT
        yield Sentence(seen.at_ns, kind, f"{finding.verdict} ({what}): {finding.message}")
    for note in history.notes:
        if note.text not in told:
            text = note.text if note.broker < 0 else f"broker {note.broker}: {note.text}"
            yield Sentence(note.at_ns, Kind.NOTE, text)


def _says(finding: Finding, proofs: Sequence[str]) -> bool:
    return any(proof in finding.message for proof in proofs)


def _faults(history: History) -> Iterable[Sentence]:
    """Effect and heal at their early edges, which is what the formulas of failover and ISR recovery count from."""
    for each in occurrences(history.faults):
        name = f"{each.kind} “{each.name}”"
        if each.effective_ns >= 0:
            where = f" on {each.where}" if each.where.startswith("broker") else f" ({each.where})" if each.where else ""
            why = f": {each.why}" if each.why not in ("", BY_ORDINAL) else ""
            yield Sentence(each.began_ns, Kind.FAULT, f"{name} takes effect{where}{why}")
        if each.verified:
            yield Sentence(each.judged_ns, Kind.FAULT, f"{name} is verified{_because(each.detail)}")
        elif each.judged_ns >= 0:
            yield Sentence(each.judged_ns, Kind.FAULT, f"{name} is NOT verified{_because(each.detail)}")
        if each.heal_ns >= 0 and each.healed_ns >= 0:
            yield Sentence(each.heal_ns, Kind.FAULT, f"{name} is healed{_took(each.heal_ns, each.healed_ns)}")
        elif each.heal_ns >= 0:
            yield Sentence(each.heal_ns, Kind.FAULT, f"{name} is ended, and was never measured to be gone")


def _because(detail: str) -> str:
    return f": {detail}" if detail else ""


def _took(from_ns: int, to_ns: int) -> str:
    return f", and measured to be gone {(to_ns - from_ns) / 1e9:.2f} s later" if to_ns - from_ns >= TOGETHER_NS else ""


def election_ns(history: History, election: ElectionSeen) -> int:
    """On the run's clock: by the controller's stamp, but never before the start nor after it was seen."""
    header = history.header
    if header is None or not header.started_wall_ns or not election.wall_ns:
        return election.seen_ns
    return max(0, min(election.wall_ns - header.started_wall_ns, election.seen_ns))


def _elections(history: History) -> Iterable[Sentence]:
    told: list[tuple[int, int, str, list[str]]] = []
    for election in sorted(history.elections, key=lambda each: (election_ns(history, each), each.partition)):
        if election.reason == "created":
            continue
        at_ns, place = election_ns(history, election), f"{election.partition} (epoch {election.leader_epoch})"
        same = told and told[-1][1:3] == (election.leader, election.reason) and at_ns - told[-1][0] < TOGETHER_NS
        if same:
            told[-1][3].append(place)
        else:
            told.append((at_ns, election.leader, election.reason, [place]))
    for at_ns, leader, reason, places in told:
        of = f"partition{'s' if len(places) > 1 else ''} {', '.join(places)}"
        why = f", reason: {reason}" if reason else ""
        text = f"broker {leader} becomes leader of {of}{why}" if leader >= 0 else f"nobody leads {of}{why}"
        yield Sentence(at_ns, Kind.LEADER, text)


def _controllers(history: History) -> Iterable[Sentence]:
    """A broker that says that it leads the quorum, in a term higher than any before; the first one is no news."""
    highest = -1
    for sample in history.statuses:
        if sample.reachable and sample.group_role == "Leader" and sample.term > highest:
            if highest >= 0:
                text = f"broker {sample.broker} is the controller, in term {sample.term}"
                yield Sentence(sample.after_ns, Kind.LEADER, text)
            highest = sample.term


def _isr_changes(history: History) -> Iterable[Sentence]:
    """As the leader of the highest epoch reports it; a deposed leader's own idea of the ISR is no news."""
    last: dict[int, tuple[int, tuple[int, ...]]] = {}
    told: list[tuple[int, str, str, list[int]]] = []
    for sample in history.statuses:
        for partition in sample.partitions:
            if not sample.reachable or partition.role != "Leader":
                continue
            epoch, before = last.get(partition.partition, (-1, ()))
            isr = tuple(sorted(partition.isr))
            if partition.leader_epoch < epoch:
                continue
            last[partition.partition] = (partition.leader_epoch, isr)
            if epoch < 0 or isr == before:
                continue
            verb = "shrinks" if len(isr) < len(before) else "grows" if len(isr) > len(before) else "changes"
            members = ", ".join(str(member) for member in isr)
            same = next((each for each in reversed(told[-8:]) if each[1:3] == (verb, members)), None)
            if same is not None and sample.after_ns - same[0] < TOGETHER_NS:
                same[3].append(partition.partition)
            else:
                told.append((sample.after_ns, verb, members, [partition.partition]))
    for at_ns, verb, members, partitions in told:
        numbers = ", ".join(str(partition) for partition in sorted(set(partitions)))
        of = f"partition{'s' if len(set(partitions)) > 1 else ''} {numbers}"
        yield Sentence(at_ns, Kind.ISR, f"the ISR of {of} {verb} to {{{members}}}")


def _truncations(history: History) -> Iterable[Sentence]:
    last: dict[int, StatusSample] = {}
    for sample in history.statuses:
        if not sample.reachable:
            continue
        before = last.get(sample.broker)
        last[sample.broker] = sample
        if before is None or before.incarnation != sample.incarnation:
            continue
        count = sample.truncated_records - before.truncated_records
        if count > 0:
            what = "1 record that diverges" if count == 1 else f"{count:,} records that diverge"
            yield Sentence(sample.after_ns, Kind.TRUNCATION, f"broker {sample.broker} truncates {what} from the leader")


def _stalls(history: History) -> Iterable[Sentence]:
    for stall in history.stalls:
        length_ns = stall.to_ns - stall.from_ns
        if length_ns > STALL_TOLD_NS:
            who = NAMES.get(stall.process, f"broker {stall.process}")
            yield Sentence(stall.from_ns, Kind.DOUBT, f"{who} did not run for {length_ns / 1e6:.0f} ms")


def _witnesses(history: History, findings: Iterable[Finding]) -> Iterable[Sentence]:
    for witness in witnesses(history, findings):
        text = told_of(witness.record, witness.offset)
        if text:
            yield Sentence(witness.at_ns, Kind.WITNESS, f"{witness.rule}: {text}")
