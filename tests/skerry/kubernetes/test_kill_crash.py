"""A crash: what is asked of the API server, what counts as the moment of death, and what is no kill of ours."""

from __future__ import annotations

import asyncio
import time

import pytest
from broker_kit import broker_pod, terminated, until
from fault_stage import CRASH, Stage, crash_of, deletion_of
from kill_stage import deletions

from skerry.worlds.kubernetes.api import Kube
from skerry.worlds.kubernetes.faults.kill import disproof, last_end
from skerry.worlds.kubernetes.injector import InjectorEnd


async def test_a_crash_is_a_signal_and_then_the_deletion_of_that_very_pod(stage: Stage) -> None:
    stage.replace_deleted()
    stage.on_injector(stage.killer)
    assert await stage.inject(CRASH, crash_of(0)) == "DONE"
    assert stage.api.writes == ["patch pods/ephemeralcontainers/broker-0", "delete pods/broker-0"]
    assert deletions(stage) == [("broker-0", "uid-of-broker-0", 1)]
    assert stage.faults.taken == {"uid-of-broker-0"}
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


async def test_the_late_edge_is_the_end_of_its_connections(stage: Stage) -> None:
    """What is done with its pod afterwards takes a fifth of a second on a cluster, and is no part of the bracket."""
    deleted_ns: list[int] = []
    stage.api.on("delete", "pods", lambda pod: deleted_ns.append(stage.clock.upper_ns()))
    stage.on_injector(lambda pod, container: None)
    injecting = asyncio.create_task(stage.inject(CRASH, crash_of(0)))
    await until(lambda: len(stage.servers[0].requests) > 3)
    stage.process_dies(0)
    assert await injecting == "DONE"
    assert stage.reports[-1].after_ns < deleted_ns[0]
    assert stage.reports[-1].measured


async def test_the_late_edge_of_many_is_the_latest_and_needs_the_end_of_each(stage: Stage) -> None:
    stage.servers[1].die()
    stage.on_injector(stage.killer)
    assert await stage.inject(CRASH, crash_of(0, 1)) == "DONE"
    assert not stage.reports[-1].measured


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


async def test_what_is_taken_is_a_pod_and_never_its_replacement(stage: Stage) -> None:
    stage.on_injector(stage.killer)
    await stage.inject(CRASH, crash_of(0))
    await stage.heal(CRASH, crash_of(0))
    assert stage.faults.taken == {"uid-of-broker-0"}, "what is told late of its end is ours"


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
