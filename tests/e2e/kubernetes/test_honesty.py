"""A cluster that does not do what its API server says: whatever was asked for, the verdict is no Pass.

The network plugin is stopped at a bad moment (what it has set up stays, nothing new comes), or somebody undoes what the
operator did. That the plugin enforces nothing from the beginning is in `test_network_plugin`.
"""

from __future__ import annotations

import pytest
from e2e_cluster import until
from e2e_documents import cut, experiment
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
