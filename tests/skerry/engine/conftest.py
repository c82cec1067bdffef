"""A conductor and a toy cluster, for stories."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from toy_world import ALL_FEATURES, CUT, DOCUMENT, MS, ToyWorld

from skerry.engine.bounds import Bounds
from skerry.engine.conductor import Conductor
from skerry.experiment import Experiment, load_document


@pytest.fixture
def experiment() -> Callable[[str], Experiment]:
    """A document from its `faults:` (and what follows them)."""
    return lambda faults=CUT: load_document(DOCUMENT + faults, "story.yaml")


@pytest.fixture
def conductor(experiment: Callable[[str], Experiment]) -> Callable[..., Conductor]:
    def make(faults: str = CUT, **more: object) -> Conductor:
        bounds = Bounds(steady_hold_ns=200 * MS, recover_hold_ns=200 * MS)
        return Conductor(experiment(faults), 7, **({"capabilities": ALL_FEATURES, "bounds": bounds} | more))  # type: ignore[arg-type]

    return make


@pytest.fixture
def toy() -> Callable[..., ToyWorld]:
    return ToyWorld
