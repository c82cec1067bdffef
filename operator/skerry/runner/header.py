"""The first line of a recording, the same in every world."""

from __future__ import annotations

from skerry.experiment.document import Experiment
from skerry.history.records import HISTORY_VERSION, Header


def header_of(
    experiment: Experiment,
    document: str,
    *,
    world: str,
    seed: int,
    started_wall_ns: int,
    version: str,
    clock_error_ns: int,
) -> Header:
    """``document``: its text; ``version``: of this skerry."""
    return Header(
        version=HISTORY_VERSION,
        experiment=experiment.name,
        document=document,
        world=world,
        seed=seed,
        started_wall_ns=started_wall_ns,
        skerry_version=version,
        brokers=experiment.spec.cluster.brokers,
        clock_error_ns=clock_error_ns,
        model=str(experiment.target.model),
        target=experiment.target.name,
    )
