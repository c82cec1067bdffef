"""Who is kept down, until when, and how that ends early: one ConfigMap for all kills of a StatefulSet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from broker_kit import BROKERS, broker_pod, until
from fake_api import FakeApi, Refused

from skerry.worlds.kubernetes.api import Kube, KubeError
from skerry.worlds.kubernetes.hold import Hold, is_held
from skerry.worlds.kubernetes.names import Artefact, labels
from skerry.worlds.kubernetes.pods import Pods
from skerry.worlds.kubernetes.steps import FaultError

NOW_S = 1_800_000_000.0
NAME = "broker-hold"


@pytest.fixture
async def pods(api: FakeApi, kube: Kube) -> AsyncIterator[Pods]:
    for ordinal in BROKERS.ordinals:
        api.put(broker_pod(ordinal))
    pods = Pods(kube, BROKERS, look_every_s=0.01)
    await pods.start()
    yield pods
    await pods.stop()


@pytest.fixture
def hold(kube: Kube, pods: Pods) -> Hold:
    return hold_of("demo", kube, pods)


def hold_of(experiment: str, kube: Kube, pods: Pods) -> Hold:
    return Hold(kube, experiment, BROKERS, pods, lambda: NOW_S)


def fuse(api: FakeApi, name: str = "fuse") -> dict:
    return api.put({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}})


def data(api: FakeApi) -> dict[str, str]:
    found = api.find("configmaps", NAME)
    return dict((found or {}).get("data") or {})


async def hold_down(api: FakeApi, pods: Pods, ordinal: int) -> None:
    """Its next pod is there, and its init container waits."""
    api.remove("pods", f"broker-{ordinal}")
    api.put(broker_pod(ordinal, "held", held=True))
    await until(lambda: (pod := pods.latest(ordinal)) is not None and pod["metadata"]["uid"] == "held")


def deletions(api: FakeApi) -> list[str]:
    return [each for each in api.writes if each.startswith("delete pods/")]


async def test_a_hold_is_the_fuses_and_says_until_when(api: FakeApi, hold: Hold) -> None:
    lit = fuse(api)
    await hold.set((0, 2), NOW_S + 20.25, lit)
    found = api.find("configmaps", NAME)
    assert found["data"] == {"broker-0": "1800000020.250", "broker-2": "1800000020.250"}
    assert found["metadata"]["labels"] == labels("demo", Artefact.HOLD)
    assert [owner["uid"] for owner in found["metadata"]["ownerReferences"]] == [lit["metadata"]["uid"]]
    await hold.extend((0,), NOW_S + 30)
    assert data(api) == {"broker-0": "1800000030.000", "broker-2": "1800000020.250"}


async def test_two_at_once_lose_neither_keys_nor_owners(api: FakeApi, hold: Hold) -> None:
    """The planted bug: both find none and create it, or each writes the owners without the other's."""
    first, second = fuse(api, "first"), fuse(api, "second")
    await asyncio.gather(hold.set((0,), NOW_S + 20, first), hold.set((1,), NOW_S + 30, second))
    assert sorted(data(api)) == ["broker-0", "broker-1"]
    third, fourth = fuse(api, "third"), fuse(api, "fourth")
    await asyncio.gather(hold.set((2,), NOW_S + 20, third), hold.set((2,), NOW_S + 30, fourth))
    assert len(api.find("configmaps", NAME)["metadata"]["ownerReferences"]) == 4
    for name in ("first", "second", "third"):
        api.remove("jobs", name)
        assert api.find("configmaps", NAME) is not None
    api.remove("jobs", "fourth")
    assert api.find("configmaps", NAME) is None


async def test_the_same_owner_is_named_once(api: FakeApi, hold: Hold) -> None:
    lit = fuse(api)
    await hold.set((0,), NOW_S + 20, lit)
    await hold.set((0,), NOW_S + 30, lit)
    assert len(api.find("configmaps", NAME)["metadata"]["ownerReferences"]) == 1


async def test_what_the_garbage_collector_takes_under_our_hands_is_made_anew(api: FakeApi, hold: Hold) -> None:
    """It still lay there from the fault before, whose fuse is gone."""
    await hold.set((0,), NOW_S + 20, fuse(api, "before"))
    taken: list[str] = []

    def collected(patched: dict) -> None:
        if not taken:
            taken.append("once")
            api.remove("configmaps", NAME)
            raise Refused(404, "NotFound", "configmaps not found")

    api.on("admit", "configmaps", collected)
    await hold.set((1,), NOW_S + 30, fuse(api, "now"))
    assert taken
    assert data(api) == {"broker-1": "1800000030.000"}


async def test_a_config_map_of_somebodys_is_left_alone(api: FakeApi, hold: Hold) -> None:
    """As its owner, our fuse would take it along."""
    api.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": {"theirs": "1"}})
    with pytest.raises(FaultError, match=f"ConfigMap {NAME} is somebody else's: remove it"):
        await hold.set((0,), NOW_S + 20, fuse(api))
    await hold.release(BROKERS.ordinals)
    assert data(api) == {"theirs": "1"}


async def test_who_may_not_write_hears_so(api: FakeApi, hold: Hold) -> None:
    api.denied.add(("create", "configmaps"))
    with pytest.raises(KubeError, match="grant `create` on configmaps"):
        await hold.set((0,), NOW_S + 20, fuse(api))


async def test_an_early_release_starts_the_held_pod_anew_and_nobody_else(api: FakeApi, hold: Hold, pods: Pods) -> None:
    await hold.set((0, 1), NOW_S + 20, fuse(api))
    await hold_down(api, pods, 0)
    await hold.release((0, 1))
    assert data(api) == {}
    assert deletions(api) == ["delete pods/broker-0"], "broker 1 runs: it was never killed, or has been through"
    request = next(each for each in api.seen if each.verb == "delete")
    assert request.body["preconditions"] == {"uid": "held"}
    assert request.body["gracePeriodSeconds"] == 0


async def test_only_those_that_are_named_are_released(api: FakeApi, hold: Hold, pods: Pods) -> None:
    await hold.set((0, 1), NOW_S + 20, fuse(api))
    await hold_down(api, pods, 1)
    await hold.release((0,))
    assert list(data(api)) == ["broker-1"]
    assert deletions(api) == []


@pytest.mark.parametrize("left_s", [1.0, -5.0])
async def test_a_hold_that_is_over_or_nearly_is_waited_for(api: FakeApi, hold: Hold, pods: Pods, left_s: float) -> None:
    await hold.set((0,), NOW_S + left_s, fuse(api))
    await hold_down(api, pods, 0)
    await hold.release((0,))
    assert deletions(api) == []
    assert data(api) == {}


async def test_releasing_again_is_harmless_and_what_failed_is_done(api: FakeApi, hold: Hold, pods: Pods) -> None:
    """The planted bug: the key is gone, so the second call thinks that nobody is held."""
    await hold.release(BROKERS.ordinals)
    await hold.set((0,), NOW_S + 20, fuse(api))
    await hold_down(api, pods, 0)
    api.denied.add(("delete", "pods"))
    with pytest.raises(KubeError):
        await hold.release((0,))
    assert data(api) == {}
    api.denied.clear()
    await hold.release((0,))
    assert deletions(api)[-1:] == ["delete pods/broker-0"]
    assert api.find("pods", "broker-0") is None


async def test_a_pod_that_is_held_only_after_the_release_is_found_by_the_next(
    api: FakeApi, hold: Hold, pods: Pods
) -> None:
    """It had read the ConfigMap before, and was not seen to be held yet."""
    await hold.set((0,), NOW_S + 20, fuse(api))
    await hold.release((0,))
    await hold_down(api, pods, 0)
    await hold.release((0,))
    assert deletions(api) == ["delete pods/broker-0"]


async def test_the_next_operator_releases_what_it_did_not_set(api: FakeApi, hold: Hold, pods: Pods, kube: Kube) -> None:
    await hold.set((2,), NOW_S + 20, fuse(api))
    await hold_down(api, pods, 2)
    await hold_of("demo", kube, pods).release(BROKERS.ordinals)
    assert data(api) == {}
    assert deletions(api) == ["delete pods/broker-2"]


async def test_the_hold_of_another_experiment_stays(api: FakeApi, hold: Hold, pods: Pods, kube: Kube) -> None:
    await hold.set((2,), NOW_S + 20, fuse(api))
    await hold_down(api, pods, 2)
    await hold_of("another", kube, pods).release(BROKERS.ordinals)
    assert list(data(api)) == ["broker-2"]
    assert deletions(api) == []


async def test_a_hold_that_went_with_its_fuse_is_released(api: FakeApi, hold: Hold, pods: Pods) -> None:
    """The fuse burned down; the pod may wait on what it read, and is started anew all the same."""
    await hold.set((0,), NOW_S + 20, fuse(api))
    await hold_down(api, pods, 0)
    api.remove("jobs", "fuse")
    await hold.release((0,))
    assert deletions(api) == ["delete pods/broker-0"]


@pytest.mark.parametrize(
    ("pod", "held"),
    [
        (broker_pod(0), False),
        (broker_pod(0, held=True), True),
        ({"status": {}}, False),
        ({"status": {"initContainerStatuses": [{"name": "hold", "state": {"terminated": {}}}]}}, False),
        ({"status": {"initContainerStatuses": [{"name": "hold", "state": {"waiting": {}}}]}}, True),
        ({"status": {"initContainerStatuses": [{"name": "format", "state": {"running": {}}}]}}, False),
    ],
)
def test_who_is_held(pod: dict, held: bool) -> None:
    assert is_held(pod, "hold") is held


async def test_words_that_are_no_second_hold_nobody(api: FakeApi, hold: Hold, pods: Pods) -> None:
    await hold.set((0,), NOW_S + 20, fuse(api))
    found = api.find("configmaps", NAME)
    api.put({**found, "data": {"broker-0": "for ever"}})
    await hold_down(api, pods, 0)
    await hold.release((0,))
    assert deletions(api) == []
