"""A cluster that does not do what its API server says: whatever was asked for, the verdict is no Pass.

The network plugin is stopped at a bad moment (what it has set up stays, nothing new comes), or somebody undoes what the
operator did: deletes its policy, or lets a broker start that is to be kept down. That the plugin enforces nothing from
the beginning is in `test_network_plugin`.
"""

from __future__ import annotations

import pytest
from e2e_cluster import until
from e2e_documents import cut, deletion, experiment
from e2e_lab import Lab
from test_network_plugin import plugin_stopped

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_a_cut_that_does_not_end_is_not_a_pass(lab: Lab) -> None:
    """The plugin stops while the cut holds: its policy is deleted, and what the plugin made of it stays."""
    run = lab.apply(experiment("endless", cut("6s", connections="New")))
    run.until_phase("Holding")
    with plugin_stopped(lab.cluster):
        until("the policy was deleted", 60, lambda: not lab.policies())
        ended = run.ended(within_s=200)
    assert ended.verdict == "Inconclusive", ended.message
    assert ended.reason in ("NotHealed", "Timeout"), ended.message
    assert ended.condition("Healed")["status"] == "False"


def test_a_cut_that_somebody_ends_early_is_not_a_pass(lab: Lab) -> None:
    run = lab.apply(experiment("ended", cut("30s")))
    run.until_phase("Holding")
    (policy,) = lab.policies()
    lab.must("delete", "networkpolicy", policy)
    ended = run.ended()
    assert (ended.verdict, ended.reason) == ("Inconclusive", "FaultLost"), ended.message


def test_a_kill_that_somebody_ends_early_is_not_a_pass(lab: Lab) -> None:
    """The hold is deleted, and the pod that it holds: its successor starts at once, long before its time."""
    kept_down = deletion("60s")
    kept_down["kill"] |= {"target": {"ordinal": 2}}
    run = lab.apply(experiment("revived", kept_down))
    run.until_phase("Holding")
    (hold,) = [each.partition("/")[2] for each in run.artefacts() if each.startswith("configmaps/")]
    until("its successor is held", 30, lambda: _held(lab, "broker-2"))
    lab.must("delete", "configmap", hold)
    lab.must("delete", "pod", "broker-2", "--grace-period=1")
    ended = run.ended(within_s=200)
    assert (ended.verdict, ended.reason) == ("Inconclusive", "FaultLost"), ended.message
    assert "broker 2 runs again" in ended.message
    assert ended.condition("Healed")["status"] == "True", "and it was seen to be back"


def _held(lab: Lab, name: str) -> bool:
    """The pod that took the place of the one that was killed is there, and its init container waits."""
    pod = lab.cluster.get("pods", lab.namespace, name) or {"metadata": {}, "status": {}}
    waiting = pod["status"].get("initContainerStatuses") or [{"state": {}}]
    return "deletionTimestamp" not in pod["metadata"] and "running" in waiting[0]["state"]
