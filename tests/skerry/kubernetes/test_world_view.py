"""What the conductor is shown of a cluster, and how old it is."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable

import msgspec
import pytest
from broker_kit import BROKERS, broker_pod, terminated, until
from scripted_pod import WORKLOAD
from theatre import NS, PATIENT, Theatre, a_run_with_a_cut, nothing, watching

from skerry.engine.world import BrokerView, Check, Observation, ProcessState, Record
from skerry.history.records import ProcessExit, Stall
from skerry.worlds.kubernetes.drive import RunEnd


async def watch(theatre: Theatre) -> tuple[asyncio.Task[RunEnd], Callable[[], Observation]]:
    running = theatre.open(watching)
    await until(lambda: len(theatre.script.seen) > 2)
    return running, lambda: theatre.script.seen[-1]


def shows_brokers(theatre: Theatre) -> None:
    theatre.pod.shows = lambda view: msgspec.structs.replace(
        view,
        brokers=tuple(
            BrokerView(ordinal, view.now_ns, reachable=True, process_sampled_ns=view.now_ns)
            for ordinal in BROKERS.ordinals
        ),
    )


async def test_processes_are_seen_by_the_api_server(theatre: Theatre) -> None:
    shows_brokers(theatre)
    running, now = await watch(theatre)
    assert [each.process for each in now().brokers] == [ProcessState.RUNNING] * 3
    theatre.api.put(broker_pod(1, state=terminated(139)))
    await until(lambda: now().brokers[1].process is ProcessState.GONE)
    assert now().brokers[1].exited.startswith("its container ended with exit code 139")
    assert not now().brokers[0].exited
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_how_a_broker_ended_by_itself_goes_into_the_history_once(theatre: Theatre) -> None:
    """The planted bug: on Kubernetes a broker that died of its own assertion was Inconclusive, for nobody told how."""
    shows_brokers(theatre)
    running, now = await watch(theatre)
    words = "AssertionError: end_offset went back"
    theatre.api.put(broker_pod(1, state=terminated(1, message=words)))
    await until(lambda: now().brokers[1].exited)
    theatre.api.put(broker_pod(2, state=terminated(137, "OOMKilled")))
    await until(lambda: now().brokers[2].exited)
    seen = len(theatre.script.seen)
    await until(lambda: len(theatre.script.seen) > seen + 3)
    recorded = [(1, 1, words, ""), (2, -9, "", "OOMKilled")]
    assert exits(theatre) == recorded
    theatre.world.perform(Check(99))
    theatre.api.put(broker_pod(0, state=terminated(1)))
    await until(lambda: now().brokers[0].exited)
    seen = len(theatre.script.seen)
    await until(lambda: len(theatre.script.seen) > seen + 3)
    assert exits(theatre) == recorded, "what ends after the run is not of the run"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def exits(theatre: Theatre) -> list[tuple[int, int, str, str]]:
    records = [each.record for each in theatre.pod.actions if isinstance(each, Record)]
    return [(each.broker, each.code, each.words, each.why) for each in records if isinstance(each, ProcessExit)]


async def test_an_old_picture_of_processes_is_not_made_young_by_the_brokers_words(theatre: Theatre) -> None:
    """The planted bug: the pods can no longer be listed, and what was so is shown as what is so."""
    shows_brokers(theatre)
    running, now = await watch(theatre)
    theatre.api.refuse("list", "pods", 503, "ServiceUnavailable", "no etcd")
    theatre.api.end_watches()
    looked_ns = now().brokers[0].process_sampled_ns
    await until(lambda: now().brokers[0].sampled_ns > looked_ns + 300_000_000)
    assert now().brokers[0].process_sampled_ns < looked_ns + 200_000_000
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_age_of_a_process_is_on_the_runs_clock_and_never_in_the_future(theatre: Theatre) -> None:
    shows_brokers(theatre)
    running, now = await watch(theatre)
    for _ in range(5):
        seen = len(theatre.script.seen)
        await until(lambda seen=seen: len(theatre.script.seen) > seen)
        assert 0 <= theatre.pod.now_ns() - now().brokers[0].process_sampled_ns < 2 * NS
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_stall_is_shown_once(theatre: Theatre) -> None:
    stall = Stall(1, 5, 400_000_000)
    theatre.pod.shows = lambda view: msgspec.structs.replace(view, stalls=(stall,))
    running, _ = await watch(theatre)
    seen = len(theatre.script.seen)
    await until(lambda: len(theatre.script.seen) > seen + 3)
    assert sum(stall in each.stalls for each in theatre.script.seen) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_picture_of_a_silent_pod_stays_as_old_as_it_is(theatre: Theatre, monkeypatch) -> None:
    theatre.pace = PATIENT._replace(silent_s=0.1)
    shows_brokers(theatre)
    running, now = await watch(theatre)
    monkeypatch.setattr("skerry.worlds.kubernetes.workload.VIEW_TIMEOUT_S", 0.02)
    silent_ns = theatre.pod.now_ns()
    theatre.pod.silent = True
    await until(lambda: now().workload.lost)
    assert now().brokers[0].sampled_ns <= silent_ns
    assert theatre.world._recording.times.now_ns() > silent_ns + 50_000_000, "time goes on"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_cpu_limit_that_somebody_set_for_the_workload_pod_is_told(theatre: Theatre) -> None:
    def limit(job: dict) -> None:
        pod = copy.deepcopy(theatre.api.find("pods", f"{WORKLOAD}-x5ctl"))
        pod["spec"] = {"containers": [{"name": "runner", "resources": {"limits": {"cpu": "60m"}}}]}
        theatre.api.put(pod)

    theatre.api.on("create", "jobs", limit)
    await theatre.open(nothing)
    (told,) = [each.record.text for each in theatre.pod.actions if isinstance(each, Record)]
    assert told.startswith("the workload pod has a CPU limit of 60m")


async def test_faults_are_stamped_by_the_recorders_wall_clock_whatever_the_operators_says(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: an operator whose clock is an hour ahead stamps a cut that no election can follow."""
    started_wall_ns = 1_800_000_000 * NS
    theatre.pod.shows = lambda view: msgspec.structs.replace(view, started_wall_ns=started_wall_ns)
    monkeypatch.setattr("time.time_ns", lambda: started_wall_ns + 3600 * NS)
    await theatre.open(a_run_with_a_cut)
    for number in (2, 3):
        report = theatre.script.reports[number]
        assert report.before_wall_ns == started_wall_ns + report.before_ns
