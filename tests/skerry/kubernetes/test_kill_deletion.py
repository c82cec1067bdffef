"""A deletion: when it is done, and what its pod says at the end."""

from __future__ import annotations

import asyncio

import pytest
from broker_kit import broker_pod, until
from fault_stage import CRASH, Stage, deletion_of
from kill_stage import deletions

from skerry.worlds.kubernetes.api import Kube


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
    note, held_back = stage.pods.note, []

    def quick_list_slow_watch(event: str, pod: dict) -> None:
        if "terminated" not in pod["status"]["containerStatuses"][0]["state"]:
            note(event, pod)
        elif event == "DELETED":
            note(event, broker_pod(1))
        else:
            held_back.append(pod)

    stage.pods.note = quick_list_slow_watch
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
    stage.faults = stage.another("demo", words_s=0.01)
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
