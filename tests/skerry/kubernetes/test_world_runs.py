"""Whole runs by a scripted conductor that end as they should."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from broker_kit import until
from fault_stage import CUT
from scripted_pod import WORKLOAD
from theatre import FINISH, INJECT, LEADER_OFF, Plot, Theatre, a_run_with_a_cut, until_reported, watching

from skerry.engine.world import Action, Check, Drain, Heal, Record, ReportState, StartWorkload
from skerry.history.records import Note
from skerry.worlds.kubernetes.api import KubeError


async def test_a_run_from_the_first_action_to_its_report(theatre: Theatre) -> None:
    end = await theatre.open(a_run_with_a_cut)
    assert end.finish == FINISH
    assert set(end.files) == {"report.json", "report.html", "junit.xml"}
    assert theatre.asked == [StartWorkload(1), Drain(4), Check(5), FINISH]
    assert list(dict.fromkeys(theatre.pod.paths)) == ["/events", "/drain", "/check", "/finish"]
    assert theatre.journal == [1, 2, 3, 4, 5, 90]
    assert {number: report.state.value for number, report in theatre.script.reports.items()} == dict.fromkeys(
        (2, 3, 4, 5), "done"
    )
    assert theatre.left == []
    assert theatre.api.find("jobs", WORKLOAD) is not None, "its report is served for a while"


async def test_the_journal_is_written_before_anything_is_done(theatre: Theatre) -> None:
    made: list[str] = []

    async def write(actions: Sequence[Action]) -> None:
        await asyncio.sleep(0.005)
        made.extend(theatre.left)
        theatre.journal += [each.id for each in actions]

    theatre.write = write
    await theatre.open(a_run_with_a_cut)
    assert made == made[:2], "only the heal finds something"
    assert theatre.journal[:2] == [1, 2]


async def test_what_is_not_in_the_journal_is_not_injected(theatre: Theatre) -> None:
    def plot() -> Plot:
        yield [INJECT, Heal(3, CUT, LEADER_OFF)]
        yield from until_reported(3)
        yield [FINISH]

    theatre.journal_error = KubeError(404, "NotFound", "the experiment is gone")
    await theatre.open(plot)
    report = theatre.script.reports[2]
    assert report.state is ReportState.FAILED
    assert report.error == "the experiment is gone"
    assert theatre.script.reports[3].state is ReportState.DONE, "to heal needs no permission"
    assert not [each for each in theatre.api.writes if each.startswith("create") and WORKLOAD not in each]


async def test_answers_that_are_lost_do_nothing_twice(theatre: Theatre) -> None:
    theatre.pod.drops_answers = 3
    await theatre.open(a_run_with_a_cut)
    assert [each.id for each in theatre.asked] == [1, 4, 5, 90]
    assert len(theatre.pod.paths) == 7


async def test_an_abort_reaches_the_conductor_and_the_pod(theatre: Theatre) -> None:
    def plot() -> Plot:
        observation = yield []
        while not observation.abort:
            observation = yield []
        yield [Drain(4)]
        yield from until_reported(4)
        yield [FINISH]

    running = theatre.open(plot)
    await until(lambda: theatre.pod.began)
    theatre.world.abort("the user asked for it")
    theatre.world.abort("and asked again")
    await running
    assert theatre.script.seen[-1].abort == "the user asked for it"
    assert set(theatre.pod.aborts) == {"the user asked for it"}


async def test_nothing_is_judged_before_it_is_known_how_the_victims_ended(theatre: Theatre) -> None:
    """The planted bug: a kubelet that takes its time lets another's deed pass as our kill."""
    heard = asyncio.Event()

    async def wait_for_exit_statuses() -> None:
        await heard.wait()
        theatre.world._object("broker 1 ended while it was to be killed, and not by that")
        theatre.world._object("and so did broker 2")

    def plot() -> Plot:
        yield [Drain(4)]
        yield from until_reported(4)
        observation = yield [Check(5)]
        for _ in range(5):
            observation = yield []
        assert not observation.disproof
        assert "/check" not in theatre.pod.paths
        heard.set()
        yield from until_reported(5)
        yield [FINISH]

    running = theatre.open(plot)
    theatre.world._faults.wait_for_exit_statuses = wait_for_exit_statuses
    await running
    assert theatre.script.seen[-1].disproof == "broker 1 ended while it was to be killed, and not by that"
    assert "/check" in theatre.pod.paths


async def test_records_of_our_own_never_meet_those_of_a_later_operator(theatre: Theatre) -> None:
    """The pod passes over ids that it has seen, of any sender."""
    ids: list[int] = []
    for status in (None, {"workload": WORKLOAD}):
        running = theatre.open(watching, status)
        await until(lambda: len(theatre.script.seen) > 2)
        theatre.world._note("it happened", 0)
        taken = len(theatre.pod.actions)
        await until(lambda taken=taken: len(theatre.pod.actions) > taken)
        ids.append(theatre.pod.actions[-1].id)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert ids[1] < ids[0] < 0
    assert [each.record.text for each in theatre.pod.actions] == ["it happened"] * 2
    assert all(isinstance(each, Record) and isinstance(each.record, Note) for each in theatre.pod.actions)
