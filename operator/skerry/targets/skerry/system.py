"""A running cluster of Skerry's brokers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path

from skerry.experiment.document import Experiment
from skerry.history.records import ReplicaDump
from skerry.targets.port import Addresses, Seen
from skerry.targets.skerry.admin import AdminClient
from skerry.targets.skerry.client import SkerryClient
from skerry.targets.skerry.dumps import fetch_dumps
from skerry.targets.skerry.planes import ADMIN, Plane
from skerry.workload.operations import ClientSpec

OWN_TOPIC_MARK = re.compile(r"-skx-[0-9a-f]{8}$")
"""At the end of the name of every topic that a run makes for itself. Targets are leased: any other such topic is a
leftover when a run begins. When it ends, the next may have begun already."""


class SkerrySystem:
    """How its brokers are reached; ``topic`` is the run's own, and what they say of others is left out."""

    def __init__(self, addresses: Addresses, topic: str) -> None:
        self.clients = _of(addresses, Plane.CLIENT)
        self.admins = _of(addresses, ADMIN)
        self.topic = topic

    def client(self, spec: ClientSpec) -> SkerryClient:
        return SkerryClient(self.clients, idempotent=spec.idempotent, delivery_timeout_ms=spec.delivery_timeout_ms)

    def admin(self) -> AdminClient:
        return AdminClient(self.admins, self.topic)

    async def fetch_dumps(
        self, experiment: Experiment, seen: Seen, ends: Mapping[int, int], directory: Path
    ) -> list[ReplicaDump]:
        return await fetch_dumps(experiment, self.admin(), seen, ends, directory)

    async def remove_leftovers(self, *, own: bool) -> None:
        """Delete the topics that this run has made for itself, or those of all others."""
        mine = topic_mark(self.topic)
        with contextlib.suppress(OSError, TimeoutError):
            async with self.client(ClientSpec("topics")) as client:
                for topic in await client.topics():
                    if (mark := topic_mark(topic)) and (mark == mine) == own:
                        await client.delete_topic(topic)


def topic_mark(topic: str) -> str:
    """The run that made this topic for itself; empty: it is somebody's, and never touched."""
    found = OWN_TOPIC_MARK.search(topic)
    return found.group() if found else ""


def _of(addresses: Addresses, plane: str) -> Mapping[int, str]:
    return {ordinal: ports[plane] for ordinal, ports in addresses.items()}
