"""A wire falls when the process behind it is gone, and never for another reason: its fall is the proof of a kill."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
from admin_server import ANSWER, HOST, AdminServer
from broker_kit import until

from skerry.worlds.kubernetes.liveness_probe import LivenessProbe

SHORT_S = 0.05


def counting() -> Callable[[], int]:
    """A clock that shows 1, 2, 3, ..."""
    shown = iter(range(1, 10**9))
    return lambda: next(shown)


def wire_to(port: int, host: str = HOST) -> LivenessProbe:
    clock = counting()
    return LivenessProbe(host, port, "/healthz", clock, clock)


async def test_it_stands_as_long_as_the_process_does() -> None:
    async with AdminServer() as server, wire_to(server.port) as wire:
        assert not await wire.fell(SHORT_S)
        assert wire.stands
        assert server.requests[0] == "GET /healthz HTTP/1.1"
        assert server.accepted == 1, "one connection: it is that one whose end counts"


async def test_it_falls_when_the_process_dies() -> None:
    async with AdminServer() as server, wire_to(server.port) as wire:
        waiting = asyncio.create_task(wire.fell(5))
        await until(lambda: wire.alive_ns > 0)
        server.die()
        assert await waiting
        assert wire.has_fallen
        assert 0 < wire.alive_ns <= len(server.requests), "a proof of life is when an answered request was sent"
        assert wire.alive_ns < wire.fell_ns, "and of the end when the connection was seen to end"


async def test_what_accepts_while_its_sockets_are_being_closed_is_dead() -> None:
    """The listening socket may be the last to go. Taken for life, it cost a second, in which the kubelet restarted the
    container: two of three crashes on a real cluster."""
    async with AdminServer() as server, wire_to(server.port) as wire:
        waiting = asyncio.create_task(wire.fell(5))
        await until(lambda: wire.alive_ns > 0)
        server.die_slowly(accepted=3)
        assert await waiting


async def test_a_request_that_nobody_answered_is_no_proof_of_life() -> None:
    async with AdminServer(b"") as server, wire_to(server.port) as wire:
        assert not await wire.fell(SHORT_S)
        assert len(server.requests) == 1
        assert wire.alive_ns == -1
        server.die()
        assert await wire.fell(5)


async def test_a_server_that_hangs_up_and_listens_on_is_not_dead() -> None:
    """It may close idle connections, or shed load. The planted bug: taking that for a kill deletes a healthy pod."""
    async with AdminServer() as server, wire_to(server.port) as wire:
        waiting = asyncio.create_task(wire.fell(5))
        await until(lambda: wire.alive_ns > 0)
        server.hang_up()
        assert not await waiting
        assert not wire.has_fallen
        assert not wire.stands, "and it says nothing any more"


async def test_a_server_that_no_longer_listens_is_not_dead_while_it_answers() -> None:
    """A graceful stop closes its ears first."""
    async with AdminServer() as server, wire_to(server.port) as wire:
        waiting = asyncio.create_task(wire.fell(SHORT_S))
        await until(lambda: wire.alive_ns > 0)
        server.stop_listening()
        assert not await waiting


async def test_a_successor_at_the_same_address_is_not_taken_for_the_one_that_died() -> None:
    async with AdminServer() as server, wire_to(server.port) as wire:
        waiting = asyncio.create_task(wire.fell(5))
        await until(lambda: wire.alive_ns > 0)
        server.hang_up()  # the old process is gone, and the new one listens: no way to tell from a live one
        lived_ns = wire.alive_ns
        assert not await waiting
        assert wire.alive_ns == lived_ns, "and its answers are no proof that the old one lived"


@pytest.mark.parametrize("host", [HOST, ""], ids=["nobody listens", "the pod has no address yet"])
async def test_a_wire_that_could_not_be_laid_never_falls(host: str) -> None:
    async with AdminServer() as server:
        port = server.port if not host else _free_port()
        async with wire_to(port, host) as wire:
            assert not await wire.fell(5)
            assert not wire.stands
            assert wire.alive_ns == -1
        assert server.accepted == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"x" * 10_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
    ],
    ids=["no end", "a head that is too long", "no number"],
)
async def test_an_answer_that_is_not_understood_is_no_death(answer: bytes) -> None:
    async with AdminServer(answer) as server, wire_to(server.port) as wire:
        assert not await wire.fell(5)
        assert not wire.has_fallen
        assert not wire.stands
        assert wire.alive_ns == -1


PROXY_ALONE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\ngone"


async def test_a_proxy_that_answers_for_the_dead_is_not_taken_for_the_living() -> None:
    """The planted bug: a mesh's sidecar says 503 for the broker that was killed, and "it still answers"."""
    async with AdminServer() as server, wire_to(server.port) as wire:
        waiting = asyncio.create_task(wire.fell(5))
        await until(lambda: wire.alive_ns > 0)
        server.answer = PROXY_ALONE  # the connection stays: it is the proxy's
        assert await waiting
        assert wire.has_fallen
        assert wire.alive_ns <= len(server.requests), "and its words are no proof that the broker lived"


async def test_a_proxy_that_failed_once_does_not_kill_a_broker_that_lives() -> None:
    async with AdminServer() as server, wire_to(server.port) as wire:
        waiting = asyncio.create_task(wire.fell(5))
        await until(lambda: wire.alive_ns > 0)
        server.answer = PROXY_ALONE
        asked = len(server.requests)
        await until(lambda: len(server.requests) > asked + 1)
        server.answer = ANSWER
        assert not await waiting
        assert not wire.has_fallen


async def test_where_the_broker_never_answered_itself_nothing_can_be_learned() -> None:
    async with AdminServer(PROXY_ALONE) as server, wire_to(server.port) as wire:
        assert not await wire.fell(5)
        assert not wire.stands
        assert wire.alive_ns == -1


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])
