"""A member that lies is found: the workload, the client and the checker against a stand-in, without a process."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiohttp import web
from etcd_stand_in import StandIn

from skerry.checker import check
from skerry.history import History
from skerry.history.records import Footer, Header, RegisterOperation
from skerry.schema.verdict import Finding, FindingKind, Verdict
from skerry.targets.etcd.client import EtcdClient
from skerry.workload.operations import Answer
from skerry.workload.register import RegisterLoadSpec, RegisterWorkload, key_names

MS = 1_000_000
HEADER = Header(1, "x", "", "local", 7, 0, "test", 1, model="register", target="etcd")


async def recorded(member: StandIn) -> History:
    """Two clients for three seconds of a clock that ticks when it is asked; one operation after the other."""
    records: list[RegisterOperation] = []
    workload = RegisterWorkload(RegisterLoadSpec(key_names("k", 2), 2, 40), records.append)
    client = EtcdClient({0: member.address})
    workload.start(0)
    now_ns, answers = 0, list[Answer]()
    try:
        while not workload.drained(now_ns):
            now_ns += 5 * MS
            if now_ns > 3000 * MS and workload.idle:
                workload.stop()
                workload.read_everything(now_ns)
            operations = workload.step(now_ns, answers)
            answers = []
            for operation in operations:
                result = await client.perform(operation.request)
                now_ns += MS
                answers.append(Answer(operation.id, now_ns, result))
            if now_ns > 3000 * MS:
                workload.stop()
    finally:
        await client.close()
    return History([HEADER, *records, Footer(now_ns)])


def failures(history: History) -> list[Finding]:
    return [each for each in check(history) if each.kind is FindingKind.SAFETY and each.verdict is Verdict.FAIL]


async def test_an_honest_member_passes() -> None:
    async with StandIn() as member:
        history = await recorded(member)
    assert failures(history) == []
    assert sum(each.acknowledged for each in history.registers) > 40


def stale_once(member: StandIn, *, header: bool) -> Callable[[str, dict[str, str]], web.Response | None]:
    """The 40th get is answered as the first one of its key would have been; ``header``: with the revision of then."""
    first: dict[str, web.Response] = {}
    gets = 0

    def lie(what: str, body: dict[str, str]) -> web.Response | None:
        nonlocal gets
        if what != "range":
            return None
        gets += 1
        if body["key"] in member.keys:
            first.setdefault(body["key"], member.range(body))
        if gets != 40:
            return None
        old = first[body["key"]]
        if header:
            return web.Response(body=old.body, content_type="application/json")
        truth = member.header()
        return web.json_response({**_decoded(old), "header": truth})

    return lie


def _decoded(response: web.Response) -> dict[str, object]:
    import json

    assert isinstance(response.body, bytes)
    return dict(json.loads(response.body))


@pytest.mark.parametrize("header", [True, False])
async def test_a_stale_read_fails_with_the_pair(header: bool) -> None:
    async with StandIn() as member:
        member.lie = stale_once(member, header=header)
        history = await recorded(member)
    found = {each.rule: each for each in failures(history)}
    assert ("linearizable" in found, "revision-back" in found) == (True, header)
    assert ("revision-conflict" in found) == (not header)  # the answer is older than it says
    stale, put = (history.records[index] for index in found["linearizable"].witness)
    assert isinstance(stale, RegisterOperation)
    assert isinstance(put, RegisterOperation)
    assert (stale.key, stale.action, put.action) == (put.key, "get", "put")
    assert stale.revision < put.revision
    assert stale.invoked_ns > put.completed_ns


async def test_a_lost_put_is_found() -> None:
    async with StandIn() as member:
        puts = 0

        def lie(what: str, body: dict[str, str]) -> web.Response | None:
            nonlocal puts
            puts += what == "put"
            if what != "put" or puts != 20:
                return None
            member.revision += 1
            return web.json_response({"header": member.header()})  # acknowledged, and nowhere

        member.lie = lie
        history = await recorded(member)
    assert "put-count" in {each.rule for each in failures(history)}
