"""What cuts and kills have in common: brackets, being broken off, and a broom that leaves nothing of one experiment
and everything of the others. And the steps that they are made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from broker_kit import until
from fake_api import FakeApi
from fault_stage import CRASH, CUT, Stage, crash_of, cut_of

from skerry.engine.world import Inject, OccurrenceId, ReportState
from skerry.faults.pause import Pause
from skerry.worlds.kubernetes.api import Kube
from skerry.worlds.kubernetes.steps import either, together, whole


@pytest.fixture
async def stage(api: FakeApi, kube: Kube) -> AsyncIterator[Stage]:
    stage = Stage(api, kube)
    await stage.rise()
    yield stage
    await stage.fall()


LEADER_OFF = cut_of((0,), (1, 2))


# --- reports --------------------------------------------------------------------------------------------------


async def test_every_action_is_bracketed(stage: Stage) -> None:
    await stage.inject(CUT, LEADER_OFF)
    await stage.heal(CUT, LEADER_OFF)
    shown = [(each.id, each.state, each.before_ns < each.after_ns) for each in stage.reports]
    assert shown == [
        (1, ReportState.STARTED, False),
        (1, ReportState.DONE, True),
        (2, ReportState.STARTED, False),
        (2, ReportState.DONE, True),
    ]
    assert all(each.before_wall_ns > 0 for each in stage.reports)


async def test_what_this_world_cannot_do_is_said(stage: Stage) -> None:
    action = Inject(1, OccurrenceId("pause", 0), Pause((0,)), 0, 0)
    await stage.faults.inject(action)
    assert stage.reports[-1].error == "the kubernetes world cannot do `pause`"
    assert stage.api.writes == []


async def test_a_server_that_refuses_is_quoted(stage: Stage) -> None:
    await stage.inject(CUT, LEADER_OFF)
    stage.api.refuse("delete", "networkpolicies", 500, "InternalError", "etcd is unwell")
    assert "etcd is unwell" in await stage.heal(CUT, LEADER_OFF)
    assert stage.left == ["networkpolicies/skerry-demo-cut-0-broker-0-" + _digest(stage), "jobs/skerry-demo-cut-0-fuse"]


def _digest(stage: Stage) -> str:
    return stage.api.names("networkpolicies")[0].rpartition("-")[2]


# --- the broom ------------------------------------------------------------------------------------------------


async def test_the_broom_takes_everything_of_this_experiment_and_nothing_of_another(stage: Stage) -> None:
    """A new operator knows nothing of what the one before had injected."""
    another = stage.another("another")
    await stage.inject(CUT, cut_of((0,), (1,)))
    await another.inject(stage.injection(OccurrenceId("cut", 0), cut_of((1,), (2,))))
    await stage.faults.close()
    stage.faults = stage.another("demo")
    assert await stage.heal_all() == "DONE"
    assert [name for name in stage.left if "demo" in name] == []
    assert len(stage.left) == 2
    assert all("another" in name for name in stage.left)
    assert another.injector.alive


async def test_the_broom_breaks_off_whatever_is_under_way(stage: Stage) -> None:
    stage.on_injector(lambda pod, container: None)
    injecting = asyncio.create_task(stage.faults.inject(stage.injection(CRASH, crash_of(0, down_s=20))))
    await until(lambda: "patch pods/ephemeralcontainers/broker-0" in stage.api.writes)
    await stage.faults.lift_everything()
    await injecting
    assert stage.reports[-1].error == "it was healed before it was in force"
    assert stage.left == []


@pytest.mark.parametrize(
    ("refused", "left"),
    [
        (("delete", "networkpolicies"), []),  # they go with their fuse
        (("list", "networkpolicies"), []),
        (("delete", "jobs"), ["jobs/skerry-demo-cut-0-fuse"]),  # which cuts nothing, and burns down
        (("list", "jobs"), ["jobs/skerry-demo-cut-0-fuse"]),
        (("get", "configmaps"), []),
    ],
)
async def test_what_the_broom_may_not_take_does_not_keep_it_from_the_rest(
    stage: Stage, refused: tuple[str, str], left: list[str]
) -> None:
    """The planted bug: one refusal, and a cut that could have been lifted stays."""
    await stage.inject(CUT, LEADER_OFF)
    stage.api.denied.add(refused)
    assert f"`{refused[0]}` on {refused[1]}" in await stage.heal_all()
    assert stage.left == left
    stage.api.denied.clear()
    assert await stage.heal_all() == "DONE"
    assert stage.left == []


async def test_closing_heals_nothing(stage: Stage) -> None:
    """The world's own end lifts first; an operator that is killed does not even close."""
    await stage.inject(CUT, LEADER_OFF)
    await stage.faults.close()
    assert len(stage.left) == 2


# --- steps ----------------------------------------------------------------------------------------------------


async def test_steps_that_go_together_end_together() -> None:
    order: list[str] = []

    async def step(name: str, *, fails: bool = False) -> None:
        try:
            if fails:
                raise ValueError(name)
            await asyncio.Event().wait()
        finally:
            order.append(name)

    with pytest.raises(ValueError, match="second"):
        await together(step("first"), step("second", fails=True), step("third"))
    assert sorted(order) == ["first", "second", "third"], "none is under way when the failure is told"

    order.clear()
    waiting = asyncio.create_task(together(step("first"), step("second")))
    await asyncio.sleep(0.001)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert sorted(order) == ["first", "second"]


async def test_a_request_that_was_sent_is_waited_for() -> None:
    answered, order = asyncio.Event(), []

    async def request() -> str:
        await answered.wait()
        order.append("answered")
        return "made"

    waiting = asyncio.create_task(whole(request()))
    await asyncio.sleep(0.001)
    waiting.cancel()
    await asyncio.sleep(0.001)
    assert not waiting.done()
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert order == ["answered"]

    async def refused() -> None:
        raise OSError("refused")

    with pytest.raises(OSError, match="refused"):
        await whole(refused())


async def test_either_of_two_waits_is_enough() -> None:
    ended: list[str] = []

    async def wait(name: str, answer: bool | None) -> bool:
        try:
            if answer is None:
                await asyncio.Event().wait()
            return bool(answer)
        finally:
            ended.append(name)

    async with asyncio.timeout(5):
        await either(wait("no", False), wait("never", None), wait("yes", True))
        assert sorted(ended) == ["never", "no", "yes"]
        await either(wait("no", False), wait("nor", False))
