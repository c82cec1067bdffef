"""Cuts, told by what is asked of the API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from broker_kit import until
from fake_api import FakeApi, Refused
from fault_stage import CUT, EXPERIMENT, OTHER, Stage, cut_of

from skerry.engine.world import Heal
from skerry.faults.network_partition import Connections
from skerry.worlds.kubernetes.api import NETWORK_POLICIES, Kube, KubeError
from skerry.worlds.kubernetes.faults import network_partition as cuts

LEADER_OFF = cut_of((0,), (1, 2))
LEADER_OFF_ALL = cut_of((0,), (1, 2), connections=Connections.ALL)
HALVES = cut_of((0, 1), (2,), (1,))
"""Two guards are needed: 0 is cut from 1 and 2, and 1 from 2."""
FUSE = "jobs/skerry-demo-cut-0-fuse"


@pytest.fixture
async def stage(api: FakeApi, kube: Kube) -> AsyncIterator[Stage]:
    stage = Stage(api, kube)
    await stage.rise()
    yield stage
    await stage.fall()


# --- new connections ----------------------------------------------------------------------------------------


async def test_a_cut_is_a_fuse_and_then_policies_that_it_owns(stage: Stage) -> None:
    stage.api.seen.clear()
    assert await stage.inject(CUT, LEADER_OFF) == "DONE"
    asked = [f"{each.verb} {each.resource}" for each in stage.api.seen if each.resource != "pods"]
    assert sorted(asked[:2]) == ["get namespaces", "list networkpolicies"]
    assert asked[2:4] == ["create jobs", "create networkpolicies"]
    fuse, made = stage.api.find("jobs", "skerry-demo-cut-0-fuse"), stage.api.names("networkpolicies")
    assert fuse is not None
    assert fuse["metadata"]["ownerReferences"][0]["uid"] == "uid-of-demo"
    assert fuse["spec"]["activeDeadlineSeconds"] == 21, "until the deadline, and the second that it may burn less"
    [policy] = [stage.api.find("networkpolicies", name) for name in made]
    assert policy is not None
    assert policy["metadata"]["ownerReferences"][0]["uid"] == fuse["metadata"]["uid"]
    assert policy["spec"]["podSelector"] == {"matchLabels": {"statefulset.kubernetes.io/pod-name": "broker-0"}}


async def test_a_heal_takes_the_policies_first(stage: Stage) -> None:
    await stage.inject(CUT, LEADER_OFF)
    stage.api.seen.clear()
    assert await stage.heal(CUT, LEADER_OFF) == "DONE"
    assert [each.split("/")[0] for each in stage.api.writes] == ["delete networkpolicies", "delete jobs"]
    asked = [f"{each.verb} {each.resource}" for each in stage.api.seen if each.resource != "pods"]
    assert asked[0] == "delete networkpolicies", "nothing comes before it"
    assert {each.body["propagationPolicy"] for each in stage.api.seen if each.verb == "delete"} == {"Background"}
    assert stage.left == []


async def test_healing_twice_and_healing_what_never_was_is_harmless(stage: Stage) -> None:
    assert await stage.heal(CUT, LEADER_OFF) == "DONE"
    await stage.inject(CUT, LEADER_OFF)
    assert await stage.heal(CUT, LEADER_OFF) == "DONE"
    assert await stage.heal(CUT, LEADER_OFF) == "DONE"
    assert await stage.inject(CUT, LEADER_OFF) == "DONE", "and it can be injected again: the role had moved"


async def test_a_policy_that_was_gone_before_it_was_lifted_is_told(stage: Stage) -> None:
    """A cut that was lost asks the question whether its policy was there to the end."""
    for gone in (False, True):
        await stage.inject(CUT, LEADER_OFF)
        [name] = stage.api.names("networkpolicies")
        if gone:
            await stage.kube.delete(NETWORK_POLICIES, name)
        await stage.heal(CUT, LEADER_OFF)
        told = f"0: NetworkPolicy `{name}` was gone before it was lifted"
        assert (told in stage.notes) is gone


async def test_a_heal_does_not_depend_on_a_list(stage: Stage) -> None:
    """One may be older than what was created a moment ago."""
    await stage.inject(CUT, HALVES)
    stage.api.on("list", "networkpolicies", lambda listed: listed["items"].clear())
    await stage.heal(CUT, HALVES)
    assert [each for each in stage.api.writes if each.startswith("delete networkpolicies/")] != []
    assert stage.left == []


async def test_a_heal_takes_what_the_fuse_owns_whatever_its_name(stage: Stage) -> None:
    """The document of a resumed run may say less than the one that was injected."""
    await stage.inject(CUT, HALVES)
    stage.api.seen.clear()
    await stage.heal(CUT, msgspec.structs.replace(HALVES, links=()))
    assert [each.split("/")[0] for each in stage.api.writes] == ["delete networkpolicies"] * 2 + ["delete jobs"]
    assert stage.left == []


async def test_a_cut_is_healed_alone(stage: Stage) -> None:
    await stage.inject(CUT, cut_of((0,), (1,)))
    await stage.inject(OTHER, cut_of((1,), (2,)))
    assert len(stage.api.names("networkpolicies")) == 2
    await stage.heal(CUT, cut_of((0,), (1,)))
    assert len(stage.api.names("networkpolicies")) == 1
    assert stage.api.names("jobs") == ["skerry-demo-other-0-fuse"]


async def test_a_policy_that_voids_it_is_named_and_nothing_is_made(stage: Stage) -> None:
    stage.api.put(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "allow-all"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]},
        }
    )
    told = await stage.inject(CUT, LEADER_OFF)
    assert told.startswith("NetworkPolicy `allow-all` allows broker-0 -> broker-1 on port 9093 (Raft): policies add up")
    assert stage.api.writes == []


async def test_the_second_policy_is_refused(stage: Stage) -> None:
    made: list[str] = []

    def admit(policy: dict) -> None:
        made.append(policy["metadata"]["name"])
        if len(made) == 2:
            raise Refused(403, "Forbidden", "exceeded quota")

    stage.api.on("admit", "networkpolicies", admit)
    assert "exceeded quota" in await stage.inject(CUT, HALVES)
    assert len(stage.left) == 2, "a fuse and one policy"
    assert await stage.heal(CUT, HALVES) == "DONE"
    assert stage.left == []


@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        (
            lambda stage: stage.api.remove("pods", "broker-2"),
            "pod broker-2 is not there, so nothing can be cut from it",
        ),
        (lambda stage: stage.api.denied.add(("create", "jobs")), "grant `create` on jobs (batch)"),
    ],
    ids=["a pod is missing", "no right to light a fuse"],
)
async def test_what_cannot_be_cut_is_said_and_nothing_is_made(stage: Stage, prepare, told: str) -> None:
    prepare(stage)
    await until(lambda: len(stage.pods.all()) == len(stage.api.names("pods")))
    assert told in await stage.inject(CUT, LEADER_OFF)
    assert stage.left == []


async def test_a_cut_whose_deadline_has_passed_is_not_begun(stage: Stage) -> None:
    assert await stage.inject(CUT, LEADER_OFF, lasts_s=-6) == "its deadline had passed before it was begun"
    assert stage.left == []


async def test_an_operator_that_dies_after_the_fuse_leaves_only_the_fuse(stage: Stage) -> None:
    """The fuse alone cuts nothing, and ends by itself."""
    died = asyncio.Event()

    async def never(manifest: dict, stored: list) -> None:
        died.set()
        await asyncio.Event().wait()

    stage.faults.carriers["partition"]._create = never
    injecting = asyncio.create_task(stage.faults.inject(stage.injection(CUT, LEADER_OFF)))
    await died.wait()
    assert stage.left == [FUSE]
    await stage.another("demo").lift_everything()
    assert stage.left == []
    injecting.cancel()


# --- being broken off -----------------------------------------------------------------------------------------


async def test_a_heal_breaks_an_injection_off_and_nothing_comes_after_it(stage: Stage, kube: Kube) -> None:
    """The planted bug: a policy that was asked for before the heal is created after it, by a slow API server."""
    create, answered = kube.create, asyncio.Event()

    async def slow(kind, manifest, **options):
        made = await create(kind, manifest, **options)
        if kind.plural == "networkpolicies":
            await answered.wait()
        return made

    kube.create = slow
    injecting = asyncio.create_task(stage.inject(CUT, LEADER_OFF))
    await until(lambda: stage.api.names("networkpolicies"))
    healing = asyncio.create_task(stage.faults.heal(Heal(50, CUT, LEADER_OFF)))
    await until(lambda: any(report.id == 50 for report in stage.reports))
    await asyncio.sleep(0)
    assert stage.api.names("networkpolicies"), "it waits for the answer"
    answered.set()
    await healing
    await asyncio.gather(injecting, return_exceptions=True)
    assert stage.left == []
    told = [
        (report.id, report.state.value, report.error) for report in stage.reports if report.state.value != "started"
    ]
    assert sorted(told) == [(1, "failed", "it was healed before it was in force"), (50, "done", "")]


async def test_when_one_step_fails_the_others_are_over_when_it_is_reported(stage: Stage, kube: Kube) -> None:
    """The planted bug: the other policy is created after the heal that follows the failure."""
    create, order = kube.create, []

    async def slow_or_refused(kind, manifest, **options):
        if kind.plural == "networkpolicies":
            order.append(manifest["metadata"]["name"])
            if len(order) == 2:
                raise KubeError(500, "InternalError", "etcd is unwell")
            await asyncio.sleep(0.02)
        return await create(kind, manifest, **options)

    kube.create = slow_or_refused
    assert await stage.inject(CUT, HALVES) == "etcd is unwell"
    assert len(stage.api.names("networkpolicies")) == 1, "what was asked for is there, before anybody heals"
    await stage.heal(CUT, HALVES)
    await asyncio.sleep(0.05)
    assert stage.left == []


# --- established connections --------------------------------------------------------------------------------


async def test_established_connections_are_reset_from_inside_of_the_guard(stage: Stage) -> None:
    added: list[tuple[str, list[str]]] = []

    def resetter(pod_name: str, container: dict) -> None:
        added.append((pod_name, container["args"]))
        stage.injector_ends(pod_name, container, did="reset", closed=4, remaining=0, error="")

    stage.on_injector(resetter)
    assert await stage.inject(CUT, LEADER_OFF_ALL) == "DONE"
    [(pod_name, arguments)] = added
    assert pod_name == "broker-0"
    assert arguments[:5] == ["reset", "--peer", "10.0.0.11,10.0.0.12", "--port", "9093,9094"]
    assert stage.notes == ["0: 4 established connections with broker-1, broker-2 were reset"]
    assert len(stage.api.names("networkpolicies")) == 1


async def test_two_attempts_have_injectors_of_two_names(stage: Stage) -> None:
    names: list[str] = []

    def resetter(pod_name: str, container: dict) -> None:
        names.append(container["name"])
        stage.injector_ends(pod_name, container, did="reset", closed=0, error="")

    stage.on_injector(resetter)
    for _ in range(2):
        assert await stage.inject(CUT, LEADER_OFF_ALL) == "DONE"
        await stage.heal(CUT, LEADER_OFF_ALL)
    assert len(set(names)) == 2


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (
            lambda stage, pod, container: stage.injector_ends(
                pod, container, 1, did="reset", error="connections were still there, or came back, after 5000 ms"
            ),
            "the open flows of broker-0 were not reset: injector `injector-cut-0-",
        ),
        (
            lambda stage, pod, container: stage.injector_waits(pod, container, "ErrImagePull"),
            "its image `skerry/injector:dev` cannot be had on that node",
        ),
        (lambda stage, pod, container: stage.api.remove("pods", pod), "its pod went before injector"),
        (lambda stage, pod, container: None, "did not start within 0.2 s: see whether its image `skerry/injector:dev`"),
    ],
    ids=["it fails", "its image is missing", "its pod goes", "nothing happens"],
)
async def test_a_reset_that_did_not_happen_is_no_cut(stage: Stage, act, told: str) -> None:
    stage.faults = stage.another("demo", injector_s=0.2)
    stage.on_injector(lambda pod, container: act(stage, pod, container))
    assert told in await stage.inject(CUT, LEADER_OFF_ALL)
    await stage.heal(CUT, LEADER_OFF_ALL)
    assert stage.left == []


async def test_flows_with_a_pod_without_an_address_would_stay(stage: Stage) -> None:
    stage.status("broker-2", podIP="")
    await until(lambda: not stage.pods.ip(2))
    told = await stage.inject(CUT, LEADER_OFF_ALL)
    assert told == "not every pod of broker-0, broker-1, broker-2 has an address: their open flows would stay"


# --- while it stands ------------------------------------------------------------------------------------------


def extra(stage: Stage) -> None:
    stage.api.put(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "helpful"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]},
        }
    )


def deleted(stage: Stage) -> None:
    stage.api.remove("networkpolicies", stage.api.names("networkpolicies")[0])


def widened(stage: Stage) -> None:
    policy = stage.api.find("networkpolicies", stage.api.names("networkpolicies")[0])
    stage.api.put({**policy, "spec": {**policy["spec"], "ingress": [{}]}})


def owner_gone(stage: Stage) -> None:
    """The experiment was deleted while the fuse was lit: the garbage collector takes what an absent one owns."""
    stage.api.remove("chaosexperiments", EXPERIMENT["metadata"]["name"])
    stage.api.collect_garbage()


@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (deleted, "is gone, and nobody here deleted it"),
        (owner_gone, "is gone, and nobody here deleted it"),
        (widened, "was changed by somebody"),
        (extra, "NetworkPolicy `helpful` allows broker-0 -> broker-1"),
    ],
)
async def test_a_cut_that_ends_before_its_time_is_lost(stage: Stage, happens, told: str) -> None:
    """The planted bug: it was verified, then it vanished, and whatever held until its end passed."""
    await stage.inject(CUT, LEADER_OFF)
    await asyncio.sleep(0.03)
    assert stage.faults.injector.alive
    happens(stage)
    await until(lambda: not stage.faults.injector.alive)
    assert told in stage.faults.injector.detail
    await stage.heal(CUT, LEADER_OFF)
    assert stage.faults.injector.alive


async def test_an_api_server_that_does_not_answer_loses_no_cut(stage: Stage) -> None:
    await stage.inject(CUT, LEADER_OFF)
    stage.api.refuse("list", "networkpolicies", 503, "ServiceUnavailable", "no etcd")
    asked = len(stage.api.seen)
    await until(lambda: [each.resource for each in stage.api.seen[asked:]].count("networkpolicies") > 3)
    assert stage.faults.injector.alive


async def test_a_watcher_that_died_says_so(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.inject(CUT, LEADER_OFF)
    stage.faults.raise_failure()

    def broken(*_: object) -> str:
        raise RuntimeError("a bug")

    monkeypatch.setattr(cuts, "_changed", broken)
    watcher = stage.faults.carriers["partition"]._watchers[CUT]
    await until(watcher.done)
    with pytest.raises(RuntimeError, match="a bug"):
        stage.faults.raise_failure()
