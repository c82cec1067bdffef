"""How the tests are spread over parallel workers (`make test`).

Tests with real processes (marked `local`) mostly wait, and judge what they measure in time. So they stand in a *lane*
each: of one lane one test runs at a time, in the order of its files, so that what a module shares is made once; the
other workers compute meanwhile. Two lanes and a third worker keep two cores busy without crowding them. What is given
more than the usual time is long, and begins early: the end of a run must not wait for one worker.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")
"""No test fails by the pace of its machine."""

os.environ.setdefault("SSL_CERT_FILE", os.devnull)
"""No test asks a server of others, and reading every certificate that this machine trusts takes longer than what most
tests do: each process that imports aiohttp does it, and each client of a Kubernetes API."""

TESTS = Path(__file__).parent
LANES = {"conformance": "conformance"}
"""Folder -> lane of its tests with real processes; all other folders share the lane `processes`."""


@pytest.hookimpl(tryfirst=True)  # a worker tells the lanes by the names of the tests, which it makes of these marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("local"):
            folder = item.path.relative_to(TESTS).parts[0]
            item.add_marker(pytest.mark.xdist_group(LANES.get(folder, "processes")))
    if hasattr(config, "workerinput"):  # a parallel worker's
        items.sort(key=lambda item: -given_s(item))


def pytest_collection_finish() -> None:
    """Thousands of collected tests, and all that they import, stay to the end: no look for garbage has to walk them.
    And looking after every 700 new objects is too often for what makes them by the million."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def given_s(item: pytest.Item) -> float:
    """Its own time limit; 0: it has the usual one, or a lane of its own decides when it runs."""
    limit = item.get_closest_marker("timeout")
    if limit is None or item.get_closest_marker("local"):
        return 0
    return float(limit.args[0])
