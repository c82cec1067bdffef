"""Puts to etcd and gets from it in the workload's terms: values in, outcomes out, no exceptions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp
from msgspec.structs import replace

from skerry.history.records import Outcome
from skerry.targets.etcd import gateway
from skerry.targets.etcd.gateway import Refusal
from skerry.workload.register import Get, Put, RegisterAnswer

CONNECT_TIMEOUT_S = 0.3
AGAIN_S = 0.05
"""Between two rounds of asking every member."""


class EtcdClient:
    """One client: it stays with the member that answered last, and goes to the next when that one does not.

    Invariant: a put is sent again only after an answer, or a connection that was never made, has proved that it did
    not take effect.
    """

    def __init__(self, addresses: Mapping[int, str], *, first: int = 0, timeout_ms: int = 1000) -> None:
        """``addresses``: ordinal -> host:port of its client plane. ``first``: with which to begin. An operation ends,
        somehow, in ``timeout_ms``."""
        self._members = sorted(addresses)
        self._urls = {ordinal: f"http://{address}" for ordinal, address in addresses.items()}
        self._place = first % len(self._members)
        self._timeout_s = timeout_ms / 1000
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def perform(self, request: Put | Get) -> RegisterAnswer:
        body = gateway.body_of(request)
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._timeout_s
        attempts = 0
        while True:
            attempts += 1
            place = self._place
            member = self._members[place]
            answer = await self._ask(request, member, body, deadline_s - loop.time())
            if isinstance(answer, RegisterAnswer):
                return replace(answer, attempts=attempts)
            if self._place == place:  # several operations fail at once: the first moves on for all of them
                self._place = (place + 1) % len(self._members)
            if answer.again and attempts % len(self._members) == 0:
                await asyncio.sleep(AGAIN_S)
            if not answer.again or loop.time() >= deadline_s:
                return RegisterAnswer(answer.outcome, member=member, attempts=attempts, error=answer.error)

    async def _ask(self, request: Put | Get, member: int, body: bytes, left_s: float) -> RegisterAnswer | Refusal:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(use_dns_cache=False, limit=0))
        timeout = aiohttp.ClientTimeout(total=max(left_s, 0.001), sock_connect=CONNECT_TIMEOUT_S)
        url = self._urls[member] + gateway.path_of(request)
        try:
            async with self._session.post(url, data=body, timeout=timeout) as response:
                answer = await response.read()
                status = response.status
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Refusal(Outcome.FAILED, f"no connection: {_told(error)}", again=True)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Refusal(Outcome.UNKNOWN, _told(error))
        return gateway.read_answer(request, status, answer, member)


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__
