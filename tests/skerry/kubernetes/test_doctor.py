"""An examination against a server in this process: everything in order, then one thing wrong or out of reach."""

from __future__ import annotations

import copy
import time

import msgspec
import pytest
from fake_api import FakeApi
from kubernetes.aio.client import Configuration
from test_preflight import ENABLED, STATEFUL_SET, pod, policy

from skerry.experiment.schema import crd
from skerry.worlds.kubernetes import doctor
from skerry.worlds.kubernetes.api import Kube
from skerry.worlds.kubernetes.diagnosis import State
from skerry.worlds.kubernetes.doctor import Asked, Doctor, query_url
from skerry.worlds.kubernetes.enforcement import Enforcement, Impossible
from skerry_broker.core.status import NodeStatus, RaftStatus
from skerry_broker.core.types import Timing
from skerry_broker.status_report import ProcessReport, StatusReport

MEASURED = Enforcement(200_000_000, "TimeoutError", kept_survives=True, others_open=True, url_error="")
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "skerry-operator",
        "labels": {
            "app.kubernetes.io/part-of": "skerry",
            "app.kubernetes.io/component": "operator",
            "app.kubernetes.io/version": "0.1.0",
        },
    },
    "spec": {"template": {"spec": {"serviceAccountName": "skerry-operator", "containers": [{"image": "o"}]}}},
    "status": {"readyReplicas": 1},
}


def put_namespace(api: FakeApi, **labels: str) -> None:
    api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "skerry", "labels": ENABLED | labels}})


def status(ahead_ns: int = 0, pid: int = 7) -> bytes:
    """What a broker tells that has just been formatted."""
    raft = RaftStatus("Leader", 1, 0, 1, 1, 1, 0, ())
    node = NodeStatus(0, "d", "c", "i", 1, 0, 1, False, False, False, raft, (), (), 0)
    process = ProcessReport(pid, 0, 0, 0, 0, "3.11", "uvloop")
    wall_ns = time.time_ns() + ahead_ns
    timing = Timing()
    return msgspec.json.encode(
        StatusReport("0.1.0", 0, wall_ns, 0, True, "", "Default", timing, "group", {}, node, (), (), process)
    )


@pytest.fixture
def cluster(api, monkeypatch):
    api.put(crd())
    put_namespace(api, **{"skerry.dev/allow-injector": "true", "pod-security.kubernetes.io/enforce": "privileged"})
    api.put(copy.deepcopy(DEPLOYMENT))
    api.put(copy.deepcopy(STATEFUL_SET))
    for ordinal in range(3):
        api.put(pod(ordinal))
        api.pods_serve[f"broker-{ordinal}", 9095] = lambda path: (200, status())

    async def measured(*_: object) -> Enforcement:
        return MEASURED

    monkeypatch.setattr(doctor, "measure", measured)
    return api


async def examined(kube, **asked: object) -> dict[str, tuple[str, str]]:
    """Name -> state, found."""
    sentences: list[str] = []
    doctor = Doctor(kube, Asked("0.1.0", "x", **asked), sentences.append)
    return {check.name: (str(check.state), check.found) async for check in doctor.checks()}


async def test_everything_in_order(cluster, kube):
    checks = await examined(kube)
    assert {name: state for name, (state, _) in checks.items() if state != State.OK} == {}
    assert list(checks) == [
        "API server",
        "CRD",
        "namespace",
        "operator",
        "rights",
        "experiments",
        "brokers",
        "Pod Security",
        "injector",
        "policies",
        "limits",
        "clocks",
        "new connections",
        "kept-open connections",
    ]
    assert cluster.writes == []


async def test_a_cpu_limit_that_the_workload_pod_would_be_given_is_told(cluster, kube):
    limits = [{"type": "Pod", "max": {"cpu": "4"}}, {"type": "Container", "default": {"cpu": "60m"}}]
    cluster.put({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": {"limits": limits}})
    state, found = (await examined(kube))["limits"]
    assert state == State.WARN
    assert found.startswith("LimitRange `small` gives the workload pod a CPU limit of 60m")


async def test_limits_that_may_not_be_read_are_unknown(cluster, kube):
    cluster.denied.add(("list", "limitranges"))
    assert (await examined(kube))["limits"][0] == State.UNKNOWN


def not_served(api: FakeApi) -> None:
    api.remove("customresourcedefinitions", "chaosexperiments.skerry.dev")


def unread(api: FakeApi) -> None:
    api.denied.add(("get", "customresourcedefinitions"))


def unread_and_not_served(api: FakeApi) -> None:
    unread(api)
    api.unknown.add("chaosexperiments")


@pytest.mark.parametrize(
    ("wrong", "name", "state", "words"),
    [
        (not_served, "CRD", State.FAIL, "is not installed"),
        (unread, "CRD", State.OK, "its schema was not compared"),
        (unread_and_not_served, "CRD", State.FAIL, "is not installed"),
        (lambda api: put_namespace(api, **{"skerry.dev/enabled": "no"}), "namespace", State.FAIL, "says `no`"),
        (lambda api: api.remove("namespaces", "skerry"), "namespace", State.FAIL, "there is no skerry"),
        (lambda api: api.remove("deployments", "skerry-operator"), "operator", State.FAIL, "there is none"),
        (lambda api: api.remove("deployments", "skerry-operator"), "rights", State.UNKNOWN, "without an operator"),
        (lambda api: api.account_denied.add(("create", "jobs")), "rights", State.FAIL, "may not create jobs (batch)"),
        (lambda api: api.denied.add(("list", "deployments")), "operator", State.UNKNOWN, "grant `list` on deployments"),
        (
            lambda api: api.refuse("create", "subjectaccessreviews", 403, "Forbidden", "no"),
            "rights",
            State.FAIL,  # no Role is there to be read either
            "may not get/list/watch chaosexperiments",
        ),
        (lambda api: api.remove("statefulsets", "broker"), "brokers", State.FAIL, "there is no StatefulSet `broker`"),
        (lambda api: api.remove("pods", "broker-1"), "brokers", State.FAIL, "broker-1 does not exist"),
        (lambda api: api.remove("pods", "broker-1"), "policies", State.UNKNOWN, "without all brokers"),
        (lambda api: put_namespace(api), "injector", State.WARN, "off"),
        (lambda api: put_namespace(api), "Pod Security", State.WARN, "enforces baseline"),
        (
            lambda api: api.denied.add(("patch", "pods/ephemeralcontainers")),
            "injector",
            State.UNKNOWN,  # the operator may, the user who asks may not
            "was not tried",
        ),
        (
            lambda api: api.refuse("patch", "pods/ephemeralcontainers", 403, "Forbidden", "violates PodSecurity"),
            "injector",
            State.WARN,
            "violates PodSecurity",
        ),
        (lambda api: api.put(policy("allow-all")), "policies", State.WARN, "NetworkPolicy `allow-all` allows broker-0"),
        (lambda api: api.pods_serve.clear(), "clocks", State.UNKNOWN, "get /status from pod broker-0"),
    ],
)
async def test_one_thing_wrong(wrong, name, state, words, cluster, kube):
    wrong(cluster)
    found = (await examined(kube))[name]
    assert found[0] == state
    assert words in found[1]


async def test_another_stateful_set_is_proposed(cluster, kube):
    checks = [check async for check in Doctor(kube, Asked("0.1.0", "x", "db"), lambda sentence: None).checks()]
    (check,) = (each for each in checks if each.name == "brokers")
    assert check.todo == "name it with --statefulset; there are `broker`"


async def test_a_broker_whose_clock_is_off_and_one_that_is_process_1(cluster, kube):
    cluster.pods_serve["broker-1", 9095] = lambda path: (200, status(ahead_ns=-2_000_000_000))
    cluster.pods_serve["broker-2", 9095] = lambda path: (200, status(pid=1))
    checks = await examined(kube)
    assert checks["clocks"][0] == State.WARN
    assert "ahead of broker-1" in checks["clocks"][1]
    assert checks["init"][1].startswith("broker-2: the broker is process 1")


async def test_a_broker_that_is_none(cluster, kube):
    cluster.pods_serve["broker-0", 9095] = lambda path: (200, b"<html>")
    assert "broker-0 tells a /status that is not understood" in (await examined(kube))["status"][1]


async def test_without_a_server_nothing_else_is_asked():
    async with FakeApi() as api:
        url = api.url
    async with Kube("skerry", configuration=Configuration(host=url)) as kube:
        checks = await examined(kube)
    assert [(name, state) for name, (state, _) in checks.items()] == [("API server", State.FAIL)]


@pytest.mark.parametrize(
    ("enabled", "probe", "measured"),
    [("true", None, True), ("no", None, False), ("no", True, True), ("true", False, False)],
)
async def test_the_network_is_measured_if_asked_or_allowed(enabled, probe, measured, cluster, kube):
    put_namespace(cluster, **{"skerry.dev/enabled": enabled})
    checks = await examined(kube, probe=probe)
    assert ("new connections" in checks) is measured
    assert ("network" in checks) is not measured


async def test_what_could_not_be_measured_is_unknown(cluster, kube, monkeypatch):
    async def impossible(*_: object) -> Enforcement:
        raise Impossible("exceeded quota")

    monkeypatch.setattr(doctor, "measure", impossible)
    assert (await examined(kube))["network"] == (
        State.UNKNOWN,
        "what NetworkPolicies do here was not measured: exceeded quota",
    )


async def test_prometheus_is_asked_from_inside(cluster, kube, monkeypatch):
    asked: list[str] = []

    async def measured(kube, deployment, suffix, url, say) -> Enforcement:
        asked.append(url)
        return MEASURED._replace(url_error="no such host")

    monkeypatch.setattr(doctor, "measure", measured)
    state, found = (await examined(kube, prometheus_url="http://prometheus:9090/"))["Prometheus"]
    assert asked == ["http://prometheus:9090/api/v1/query?query=1"]
    assert (state, "no such host" in found) == (State.WARN, True)


async def test_prometheus_from_here_where_nothing_was_measured(cluster, api, kube):
    checks = await examined(kube, probe=False, prometheus_url=api.url)
    # The fake API server is no Prometheus: it answers, with an error.
    assert checks["Prometheus"][0] == State.UNKNOWN
    assert query_url("") == ""


async def test_an_operator_elsewhere(cluster, api, kube):
    api.remove("deployments", "skerry-operator")
    elsewhere = copy.deepcopy(DEPLOYMENT)
    elsewhere["metadata"]["namespace"] = "operators"
    api.put(elsewhere)
    checks = await examined(kube, operator_namespace="operators")
    assert checks["operator"][0] == State.OK
    assert checks["rights"][1] == "the operator (operators:skerry-operator) may do all it must"
