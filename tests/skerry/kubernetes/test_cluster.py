"""What a StatefulSet says of its brokers, and what is refused."""

from __future__ import annotations

import copy

import pytest

from skerry.targets.skerry.planes import Plane
from skerry.worlds.kubernetes.capabilities import capabilities
from skerry.worlds.kubernetes.cluster import ClusterProblem, broker_set, pod_shape
from skerry.worlds.kubernetes.opt_ins import OptIns

SHAPE = pod_shape("skerry")

PORTS = [("client", 9092), ("raft", 9093), ("replication", 9094), ("admin", 9095)]
STATEFUL_SET = {
    "metadata": {"name": "broker", "namespace": "skerry"},
    "spec": {
        "serviceName": "broker",
        "replicas": 3,
        "selector": {"matchLabels": {"app.kubernetes.io/name": "skerry", "app.kubernetes.io/component": "broker"}},
        "template": {
            "metadata": {"labels": {"app.kubernetes.io/component": "broker"}},
            "spec": {
                "securityContext": {"runAsUser": 10001},
                "initContainers": [
                    {"name": "hold", "volumeMounts": [{"name": "held", "mountPath": "/etc/skerry/hold"}]}
                ],
                "containers": [
                    {"name": "broker", "ports": [{"name": name, "containerPort": port} for name, port in PORTS]}
                ],
                "volumes": [{"name": "held", "configMap": {"name": "broker-hold", "optional": True}}],
            },
        },
    },
}


@pytest.fixture
def stateful_set():
    return copy.deepcopy(STATEFUL_SET)


def pod_of(stateful_set):
    return stateful_set["spec"]["template"]["spec"]


def test_the_brokers_of_the_chart(stateful_set):
    brokers = broker_set(stateful_set, SHAPE)
    assert (brokers.name, brokers.namespace, brokers.service, brokers.replicas) == ("broker", "skerry", "broker", 3)
    assert brokers.ports == {Plane.CLIENT: 9092, Plane.RAFT: 9093, Plane.REPLICATION: 9094}
    assert brokers.admin_port == 9095
    assert brokers.container == "broker"
    assert brokers.run_as_user == 10001
    assert brokers.selector == "app.kubernetes.io/component=broker,app.kubernetes.io/name=skerry"
    assert brokers.hold
    assert list(brokers.ordinals) == [0, 1, 2]
    assert brokers.client_address(0) == "broker-0.broker:9092"
    assert brokers.admin_address(2) == "broker-2.broker:9095"


@pytest.mark.parametrize(
    ("pod", "ordinal"),
    [
        ("broker-0", 0),
        ("broker-2", 2),
        ("broker-3", None),
        ("broker-02", None),
        ("broker-", None),
        ("broker--1", None),
        ("broker-²", None),
        ("broker", None),
        ("other-broker-0", None),
        ("broker-0-debug", None),
    ],
)
def test_which_pod_is_which_broker(stateful_set, pod, ordinal):
    assert broker_set(stateful_set, SHAPE).ordinal(pod) == ordinal


def test_the_containers_own_user_wins(stateful_set):
    pod_of(stateful_set)["containers"][0]["securityContext"] = {"runAsUser": 7}
    assert broker_set(stateful_set, SHAPE).run_as_user == 7


def test_an_image_may_say_who_it_runs_as(stateful_set):
    del pod_of(stateful_set)["securityContext"]
    assert broker_set(stateful_set, SHAPE).run_as_user is None


def test_the_only_container_is_the_broker_whatever_its_name(stateful_set):
    pod_of(stateful_set)["containers"][0]["name"] = "kafka"
    assert broker_set(stateful_set, SHAPE).container == "kafka"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda pod: pod.pop("initContainers"), "no init container"),
        (lambda pod: pod["initContainers"][0].pop("volumeMounts"), "it does not mount the file"),
        (lambda pod: pod["volumes"][0]["configMap"].update(name="other"), "it waits for another file"),
    ],
)
def test_brokers_that_cannot_be_held_down(stateful_set, change, why):
    change(pod_of(stateful_set))
    assert not broker_set(stateful_set, SHAPE).hold, why


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda sts: sts["spec"].pop("serviceName"), "StatefulSet `broker` has no `serviceName`"),
        (lambda sts: sts["spec"].update(ordinals={"start": 1}), "counts its pods from 1"),
        (
            lambda sts: pod_of(sts)["containers"][0]["ports"].pop(1),
            "container `broker` has no TCP port named `raft` .it has `client` 9092, `replication` 9094, `admin` 9095.",
        ),
        (lambda sts: pod_of(sts)["containers"][0].pop("ports"), "no TCP port named `client` .it has none."),
        (
            lambda sts: pod_of(sts)["containers"][0]["ports"][3].update(protocol="UDP"),
            "no TCP port named `admin`",
        ),
        (lambda sts: pod_of(sts)["containers"][0]["ports"][3].update(containerPort=9093), "two planes on one port"),
        (
            lambda sts: pod_of(sts).update(containers=[{"name": "a"}, {"name": "b"}]),
            "has the containers `a`, `b`, and none is named `broker`",
        ),
    ],
)
def test_what_is_refused_and_why(stateful_set, change, sentence):
    change(stateful_set)
    with pytest.raises(ClusterProblem, match=sentence):
        broker_set(stateful_set, SHAPE)


def test_a_container_that_is_restarted_in_place_can_be_held_only_with_file_and_volume(stateful_set):
    """The planted bug: a hold that nobody reads, because one of the three parts is missing."""
    pod = pod_of(stateful_set)
    container = pod["containers"][0]
    told = {"name": "SKERRY_BROKER_HOLD_FILE", "value": "/run/skerry/hold"}
    mount = {"name": "hold-restart", "mountPath": "/run/skerry"}
    volume = {"name": "hold-restart", "emptyDir": {}}
    plain = copy.deepcopy(stateful_set)
    container.setdefault("env", []).append(told)
    container.setdefault("volumeMounts", []).append(mount)
    pod.setdefault("volumes", []).append(volume)
    assert broker_set(stateful_set, SHAPE).restart_hold
    assert not broker_set(plain, SHAPE).restart_hold
    for lacking in (
        lambda: container["env"].remove(told),
        lambda: container["volumeMounts"].remove(mount),
        lambda: pod["volumes"].remove(volume),
    ):
        kept = copy.deepcopy((container["env"], container["volumeMounts"], pod["volumes"]))
        lacking()
        assert not broker_set(stateful_set, SHAPE).restart_hold
        container["env"], container["volumeMounts"], pod["volumes"] = kept


def test_brokers_in_the_network_of_their_nodes_are_refused(stateful_set):
    """No policy holds there, and an injector with NET_ADMIN would be in the node's own network."""
    pod_of(stateful_set)["hostNetwork"] = True
    with pytest.raises(ClusterProblem, match="hostNetwork"):
        broker_set(stateful_set, SHAPE)


def test_a_system_whose_pods_nobody_describes_is_refused():
    with pytest.raises(ClusterProblem, match="not known what the pods of `etcd` look like"):
        pod_shape("etcd")
    assert capabilities(OptIns(grant=True, label=True)).targets == {"skerry"}
