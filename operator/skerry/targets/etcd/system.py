"""A running cluster of etcd members."""

from __future__ import annotations

from skerry.targets.etcd.admin import EtcdAdmin
from skerry.targets.etcd.client import EtcdClient
from skerry.targets.etcd.planes import CLIENT
from skerry.targets.port import Addresses, System
from skerry.workload.operations import ClientSpec


class EtcdSystem(System):
    """How its members are reached. They give their files to nobody, and a run leaves nothing that is in the way of
    another: keys are its own by their names."""

    def __init__(self, addresses: Addresses) -> None:
        self._clients = {ordinal: planes[CLIENT] for ordinal, planes in addresses.items()}

    def client(self, spec: ClientSpec) -> EtcdClient:
        """Clients begin with different members, by their names."""
        first = sum(spec.name.encode())
        return EtcdClient(self._clients, first=first, timeout_ms=spec.delivery_timeout_ms)

    def admin(self) -> EtcdAdmin:
        return EtcdAdmin(self._clients)
