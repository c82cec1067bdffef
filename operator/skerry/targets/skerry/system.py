"""A running cluster of Skerry's brokers."""

from __future__ import annotations

from collections.abc import Mapping

from skerry.schema.vocabulary import Plane
from skerry.targets.port import Addresses
from skerry.targets.skerry.admin import AdminClient
from skerry.targets.skerry.client import SkerryClient
from skerry.targets.skerry.planes import ADMIN
from skerry.workload.operations import ClientSpec


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


def _of(addresses: Addresses, plane: str) -> Mapping[int, str]:
    return {ordinal: ports[plane] for ordinal, ports in addresses.items()}
