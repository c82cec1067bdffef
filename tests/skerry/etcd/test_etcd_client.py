"""What the client makes of etcd's answers: done, definitely not done, and nobody knows."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from aiohttp import web
from etcd_stand_in import StandIn, encoded, refusal

from skerry.history.records import Outcome
from skerry.targets.etcd.client import EtcdClient
from skerry.targets.etcd.gateway import NOT_OURS
from skerry.workload.register import Get, Put


@asynccontextmanager
async def closing(client: EtcdClient) -> AsyncIterator[EtcdClient]:
    try:
        yield client
    finally:
        await client.close()


@pytest_asyncio.fixture
async def member() -> AsyncIterator[StandIn]:
    async with StandIn() as standing:
        yield standing


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def test_a_put_is_acknowledged_at_its_revision(member: StandIn) -> None:
    async with closing(EtcdClient({0: member.address})) as client:
        answer = await client.perform(Put("k", 7))
    assert (answer.outcome, answer.revision, answer.store_revision, answer.member, answer.term) == ("ok", 2, 2, 0, 2)
    assert member.keys[encoded("k")]["value"] == encoded("7")


async def test_a_get_returns_what_was_put(member: StandIn) -> None:
    async with closing(EtcdClient({0: member.address})) as client:
        await client.perform(Put("k", 7))
        await client.perform(Put("k", 8))
        await client.perform(Put("other", 9))
        answer = await client.perform(Get("k"))
    assert (answer.value, answer.revision, answer.store_revision, answer.version) == (8, 3, 4, 2)


async def test_a_key_that_is_not_there_has_no_value(member: StandIn) -> None:
    async with closing(EtcdClient({0: member.address})) as client:
        answer = await client.perform(Get("k"))
    assert (answer.outcome, answer.value, answer.revision, answer.store_revision) == ("ok", -1, 0, 1)


@pytest.mark.parametrize("stored", ["abc", "", "9" * 30, "-1", "1\xb2"])
async def test_a_value_that_no_client_put_is_not_mistaken_for_one(member: StandIn, stored: str) -> None:
    async with closing(EtcdClient({0: member.address})) as client:
        await client.perform(Put("k", 7))
        member.keys[encoded("k")]["value"] = encoded(stored)
        answer = await client.perform(Get("k"))
    assert (answer.outcome, answer.value) == ("ok", NOT_OURS)


UNKNOWN, FAILED = Outcome.UNKNOWN, Outcome.FAILED
REFUSALS = {
    "timed out in the log": (refusal(503, 14, "etcdserver: request timed out"), UNKNOWN),
    "the leader failed": (
        refusal(503, 14, "etcdserver: request timed out, possibly due to previous leader failure"),
        UNKNOWN,
    ),
    "the server stopped with the request under way": (refusal(503, 14, "etcdserver: server stopped"), UNKNOWN),
    "some other error": (refusal(500, 2, "context canceled"), UNKNOWN),
    "no error of the gateway at all": (web.Response(status=502, text="<html>"), UNKNOWN),
    "an answer that is not JSON": (web.Response(text="<html>"), UNKNOWN),
    "an answer without a revision": (web.json_response({"header": {"member_id": "11"}}), UNKNOWN),
    "a bad request": (refusal(400, 3, "illegal base64 data"), FAILED),
    "not allowed": (refusal(403, 7, "etcdserver: permission denied"), FAILED),
    "no space": (refusal(429, 8, "etcdserver: mvcc: database space exceeded"), FAILED),
}


@pytest.mark.parametrize(("answer", "outcome"), REFUSALS.values(), ids=REFUSALS)
async def test_only_what_was_never_proposed_has_failed(answer: web.Response, outcome: Outcome) -> None:
    async with StandIn() as member, closing(EtcdClient({0: member.address})) as client:
        member.lie = lambda what, body: web.Response(
            status=answer.status, body=answer.body, content_type="application/json"
        )
        result = await client.perform(Put("k", 7))
        assert (result.outcome, result.attempts, member.asked) == (outcome, 1, ["put"])
        assert result.error


async def test_a_put_without_an_answer_is_unknown_and_not_sent_again(member: StandIn) -> None:
    async def never(what: str, body: object) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    async with StandIn() as other, closing(EtcdClient({0: member.address, 1: other.address}, timeout_ms=50)) as client:
        member.lie = never
        answer = await client.perform(Put("k", 7))
        assert (answer.outcome, answer.attempts, answer.member) == (UNKNOWN, 1, 0)
        assert other.asked == []
        assert (await client.perform(Put("k", 8))).member == 1  # but the next operation goes elsewhere


async def test_a_connection_that_breaks_under_way_is_unknown(member: StandIn) -> None:
    async def hang_up(what: str, body: object) -> web.StreamResponse:
        transport = member.server.runner.server.connections[0].transport  # type: ignore[union-attr]
        assert transport is not None
        transport.abort()
        await asyncio.sleep(60)
        raise AssertionError

    async with StandIn() as other, closing(EtcdClient({0: member.address, 1: other.address})) as client:
        member.lie = hang_up
        answer = await client.perform(Put("k", 7))
        assert (answer.outcome, answer.attempts) == (UNKNOWN, 1)
        assert other.asked == []


async def test_a_connection_that_was_never_made_is_tried_at_the_next_member(member: StandIn, nobody: str) -> None:
    async with closing(EtcdClient({0: nobody, 1: member.address})) as client:
        answer = await client.perform(Put("k", 7))
        assert (answer.outcome, answer.member, answer.attempts) == ("ok", 1, 2)
        assert (await client.perform(Put("k", 8))).attempts == 1  # it stays there


async def test_a_member_without_a_leader_is_passed_over(member: StandIn) -> None:
    async with StandIn() as lonely, closing(EtcdClient({0: lonely.address, 1: member.address})) as client:
        lonely.lie = lambda what, body: refusal(503, 14, "etcdserver: no leader")
        answer = await client.perform(Put("k", 7))
        assert (answer.outcome, answer.member, answer.attempts) == ("ok", 1, 2)


async def test_with_nobody_there_a_put_has_failed(nobody: str) -> None:
    async with closing(EtcdClient({0: nobody}, timeout_ms=100)) as client:
        answer = await client.perform(Put("k", 7))
    assert answer.outcome is FAILED
    assert answer.attempts > 1
    assert "no connection" in answer.error


async def test_clients_begin_with_different_members(member: StandIn) -> None:
    async with StandIn() as second, closing(EtcdClient({0: member.address, 1: second.address}, first=3)) as client:
        assert (await client.perform(Get("k"))).member == 1
