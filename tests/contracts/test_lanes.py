"""Tests with real processes stand in a lane, in which one runs at a time (`tests/conftest.py`)."""

from __future__ import annotations

import pytest


@pytest.mark.local
def test_a_worker_that_groups_tests_knows_the_lane(request: pytest.FixtureRequest) -> None:
    grouped = bool(getattr(request.config.option, "loadgroup", False))
    assert request.node.nodeid.endswith("@processes") is grouped
