"""Whole runs by a scripted conductor that end otherwise: what is left behind, whatever ends them."""

from __future__ import annotations

import asyncio
import copy

import msgspec
import pytest
from broker_kit import until
from fake_api import FakeApi
from fault_stage import CUT, EXPERIMENT
from scripted_pod import WORKLOAD, ScriptedPod
from theatre import FINISH, INJECT, LEADER_OFF, PATIENT, Plot, Theatre, nothing, until_reported, watching

from skerry.engine.world import Check, Drain, Heal, HealAll, ReportState, StartWorkload
from skerry.schema.verdict import Verdict
from skerry.worlds.kubernetes.api import Kube, KubeError
from skerry.worlds.kubernetes.drive import RunEnd

IMPATIENT = PATIENT._replace(silent_s=0.1, pod_timeout_s=0.2)


def an_endless_cut() -> Plot:
    yield [INJECT]
    while True:
        yield []


async def test_a_run_that_is_cancelled_in_the_middle_of_a_cut_leaves_nothing(theatre: Theatre) -> None:
    running = theatre.open(an_endless_cut)
    await until(lambda: theatre.api.names("networkpolicies"))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert theatre.left == []


async def test_to_cancel_it_again_does_not_keep_it_from_healing(theatre: Theatre) -> None:
    """The planted bug: the second one leaves the cut where it is."""
    running = theatre.open(an_endless_cut)
    await until(lambda: theatre.api.names("networkpolicies"))
    while not running.done():
        running.cancel()
        await asyncio.sleep(0)
    assert running.cancelled()
    assert theatre.left == []


async def test_an_exception_of_a_task_ends_the_run_and_leaves_nothing(theatre: Theatre) -> None:
    running = theatre.open(an_endless_cut)
    await until(lambda: theatre.api.names("networkpolicies"))

    async def broken() -> None:
        raise ZeroDivisionError("a bug")

    theatre.world._spawn(broken())
    with pytest.raises(ZeroDivisionError):
        await running
    assert theatre.left == []


@pytest.mark.parametrize("part", ["_pods", "_outbox", "_recording", "_faults"])
async def test_a_part_that_died_ends_the_run(theatre: Theatre, part: str) -> None:
    """None of them may look like a cluster in which nothing happens."""

    def dead() -> None:
        raise ZeroDivisionError(part)

    running = theatre.open(an_endless_cut)
    await until(lambda: theatre.api.names("networkpolicies"))
    getattr(theatre.world, part).raise_failure = dead
    with pytest.raises(ZeroDivisionError, match=part):
        await running
    assert theatre.left == []


async def test_a_bug_in_the_conductor_leaves_nothing(theatre: Theatre) -> None:
    def plot() -> Plot:
        yield [INJECT]
        yield from until_reported(2)
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        await theatre.open(plot)
    assert theatre.left == []


async def test_a_workload_that_never_comes_up_is_inconclusive(api: FakeApi, kube: Kube) -> None:
    api.put(EXPERIMENT)
    async with ScriptedPod(api, comes_up=False) as pod:
        theatre = Theatre(api, kube, pod)
        theatre.pace = IMPATIENT
        end = await theatre.open(watching)
    assert end.finish.verdict is Verdict.INCONCLUSIVE
    assert end.finish.reason == "WorkloadNotStarted"
    assert end.finish.message == f"the workload pod of Job {WORKLOAD} was not ready within 0.2 s; see its events"
    assert end.report is None
    assert theatre.script.seen == [], "the conductor was never asked"


async def test_a_run_that_was_found_begun_without_its_recorder_is_inconclusive(theatre: Theatre) -> None:
    end = await theatre.open(watching, {"workload": WORKLOAD})
    assert (end.finish.verdict, end.finish.reason) == (Verdict.INCONCLUSIVE, "WorkloadLost")
    assert theatre.pod.began == []


async def test_without_an_api_server_it_does_not_begin(theatre: Theatre) -> None:
    theatre.api.refuse("list", "pods", 503, "ServiceUnavailable", "no etcd")
    with pytest.raises(KubeError, match="no etcd"):
        await theatre.open(watching)


async def test_a_pod_that_is_lost_fails_everything_that_waits_for_it(theatre: Theatre, monkeypatch) -> None:
    def plot() -> Plot:
        observation = yield [INJECT]
        while not observation.workload.lost:
            observation = yield []
        yield [Heal(3, CUT, LEADER_OFF)]
        yield from until_reported(3)
        yield [Drain(4), Check(5)]
        yield from until_reported(4)
        yield [FINISH]

    running = theatre.open(plot)
    await until(lambda: theatre.api.names("networkpolicies"))
    for name in ("VIEW_TIMEOUT_S", "POST_TIMEOUT_S"):
        monkeypatch.setattr(f"skerry.worlds.kubernetes.workload.{name}", 0.02)
    theatre.pod.silent = True
    theatre.pod.deleted()
    end = await running
    assert end == RunEnd(FINISH, None, {})
    assert theatre.script.seen[-1].workload.lost == "its pod was deleted"
    assert theatre.script.reports[3].state is ReportState.DONE
    assert theatre.script.reports[4] == msgspec.structs.replace(
        theatre.script.reports[4], state=ReportState.FAILED, error="its pod was deleted"
    )
    assert theatre.left == []


async def test_a_pod_that_refuses_for_good_is_lost_in_its_own_words(theatre: Theatre) -> None:
    def plot() -> Plot:
        observation = yield [StartWorkload(1)]
        while not observation.workload.lost:
            observation = yield []
        yield [FINISH]

    running = theatre.open(plot)
    await until(lambda: theatre.pod.began)
    theatre.pod.refuses = (401, "this needs the token of the workload pod")
    end = await running
    assert end.report is None
    assert "this needs the token of the workload pod" in theatre.script.seen[-1].workload.lost


async def test_a_bug_in_the_pod_loses_the_workload(theatre: Theatre) -> None:
    theatre.pod.shows = lambda view: msgspec.structs.replace(view, failure="the runner failed: KeyError: 'a bug'")

    def plot() -> Plot:
        observation = yield []
        while not observation.workload.lost:
            observation = yield []
        yield [FINISH]

    assert (await theatre.open(plot)).report is None
    assert theatre.script.seen[-1].workload.lost == "the runner failed: KeyError: 'a bug'"


async def test_a_report_that_cannot_be_read_is_none(theatre: Theatre) -> None:
    theatre.pod.report_files["report.json"] = b'{"verdict": "Splendid"}'
    end = await theatre.open(nothing)
    assert end.report is None
    assert len(end.files) == 3


async def test_an_experiment_that_is_deleted_takes_the_cut_with_it_and_that_is_seen(theatre: Theatre) -> None:
    """Its owner is gone, so the garbage collector takes the fuse, and the policies with it."""

    def plot() -> Plot:
        observation = yield [INJECT]
        while observation.injector.alive:
            observation = yield []
        yield [FINISH]

    running = theatre.open(plot)
    theatre.world._faults.carriers["partition"]._look_every_s = 0.005
    await until(lambda: theatre.api.names("networkpolicies"))
    theatre.api.remove("chaosexperiments", "demo")
    theatre.api.collect_garbage()
    await running
    assert theatre.script.seen[-1].injector.detail.endswith("is gone, and nobody here deleted it")


async def test_an_unknown_run_is_swept(theatre: Theatre) -> None:
    """What an operator left that died in the middle of a cut."""
    running = theatre.open(an_endless_cut)
    await until(lambda: theatre.api.names("networkpolicies"))
    left = copy.deepcopy(
        [
            item
            for key, item in theatre.api.objects.items()
            if key[1] in ("jobs", "networkpolicies") and key[3] != WORKLOAD
        ]
    )
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    for item in left:
        theatre.api.put(item)
    assert len(theatre.left) == 2

    def plot() -> Plot:
        yield [HealAll(1_000_001)]
        yield from until_reported(1_000_001)
        yield [FINISH]

    await theatre.open(plot, {"workload": WORKLOAD})
    assert theatre.left == []
