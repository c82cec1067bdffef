"""Drives the core's `Client` machines through simulated calls: what an asyncio client does with sockets.

All clients live at one place (`network.CLIENTS`), the recording process, and on its one clock: true time.
"""

from __future__ import annotations

from collections.abc import Callable

from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.network import CLIENTS
from skerry.worlds.sim.ports import CallKey, ClientAnswer, ClientCall, ClientCancel
from skerry.worlds.sim.scheduler import NS_PER_MS
from skerry_broker.core.api import ErrorCode
from skerry_broker.core.client import Call, CancelCall, Client, ClientConfig, Completed, Operation
from skerry_broker.core.types import Plane

CONNECTION_ERROR_NS = NS_PER_MS // 2
"""How long it takes to learn that a connection was refused or reset."""

_CLIENT = Plane.CLIENT
"""Looking a member up in its enumeration is a call; this is done for every request."""

Done = Callable[[Completed], None]


class ClientHub:
    """The place of all clients: hands answers to those who wait for them.

    It measures no timeouts: a client machine cancels by itself what is not answered in time.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._scheduler = cluster.scheduler
        self._network = cluster.network
        self._open: dict[CallKey, tuple[SimClient, int]] = {}
        """Who waits for the answer, and the broker that was asked."""
        self._clients = 0
        cluster.network.attach(CLIENTS, self._receive)
        cluster.on_broker_died = self._broker_died

    def client(self, config: ClientConfig, name: str) -> SimClient:
        self._clients += 1
        return SimClient(self, self._clients, config, name)

    # --- calls ----------------------------------------------------------------------------------------------

    def call(self, client: SimClient, call: Call) -> None:
        key = (client.number, call.call_id)
        self._open[key] = (client, call.broker_id)
        if not self._network.send(CLIENTS, call.broker_id, _CLIENT, ClientCall(key, call.request)):
            self._scheduler.post(self._scheduler.now_ns + CONNECTION_ERROR_NS, self._refused, key)

    def cancel(self, client: SimClient, call_id: int) -> None:
        key = (client.number, call_id)
        open_call = self._open.pop(key, None)
        if open_call is not None:
            _, broker_id = open_call
            self._network.send(CLIENTS, broker_id, _CLIENT, ClientCancel(key))

    def _receive(self, source: int, payload: object) -> None:
        assert type(payload) is ClientAnswer
        key = payload.key
        now_ns = self._scheduler.now_ns
        self.cluster.trace.record(now_ns, CLIENTS, payload)
        open_call = self._open.pop(key, None)
        if open_call is not None:
            client, _ = open_call
            client.machine.answered(now_ns, key[1], payload.response)
            client.pump()

    def _fail(self, key: CallKey, error: ErrorCode) -> None:
        open_call = self._open.pop(key, None)
        if open_call is not None:
            client, _ = open_call
            now_ns = self._scheduler.now_ns
            self.cluster.trace.record(now_ns, CLIENTS, (key, error))
            client.machine.call_failed(now_ns, key[1], error)
            client.pump()

    def _refused(self, key: CallKey) -> None:
        self._fail(key, ErrorCode.CONNECTION_FAILED)

    def _reset(self, key: CallKey) -> None:
        self._fail(key, ErrorCode.CONNECTION_LOST)

    def _broker_died(self, broker_id: int) -> None:
        if not self._network.reachable(broker_id, CLIENTS, _CLIENT):
            return
        soon_ns = self._scheduler.now_ns + CONNECTION_ERROR_NS
        for key, (_, asked) in self._open.items():
            if asked == broker_id:
                self._scheduler.post(soon_ns, self._reset, key)


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
