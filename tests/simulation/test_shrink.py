"""A failing plan is made small, and still fails by the same rule."""

from __future__ import annotations

import pytest

from skerry.worlds.sim.chaos import run_plan
from skerry.worlds.sim.plan import Plan, Step, Verb, draw_plan
from skerry.worlds.sim.replay import broken_rule, main
from skerry.worlds.sim.shrink import shrink
from skerry_broker.core.follower_replica import FollowerReplica


def verbs(plan: Plan) -> list[Verb]:
    return [step.verb for step in plan.steps]


def test_only_what_is_needed_stays() -> None:
    """Needed: the wipe and the power cut; the start that belongs to the wipe comes along."""
    plan = draw_plan(19)
    wipe, power, start = (
        Step(5, Verb.WIPE, 1, name="w"),
        Step(6, Verb.POWER_CUT, 2),
        Step(9, Verb.START, 1, name="w"),
    )
    steps = tuple(sorted((*plan.steps, wipe, power, start), key=lambda step: step.at_ns))
    plan = Plan(**{**{name: getattr(plan, name) for name in Plan.__struct_fields__}, "steps": steps})

    def still_fails(smaller: Plan) -> bool:
        return wipe in smaller.steps and power in smaller.steps

    assert shrink(plan, still_fails).steps == (wipe, power, start)


@pytest.mark.sim
@pytest.mark.timeout(200)
def test_a_planted_bug_becomes_a_short_story(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = FollowerReplica.__init__

    def truncate_to_high_watermark(self: FollowerReplica, partition, topic_id, log, view) -> None:  # type: ignore[no-untyped-def]  # as the rule
        rule(self, partition, topic_id, log, view)
        log.truncate(log.high_watermark, "epoch")

    monkeypatch.setattr(FollowerReplica, "__init__", truncate_to_high_watermark)
    plan = draw_plan(0)
    before = broken_rule(run_plan(plan))
    assert before == "committed-record-truncated"
    small = shrink(plan, lambda smaller: broken_rule(run_plan(smaller)) == before)
    assert len(small.steps) < len(plan.steps) // 2
    assert broken_rule(run_plan(small)) == before
    assert main(["0", "--events", "5"]) == 1
    assert before in capsys.readouterr().out
