"""An API server in this process, and a client of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "conformance"))  # what the worlds have in common

from fake_api import FakeApi
from kill_stage import stage as stage  # fixtures
from ready_namespace import cluster as cluster
from theatre import theatre as theatre

from skerry.worlds.kubernetes.api import Kube


@pytest.fixture
async def api():
    async with FakeApi() as api:
        yield api


@pytest.fixture
async def kube(api):
    """The API of the namespace ``skerry``."""
    from kubernetes.aio.client import Configuration

    async with Kube("skerry", configuration=Configuration(host=api.url)) as kube:
        yield kube
