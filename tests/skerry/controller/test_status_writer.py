"""The one writer of a status: the newest one, only what changed, not too often, and never into another's object."""

from __future__ import annotations

import asyncio

import pytest

from skerry.controller.status_writer import StatusWriter
from skerry.worlds.kubernetes.api import EXPERIMENTS, KubeError

SILENCE = KubeError(0, "Unreachable", "no answer")


@pytest.fixture
def status_writer(lab):
    resource = lab.resource()
    resource["status"] = {"phase": "Pending", "message": "waits"}
    return StatusWriter(lab.kube, resource, lab.clock.sleep)


async def test_only_what_changed_is_written_and_what_is_gone_is_removed(lab, status_writer):
    status_writer.tell({"phase": "Preflight", "seed": 7})
    await status_writer.settle()
    assert lab.kube.statuses == [{"phase": "Preflight", "seed": 7, "message": None}]
    status_writer.tell({"phase": "Preflight", "seed": 7})
    await status_writer.settle()
    assert len(lab.kube.statuses) == 1
    assert lab.kube.status() == {"phase": "Preflight", "seed": 7}


async def test_at_most_five_a_second_and_the_last_word_is_written(lab, status_writer):
    running = asyncio.ensure_future(status_writer.run())
    begin_s = lab.clock.now_s
    for number in range(100):
        status_writer.tell({"seed": number})
        await lab.clock.pass_s(0.02)
    await status_writer.settle()
    assert lab.kube.status() == {"seed": 99}
    assert len(lab.kube.statuses) <= 5 * (lab.clock.now_s - begin_s) + 2
    running.cancel()


async def test_the_journal_does_not_wait_and_takes_the_rest_along(lab, status_writer):
    status_writer.tell({"phase": "Injecting"})
    await status_writer.journal(["one"])
    assert lab.kube.status() == {"phase": "Injecting", "journal": ["one"]}
    status_writer.tell({"phase": "Verifying"})
    await status_writer.settle()
    assert lab.kube.status() == {"phase": "Verifying", "journal": ["one"]}


async def test_a_journal_that_is_not_durable_says_so(lab, status_writer):
    lab.kube.refuse["patch", "chaosexperiments"] = SILENCE
    with pytest.raises(KubeError):
        await status_writer.journal(["one"])


async def test_an_outage_is_waited_for_and_told_once(lab, status_writer, caplog):
    lab.kube.refuse["patch", "chaosexperiments"] = SILENCE
    status_writer.tell({"seed": 1})
    running, settling = asyncio.ensure_future(status_writer.run()), asyncio.ensure_future(status_writer.settle())
    await lab.clock.pass_s(100)
    assert not settling.done()
    assert len(caplog.records) == 1
    lab.kube.refuse.clear()
    await lab.clock.until(settling.done)
    assert lab.kube.status() == {"seed": 1}
    running.cancel()


async def test_what_the_server_does_not_take_is_not_offered_again(lab, status_writer):
    lab.kube.refuse["patch", "chaosexperiments"] = KubeError(422, "Invalid", "too long")
    status_writer.tell({"seed": 1})
    await lab.run(status_writer.settle())
    lab.kube.refuse.clear()
    await status_writer.settle()
    assert lab.kube.statuses == []
    status_writer.tell({"seed": 2})
    await status_writer.settle()
    assert lab.kube.status()["seed"] == 2


@pytest.mark.parametrize("replaced", [False, True])
async def test_it_stops_when_the_experiment_is_gone(lab, status_writer, replaced):
    del lab.kube.objects[EXPERIMENTS.plural, "story"]
    if replaced:
        lab.resource(uid="another")
    status_writer.tell({"seed": 1})
    await lab.run(status_writer.settle())
    assert status_writer.gone
    with pytest.raises(KubeError):
        await status_writer.journal(["one"])


async def test_a_journal_that_another_of_the_same_name_would_take_is_not_durable(lab, status_writer):
    """What is injected after that nobody would ever undo."""
    del lab.kube.objects[EXPERIMENTS.plural, "story"]
    lab.resource(uid="another")
    with pytest.raises(KubeError, match="the experiment is gone"):
        await status_writer.journal(["one"])


async def test_a_verdict_is_never_written_into_another_of_the_same_name(lab, status_writer):
    """The planted bug: deleted and applied again, and those who waited for the new one saw the verdict of the old."""
    del lab.kube.objects[EXPERIMENTS.plural, "story"]
    lab.resource(uid="another")
    status_writer.tell({"phase": "Complete", "verdict": "Pass"})
    await lab.run(status_writer.settle())
    assert lab.kube.status() == {}


async def test_one_that_was_annotated_meanwhile_is_still_ours(lab, status_writer):
    resource = lab.kube.find(EXPERIMENTS, "story")
    lab.kube.put(EXPERIMENTS, {**resource, "metadata": {**resource["metadata"], "annotations": {"a": "b"}}})
    status_writer.tell({"seed": 1})
    await status_writer.settle()
    assert lab.kube.status()["seed"] == 1
    status_writer.tell({"seed": 2})
    await status_writer.settle()
    assert [verb for verb, plural, _ in lab.kube.calls if plural == "chaosexperiments"] == [
        "patch",
        "get",
        "patch",
        "patch",
    ]
