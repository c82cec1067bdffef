"""What a document will do, before anything is touched: phases with times, targets, predicted effects, the guard's word.

Who has which role is not known yet, so a plan goes by what the target's rules assume. Faults that move a role do not
move it here. The guard asks again at each injection, with the roles of that moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from skerry.engine import guard
from skerry.engine.capabilities import Capabilities
from skerry.engine.collisions import Span, collisions
from skerry.engine.needs import needed_features
from skerry.engine.resolution import NothingToBreak, Unresolved, concrete, resolve
from skerry.engine.timeline import Occurrence, timeline_of
from skerry.experiment.document import Experiment, Spec
from skerry.faults.port import Feature, Groups, OccurrenceId, ResolvedFault
from skerry.targets.port import AnyRules, Prediction, Roles
from skerry.targets.registry import rules_of


class Taken(NamedTuple):
    """What a fault takes away from one broker, or from one link."""

    sources: tuple[int, ...]
    """The broker; or the two ends of a link."""
    both_ways: bool
    """A link: what goes from the first to the second, and back."""
    planes: tuple[str, ...]
    """A link: the planes on which it is taken."""


class PlannedOccurrence(msgspec.Struct, frozen=True):
    id: OccurrenceId
    kind: str
    starts_ns: int
    """After the steady state, if every fault takes effect at once."""
    ends_ns: int
    targets: str
    """By role, as the document says it."""
    groups: Groups
    """Who that would be under the plan's assumptions; empty when nobody."""
    predictions: tuple[Prediction, ...]
    """The cluster meanwhile, other faults included."""
    refusals: tuple[str, ...]
    """What the guard will not do; empty: nothing."""
    doubts: tuple[str, ...]
    """What will be refused at its injection if roles stand as planned: nobody is left to play one, it would break
    nothing, or another one holds the same at that time. What can never be found is refused with the document."""
    takes: tuple[Taken, ...]
    """What it takes away; empty when nobody is found to take it from."""


class Plan(msgspec.Struct, frozen=True):
    name: str
    hypothesis: str
    seed: int
    occurrences: tuple[PlannedOccurrence, ...]
    """In the order of their start."""
    phases: tuple[tuple[str, int, int], ...]
    """(name, from, to): after the steady state."""
    misplaced: str
    """Who cannot play the role that the document prepares, on an empty cluster; empty: everybody can."""
    needs: tuple[Feature, ...]
    lacking: tuple[str, ...]
    """What the world cannot do, as sentences."""

    @property
    def refusals(self) -> tuple[str, ...]:
        """One sentence for each occurrence that the guard refuses."""
        return tuple(f"`{each.id.fault}`: {sentence}." for each in self.occurrences for sentence in each.refusals)


class _Span(NamedTuple):
    """One occurrence on the assumed cluster."""

    starts_ns: int
    occurrence: Occurrence
    groups: Groups
    fault: ResolvedFault | None
    """None: nobody was found."""
    problem: str
    """Why nobody was found, or nothing is left to break; empty: all is well."""

    @property
    def ends_ns(self) -> int:
        return self.starts_ns + self.occurrence.fault.lasts_ns


def make_plan(experiment: Experiment, seed: int, capabilities: Capabilities | None = None) -> Plan:
    """Touches nothing. Without ``capabilities`` it says what is needed, and not what is lacking."""
    spec = experiment.spec
    rules = rules_of(spec)
    roles = rules.assumed()
    spans = sorted(
        (
            _Span(_starts_ns(spec, occurrence), occurrence, *_who(occurrence, roles, spec))
            for occurrence in timeline_of(experiment, seed)
        ),
        key=lambda span: (span.starts_ns, span.occurrence.id),
    )
    collide = collisions(
        Span(span.occurrence.id, span.starts_ns, span.ends_ns, span.fault) for span in spans if span.fault is not None
    )
    planned = [_planned(span, spans, rules, roles, collide) for span in spans]
    needs = needed_features(spec)
    lacking = capabilities.all_lacking(spec.target, needs) if capabilities is not None else ()
    return Plan(
        name=experiment.name,
        hypothesis=spec.hypothesis,
        seed=seed,
        occurrences=tuple(planned),
        phases=_phases(planned, spec),
        misplaced=rules.misplaced(roles) if rules.places else "",
        needs=tuple(sorted(needs)),
        lacking=tuple(lacking),
    )


def _planned(
    span: _Span,
    spans: Sequence[_Span],
    rules: AnyRules,
    roles: Roles,
    collide: Mapping[OccurrenceId, str],
) -> PlannedOccurrence:
    predictions: tuple[Prediction, ...] = ()
    refusals: list[str] = []
    doubts = [span.problem] if span.problem else []
    if span.fault is not None:
        # Those that begin later ask for themselves.
        active = [
            other.fault
            for other in spans
            if other.fault is not None and other is not span and other.starts_ns <= span.starts_ns < other.ends_ns
        ]
        predictions = guard.predict_all(rules, roles, active, span.fault)
        refusals = rules.refusals(predictions)
        doubts += [collide[span.occurrence.id]] if span.occurrence.id in collide else []
    return PlannedOccurrence(
        span.occurrence.id,
        span.occurrence.fault.kind,
        span.starts_ns,
        span.ends_ns,
        _targets(span.occurrence),
        span.groups,
        predictions,
        tuple(refusals),
        tuple(doubts),
        _takes(span.fault),
    )


def guard_refusals(experiment: Experiment, seed: int) -> tuple[str, ...]:
    """What the guard refuses in this document whatever the roles turn out to be.

    Only what does not depend on the plan's assumptions may stop a run before it began; the rest is asked at injection.
    """
    if not rules_of(experiment.spec).certain:
        return ()
    return make_plan(experiment, seed).refusals


def _who(occurrence: Occurrence, roles: Roles, spec: Spec) -> tuple[Groups, ResolvedFault | None, str]:
    try:
        groups = resolve(occurrence.fault, roles, spec).groups
    except Unresolved as error:
        return (), None, f"nobody can be found for {error}"
    try:
        return groups, concrete(occurrence.fault, groups), ""
    except NothingToBreak as error:
        return groups, None, str(error)


def _targets(occurrence: Occurrence) -> str:
    """By role, group by group."""
    return " | ".join(" + ".join(map(str, group)) for group in occurrence.fault.body.target_groups())


def _takes(fault: ResolvedFault | None) -> tuple[Taken, ...]:
    """From links where the fault touches links, else from brokers."""
    if fault is None:
        return ()
    if not fault.pairs:
        return tuple(Taken((ordinal,), False, ()) for ordinal in sorted(fault.victims))
    planes = tuple(str(plane) for plane in getattr(fault, "planes", ()))
    return tuple(
        Taken((source, target), (target, source) in fault.pairs, planes)
        for source, target in sorted(fault.pairs)
        if source < target or (target, source) not in fault.pairs
    )


def _starts_ns(spec: Spec, occurrence: Occurrence) -> int:
    total, name = occurrence.offset_ns, occurrence.following
    faults = {fault.name: fault for fault in spec.faults}
    while name is not None:
        total += faults[name].start_after_ns
        name = faults[name].following
    return total


def _phases(planned: list[PlannedOccurrence], spec: Spec) -> tuple[tuple[str, int, int], ...]:
    first = min(each.starts_ns for each in planned)
    last = max(each.ends_ns for each in planned)
    return (
        ("steady state, workload runs", 0, first),
        ("faults", first, last),
        ("recovery, drain, check (at the latest)", last, spec.timeout_ns),
    )
