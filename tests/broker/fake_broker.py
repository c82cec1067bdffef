"""A broker's client and admin ports in one process, with a scripted node behind them: for tests of what is outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from skerry_broker.batch import check_batch
from skerry_broker.calls import Calls
from skerry_broker.config import Address
from skerry_broker.core.api import ClientRequest, ClientResponse
from skerry_broker.core.intake import Intake, IntakeLimits
from skerry_broker.core.messages import ClientGone, Event, FromClient
from skerry_broker.core.types import Plane, Voter
from skerry_broker.frames import FrameConnection, Session
from skerry_broker.gateway import Gateway
from skerry_broker.http_api import HttpApi
from skerry_broker.listener import PlaneListener
from skerry_broker.metrics import Metrics
from skerry_broker.transport import Identity
from skerry_broker.wire import CALL_BYTES_EXTRA, Hello

BATCH_BYTES_MAX = 4096

Script = Callable[[ClientRequest], ClientResponse | None]
"""The answer to a request; None: none yet."""


class FakeBroker:
    """Listens on loopback; every request goes to ``script`` and is kept in ``requests``."""

    def __init__(self, broker_id: int, script: Script, port: int = 0) -> None:
        self.script = script
        self.requests: list[ClientRequest] = []
        self.request_ids: list[int] = []
        self.gone: list[int] = []
        self.metrics = Metrics()
        self.identity = Identity(Voter(broker_id, "d"), "i", "c", "127.0.0.1:1")
        intake = Intake(IntakeLimits(8, 4 * BATCH_BYTES_MAX, BATCH_BYTES_MAX, 1 << 16), check_batch)
        self.gateway = Gateway(self._deliver, self.metrics, intake)
        self.http = HttpApi(self.gateway, self.identity)
        self._port = port
        self._changed = asyncio.Event()

    async def open(self) -> Address:
        self.listener = PlaneListener(
            Plane.CLIENT,
            Address("127.0.0.1", self._port),
            gate=self._gate,
            welcome=self.identity.welcome,
            bytes_max=BATCH_BYTES_MAX + CALL_BYTES_EXTRA,
            metrics=self.metrics,
            http=await self.http.open(),
        )
        address = await self.listener.open()
        self.identity.advertised[self.identity.voter.broker_id] = str(address)
        return address

    async def close(self) -> None:
        await self.listener.close()
        await self.http.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for an event at the node after which ``condition`` holds."""
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def _gate(self, hello: Hello, connection: FrameConnection) -> Session | str:
        return Calls(connection, self.gateway, self.identity)

    def _deliver(self, event: Event) -> None:
        asyncio.get_running_loop().call_soon(self._changed.set)
        if isinstance(event, ClientGone):
            self.gone.append(event.request_id)
        elif isinstance(event, FromClient):
            self.requests.append(event.request)
            self.request_ids.append(event.request_id)
            response = self.script(event.request)
            if response is not None:
                self.gateway.reply(event.request_id, response)
