"""One offset has one record: no two acknowledgements, and no acknowledgement and a reader, disagree about it.

For acks=All that holds for ever. For acks=Leader a later leader may drop the record and use the offset again, so there
it holds within one leader epoch, and against every acks=All record of an earlier epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter, itemgetter
from typing import NamedTuple

from skerry.checker.findings import broken, held, offsets_text, plural, value_text
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.content import HOLE, Content, Source, differences
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.property import Property
from skerry.history.records import Produce
from skerry.schema.verdict import Finding

NAME = "inconsistent-offset"
_count = attrgetter("count")


class _Clash(NamedTuple):
    offset: int
    first: Source | None
    first_value: int
    second: Source | None
    second_value: int


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    offsets, good = 0, True
    for content in evidence.contents:
        offsets += sum(map(_count, content.operations.acked))
        clashes = [*_between_acks(content), *_ack_against_reader(content), *_weak(content)]
        if clashes:
            good = False
            first = min(clashes, key=lambda clash: clash.offset)
            row = next((guarantees.row_of(s).name for s in (first.first, first.second) if isinstance(s, Produce)), "")
            where = sorted({clash.offset for clash in clashes})
            message = (
                f"partition {content.key}, {offsets_text(where)}: offset {first.offset} was said to hold "
                f"{value_text(first.first_value)} and {value_text(first.second_value)}"
            )
            yield broken(
                NAME,
                "TwoRecordsAtOneOffset",
                message,
                content.key,
                offsets=where,
                witness=evidence.witness(first.first, first.second),
                owed=row,
            )
    if good:
        yield held(NAME, f"{plural(offsets, 'acknowledged offset')}, one record each")


def _between_acks(content: Content) -> Iterator[_Clash]:
    for conflict in content.acked_conflicts:
        yield _Clash(*conflict)


def _ack_against_reader(content: Content) -> Iterator[_Clash]:
    found = 0
    for column in (content.read, content.final):
        for index in differences(content.acked, column):
            if HOLE not in (content.acked[index], column[index]):
                offset = content.start + index
                found += 1
                if found > 100:  # enough to name; the walk for each is long
                    yield _Clash(offset, None, content.acked[index], None, column[index])
                    continue
                ack = content.acknowledged_at(offset)
                seen = content.read_at(offset, column[index]) or content.source_at(offset)
                yield _Clash(offset, ack, content.acked[index], seen, column[index])


def _weak(content: Content) -> Iterator[_Clash]:
    """With acks=Leader, (offset, epoch) has one record, and nobody writes over a committed record of an older epoch."""
    weak = [ack for ack in content.operations.acked if ack.acks != "All" and not ack.duplicate]
    if not weak:
        return
    acks = [*content.committed, *weak]
    # Answered later, perhaps by another leader, a duplicate's epoch is not the record's.
    originals = [ack for ack in acks if not ack.duplicate]
    told = [_Piece(ack.leader_epoch, ack.base_offset, ack.count, ack.first_value, ack) for ack in originals]
    held = [_Piece(b.leader_epoch, b.base_offset, b.count, b.first_value) for d in content.dumps for b in d.batches]
    yield from _weak_in_one_epoch(content, _contested([*told, *held]))
    whenever = [_Piece(0, ack.base_offset, ack.count, ack.first_value, ack) for ack in acks]
    yield from _weak_over_committed(_contested(whenever))


class _Piece(NamedTuple):
    """Records side by side: where, the first value, and who was told so (None: they are on a disk)."""

    epoch: int
    base_offset: int
    length: int
    first_value: int
    ack: Produce | None = None


def _contested(pieces: list[_Piece]) -> list[Produce]:
    """The acknowledgements of offsets that lie in pieces of one epoch with different values: what follows looks at
    every record, and there may be millions that nobody disagrees about."""
    pieces.sort(key=itemgetter(0, 1, 2, 3))
    contested: list[Produce] = []
    together: list[_Piece] = []
    reached, differ = -1, False
    for piece in pieces:
        if not together or piece.epoch != together[0].epoch or piece.base_offset >= reached:
            contested += [one.ack for one in together if one.ack is not None and differ]
            together, reached, differ = [], piece.base_offset, False
        elif piece.first_value - piece.base_offset != together[0].first_value - together[0].base_offset:
            differ = True
        together.append(piece)
        reached = max(reached, piece.base_offset + piece.length)
    return contested + [one.ack for one in together if one.ack is not None and differ]


def _weak_in_one_epoch(content: Content, acks: list[Produce]) -> Iterator[_Clash]:
    places: dict[tuple[int, int], tuple[int, Produce]] = {}
    for ack in sorted(acks, key=_is_weak):
        for offset, value in enumerate(range(ack.first_value, _after_value(ack)), ack.base_offset):
            earlier = places.setdefault((offset, ack.leader_epoch), (value, ack))
            if earlier[0] != value and (_is_weak(ack) or _is_weak(earlier[1])):
                yield _Clash(offset, earlier[1], earlier[0], ack, value)
    for dump in content.dumps if places else ():
        for batch in dump.batches:
            for step in range(batch.count):
                value, offset = batch.first_value + step, batch.base_offset + step
                known = places.get((offset, batch.leader_epoch))
                if known and known[0] != value and _is_weak(known[1]):
                    yield _Clash(offset, known[1], known[0], dump, value)


def _weak_over_committed(acks: list[Produce]) -> Iterator[_Clash]:
    strong = (ack for ack in acks if not _is_weak(ack))
    committed = {offset: ack for ack in strong for offset in range(ack.base_offset, _after(ack))}
    for ack in filter(_is_weak, acks):
        for offset in range(ack.base_offset, _after(ack)):
            other = committed.get(offset)
            if other is not None and ack.leader_epoch > other.leader_epoch >= 0:
                values = (other.first_value + offset - other.base_offset, ack.first_value + offset - ack.base_offset)
                if values[0] != values[1]:
                    yield _Clash(offset, other, values[0], ack, values[1])


def _is_weak(ack: Produce) -> bool:
    return ack.acks != "All"


def _after(ack: Produce) -> int:
    return ack.base_offset + ack.count


def _after_value(ack: Produce) -> int:
    return ack.first_value + ack.count


PROPERTY = Property(NAME, __doc__, check)
