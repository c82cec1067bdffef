"""Whether a fault may begin now: which brokers it means, what others hold at the moment, and what the guard says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from skerry.engine import guard
from skerry.engine.collisions import collision_sentence
from skerry.engine.observation import Observation
from skerry.engine.resolution import Resolution, Unresolved, concrete, resolve
from skerry.experiment.document import Fault, Spec
from skerry.faults.port import Groups, OccurrenceId, ResolvedFault
from skerry.targets.port import Roles
from skerry.targets.registry import rules_of

LOOKS_MAX = 50


class Standing(NamedTuple):
    """Another occurrence that may be in effect."""

    id: OccurrenceId
    fault: ResolvedFault
    healing: bool
    """Its time is over, and it is not measured to be gone yet."""


class Admitted(NamedTuple):
    fault: ResolvedFault
    resolution: Resolution
    prediction: str
    """What it will do, as a sentence."""


class Refused(NamedTuple):
    reason: str
    """CamelCase, as findings have it."""
    why: str


def admit(fault: Fault, spec: Spec, roles: Roles, standing: Sequence[Standing]) -> Admitted | Refused | None:
    """Decide; None means to wait until what another one held is measured to be whole again.

    Raises Unresolved when nobody has a role that it names, or (NothingToBreak) when those who have it leave nothing to
    break.
    """
    resolution = resolve(fault, roles, spec)
    made = concrete(fault, resolution.groups)
    sharing = [(each, min(shared)) for each in standing if (shared := each.fault.holds & made.holds)]
    if any(each.healing for each, _ in sharing):
        return None
    for other, hold in sharing:
        return Refused("FaultsCollide", collision_sentence(other.id, hold))
    rules = rules_of(spec)
    predictions = guard.predict_all(rules, roles, [each.fault for each in standing], made)
    if refused := rules.refusals(predictions):
        return Refused("GuardRefused", "; ".join(refused))
    return Admitted(made, resolution, predictions[0].sentence)


class RoleWatch:
    """Who has the roles while an injection is under way; which look came before it is known afterwards."""

    def __init__(self, fault: Fault, spec: Spec, oldest_ns: int) -> None:
        """Samples that were asked before ``oldest_ns`` say nothing."""
        self._fault = fault
        self._spec = spec
        self._oldest_ns = oldest_ns
        self._seen: list[Resolution] = []

    def look(self, observation: Observation) -> None:
        """Keep what the roles are now."""
        roles = rules_of(self._spec).roles(observation, self._oldest_ns)
        try:
            self._seen.append(resolve(self._fault, roles, self._spec))
        except Unresolved:
            return
        del self._seen[:-LOOKS_MAX]

    def moved(self, groups: Groups, before_ns: int) -> str:
        """Who had the roles before that moment, if it was not ``groups``, as words; empty: it was."""
        earlier = [each for each in self._seen if each.sampled_ns < before_ns]
        return earlier[-1].why if earlier and earlier[-1].groups != groups else ""
