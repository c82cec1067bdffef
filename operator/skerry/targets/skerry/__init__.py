"""The target `skerry`: the broker of this project."""

from __future__ import annotations

from collections.abc import Mapping

from skerry.history.records import StatusSample
from skerry.targets.skerry.admin import AdminClient
from skerry.targets.skerry.client import ReadResult, SkerryClient, WriteResult
from skerry.targets.skerry.disk import dump_replica
from skerry.targets.skerry.process import BrokerPorts, broker_arguments
from skerry.targets.skerry.status import StatusAnswer

DELIVERY_TIMEOUT_MS = 10_000


class Target:
    """A running cluster, as clients and the sampler reach it."""

    def __init__(self, clients: Mapping[int, str], admins: Mapping[int, str]) -> None:
        """Ordinal -> host:port of its client plane, and of its admin plane."""
        self._clients = dict(clients)
        self._admins = dict(admins)

    @classmethod
    def on_loopback(cls, brokers: Mapping[int, BrokerPorts]) -> Target:
        return cls(
            {ordinal: f"127.0.0.1:{ports.client}" for ordinal, ports in brokers.items()},
            {ordinal: f"127.0.0.1:{ports.admin}" for ordinal, ports in brokers.items()},
        )

    def client(self, *, idempotent: bool, delivery_timeout_ms: int = DELIVERY_TIMEOUT_MS) -> SkerryClient:
        return SkerryClient(self._clients, idempotent=idempotent, delivery_timeout_ms=delivery_timeout_ms)

    def admin(self) -> AdminClient:
        return AdminClient(self._admins)

    @staticmethod
    def status_sample(ordinal: int, before_ns: int, after_ns: int, answer: StatusAnswer | None) -> StatusSample:
        """For the history; ``answer`` None: it did not answer."""
        if answer is None:
            return StatusSample(ordinal, before_ns, after_ns, reachable=False)
        return answer.sample(ordinal, before_ns, after_ns)


__all__ = [
    "AdminClient",
    "BrokerPorts",
    "ReadResult",
    "SkerryClient",
    "StatusAnswer",
    "Target",
    "WriteResult",
    "broker_arguments",
    "dump_replica",
]
