"""The ordinary release of the test cluster, and throw-away ones for what destroys it.

Each test tells one story. When one fails, what the operator said and what the cluster looks like is shown with it.
"""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from e2e_cluster import Cluster
from e2e_lab import Lab, install, remove, until_collected

NAMESPACE_DEFAULT = "skerry"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    try:
        cluster = Cluster()
    except RuntimeError as error:
        pytest.fail(str(error), pytrace=False)
    with cluster:
        yield cluster


@pytest.fixture(scope="session")
def ordinary(cluster: Cluster) -> Lab:
    """What `make kind-up` installed."""
    until_collected(cluster)
    return Lab(cluster, os.environ.get("SKERRY_E2E_NAMESPACE", NAMESPACE_DEFAULT))


@pytest.fixture
def lab(ordinary: Lab) -> Iterator[Lab]:
    """The ordinary release, idle; afterwards nothing of the test is left in it."""
    ordinary.ready()
    yield ordinary
    ordinary.tidy()


@pytest.fixture
def throwaway(cluster: Cluster, ordinary: Lab) -> Iterator[Lab]:
    """A release in a namespace of its own, which the test may destroy."""
    lab = Lab(cluster, f"skerry-e2e-{uuid.uuid4().hex[:6]}")
    try:
        install(lab, like=ordinary)
        yield lab
    finally:
        remove(lab)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes the CRD from the whole cluster comes last."""
    items.sort(key=lambda item: getattr(item, "originalname", "") == "test_the_crd_is_deleted")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.failed:
        for lab in _labs_of(item):
            try:
                report.sections += [(f"{lab.namespace}: {title}", text) for title, text in lab.diagnosis()]
            except Exception as error:
                report.sections.append((f"{lab.namespace}: nothing can be shown", repr(error)))
    return report


def _labs_of(item: pytest.Item) -> list[Lab]:
    found = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Lab)]
    return list({each.namespace: each for each in found}.values())
