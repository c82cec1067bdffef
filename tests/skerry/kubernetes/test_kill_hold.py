"""Killed brokers that are kept down, by a hold that outlives nobody."""

from __future__ import annotations

import asyncio
import time

from broker_kit import until
from fault_stage import CRASH, OTHER, Stage, crash_of
from kill_stage import deletions

from skerry.engine.world import Heal

HOLD = "broker-hold"


def held_until_s(stage: Stage) -> dict[str, float]:
    hold = stage.api.find("configmaps", HOLD)
    return {pod: float(text) for pod, text in ((hold or {}).get("data") or {}).items()}


async def test_the_hold_is_there_before_the_signal_and_ends_after_the_death(stage: Stage) -> None:
    order: list[str] = []
    stage.api.on("create", "configmaps", lambda hold: order.append(f"hold {sorted(hold['data'])}"))
    stage.on_injector(lambda pod, container: (order.append(f"injector in {pod}"), stage.killer(pod, container)))
    before_s = time.time()
    assert await stage.inject(CRASH, crash_of(0, down_s=20)) == "DONE"
    assert order == ["hold ['broker-0']", "injector in broker-0"]
    assert stage.api.writes == [
        "create jobs/skerry-demo-crash-0-fuse",
        f"create configmaps/{HOLD}",
        "patch pods/ephemeralcontainers/broker-0",
        "delete pods/broker-0",
        f"patch configmaps/{HOLD}",
    ]
    assert before_s + 20 <= held_until_s(stage)["broker-0"] <= time.time() + 20
    fuse = stage.api.find("jobs", "skerry-demo-crash-0-fuse")
    assert stage.api.find("configmaps", HOLD)["metadata"]["ownerReferences"][0]["uid"] == fuse["metadata"]["uid"]
    assert await stage.heal(CRASH, crash_of(0, down_s=20)) == "DONE"
    assert stage.api.find("configmaps", HOLD) is None, "it went with its fuse"
    assert stage.left == []


async def test_two_kills_at_once_share_the_hold_and_it_lives_as_long_as_the_last(stage: Stage) -> None:
    stage.on_injector(stage.killer)
    first, second = crash_of(0, down_s=20), crash_of(1, down_s=30)
    told = await asyncio.gather(
        stage.faults.inject(stage.injection(CRASH, first, 20)), stage.faults.inject(stage.injection(OTHER, second, 30))
    )
    assert told == [None, None]
    assert [report.state.value for report in stage.reports].count("done") == 2, stage.reports
    assert sorted(held_until_s(stage)) == ["broker-0", "broker-1"]
    assert len(stage.api.find("configmaps", HOLD)["metadata"]["ownerReferences"]) == 2
    await stage.heal(CRASH, first)
    assert sorted(held_until_s(stage)) == ["broker-1"]
    await stage.heal(OTHER, second)
    assert stage.left == []


async def test_a_heal_in_the_middle_of_a_crash_deletes_nobody(stage: Stage) -> None:
    stage.on_injector(lambda pod, container: None)
    kill = crash_of(0, down_s=20)
    injecting = asyncio.create_task(stage.faults.inject(stage.injection(CRASH, kill)))
    await until(lambda: "patch pods/ephemeralcontainers/broker-0" in stage.api.writes)
    await stage.faults.heal(Heal(50, CRASH, kill))
    await injecting
    assert [(each.id, each.state.value, each.error) for each in stage.reports if each.after_ns >= 0] == [
        (1, "failed", "it was healed before it was in force"),
        (50, "done", ""),
    ] or [(each.id, each.state.value) for each in stage.reports if each.after_ns >= 0] == [(50, "done"), (1, "failed")]
    assert deletions(stage) == []
    assert stage.left == []


async def test_one_of_two_victims_that_cannot_be_killed_ends_the_other_kill_too(stage: Stage) -> None:
    """The planted bug: the other pod is deleted after the heal."""

    def one_fails(pod_name: str, container: dict) -> None:
        if pod_name == "broker-0":
            stage.injector_ends(pod_name, container, 2, error="cannot signal the process")

    stage.on_injector(one_fails)
    kill = crash_of(0, 1)
    assert "cannot signal the process" in await stage.inject(CRASH, kill)
    await stage.heal(CRASH, kill)
    stage.servers[1].die()
    await asyncio.sleep(0.05)
    assert deletions(stage) == []
