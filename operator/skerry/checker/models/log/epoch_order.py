"""Along the offsets of a log the leader epochs never go down.

In every replica's segment files, and in the acknowledgements of acks=All writes (those answered as duplicates left out:
they carry the epoch of the answer, not of the record).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter

from skerry.checker.findings import broken, held, plural
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.content import Content
from skerry.checker.models.log.evidence import ALWAYS, Evidence
from skerry.checker.property import Property
from skerry.history.records import DumpedBatch, Produce
from skerry.schema.verdict import Finding

NAME = "epochs-non-decreasing"
_epoch = attrgetter("leader_epoch")


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    steps, good = 0, True
    for content in evidence.contents:
        acks = [ack for ack in content.by_offset if ack.leader_epoch >= 0 and not ack.duplicate]
        steps += len(acks) + sum(len(dump.batches) for dump in content.dumps)
        for finding in (_falling_ack(evidence, content, acks), _falling_dump(evidence, content)):
            if finding is not None:
                good = False
                yield finding
    if good:
        yield held(NAME, f"{plural(steps, 'batch', 'batches')} in acknowledgements and dumps")


def _falling_ack(evidence: Evidence, content: Content, acks: list[Produce]) -> Finding | None:
    highest: Produce | None = None
    if _never_falls(acks):
        return None
    for ack in acks:
        if highest is not None and ack.leader_epoch < highest.leader_epoch:
            message = (
                f"partition {content.key}: offset {ack.base_offset} was acknowledged in epoch {ack.leader_epoch}, "
                f"offset {highest.base_offset} before it in epoch {highest.leader_epoch}"
            )
            offsets = (highest.base_offset, ack.base_offset)
            witness = evidence.witness(highest, ack)
            return broken(NAME, "EpochWentDown", message, content.key, offsets=offsets, witness=witness, owed=ALWAYS)
        highest = ack
    return None


def _falling_dump(evidence: Evidence, content: Content) -> Finding | None:
    looked_at: tuple[DumpedBatch, ...] | None = None
    for dump in content.dumps:
        if dump.batches is looked_at:  # as it is where replicas hold the same
            continue
        looked_at = dump.batches
        if _never_falls(looked_at):
            continue
        for before, batch in zip(dump.batches, dump.batches[1:], strict=False):
            if batch.leader_epoch < before.leader_epoch:
                message = (
                    f"partition {content.key}: broker {dump.broker} has epoch {batch.leader_epoch} at offset "
                    f"{batch.base_offset} behind epoch {before.leader_epoch} at offset {before.base_offset}"
                )
                offsets = (before.base_offset, batch.base_offset)
                witness = evidence.witness(dump)
                return broken(
                    NAME, "EpochWentDown", message, content.key, offsets=offsets, witness=witness, owed=ALWAYS
                )
    return None


def _never_falls(batches: Sequence[Produce | DumpedBatch]) -> bool:
    epochs = list(map(_epoch, batches))
    return epochs == sorted(epochs)


PROPERTY = Property(NAME, __doc__, check)
