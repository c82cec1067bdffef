"""A stage whose brokers serve, and what was asked of its API server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fake_api import FakeApi
from fault_stage import Stage

from skerry.worlds.kubernetes.api import Kube


@pytest.fixture
async def stage(api: FakeApi, kube: Kube) -> AsyncIterator[Stage]:
    stage = Stage(api, kube)
    await stage.rise(serving=True)
    yield stage
    await stage.fall()


def deletions(stage: Stage) -> list[tuple[str, str, int]]:
    """(pod, uid in the precondition, grace) of every pod deletion that was asked for."""
    return [
        (each.name, each.body["preconditions"]["uid"], each.body["gracePeriodSeconds"])
        for each in stage.api.seen
        if each.verb == "delete" and each.resource == "pods"
    ]
