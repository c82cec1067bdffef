"""What is decided from the cluster's own words."""

from __future__ import annotations

from typing import Any

import pytest
from kind import chart, cluster, policy_check, product, rollout
from kind.console import Failure

COREFILE = """.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
}
"""


def test_answers_about_the_cluster_are_short_lived() -> None:
    assert cluster.corefile(COREFILE, outside=True) == COREFILE.replace("ttl 30", "ttl 1")


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("       ttl 30\n", "", "no `kubernetes` block with a ttl"),
        ("       disable success cluster.local\n", "", "caches names"),
        ("       disable denial cluster.local\n", "", "caches names"),
        ("    forward . /etc/resolv.conf {\n       max_concurrent 1000\n    }\n", "", "does not forward exactly once"),
        (".:53 {", "example.com:53 {", "does not forward exactly once"),
        (" {\n       disable success cluster.local\n       disable denial cluster.local\n    }", "", "caches names"),
    ],
)
def test_a_corefile_of_another_shape_is_refused(before: str, after: str, complaint: str) -> None:
    assert before in COREFILE
    with pytest.raises(Failure, match=complaint):
        cluster.corefile(COREFILE.replace(before, after), outside=False)


def test_where_nothing_is_outside_no_other_name_exists() -> None:
    assert (
        cluster.corefile(COREFILE, outside=False)
        == """cluster.local:53, in-addr.arpa:53, ip6.arpa:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 1
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
}
.:53 {
    errors
    template ANY ANY {
       rcode NXDOMAIN
    }
}
"""
    )


def test_a_corefile_without_a_cache_is_fine() -> None:
    start, end = COREFILE.index("    cache"), COREFILE.index("    loop")
    assert "ttl 1\n" in cluster.corefile(COREFILE[:start] + COREFILE[end:], outside=True)


ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
br0	0000F40A	00000000	0001	0	0	0	0000FFFF	0	0	0
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
"""


def test_the_interface_that_leads_away() -> None:
    assert cluster.default_interface(ROUTES) == "eth0"
    assert cluster.default_interface("\n".join(ROUTES.splitlines()[:2])) is None


def test_an_image_is_tagged_by_its_id() -> None:
    assert product.content_tag("sha256:0123456789abcdef0123") == "0123456789ab"


def test_only_images_that_the_node_lacks_are_loaded() -> None:
    wanted = product.names({"broker": "aaa", "operator": "bbb"})
    listed = "docker.io/skerry/broker:aaa\ndocker.io/skerry/operator:aaa\nsha256:123\n"
    assert product.not_loaded(wanted, listed) == ["skerry/operator:bbb"]


@pytest.mark.parametrize(
    ("log", "state"),
    [("", ("", 0.0)), ("open 12.500\n", ("open", 12.5)), ("closed 1.0\nopen 2.0\nclosed 3.5\n", ("closed", 3.5))],
)
def test_the_clients_last_word(log: str, state: tuple[str, float]) -> None:
    assert policy_check.last_state(log) == state


@pytest.mark.parametrize(
    ("status", "there"),
    [
        ({"info": {"status": "deployed", "description": "key"}}, True),
        ({"info": {"status": "deployed", "description": "other"}}, False),
        ({"info": {"status": "pending-upgrade", "description": "key"}}, False),
        ({}, False),
    ],
)
def test_the_same_chart_is_not_installed_again(status: dict[str, Any], there: bool) -> None:
    assert chart.installed(status, "key") is there


def workload(generation: int = 2, **status: int) -> dict[str, Any]:
    whole = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3}
    return {"metadata": {"generation": generation}, "spec": {"replicas": 3}, "status": {**whole, **status}}


@pytest.mark.parametrize(
    ("given", "complete"),
    [
        (workload(), True),
        (workload(generation=3), False),
        (workload(updatedReplicas=2), False),
        (workload(readyReplicas=2), False),
        (workload(replicas=4), False),
        ({"metadata": {"generation": 1}, "spec": {"replicas": 3}}, False),
    ],
)
def test_a_rollout_is_complete(given: dict[str, Any], complete: bool) -> None:
    assert rollout.complete(given) is complete


def pod(
    name: str, *, ready: bool = False, phase: str = "Running", waiting: str = "", restarts: int = 0
) -> dict[str, Any]:
    state = {"waiting": {"reason": waiting}} if waiting else {"running": {}}
    return {
        "metadata": {"name": name},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"state": state, "restartCount": restarts}],
        },
    }


def test_what_a_rollout_waits_for() -> None:
    unplaced = pod("d", phase="Pending")
    unplaced["status"]["conditions"].append({"type": "PodScheduled", "status": "False", "reason": "Unschedulable"})
    unplaced["status"]["conditions"][-1]["message"] = "0/1 nodes: no memory"
    pods = [
        pod("a", ready=True),
        pod("b", phase="Succeeded"),
        pod("c"),
        unplaced,
        pod("e", waiting="ImagePullBackOff"),
    ]
    assert rollout.not_ready(pods) == ["c: Running, not ready", "d: 0/1 nodes: no memory", "e: ImagePullBackOff"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (pod("a", waiting="CrashLoopBackOff", restarts=3), None),
        (pod("a", waiting="CrashLoopBackOff", restarts=4), "a"),
        (pod("a", waiting="ErrImagePull"), "a"),
        (pod("a", waiting="ContainerCreating"), None),
        (pod("a"), None),
    ],
)
def test_when_waiting_is_hopeless(given: dict[str, Any], name: str | None) -> None:
    assert rollout.hopeless([pod("z", ready=True), given], crashes_endured=3) == name
