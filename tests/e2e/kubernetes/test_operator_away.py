"""The operator dies, or is asked to stop, while a fault is live: the fault ends by itself, the run is never a Pass."""

from __future__ import annotations

import datetime
import time

import pytest
from e2e_cluster import JsonObject, until
from e2e_documents import cut, experiment
from e2e_lab import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def deadline_of(fuse: JsonObject) -> float:
    """Wall-clock seconds, by the cluster."""
    started = datetime.datetime.fromisoformat(fuse["status"]["startTime"])
    return started.timestamp() + float(fuse["spec"]["activeDeadlineSeconds"])


@pytest.mark.smoke
def test_a_cut_ends_by_its_fuse_alone(lab: Lab) -> None:
    """The operator is dead from before the fuse's deadline until after it."""
    with lab.cluster.watch("networkpolicies", lab.namespace) as watch:
        run = lab.apply(experiment("fuse", cut("15s")))
        run.until_phase("Holding")
        (fuse,) = lab.items("jobs", f"skerry.dev/experiment={run.name},skerry.dev/artefact=fuse")
        deadline_s = deadline_of(fuse)
        with lab.operator_dead():
            assert len(lab.policies()) == 1, "the cut stands: nobody has healed it"
            assert time.time() < deadline_s - 2, "the operator died in time for this story"
            gone = until("the policy is gone", deadline_s - time.time() + 10, lambda: watch.first("DELETED"))
            assert deadline_s - 0.5 < gone.at_s < deadline_s + 1, f"{gone.at_s - deadline_s:+.2f} s of the deadline"
            until("the fuse is gone", 5, lambda: not lab.items("jobs", "skerry.dev/artefact=fuse"))
        ended = run.ended()
    assert (ended.verdict, ended.reason) == ("Inconclusive", "Interrupted"), ended.message
    assert ended.condition("Complete")["reason"] == "Finished", "it was drained and checked"
    assert ended.condition("Healed") == ended.condition("Healed") | {"status": "Unknown", "reason": "Interrupted"}
    assert "journal" in ended.status
    assert ended.status["historyDigest"]
    assert lab.items("configmaps", f"skerry.dev/experiment={run.name},skerry.dev/artefact=report")


def test_an_operator_that_is_asked_to_stop_heals_first(lab: Lab) -> None:
    with lab.cluster.watch("networkpolicies", lab.namespace) as watch:
        run = lab.apply(experiment("rollout", cut("40s")))
        run.until_phase("Holding")
        asked_s = time.time()
        lab.scale_operator(0)
        try:
            gone = until("the policy is gone", 5, lambda: watch.first("DELETED"))
            assert gone.at_s < asked_s + 10, "long before the fuse's deadline"
        finally:
            lab.scale_operator(1)
        ended = run.ended()
    assert (ended.verdict, ended.reason) == ("Inconclusive", "Interrupted"), ended.message
    assert ended.condition("Complete")["reason"] == "Finished"


def test_an_operator_that_is_replaced_in_the_middle_goes_on_to_the_verdict(lab: Lab) -> None:
    """A rollout: its pod is deleted, and the next one takes the run over."""
    run = lab.apply(experiment("restart", cut("30s")))
    run.until_phase("Holding")
    lab.must("delete", "pod", "--selector=app.kubernetes.io/component=operator", "--wait=false")
    ended = run.ended()
    assert (ended.verdict, ended.reason) == ("Inconclusive", "Interrupted"), ended.message
    assert lab.policies() == []
