"""The clients of the log model in virtual time: carries a workload's operations out with `SimClient`.

Batches are opaque to the core: here their bytes only stand for a run of consecutive values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct, error

from skerry.targets.skerry.translate import operation_of, result_of
from skerry.workload.log.operations import Result
from skerry.workload.operations import ClientSpec, Operation
from skerry.worlds.sim.clients import ClientHub, SimClient
from skerry.worlds.sim.scheduler import NS_PER_MS
from skerry_broker.core.client import ClientConfig, Completed
from skerry_broker.core.types import Batch

_PAYLOAD = Struct(">QI")


def pack(first_value: int, count: int) -> bytes:
    """The bytes of a simulated batch: they stand for ``count`` consecutive values."""
    return _PAYLOAD.pack(first_value, count)


def unpack(data: bytes) -> tuple[int, int]:
    """Raises ValueError when nobody packed it."""
    try:
        first_value, count = _PAYLOAD.unpack(data)
    except error as wrong:
        raise ValueError(f"no simulated batch: {wrong}") from None
    return first_value, count


def values_of(batch: Batch) -> Iterable[int]:
    first_value, count = unpack(batch.data)
    return range(first_value, first_value + count)


class LogClients:
    def __init__(self, hub: ClientHub) -> None:
        self._hub = hub
        self._scheduler = hub.cluster.scheduler
        self._clients: dict[ClientSpec, SimClient] = {}

    def begin(self, operation: Operation, done: Callable[[Result], None]) -> None:
        """``done`` is called once, when the operation has ended."""
        request = operation.request

        def completed(result: Completed) -> None:
            done(result_of(request, result, values_of))

        self._client(operation.client).submit(operation_of(request, self._make_batch), completed)

    def _client(self, spec: ClientSpec) -> SimClient:
        client = self._clients.get(spec)
        if client is None:
            config = ClientConfig(idempotent=spec.idempotent, delivery_timeout_ms=spec.delivery_timeout_ms)
            client = self._clients[spec] = self._hub.client(config, spec.name)
        return client

    def _make_batch(self, first_value: int, count: int, record_bytes: int) -> Batch:
        now_ms = self._scheduler.now_ns // NS_PER_MS
        return Batch(0, -1, count, pack(first_value, count), max_timestamp_ms=now_ms)
