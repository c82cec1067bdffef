"""`spec.dryRun`: which brokers each fault would hit and what that would do, by what the brokers say now.

Where a run makes what it writes to, nobody leads that yet: the rules of the system say who can be taken for the leader
then, and who is as the nodes tell.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from skerry.engine import guard
from skerry.engine.observation import BrokerView, Observation, ProcessState
from skerry.engine.resolution import Unresolved, concrete, resolve
from skerry.engine.steady import brokers_missing, timing_mismatch
from skerry.engine.timeline import timeline_of
from skerry.experiment.document import Experiment
from skerry.worlds.kubernetes.cluster import BrokerSet


class DryRun(NamedTuple):
    targets: tuple[str, ...]
    """One line per fault: which brokers, why, and what that does to the cluster."""
    message: str


async def look(experiment: Experiment, brokers: BrokerSet) -> Observation:
    """What every broker says of itself, now (0 on the run's clock)."""
    system = experiment.target.connect({each: brokers.addresses(each) for each in brokers.ordinals}, experiment)
    async with system.admin() as admin:
        answers = await asyncio.gather(*(admin.status(ordinal) for ordinal in brokers.ordinals))
    return Observation(
        brokers=tuple(
            BrokerView(ordinal, 0, reachable=False) if answer is None else answer.view(ordinal, 0, _PROCESS, -1)
            for ordinal, answer in zip(brokers.ordinals, answers, strict=True)
        )
    )


_PROCESS = ProcessState.UNKNOWN


def dry_run(experiment: Experiment, seed: int, observation: Observation) -> DryRun:
    """Pure. Faults that repeat are told once."""
    spec = experiment.spec
    rules = experiment.target.rules(spec)
    roles = rules.assumed(observation)
    targets = []
    for occurrence in timeline_of(experiment, seed):
        if occurrence.id.number:
            continue
        fault = occurrence.fault
        try:
            resolution = resolve(fault, roles, spec)
        except Unresolved as error:
            targets.append(f"{fault.name}: nobody: {error}")
            continue
        predictions = guard.predict_all(rules, roles, [], concrete(fault, resolution.groups))
        targets.append(f"{fault.name}: {_sides(resolution.groups)} ({resolution.why}); {predictions[0].sentence}")
    problems = (brokers_missing(spec, observation, 0, 0), timing_mismatch(spec, observation))
    found = " ".join(f"{problem[:1].upper()}{problem[1:].rstrip('.')}." for problem in problems if problem)
    return DryRun(tuple(targets), f"Dry run: nothing was touched. {found}".rstrip())


def _sides(groups: tuple[tuple[int, ...], ...]) -> str:
    return "brokers " + " | ".join(", ".join(map(str, group)) for group in groups)
