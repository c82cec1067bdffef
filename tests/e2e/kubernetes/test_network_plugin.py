"""A network plugin that does nothing: the cut is not seen on the wire, so it is not claimed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest
from e2e_cluster import Cluster, until
from e2e_documents import cut, experiment
from e2e_lab import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PLUGIN = "calico-node"
SYSTEM = "kube-system"


@contextlib.contextmanager
def plugin_stopped(cluster: Cluster) -> Iterator[None]:
    """No process of it runs, on any node; what it has set up stays."""
    arguments = ("--namespace", SYSTEM, "patch", "daemonset", PLUGIN, "--type=merge")
    nowhere = {"spec": {"template": {"spec": {"nodeSelector": {"skerry.dev/nowhere": "true"}}}}}
    back = {"spec": {"template": {"spec": {"nodeSelector": {"skerry.dev/nowhere": None}}}}}
    cluster.must(*arguments, f"--patch={json.dumps(nowhere)}")
    try:
        until(f"{PLUGIN} has stopped", 30, lambda: not cluster.items("pods", SYSTEM, f"k8s-app={PLUGIN}"))
        yield
    finally:
        cluster.must(*arguments, f"--patch={json.dumps(back)}")
        cluster.must("--namespace", SYSTEM, "rollout", "status", f"daemonset/{PLUGIN}", "--timeout=100s")


def test_a_cut_that_nobody_enforces_is_not_a_pass(lab: Lab) -> None:
    run = lab.apply(experiment("not-enforced", cut("8s", connections="New", start_after="20s")))
    run.until_phase("SteadyState")
    # Only now: without the plugin no new pod gets a network, nor would the workload's.
    until("the steady state is reached", 60, lambda: run.status["conditions"][1]["status"] == "True")
    with plugin_stopped(lab.cluster):
        assert run.phase == "SteadyState", "the plugin stopped before the cut began"
        ended = run.ended()
    assert (ended.verdict, ended.reason) == ("Inconclusive", "NotVerified"), ended.message
    assert "`cut#0` was not seen to take effect" in ended.message
    assert ended.condition("FaultVerified")["status"] == "False"
    assert lab.policies() == []
