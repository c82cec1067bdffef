"""A plan as plain text: phases, faults with their predicted effect, and what is taken from which broker, and when.
Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from skerry.engine.plan import Plan, PlannedOccurrence, Taken
from skerry.schema.base import format_duration
from skerry.targets.port import Prediction

BAR = 40
"""Characters for the whole time until the last fault is over."""
ROWS_MAX = 60
SPANS_MAX = 6
"""Most spans of one row."""
FREE, TAKEN, TWICE = "·", "█", "!"


def plan_lines(plan: Plan) -> list[str]:
    """The plan, one fact a line."""
    lines = [f"{plan.name}: {plan.hypothesis}", f"seed {plan.seed}", ""]
    lines += [f"{_span(start, end):>17}  {name}" for name, start, end in plan.phases]
    if plan.misplaced:
        lines += ["", f"on an empty cluster, {plan.misplaced}; on another, that is known when the run has begun"]
    for each in plan.occurrences:
        who = " | ".join(", ".join(map(str, group)) for group in each.groups)
        lines += [
            "",
            f"{_span(each.starts_ns, each.ends_ns):>17}  {each.id}: {each.kind} {each.targets}",
            f"{'':17}  brokers, if roles stand as planned: {who or 'nobody'}",
        ]
        lines += [f"{'':17}  predicted: {prediction.sentence}" for prediction in _distinct(each.predictions)]
        lines += [f"{'':17}  REFUSED: {sentence}" for sentence in each.refusals]
        lines += [f"{'':17}  REFUSED, if roles stand as planned: {sentence}" for sentence in each.doubts]
    lines += _taken_lines(plan.occurrences)
    if plan.lacking:
        lines += ["", *plan.lacking]
    return lines


def _taken_lines(planned: Sequence[PlannedOccurrence]) -> Iterator[str]:
    """A row for each broker and link from which something is taken: a bar over time, and by which fault when."""
    rows: dict[Taken, list[PlannedOccurrence]] = defaultdict(list)
    for each in planned:
        for taken in each.takes:
            rows[taken].append(each)
    if not rows:
        return
    end_ns = max(each.ends_ns for each in planned)
    labels = {taken: _label(taken) for taken in rows}
    room = max(map(len, labels.values()))
    yield ""
    yield "taken from each broker and link, if roles stand as planned:"
    yield f"  {'':{room}}  {'0s':<{BAR - len(format_duration(end_ns))}}{format_duration(end_ns)}"
    crossed = False
    for taken in sorted(rows, key=lambda each: (len(each.sources), each))[:ROWS_MAX]:
        bar = _bar(rows[taken], end_ns)
        crossed = crossed or TWICE in bar
        yield f"  {labels[taken]:{room}}  {bar}  {_spans(rows[taken])}"
    if len(rows) > ROWS_MAX:
        yield f"  and {len(rows) - ROWS_MAX} more"
    if crossed:
        yield f"  {TWICE} two faults at once"


def _label(taken: Taken) -> str:
    if len(taken.sources) == 1:
        return f"broker {taken.sources[0]}"
    source, target = taken.sources
    return f"{source} {'<->' if taken.both_ways else '->'} {target} {', '.join(taken.planes)}"


def _bar(of: Sequence[PlannedOccurrence], end_ns: int) -> str:
    """One character is one part of the time; what is taken for less than that is still seen."""
    counts = [0] * BAR
    for each in of:
        first = min(each.starts_ns * BAR // max(end_ns, 1), BAR - 1)
        last = max(first + 1, -(-each.ends_ns * BAR // max(end_ns, 1)))
        for place in range(first, min(last, BAR)):
            counts[place] += 1
    overlapping = any(
        one.starts_ns < other.ends_ns and other.starts_ns < one.ends_ns
        for number, one in enumerate(of)
        for other in of[:number]
    )
    twice = TWICE if overlapping else TAKEN  # two that only touch may share a character
    return "".join(FREE if not count else TAKEN if count == 1 else twice for count in counts)


def _spans(of: Sequence[PlannedOccurrence]) -> str:
    told = [f"{_span(each.starts_ns, each.ends_ns)} {each.id} ({each.kind})" for each in of[:SPANS_MAX]]
    more = [f"and {len(of) - SPANS_MAX} more"] if len(of) > SPANS_MAX else []
    return "; ".join((*told, *more))


def _span(start_ns: int, end_ns: int) -> str:
    return f"{format_duration(start_ns)} - {format_duration(end_ns)}"


def _distinct(predictions: Sequence[Prediction]) -> list[Prediction]:
    return list({each.sentence: each for each in predictions}.values())
