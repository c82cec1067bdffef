"""Who may take a Lease, and what is done with it."""

from __future__ import annotations

import asyncio

import pytest

from skerry.controller.lease import (
    AnotherOperator,
    Holder,
    TargetLease,
    holder_of,
    lease_manifest,
    may_take,
    micro_time,
)
from skerry.worlds.kubernetes.api import EXPERIMENTS, LEASES, KubeError

NOW_S = 1_800_000_000.0
US, THEM = Holder("story", "aaaaaaaa-0000-1111", "operator-a"), Holder("other", "o-1", "operator-a")
OTHER_OPERATOR = US._replace(operator="operator-b")


def lease(holder: Holder | str, age_s: float, **spec):
    return {
        "spec": {
            "holderIdentity": str(holder),
            "renewTime": micro_time(NOW_S - age_s),
            "leaseDurationSeconds": 15,
            **spec,
        }
    }


@pytest.mark.parametrize(
    ("standing", "taken"),
    [
        (None, True),
        ({"spec": {}}, True),
        (lease("", 0), True),
        (lease(US, 0), True),
        (lease(US, 100), True),
        (lease(THEM, 0), False),
        (lease(THEM, 14.9), False),
        (lease(THEM, 15), True),
        (lease(THEM, -100), False),
        (lease(THEM, 100, leaseDurationSeconds=200), False),
        (lease(THEM, 0, renewTime=None), True),
        (lease(THEM, 0, renewTime="yesterday"), True),
        (lease("story/another-uid", 0), False),
        (lease(OTHER_OPERATOR, 14.9), False),
        (lease(OTHER_OPERATOR, 15), True),
        (lease("story/aaaaaaaa-0000-1111/", 0), True),
        (lease("story/aaaaaaaa-0000-1111", 0), True),
    ],
)
def test_may_take(standing, taken):
    assert may_take(standing, US, NOW_S) is taken


def test_a_manifest_reads_back():
    resource = {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "ChaosExperiment",
        "metadata": {"name": US.name, "uid": US.uid},
    }
    manifest = lease_manifest("broker", resource, US.operator, NOW_S)
    assert holder_of(manifest) == US
    assert not may_take(manifest, THEM, NOW_S + 14)
    assert may_take(manifest, THEM, NOW_S + 15)
    assert manifest["metadata"]["ownerReferences"][0]["uid"] == US.uid


def target(lab, resource, operator="operator-a"):
    return TargetLease(lab.kube, "broker", resource, operator, lab.clock.now, lab.clock.sleep)


async def test_looking_touches_nothing(lab):
    resource = lab.resource()
    assert await target(lab, resource).held_by_another() == ""
    assert lab.kube.writes == []


async def test_the_second_one_learns_who_has_it(lab):
    first, second = lab.resource(), lab.resource(name="second", uid="s-1")
    assert await target(lab, first).take() == ""
    assert await target(lab, second).take() == "story"
    assert await target(lab, second).held_by_another() == "story"
    await target(lab, second).release()
    assert lab.kube.find(LEASES, "skerry-broker"), "only its holder releases it"
    await target(lab, first).release()
    assert await target(lab, second).take() == ""


async def test_one_that_lapsed_is_not_taken_from_a_run_without_a_verdict(lab):
    first, second = lab.resource(), lab.resource(name="second", uid="s-1")
    await target(lab, first).take()
    lab.clock.now_s += 100
    assert await target(lab, second).take() == "story"
    lab.kube.find(EXPERIMENTS, "story")["status"] = {"completionTime": "2027-01-15T08:00:00Z"}
    assert await target(lab, second).take() == ""
    assert holder_of(lab.kube.find(LEASES, "skerry-broker")) == Holder("second", "s-1", "operator-a")


@pytest.mark.parametrize("replaced", [False, True])
async def test_one_that_lapsed_is_taken_when_its_experiment_is_gone(lab, replaced):
    first, second = lab.resource(), lab.resource(name="second", uid="s-1")
    await target(lab, first).take()
    lab.clock.now_s += 100
    del lab.kube.objects[EXPERIMENTS.plural, "story"]
    if replaced:
        lab.resource(uid="another")
    assert await target(lab, second).take() == ""


async def test_of_two_at_the_same_moment_one_has_it(lab):
    leases = [target(lab, lab.resource(name=name, uid=f"{name}-1")) for name in ("a", "b")]
    answers = await asyncio.gather(*(each.take() for each in leases))
    assert sorted(answers) in (["", "a"], ["", "b"])


async def test_of_two_operators_one_conducts_and_the_other_learns_who(lab):
    resource = lab.resource()
    first, second = target(lab, resource), target(lab, resource, "operator-b")
    answers = await asyncio.gather(first.take(), second.take(), return_exceptions=True)
    (loser,) = [each for each in answers if isinstance(each, AnotherOperator)]
    assert str(loser) in ("operator-a", "operator-b")
    assert answers.count("") == 1
    winner = first if answers[0] == "" else second
    assert await winner.is_ours()
    await (second if winner is first else first).release()
    assert await winner.is_ours(), "only its holder releases it"


async def test_another_operator_takes_over_what_was_handed_over_or_has_lapsed(lab):
    resource = lab.resource()
    first, second, third = (target(lab, resource, f"operator-{name}") for name in "abc")
    await first.take()
    with pytest.raises(AnotherOperator, match="operator-a"):
        await second.take()
    await first.hand_over()
    assert await second.take() == ""
    lab.clock.now_s += 16
    assert await third.take() == ""
    await second.hand_over()
    assert await third.is_ours()


async def test_a_lease_that_another_operator_took_is_lost(lab):
    lost: list[str] = []
    resource = lab.resource()
    first, second = target(lab, resource), target(lab, resource, "operator-b")
    await first.take()
    lab.clock.now_s += 16  # it stood still for so long
    await second.take()
    await lab.run(first.keep(lost.append))
    assert lost == ["the Lease skerry-broker was taken by another operator, `operator-b`"]


async def test_it_is_renewed_while_it_is_kept(lab):
    first, second = lab.resource(), lab.resource(name="second", uid="s-1")
    lost: list[str] = []
    await target(lab, first).take()
    keeping = asyncio.ensure_future(target(lab, first).keep(lost.append))
    for _ in range(6):
        await lab.clock.pass_s(10)
        assert not may_take(lab.kube.find(LEASES, "skerry-broker"), THEM, lab.clock.now())
        assert await target(lab, second).take() == "story"
    keeping.cancel()
    assert lost == []


async def test_an_outage_is_not_a_loss_and_a_thief_is(lab):
    lost: list[str] = []
    first = lab.resource()
    await target(lab, first).take()
    keeping = asyncio.ensure_future(target(lab, first).keep(lost.append))
    lab.kube.refuse["get", "leases"] = KubeError(0, "Unreachable", "no answer")
    await lab.clock.pass_s(60)
    assert lost == []
    lab.kube.refuse.clear()
    lab.kube.find(LEASES, "skerry-broker")["spec"] |= lease(THEM, 0)["spec"] | {
        "renewTime": micro_time(lab.clock.now_s)
    }
    await lab.clock.until(keeping.done)
    assert lost == ["the Lease skerry-broker was taken by the experiment `other`"]


async def test_one_that_somebody_removed_is_made_again(lab):
    first = lab.resource()
    await target(lab, first).take()
    keeping = asyncio.ensure_future(target(lab, first).keep(lambda why: None))
    del lab.kube.objects[LEASES.plural, "skerry-broker"]
    await lab.clock.pass_s(6)
    assert holder_of(lab.kube.find(LEASES, "skerry-broker")) == US
    keeping.cancel()
