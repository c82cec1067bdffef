"""The picture of the brokers' pods: quick by a watch, never older than a look, whatever became of the watch."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
from broker_kit import BROKERS, broker_pod, terminated, until
from fake_api import FakeApi

from skerry.worlds.kubernetes.api import Kube, KubeError
from skerry.worlds.kubernetes.pods import REMEMBERED_MAX, Pods

QUICK_S = 0.005
NEVER_S = 3600.0


@pytest.fixture
async def start(api: FakeApi, kube: Kube) -> AsyncIterator:
    """Pods 0 to 2 are there; ``await start(look_every_s)`` begins to look at them."""
    for ordinal in BROKERS.ordinals:
        api.put(broker_pod(ordinal))
    made: list[Pods] = []

    async def begin(look_every_s: float, again_s: float = QUICK_S) -> Pods:
        made.append(Pods(kube, BROKERS, look_every_s=look_every_s, again_s=again_s))
        await made[-1].start()
        await until(lambda: ("watch", "pods") in [(each.verb, each.resource) for each in api.seen])
        return made[-1]

    yield begin
    for each in made:
        await each.stop()


def uids(pods: Pods) -> list[str]:
    return [pod["metadata"]["uid"] for pod in pods.all()]


def exit_status(pods: Pods, uid: str) -> dict:
    return pods.by_uid(uid)["status"]["containerStatuses"][0]["state"]["terminated"]


def replace(api: FakeApi, ordinal: int, uid: str) -> None:
    api.remove("pods", f"broker-{ordinal}")
    api.put(broker_pod(ordinal, uid))


async def test_what_is_there_is_known_at_once(start) -> None:
    pods = await start(NEVER_S)
    assert uids(pods) == ["uid-of-broker-0", "uid-of-broker-1", "uid-of-broker-2"]
    assert pods.ip(1) == "10.0.0.11"
    assert pods.looked_ns > 0


async def test_a_picture_is_as_old_as_the_question_for_it(api: FakeApi, kube: Kube) -> None:
    moments = iter(range(10, 1000, 10))
    asked: list[int] = []
    pods = Pods(kube, BROKERS, now_ns=lambda: asked.append(next(moments)) or asked[-1])
    api.on("list", "pods", lambda listed: next(moments))  # the answer takes its time
    await pods.look()
    await pods.look()
    assert pods.looked_ns == asked[-1] == 30


async def test_without_an_api_server_it_does_not_start(api: FakeApi, kube: Kube) -> None:
    api.refuse("list", "pods", 503, "ServiceUnavailable", "no etcd")
    with pytest.raises(KubeError, match="no etcd"):
        await Pods(kube, BROKERS).start()


async def test_pods_of_others_are_passed_over(api: FakeApi, start) -> None:
    stranger = broker_pod(0, "uid-of-stranger")
    stranger["metadata"]["name"] = "broker-canary"
    api.put(stranger)
    api.put(broker_pod(7, "uid-of-a-seventh"))
    assert uids(await start(NEVER_S)) == ["uid-of-broker-0", "uid-of-broker-1", "uid-of-broker-2"]


async def test_the_watch_tells_of_a_change_without_a_look(api: FakeApi, start) -> None:
    pods = await start(NEVER_S)
    api.put(broker_pod(1, "uid-of-broker-1", ip="10.0.0.99"))
    assert await pods.until(lambda: pods.ip(1) == "10.0.0.99", 5)


async def test_a_pod_may_have_a_long_story(api: FakeApi, start) -> None:
    """Ephemeral containers can never be removed: after many runs a pod is larger than what is read at once."""
    pods = await start(NEVER_S, again_s=NEVER_S)  # a watch that breaks of it stays closed
    api.put(broker_pod(1, "uid-of-broker-1", ip="10.0.0.99", annotations={"story": "x" * 500_000}))
    assert await pods.until(lambda: pods.ip(1) == "10.0.0.99", 2)


async def test_the_last_words_of_a_pod_outlive_it(api: FakeApi, start) -> None:
    pods = await start(NEVER_S)
    api.put(broker_pod(1, "uid-of-broker-1", state=terminated(137)))
    replace(api, 1, "newcomer")
    assert await pods.until(lambda: pods.gone("uid-of-broker-1"), 5)
    await until(lambda: pods.latest(1) and pods.latest(1)["metadata"]["uid"] == "newcomer")
    assert exit_status(pods, "uid-of-broker-1")["exitCode"] == 137
    assert not pods.gone("newcomer")


async def test_a_watch_that_hangs_makes_the_picture_no_older_than_a_look(api: FakeApi, start) -> None:
    """The other end of the connection is gone, and nobody says so: no event, no error, for ever."""
    pods = await start(QUICK_S)
    api.silent.add(("watch", "pods"))
    api.end_watches()
    replace(api, 2, "newcomer")
    api.remove("pods", "broker-0")
    await until(lambda: uids(pods) == ["uid-of-broker-1", "newcomer"])
    assert pods.gone("uid-of-broker-0")
    assert pods.gone("uid-of-broker-2")
    before_ns = pods.looked_ns
    await until(lambda: pods.looked_ns > before_ns)


async def test_the_picture_says_how_old_it_is_when_nobody_answers(api: FakeApi, start) -> None:
    pods = await start(QUICK_S)
    api.refuse("list", "pods", 503, "ServiceUnavailable", "no etcd")
    api.end_watches()
    listed = len([each for each in api.seen if each.verb == "list"])
    await until(lambda: len([each for each in api.seen if each.verb == "list"]) > listed + 5)
    stood_ns = pods.looked_ns
    await until(lambda: len([each for each in api.seen if each.verb == "list"]) > listed + 10)
    assert pods.looked_ns == stood_ns
    assert len(uids(pods)) == 3, "what is not known to be gone is not forgotten either"


async def test_a_watch_that_ended_is_opened_again(api: FakeApi, start) -> None:
    pods = await start(NEVER_S)
    api.end_watches()
    await until(lambda: [each.verb for each in api.seen].count("watch") == 2)
    replace(api, 1, "newcomer")
    assert await pods.until(lambda: uids(pods)[1:2] == ["newcomer"], 5)


async def test_between_the_first_list_and_the_watch_nothing_is_missed(api: FakeApi, kube: Kube) -> None:
    """The planted bug: a watch that begins with a list of its own never heard of a pod that was gone by then."""
    api.put(broker_pod(1))
    pods = Pods(kube, BROKERS, look_every_s=NEVER_S)
    await pods.start()
    api.put(broker_pod(1, state=terminated(137)))
    api.remove("pods", "broker-1")
    assert await pods.until(lambda: pods.gone("uid-of-broker-1"), 5)
    assert exit_status(pods, "uid-of-broker-1")["exitCode"] == 137
    await pods.stop()


async def test_a_watch_that_ended_is_taken_up_where_it_stopped(api: FakeApi, start) -> None:
    pods = await start(NEVER_S)
    api.put(broker_pod(0, ip="10.0.0.99"))
    assert await pods.until(lambda: pods.ip(0) == "10.0.0.99", 5)
    api.end_watches()
    api.put(broker_pod(1, state=terminated(137)))
    replace(api, 1, "newcomer")
    assert await pods.until(lambda: pods.gone("uid-of-broker-1"), 5)
    assert exit_status(pods, "uid-of-broker-1")["exitCode"] == 137


async def test_a_watch_that_is_too_old_begins_where_the_last_list_ended(api: FakeApi, start) -> None:
    pods = await start(NEVER_S)
    api.put(broker_pod(0, ip="10.0.0.99"))
    assert await pods.until(lambda: pods.ip(0) == "10.0.0.99", 5)
    api.expire_versions()
    await pods.look()
    api.end_watches()
    await until(lambda: [each.verb for each in api.seen].count("watch") == 3)
    api.put(broker_pod(2, ip="10.0.0.98"))
    assert await pods.until(lambda: pods.ip(2) == "10.0.0.98", 5)


async def test_what_was_deleted_while_nobody_watched_is_gone(api: FakeApi, start) -> None:
    pods = await start(QUICK_S)
    api.refuse("watch", "pods", 410, "Expired", "too old resource version")
    api.end_watches()
    api.remove("pods", "broker-0")
    assert await pods.until(lambda: pods.gone("uid-of-broker-0"), 5)
    assert pods.latest(0) is None


async def test_an_event_is_looked_after_at_once(api: FakeApi, start) -> None:
    """A process is proven to be gone by a look after the kill: that must not have to wait."""
    pods = await start(NEVER_S)
    before_ns = pods.looked_ns
    api.remove("pods", "broker-1")
    await until(lambda: pods.looked_ns > before_ns)
    assert pods.latest(1) is None


async def test_a_list_that_was_overtaken_by_the_watch_does_not_bring_the_past_back(api: FakeApi, start) -> None:
    pods = await start(NEVER_S)
    overtaken: list[str] = []

    def answer_late(listed: dict) -> None:
        """The answer is made; before it arrives the watch tells of what happened since."""
        if not overtaken:
            overtaken.append("once")
            pods.note("DELETED", broker_pod(0))
            pods.note("DELETED", broker_pod(1))
            pods.note("ADDED", broker_pod(1, "newcomer", resourceVersion="900"))
            pods.note("MODIFIED", broker_pod(2, ip="10.0.0.99", resourceVersion="901"))

    api.on("list", "pods", answer_late)
    await pods.look()
    assert overtaken
    assert pods.latest(0) is None
    assert pods.latest(1)["metadata"]["uid"] == "newcomer"
    assert pods.ip(2) == "10.0.0.99"


async def test_a_list_that_is_quicker_than_the_watch_does_not_cut_off_last_words(api: FakeApi, kube: Kube) -> None:
    """The planted bug: it is gone, says the list, and how it ended, says the watch a moment later, is not heard."""
    api.put(broker_pod(0))
    pods = Pods(kube, BROKERS)
    await pods.look()
    looked_ns = pods.looked_ns
    api.remove("pods", "broker-0")
    await pods.look()
    assert not pods.gone("uid-of-broker-0"), "the watch is given a moment"
    assert pods.looked_ns == looked_ns, "meanwhile the picture grows old"
    pods.note("MODIFIED", broker_pod(0, state=terminated(137)))
    await pods.look()
    assert pods.gone("uid-of-broker-0")
    assert pods.latest(0) is None
    assert pods.looked_ns > looked_ns
    pods.note("MODIFIED", broker_pod(0, state=terminated(1)))
    assert pods.latest(0) is None
    assert exit_status(pods, "uid-of-broker-0")["exitCode"] == 1, "however late they come"


async def test_who_lives_is_remembered_however_many_died(api: FakeApi, start) -> None:
    pods = await start(NEVER_S)
    for number in range(2 * REMEMBERED_MAX):
        pods.note("MODIFIED", broker_pod(1, f"restarted-{number}"))
        if number % 8 == 0:
            await pods.look()
    assert pods.by_uid("uid-of-broker-0") is not None


async def test_of_a_hundred_brokers_none_is_forgotten(api: FakeApi, kube: Kube) -> None:
    many = msgspec.structs.replace(BROKERS, replicas=100)
    for ordinal in many.ordinals:
        api.put(broker_pod(ordinal))
    pods = Pods(kube, many, look_every_s=NEVER_S, again_s=QUICK_S)
    await pods.look()
    await pods.look()
    assert [pods.by_uid(f"uid-of-broker-{ordinal}") is not None for ordinal in many.ordinals] == [True] * 100
    assert not any(pods.gone(f"uid-of-broker-{ordinal}") for ordinal in many.ordinals)
    for number in range(2 * REMEMBERED_MAX):
        pods.note("DELETED", broker_pod(7, f"late-{number}"))
    assert len(pods._by_uid) == 100 + REMEMBERED_MAX, "the dead are forgotten, the oldest first"


async def test_a_looker_that_died_is_no_quiet_cluster(start) -> None:
    pods = await start(NEVER_S)
    pods.raise_failure()

    def broken(event: str, pod: dict) -> None:
        raise RuntimeError("a bug")

    pods.note = broken
    pods._dirty.set()
    await until(lambda: any(task.done() for task in pods._tasks))
    with pytest.raises(RuntimeError, match="a bug"):
        pods.raise_failure()


async def test_waiting_has_an_end(start) -> None:
    pods = await start(NEVER_S)
    assert not await pods.until(lambda: False, QUICK_S)
