"""Names to addresses, with a name server that is slow, wrong or gone."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable

import pytest

from skerry_broker.dialing import Resolver


@pytest.fixture
async def name_server(monkeypatch: pytest.MonkeyPatch) -> Callable[[], asyncio.Future[str]]:
    """Each call is the next lookup, to be answered by the test."""
    asked: list[asyncio.Future[str]] = []

    async def getaddrinfo(host: str, port: None, **options: object) -> list:
        asked.append(asyncio.get_running_loop().create_future())
        return [(None, None, None, "", (await asked[-1], 0))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return lambda: asked[-1]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_one_lookup_serves_all_who_ask(name_server) -> None:
    resolver = Resolver()
    asking = [asyncio.ensure_future(resolver.resolve("broker-0")) for _ in range(3)]
    await turns()
    name_server().set_result("10.0.0.1")
    assert await asyncio.gather(*asking) == ["10.0.0.1"] * 3


async def test_an_older_answer_does_while_the_name_is_unknown(name_server) -> None:
    resolver = Resolver()
    for answer in ("10.0.0.1", None):
        asking = asyncio.ensure_future(resolver.resolve("broker-0"))
        await turns()
        if answer is None:
            name_server().set_exception(socket.gaierror(-2, "Name or service not known"))
        else:
            name_server().set_result(answer)
        assert await asking == "10.0.0.1"


async def test_a_failure_that_nobody_waits_for_any_more_is_not_shouted_about(name_server) -> None:
    """The planted bug: a pod's name is gone while it is replaced, the dialling side has given up, and the log fills
    with "Task exception was never retrieved"."""
    shouted: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: shouted.append(context))
    resolver = Resolver()
    asking = asyncio.ensure_future(resolver.resolve("broker-0"))
    await turns()
    asking.cancel()
    await turns()
    del asking
    name_server().set_exception(socket.gaierror(-2, "Name or service not known"))
    await turns()
    gc.collect()  # asyncio says so when a task is forgotten
    assert shouted == []
    assert not resolver._lookups
