"""Kills: what is asked of the API server, what counts as the moment of death, and what is no kill of ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from broker_kit import broker_pod, terminated, until
from fake_api import FakeApi
from fault_stage import CRASH, OTHER, Stage, crash_of, deletion_of

from skerry.engine.world import Heal
from skerry.worlds.kubernetes.api import Kube
from skerry.worlds.kubernetes.faults.kill import disproof, last_end
from skerry.worlds.kubernetes.injector import InjectorEnd

HOLD = "broker-hold"


@pytest.fixture
async def stage(api: FakeApi, kube: Kube) -> AsyncIterator[Stage]:
    stage = Stage(api, kube)
    await stage.rise(serving=True)
    yield stage
    await stage.fall()


def held_until_s(stage: Stage) -> dict[str, float]:
    hold = stage.api.find("configmaps", HOLD)
    return {pod: float(text) for pod, text in ((hold or {}).get("data") or {}).items()}


def deletions(stage: Stage) -> list[tuple[str, str, int]]:
    """(pod, uid in the precondition, grace) of every pod deletion that was asked for."""
    return [
        (each.name, each.body["preconditions"]["uid"], each.body["gracePeriodSeconds"])
        for each in stage.api.seen
        if each.verb == "delete" and each.resource == "pods"
    ]


# --- a crash --------------------------------------------------------------------------------------------------


async def test_a_crash_is_a_signal_and_then_the_deletion_of_that_very_pod(stage: Stage) -> None:
    stage.replace_deleted()
    stage.on_injector(stage.killer)
    assert await stage.inject(CRASH, crash_of(0)) == "DONE"
    assert stage.api.writes == ["patch pods/ephemeralcontainers/broker-0", "delete pods/broker-0"]
    assert deletions(stage) == [("broker-0", "uid-of-broker-0", 1)]
    assert stage.faults.touched == {0}
    await until(lambda: stage.notes)
    [note] = stage.notes
    assert note.startswith("0: SIGKILL was sent to process 7 (python); its connections were closed at 1000.")
    assert note.endswith("; its container ended with exit code 137 (Error)")
    assert stage.disproofs == []


async def test_its_container_is_in_the_pid_namespace_of_the_broker(stage: Stage) -> None:
    added: list[dict] = []

    def killer(pod_name: str, container: dict) -> None:
        added.append(container)
        stage.killer(pod_name, container)

    stage.on_injector(killer)
    await stage.inject(CRASH, crash_of(2))
    assert added[0]["targetContainerName"] == "broker"
    *arguments, not_after_s = added[0]["args"]
    assert arguments == ["kill", "--signal", "KILL", "--not-after"]
    assert 0 <= int(not_after_s) - time.time() <= 6, "when it is not waited for any more it must do nothing"
    assert added[0]["securityContext"]["runAsUser"] == 10001


async def test_the_early_edge_is_the_last_sign_of_life(stage: Stage) -> None:
    """An injector takes most of a second to start: that long before the death nothing had happened."""
    stage.on_injector(lambda pod, container: None)
    injecting = asyncio.create_task(stage.inject(CRASH, crash_of(0)))
    await until(lambda: len(stage.servers[0].requests) > 3)
    stage.process_dies(0)
    assert await injecting == "DONE"
    started, done = stage.reports
    assert started.before_ns < done.before_ns < done.after_ns
    assert done.before_wall_ns - started.before_wall_ns == done.before_ns - started.before_ns


async def test_the_early_edge_of_many_is_the_earliest_and_needs_a_sign_of_each(stage: Stage) -> None:
    stage.servers[1].die()  # its wire cannot be laid, so nobody knows since when it is dead
    stage.on_injector(lambda pod, container: stage.killer(pod, container) if pod == "broker-1" else None)
    injecting = asyncio.create_task(stage.inject(CRASH, crash_of(0, 1)))
    await until(lambda: len(stage.servers[0].requests) > 3)
    stage.process_dies(0)
    assert await injecting == "DONE"
    started, done = stage.reports
    assert done.before_ns == started.before_ns


async def test_an_injector_that_fails_kills_nobody_and_the_pod_stays(stage: Stage) -> None:
    stage.on_injector(
        lambda pod, container: stage.injector_ends(pod, container, 3, error="process 1 is the program itself")
    )
    told = await stage.inject(CRASH, crash_of(0))
    assert told.startswith("the process of broker-0 was not killed: injector `injector-crash-0-")
    assert told.endswith("`: process 1 is the program itself")
    assert deletions(stage) == []


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (
            lambda stage, pod, container: stage.injector_waits(pod, container, "ImagePullBackOff"),
            "its image `skerry/injector:dev` cannot be had on that node",
        ),
        (lambda stage, pod, container: None, "did not start within 0.2 s"),
        (
            lambda stage, pod, container: stage.injector_ends(pod, container, did="kill", sent_wall_ns=1),
            "the injector says that it sent the signal, and it still answers",
        ),
    ],
    ids=["its image is missing", "nothing happens", "only words"],
)
async def test_a_process_that_still_answers_was_not_killed(stage: Stage, act, told: str) -> None:
    """The planted bug is the last one: taking the injector's word for a death."""
    stage.faults = stage.another("demo", injector_s=0.2)
    stage.on_injector(lambda pod, container: act(stage, pod, container))
    assert told in await stage.inject(CRASH, crash_of(0))
    assert deletions(stage) == []


async def test_a_broken_connection_alone_kills_nobody(stage: Stage) -> None:
    """The planted bug: the broker hangs up, its pod is deleted, and a graceful stop counts as a crash."""
    stage.faults = stage.another("demo", injector_s=0.2)
    stage.on_injector(lambda pod, container: stage.servers[0].hang_up())
    assert "was not killed" in await stage.inject(CRASH, crash_of(0))
    assert deletions(stage) == []


async def test_without_a_wire_the_injectors_word_is_what_there_is(stage: Stage) -> None:
    """Whether it is true the brokers say, and the conductor judges by that alone."""
    stage.servers[0].die()
    stage.on_injector(stage.killer)
    assert await stage.inject(CRASH, crash_of(0)) == "DONE"
    assert deletions(stage) == [("broker-0", "uid-of-broker-0", 1)]


async def test_a_pod_that_was_replaced_meanwhile_is_not_deleted(stage: Stage) -> None:
    """Its successor carries the injector then, and is nobody's victim."""
    stage.api.on("patch", "pods/ephemeralcontainers", lambda pod: pod["metadata"].update(uid="newcomer"))
    told = await stage.inject(CRASH, crash_of(0))
    assert told.startswith("pod broker-0 was replaced while the injector was added to it")
    assert deletions(stage) == []


async def test_a_successor_that_came_after_the_death_survives_the_deletion(stage: Stage) -> None:
    def killer(pod_name: str, container: dict) -> None:
        stage.killer(pod_name, container)
        stage.api.remove("pods", pod_name)
        stage.api.put(broker_pod(0, "newcomer"))

    stage.on_injector(killer)
    assert await stage.inject(CRASH, crash_of(0)) == "DONE"
    assert stage.api.find("pods", "broker-0")["metadata"]["uid"] == "newcomer"


@pytest.mark.parametrize(
    ("end", "why"),
    [
        ({"exit_code": 1, "error": "the process had ended before the signal was sent"}, "the process had ended before"),
        (None, "its container ended with exit code 0, and not with 137"),
    ],
    ids=["the injector came too late", "it stopped in order"],
)
async def test_a_death_that_was_not_ours_is_objected_to(stage: Stage, kube: Kube, end: dict | None, why: str) -> None:
    """A broker that dies by itself at that moment must not pass as one that was killed."""
    injectors: list[dict] = []

    def by_itself(pod_name: str, container: dict) -> None:
        injectors.append(container)
        stage.process_dies(0, exit_code=0)

    stage.on_injector(by_itself)
    delete = kube.delete

    async def told_with_the_end(kind, name, **options):
        if end is not None:
            stage.injector_ends(name, injectors[0], **end)
        return await delete(kind, name, **options)

    kube.delete = told_with_the_end
    assert await stage.inject(CRASH, crash_of(0)) == "DONE", "its connections were closed: more is not known yet"
    await until(lambda: stage.notes)
    assert "but it was not our signal that ended it" in stage.notes[0]
    [said] = stage.disproofs
    assert said.startswith("broker 0 ended while it was to be killed, and not by that: ")
    assert why in said


SENT = {"did": "kill", "sent_wall_ns": 1}


@pytest.mark.parametrize(
    ("end", "exit_code", "ours"),
    [
        (InjectorEnd(0, SENT), 137, True),
        (InjectorEnd(137, SENT), None, True),
        (InjectorEnd(0, SENT), 0, True),  # it says what it did; the container's own code may be its init's
        (InjectorEnd(1, {}, "too late"), 137, False),
        (InjectorEnd(None, {}, "did not start: the pod is being deleted"), 137, True),  # nobody saw it run
        (None, 137, True),
        (None, None, True),
        (None, 0, False),
        (None, 143, False),
    ],
)
def test_who_ended_it(end: InjectorEnd | None, exit_code: int | None, ours: bool) -> None:
    done = {} if exit_code is None else {"exitCode": exit_code}
    assert (disproof(end, done) == "") is ours


# --- who can be killed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kill", [crash_of(0), deletion_of(0)], ids=["crash", "deletion"])
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: broker_pod(0, deletionTimestamp="2026-11-27T14:54:28Z"), "pod broker-0 is being deleted already"),
        (lambda: broker_pod(0, state=terminated()), "the process of broker-0 does not run, so it cannot be killed"),
        (lambda: broker_pod(0, held=True), "the process of broker-0 does not run, so it cannot be killed"),
        (lambda: None, "pod broker-0 is not there"),
    ],
    ids=["it is being deleted", "it is dead", "it is held", "it is not there"],
)
async def test_who_is_dead_or_dying_cannot_be_killed(stage: Stage, kill, make, told: str) -> None:
    """The planted bug: a process that was gone anyway proves a kill that did nothing."""
    stage.api.remove("pods", "broker-0")
    pod = make()
    if pod is not None:
        pod["metadata"]["uid"] = "another"
        stage.api.put(pod)
    await until(lambda: [each["metadata"]["uid"] for each in stage.pods.all()][: -2 or None] == ["another"] * bool(pod))
    assert told in await stage.inject(CRASH, kill)
    assert deletions(stage) == []


# --- a deletion -----------------------------------------------------------------------------------------------


def dies_when_deleted(stage: Stage) -> None:
    delete = stage.kube.delete

    async def graceful(kind, name, **options):
        stage.process_dies(int(name[-1]), exit_code=0)
        return await delete(kind, name, **options)

    stage.kube.delete = graceful


@pytest.mark.parametrize(("grace_s", "asked_s"), [(10, 10), (1.2, 2), (0, 1)])
async def test_a_deletion_has_the_grace_that_was_asked_for(stage: Stage, grace_s: float, asked_s: int) -> None:
    """At least a second of it: without any, nobody is told when the process ended."""
    dies_when_deleted(stage)
    assert await stage.inject(CRASH, deletion_of(1, grace_s=grace_s)) == "DONE"
    assert deletions(stage) == [("broker-1", "uid-of-broker-1", asked_s)]
    await until(lambda: stage.notes)
    assert stage.notes[0].startswith("1: SIGTERM was asked for at 999.")
    assert f"(grace {asked_s} s)" in stage.notes[0]
    assert stage.disproofs == []


async def test_a_deletion_is_done_when_the_process_is_gone_and_its_last_words_come_later(
    stage: Stage, kube: Kube
) -> None:
    asked: list[str] = []

    async def graceful(kind, name, **options):
        asked.append(name)
        return True

    kube.delete = graceful
    injecting = asyncio.create_task(stage.inject(CRASH, deletion_of(1)))
    await until(lambda: asked)
    stage.process_dies(1, exit_code=0)
    assert await injecting == "DONE"
    assert stage.notes == []
    stage.api.remove("pods", "broker-1")
    await until(lambda: stage.notes)
    assert "(grace 10 s), its connections were closed at 1000." in stage.notes[0]
    assert stage.notes[0].endswith("; its container ended with exit code 0 (Error)")


async def test_last_words_may_come_later_than_the_news_that_the_pod_is_gone(stage: Stage) -> None:
    """The planted bug: two lists were quicker than the watch, and how the process ended "was not told"."""
    stage.servers[1].die()
    note, held_back = stage.pods._note, []

    def quick_list_slow_watch(event: str, pod: dict) -> None:
        if "terminated" not in pod["status"]["containerStatuses"][0]["state"]:
            note(event, pod)
        elif event == "DELETED":
            note(event, broker_pod(1))
        else:
            held_back.append(pod)

    stage.pods._note = quick_list_slow_watch
    stage.process_dies(1, exit_code=0)
    assert await stage.inject(CRASH, deletion_of(1)) == "DONE"
    await until(lambda: held_back and stage.pods.gone("uid-of-broker-1"))
    assert stage.notes == []
    note("MODIFIED", held_back[0])
    await until(lambda: stage.notes)
    assert stage.notes[0].endswith("; its container ended with exit code 0 (Error)")


async def test_a_deletion_is_not_done_before_the_process_is_gone(stage: Stage) -> None:
    """The API server forgets a pod that is deleted by force at once, and its process lives on."""
    injecting = asyncio.create_task(stage.inject(CRASH, deletion_of(1)))
    await until(lambda: stage.pods.gone("uid-of-broker-1"))
    heard = len(stage.servers[1].requests)
    await until(lambda: len(stage.servers[1].requests) > heard + 1)
    assert not injecting.done()
    stage.servers[1].die()
    assert await injecting == "DONE"


async def test_a_deletion_that_ends_nobody_is_no_kill(stage: Stage) -> None:
    told = await stage.inject(CRASH, deletion_of(1, grace_s=0))
    assert told == "the process of broker-1 was still there 0.5 s after its grace"


async def test_without_a_wire_the_end_of_the_pod_counts(stage: Stage) -> None:
    stage.servers[1].die()
    dies_when_deleted(stage)
    assert await stage.inject(CRASH, deletion_of(1)) == "DONE"
    await until(lambda: stage.notes)
    assert "its connections" not in stage.notes[0]


async def test_last_words_that_never_come_are_not_waited_for_for_ever(stage: Stage) -> None:
    stage.faults.carriers["kill"]._waits = stage.faults.carriers["kill"]._waits._replace(words_s=0.01)
    stage.servers[1].die()
    assert await stage.inject(CRASH, deletion_of(1)) == "DONE"
    await stage.faults.wait_for_exit_statuses()
    assert stage.notes[0].endswith("; how its container ended was not told")
    assert stage.disproofs == []


async def test_somebody_else_deleted_it_first(stage: Stage, kube: Kube) -> None:
    """The planted bug: their deletion passes as ours."""
    delete = kube.delete

    async def replaced(kind, name, **options):
        stage.api.remove("pods", name)
        stage.api.put(broker_pod(1, "newcomer"))
        return await delete(kind, name, **options)

    kube.delete = replaced
    told = await stage.inject(CRASH, deletion_of(1))
    assert told == "pod broker-1 was deleted by somebody else just before"
    assert stage.api.find("pods", "broker-1")["metadata"]["uid"] == "newcomer"


# --- keeping it down ------------------------------------------------------------------------------------------


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


# --- whose end is ours ----------------------------------------------------------------------------------------


async def test_a_broker_is_touched_until_another_pod_of_its_runs(stage: Stage) -> None:
    stage.on_injector(stage.killer)
    await stage.inject(CRASH, crash_of(0))
    stage.faults.seen_running(0, "newcomer")
    assert stage.faults.touched == {0}, "it is back before the heal, and may be killed by it once more"
    await stage.heal(CRASH, crash_of(0))
    stage.faults.seen_running(0, "uid-of-broker-0")
    assert stage.faults.touched == {0}, "old news"
    stage.faults.seen_running(0, "newcomer")
    assert stage.faults.touched == set()


def ended_with(exit_code: int) -> dict[str, object]:
    return {"terminated": {"exitCode": exit_code}}


@pytest.mark.parametrize(
    ("restarts", "state", "last_state", "exit_code"),
    [
        (2, ended_with(137), {}, 137),
        (3, ended_with(143), ended_with(137), 137),  # restarted in place, held, and ended with its pod
        (2, ended_with(0), ended_with(137), 0),  # that one was killed long ago, by somebody else
        (3, {"running": {}}, ended_with(137), 137),
        (2, {"running": {}}, {}, None),
    ],
)
def test_whose_end_it_was(
    restarts: int, state: dict[str, object], last_state: dict[str, object], exit_code: int | None
) -> None:
    pod = {
        "status": {
            "containerStatuses": [{"name": "broker", "restartCount": restarts, "state": state, "lastState": last_state}]
        }
    }
    assert last_end(pod, "broker", restarts_before=2).get("exitCode") == exit_code
