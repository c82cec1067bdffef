"""Drives the core's `Client` machines through simulated calls: what an asyncio client does with sockets.

All clients live at one place (`network.CLIENTS`), the recording process, and on its one clock: true time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.network import CLIENTS
from skerry.worlds.sim.ports import ClientAnswer, ClientCall, ClientCancel
from skerry.worlds.sim.scheduler import NS_PER_MS, Timer
from skerry_broker.core.api import ErrorCode
from skerry_broker.core.client import Call, CancelCall, Client, ClientConfig, Completed, Operation
from skerry_broker.core.types import Plane

CONNECTION_ERROR_NS = NS_PER_MS // 2
"""How long it takes to learn that a connection was refused or reset."""

_CLIENT = Plane.CLIENT
"""Looking a member up in its enumeration is a call; this is done for every request."""

CallKey = tuple[int, int]
Done = Callable[[Completed], None]


class _OpenCall(NamedTuple):
    client: SimClient
    broker_id: int
    timeout: Timer


class ClientHub:
    """The place of all clients: hands answers to those who wait for them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._scheduler = cluster.scheduler
        self._open: dict[CallKey, _OpenCall] = {}
        self._clients = 0
        cluster.network.attach(CLIENTS, self._receive)
        cluster.on_broker_died = self._broker_died

    def client(self, config: ClientConfig, name: str) -> SimClient:
        self._clients += 1
        return SimClient(self, self._clients, config, name)

    # --- calls ----------------------------------------------------------------------------------------------

    def call(self, client: SimClient, call: Call) -> None:
        key = (client.number, call.call_id)
        scheduler = self._scheduler
        timeout_ns = scheduler.now_ns + call.timeout_ms * NS_PER_MS
        self._open[key] = _OpenCall(client, call.broker_id, scheduler.timer(timeout_ns, self._timed_out, key))
        if not self.cluster.network.send(CLIENTS, call.broker_id, _CLIENT, ClientCall(key, call.request)):
            scheduler.post(scheduler.now_ns + CONNECTION_ERROR_NS, self._refused, key)

    def cancel(self, client: SimClient, call_id: int) -> None:
        key = (client.number, call_id)
        open_call = self._open.pop(key, None)
        if open_call is not None:
            open_call.timeout.cancel()
            self.cluster.network.send(CLIENTS, open_call.broker_id, Plane.CLIENT, ClientCancel(key))

    def _receive(self, source: int, payload: object) -> None:
        assert isinstance(payload, ClientAnswer)
        key = payload.key
        assert isinstance(key, tuple)
        now_ns = self._scheduler.now_ns
        self.cluster.trace.record(now_ns, CLIENTS, payload)
        open_call = self._open.pop(key, None)
        if open_call is not None:
            open_call.timeout.cancel()
            client = open_call.client
            client.machine.answered(now_ns, key[1], payload.response)
            client.pump()

    def _fail(self, key: CallKey, error: ErrorCode) -> None:
        open_call = self._open.pop(key, None)
        if open_call is not None:
            open_call.timeout.cancel()
            self.cluster.trace.record(self.cluster.now_ns, CLIENTS, (key, error))
            open_call.client.machine.call_failed(self.cluster.now_ns, key[1], error)
            open_call.client.pump()

    def _timed_out(self, key: CallKey) -> None:
        open_call = self._open.get(key)
        if open_call is not None:
            self.cluster.network.send(CLIENTS, open_call.broker_id, Plane.CLIENT, ClientCancel(key))
        self._fail(key, ErrorCode.CONNECTION_LOST)

    def _refused(self, key: CallKey) -> None:
        self._fail(key, ErrorCode.CONNECTION_FAILED)

    def _reset(self, key: CallKey) -> None:
        self._fail(key, ErrorCode.CONNECTION_LOST)

    def _broker_died(self, broker_id: int) -> None:
        network = self.cluster.network
        if not network.reachable(broker_id, CLIENTS, Plane.CLIENT):
            return
        soon_ns = self.cluster.now_ns + CONNECTION_ERROR_NS
        for key, open_call in self._open.items():
            if open_call.broker_id == broker_id:
                self.cluster.scheduler.post(soon_ns, self._reset, key)


class SimClient:
    """One client machine. ``submit`` begins an operation and calls back when it is over."""

    def __init__(self, hub: ClientHub, number: int, config: ClientConfig, name: str) -> None:
        self.number = number
        self._hub = hub
        self._cluster = hub.cluster
        self._done: dict[int, Done] = {}
        self._next_op_id = 0
        self._wake_ns: int | None = None
        self._pumping = False
        cluster = hub.cluster
        self.machine = Client(config, cluster.broker_ids, cluster.streams.stream("client", name))

    @property
    def idle(self) -> bool:
        return not self._done

    def submit(self, operation: Operation, done: Done) -> None:
        self._next_op_id += 1
        self._done[self._next_op_id] = done
        self.machine.submit(self._cluster.now_ns, self._next_op_id, operation)
        self.pump()

    def pump(self) -> None:
        """Carry out what the machine wants until it wants nothing more."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while wanted := self.machine.take():
                for want in wanted:
                    if type(want) is Call:
                        self._hub.call(self, want)
                    elif type(want) is Completed:
                        self._done.pop(want.op_id)(want)
                    else:
                        assert type(want) is CancelCall
                        self._hub.cancel(self, want.call_id)
        finally:
            self._pumping = False
        self._arm()

    def _arm(self) -> None:
        deadline = self.machine.next_deadline
        if deadline is not None and (self._wake_ns is None or deadline < self._wake_ns):
            self._wake_ns = max(deadline, self._cluster.now_ns)
            self._cluster.scheduler.post(self._wake_ns, self._wake, self._wake_ns)

    def _wake(self, wake_ns: int) -> None:
        if wake_ns != self._wake_ns:
            return
        self._wake_ns = None
        deadline = self.machine.next_deadline
        if deadline is not None and deadline <= self._cluster.now_ns:
            self.machine.tick(self._cluster.now_ns)
        self.pump()
