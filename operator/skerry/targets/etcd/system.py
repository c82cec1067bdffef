"""A running cluster of etcd members."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from skerry.experiment.document import Experiment
from skerry.history.records import ReplicaDump
from skerry.targets.etcd.admin import EtcdAdmin
from skerry.targets.etcd.client import EtcdClient
from skerry.targets.etcd.planes import CLIENT
from skerry.targets.port import Addresses, Seen
from skerry.workload.operations import ClientSpec


class EtcdSystem:
    """How its members are reached."""

    def __init__(self, addresses: Addresses) -> None:
        self._clients = {ordinal: planes[CLIENT] for ordinal, planes in addresses.items()}

    def client(self, spec: ClientSpec) -> EtcdClient:
        """Clients begin with different members, by their names."""
        first = sum(spec.name.encode())
        return EtcdClient(self._clients, first=first, timeout_ms=spec.delivery_timeout_ms)

    def admin(self) -> EtcdAdmin:
        return EtcdAdmin(self._clients)

    async def fetch_dumps(
        self, experiment: Experiment, seen: Seen, ends: Mapping[int, int], directory: Path
    ) -> list[ReplicaDump]:
        """None: members give their files to nobody."""
        return []

    async def remove_leftovers(self, *, own: bool) -> None:
        """Nothing: keys are the run's own by their names, and take no part in any other run."""
