"""What is put into the outbox arrives in order, is sent until it is taken, and is answered when nobody takes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from broker_kit import until

from skerry.engine.world import Action, Check, CheckLinks, Drain, Finish, Record, ReportState, StartWorkload
from skerry.history.records import Note
from skerry.runner.messages import Events
from skerry.schema.verdict import Verdict
from skerry.worlds.kubernetes.outbox import BATCH_MAX, Outbox, first_batch, path_of
from skerry.worlds.kubernetes.workload import WorkloadError, WorkloadRefused

FINISH = Finish(5, Verdict.PASS, "Passed", "All is well.")


class Times:
    def now_ns(self) -> int:
        return 77


class Pod:
    """A recording that takes what it is sent, unless told otherwise."""

    def __init__(self) -> None:
        self.times = Times()
        self.lost = ""
        self.taken: list[str] = []
        self.asked = 0
        self.answer: Callable[[str, Events], None] = lambda path, events: None
        """Called first; may raise WorkloadError."""

    async def post(self, path: str, events: Events) -> None:
        self.asked += 1
        self.answer(path, events)
        self.taken.append(
            f"{path} {[each.id for each in events.actions]}" + f" abort: {events.abort}" * bool(events.abort)
        )


@pytest.fixture
def pod() -> Pod:
    return Pod()


@pytest.fixture
async def outbox(pod: Pod) -> AsyncIterator[Outbox]:
    outbox = Outbox(pod, again_s=0.001)
    outbox.start()
    yield outbox
    await outbox.stop()


def note(number: int) -> Record:
    return Record(number, Note(0, "so it is"))


def put(outbox: Outbox, *actions: Action) -> None:
    for action in actions:
        outbox.put(action)


@pytest.mark.parametrize(
    ("action", "path"),
    [
        (note(1), "/events"),
        (StartWorkload(1), "/events"),
        (Drain(1), "/drain"),
        (Check(1), "/check"),
        (FINISH, "/finish"),
    ],
)
def test_every_action_has_a_path(action: Action, path: str) -> None:
    assert path_of(action) == path


def test_a_batch_ends_where_the_path_changes() -> None:
    assert first_batch((note(1), CheckLinks(2), Drain(3), note(4))) == ("/events", (note(1), CheckLinks(2)))
    assert first_batch((Drain(3), note(4))) == ("/drain", (Drain(3),))


async def test_order_is_kept_across_paths(pod: Pod, outbox: Outbox) -> None:
    put(outbox, note(1), note(2), Drain(3), note(4), Check(6), FINISH)
    await outbox.flushed(5)
    assert pod.taken == ["/events [1, 2]", "/drain [3]", "/events [4]", "/check [6]", "/finish [5]"]
    assert outbox.take_failures() == ()


async def test_a_batch_is_bounded(pod: Pod, outbox: Outbox) -> None:
    put(outbox, *(note(number) for number in range(BATCH_MAX + 1)))
    await outbox.flushed(5)
    assert [each.count(",") + 1 for each in pod.taken] == [BATCH_MAX, 1]


async def test_it_sends_the_same_again_until_it_is_taken(pod: Pod, outbox: Outbox) -> None:
    refusals = iter([WorkloadError("it does not answer")] * 3)

    def answer(path: str, events: Events) -> None:
        for refusal in refusals:
            raise refusal

    pod.answer = answer
    put(outbox, note(1), Drain(2))
    await outbox.flushed(5)
    assert pod.taken == ["/events [1]", "/drain [2]"]
    assert pod.asked == 5


async def test_what_is_put_while_something_is_sent_comes_behind_it(pod: Pod, outbox: Outbox) -> None:
    def answer(path: str, events: Events) -> None:
        if pod.asked == 1:
            outbox.put(note(9))
            raise WorkloadError("it does not answer")

    pod.answer = answer
    put(outbox, note(1))
    await outbox.flushed(5)
    assert pod.taken == ["/events [1, 9]"]


async def test_an_abort_goes_with_whatever_goes_next(pod: Pod, outbox: Outbox) -> None:
    outbox.abort = "the user asked for it"
    put(outbox, Drain(1))
    await outbox.flushed(5)
    assert pod.taken == ["/drain [1] abort: the user asked for it"]


async def test_what_a_lost_pod_cannot_take_is_reported_failed_once(pod: Pod, outbox: Outbox) -> None:
    def answer(path: str, events: Events) -> None:
        pod.lost = "its pod was deleted"
        raise WorkloadError("it does not answer")

    pod.answer = answer
    put(outbox, Drain(1), Check(2))
    await outbox.flushed(5)
    failures = outbox.take_failures()
    assert [(each.id, each.state, each.error) for each in failures] == [
        (1, ReportState.FAILED, "its pod was deleted"),
        (2, ReportState.FAILED, "its pod was deleted"),
    ]
    assert outbox.take_failures() == ()
    put(outbox, FINISH)
    assert [each.id for each in outbox.take_failures()] == [5]
    await outbox.flushed(3600)  # and nobody waits for it


async def test_a_pod_that_was_lost_while_it_took_something_does_not_stop_the_sender(pod: Pod, outbox: Outbox) -> None:
    """The answer comes, and what was sent has been reported as failed already."""

    def answer(path: str, events: Events) -> None:
        if pod.asked == 1:
            pod.lost = "it said nothing for 10 s"
            assert [each.id for each in outbox.take_failures()] == [1, 2]

    pod.answer = answer
    put(outbox, note(1), note(2))
    await until(lambda: pod.taken)
    put(outbox, note(3))
    await until(lambda: outbox.take_failures())
    outbox.raise_failure()


async def test_a_pod_that_will_never_take_it_is_lost(pod: Pod, outbox: Outbox) -> None:
    """The planted bug: asking ten times a second, for ever, while the run waits for what was never begun."""

    def answer(path: str, events: Events) -> None:
        raise WorkloadRefused("the workload pod refused /events: this needs the token of the workload pod")

    pod.answer = answer
    put(outbox, StartWorkload(1))
    await until(lambda: outbox.lost)
    assert pod.asked == 1
    assert [(each.id, each.error) for each in outbox.take_failures()] == [
        (1, "the workload pod refused /events: this needs the token of the workload pod")
    ]


async def test_a_sender_that_died_says_so(pod: Pod, outbox: Outbox) -> None:
    def answer(path: str, events: Events) -> None:
        raise RuntimeError("a bug")

    pod.answer = answer
    outbox.raise_failure()
    put(outbox, note(1))
    await until(lambda: pod.asked)
    with pytest.raises(RuntimeError, match="a bug"):
        outbox.raise_failure()


async def test_nothing_waits_for_ever(pod: Pod, outbox: Outbox) -> None:
    def answer(path: str, events: Events) -> None:
        raise WorkloadError("it does not answer")

    pod.answer = answer
    put(outbox, note(1))
    await outbox.flushed(0.01)
    assert pod.taken == []
