"""Removes what experiments left behind, by label, with or without an operator: cuts first."""

from __future__ import annotations

from typing import NamedTuple

from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import CONFIG_MAPS, JOBS, LEASES, NETWORK_POLICIES, PODS, Kind, Kube, KubeError
from skerry.worlds.kubernetes.names import EXPERIMENT_LABEL, Artefact, selector


class Step(NamedTuple):
    kind: Kind
    artefact: Artefact


STEPS = (
    Step(NETWORK_POLICIES, Artefact.POLICY),
    # The rest goes with its fuse; what follows finds only what lost its owner.
    Step(JOBS, Artefact.FUSE),
    Step(NETWORK_POLICIES, Artefact.PROBE),
    Step(JOBS, Artefact.PROBE),
    Step(PODS, Artefact.PROBE),
    Step(CONFIG_MAPS, Artefact.HOLD),
    Step(JOBS, Artefact.WORKLOAD),
    Step(LEASES, Artefact.LEASE),
)
REPORTS = Step(CONFIG_MAPS, Artefact.REPORT)


class SweepIncomplete(Exception):
    """Something could not be removed. The text has one sentence per line for each."""

    def __init__(self, removed: list[str], problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.removed = removed


async def sweep(kube: Kube, experiment: str | None = None, *, reports: bool = False) -> list[str]:
    """Remove every artefact in the namespace, or only those of one experiment; doing it again does nothing.

    What one step may not do does not keep the next from being done: a cut that stays is worse than a Lease that does.

    ``reports``: the ConfigMaps with the reports too.
    Returns what was removed, a sentence each, in that order.
    Raises SweepIncomplete: something was refused, or the server did not answer.
    """
    removed: list[str] = []
    problems: list[str] = []
    for kind, artefact in (*STEPS, REPORTS) if reports else STEPS:
        try:
            for found in await kube.list(kind, selector(experiment or "", artefact)):
                metadata = found["metadata"]
                if await kube.delete(kind, metadata["name"], uid=metadata["uid"]):
                    removed.append(_sentence(found, artefact))
        except KubeError as error:
            problems.append(str(error))
            if not error.status:  # nobody answers: nor will the next be
                break
    if problems:
        raise SweepIncomplete(removed, problems)
    return removed


def _sentence(found: JsonObject, artefact: Artefact) -> str:
    metadata = found["metadata"]
    of = (metadata.get("labels") or {}).get(EXPERIMENT_LABEL) if artefact is not Artefact.PROBE else None
    return f"removed {artefact} {found['kind']} {metadata['name']}" + (f" of experiment {of}" if of else "")
