"""The measurement of what a NetworkPolicy does, against clusters that enforce it, do not, or do too much."""

from __future__ import annotations

import asyncio
import copy
import json
from dataclasses import dataclass, field

import pytest
from fake_api import FakeApi, Refused

from skerry.worlds.kubernetes.enforcement import Enforcement, Impossible, Pace, measure

NS = 1_000_000_000
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "skerry-operator", "namespace": "skerry", "uid": "d"},
    "spec": {
        "template": {
            "spec": {
                "containers": [{"name": "operator", "image": "skerry/operator:dev"}],
                "imagePullSecrets": [{"name": "registry"}],
                "affinity": {},
            }
        }
    },
}
SERVER, CLIENT = "skerry-doctor-x-0", "skerry-doctor-x-1"


@dataclass
class Cluster:
    """Plays kubelet, network plugin and probe; its time passes only while somebody sleeps."""

    api: FakeApi
    reachable: bool = True
    cut_after_s: float | None = 0.2
    """None: policies are not enforced."""
    kept_dies: bool = False
    cuts_everything: bool = False
    url_error: str = ""
    now_s: float = 100.0
    cut_since_s: float | None = None
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.api.on("create", "pods", self.start)
        self.api.on("create", "networkpolicies", self.enforce)
        self.api.pods_serve[CLIENT, 8080] = self.tell
        self.pace = Pace(lambda: self.now_s, self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def start(self, pod: dict) -> None:
        pod["status"] = {"phase": "Running", "podIP": "10.244.0.7"}

    def enforce(self, policy: dict) -> None:
        if self.cut_after_s is not None:
            self.cut_since_s = self.now_s + self.cut_after_s

    def tell(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        ports = {"7001": self.port(True), "7002": self.port(self.cuts_everything)}
        told = {"now_ns": round(self.now_s * NS), "url_error": self.url_error, "ports": ports}
        return 200, json.dumps(told).encode()

    def port(self, cut: bool) -> dict:
        since_s = self.cut_since_s if cut else None
        is_cut = since_s is not None and self.now_s >= since_s
        ok_s = 0.0 if not self.reachable else since_s if is_cut else self.now_s
        return {
            "new_ok_ns": round(ok_s * NS),
            "new_failing_ns": round(since_s * NS) if is_cut else 0,
            "kept_ok_ns": round((ok_s if is_cut and self.kept_dies else self.now_s) * NS),
            "kept_opened": 1,
            "error": "TimeoutError" if is_cut else "",
        }

    async def measure(self, kube, url: str = "") -> Enforcement:
        return await measure(kube, DEPLOYMENT, "x", url, lambda sentence: None, self.pace)


def left(api: FakeApi) -> list[str]:
    return [name for plural in ("jobs", "pods", "networkpolicies") for name in api.names(plural)]


@pytest.mark.parametrize(
    ("behaviour", "found"),
    [
        ({}, Enforcement(200_000_000, "TimeoutError", True, True, "")),
        ({"kept_dies": True}, Enforcement(200_000_000, "TimeoutError", False, True, "")),
        ({"cuts_everything": True}, Enforcement(200_000_000, "TimeoutError", True, False, "")),
        ({"cut_after_s": 4.0}, Enforcement(4_000_000_000, "TimeoutError", True, True, "")),
        ({"cut_after_s": None}, Enforcement(None, "", True, True, "")),
        ({"cut_after_s": 60.0}, Enforcement(None, "", True, True, "")),
        ({"url_error": "no such host"}, Enforcement(200_000_000, "TimeoutError", True, True, "no such host")),
    ],
    ids=["enforced", "kept too", "all ports", "slow", "not enforced", "far too slow", "url"],
)
async def test_what_the_plugin_does_is_what_is_found(behaviour, found, api, kube):
    cluster = Cluster(api, **behaviour)
    assert await cluster.measure(kube) == found
    assert left(api) == []


async def test_the_policy_is_that_of_a_partition_and_all_hangs_on_a_fuse(api, kube):
    made: dict[str, dict] = {}

    def keep(item: dict) -> None:
        made[f"{item['metadata']['name']}/{item['kind']}"] = copy.deepcopy(item)

    for plural in ("jobs", "pods", "networkpolicies"):
        api.on("create", plural, keep)
    await Cluster(api).measure(kube, url="http://prometheus/q")
    fuse = made["skerry-doctor-x/Job"]
    assert (fuse["spec"]["parallelism"], fuse["spec"]["activeDeadlineSeconds"]) == (0, 120)
    policy = made["skerry-doctor-x/NetworkPolicy"]
    assert policy["spec"]["podSelector"]["matchLabels"] == {"statefulset.kubernetes.io/pod-name": SERVER}
    assert {"protocol": "TCP", "port": 1, "endPort": 7000} in policy["spec"]["ingress"][1]["ports"]
    for name in (f"{SERVER}/Pod", f"{CLIENT}/Pod", "skerry-doctor-x/NetworkPolicy"):
        assert [owner["uid"] for owner in made[name]["metadata"]["ownerReferences"]] == [fuse["metadata"]["uid"]]
        assert made[name]["metadata"]["labels"]["skerry.dev/artefact"] == "probe"
    pod = made[f"{CLIENT}/Pod"]["spec"]
    assert pod["containers"][0]["image"] == "skerry/operator:dev"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert {"--host=10.244.0.7", "--url=http://prometheus/q"} <= set(pod["containers"][0]["command"])


async def test_pods_that_never_reached_each_other_prove_nothing(api, kube):
    cluster = Cluster(api, reachable=False)
    with pytest.raises(Impossible, match="could not reach each other within 10 s, before anything was cut"):
        await cluster.measure(kube)
    assert not any(each.startswith("create networkpolicies") for each in api.writes)
    assert left(api) == []


async def test_a_standing_policy_that_allows_it_is_named_and_nothing_is_concluded(api, kube):
    allow_all = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}
    metadata = {"name": "allow-all"}
    api.put({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": allow_all})
    with pytest.raises(Impossible, match="NetworkPolicy `allow-all` allows what the probe would deny"):
        await Cluster(api).measure(kube)
    assert left(api) == ["allow-all"]


async def test_a_client_that_cannot_be_asked_proves_nothing(api, kube):
    cluster = Cluster(api)
    del api.pods_serve[CLIENT, 8080]
    with pytest.raises(Impossible, match=f"the API server could not reach probe pod {CLIENT} on port 8080"):
        await cluster.measure(kube)
    assert left(api) == []


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (
            {
                "phase": "Pending",
                "containerStatuses": [
                    {"name": "probe", "image": "i", "state": {"waiting": {"reason": "ErrImageNeverPull"}}}
                ],
            },
            "cannot have the image `i` of container probe",
        ),
        ({"phase": "Failed", "reason": "Evicted"}, "has ended"),
        ({"phase": "Pending"}, "did not start within 45 s: it is not ready"),
    ],
    ids=["image", "evicted", "slow"],
)
async def test_a_pod_that_does_not_start_says_why(status, sentence, api, kube):
    cluster = Cluster(api)
    api.on("create", "pods", lambda pod: pod.update(status=status))
    with pytest.raises(Impossible, match=f"probe pod {SERVER} {sentence}"):
        await cluster.measure(kube)
    assert left(api) == []


async def test_what_the_server_refuses_is_the_reason(api, kube):
    cluster = Cluster(api)
    api.on("admit", "pods", lambda pod: (_ for _ in ()).throw(Refused(403, "Forbidden", "exceeded quota")))
    with pytest.raises(Impossible, match="exceeded quota"):
        await cluster.measure(kube)
    assert left(api) == []


async def test_a_server_that_fails_is_the_reason(api, kube):
    cluster = Cluster(api)
    api.on("create", "pods", lambda pod: (_ for _ in ()).throw(ConnectionResetError))  # it answers 500, in no JSON
    with pytest.raises(Impossible, match="500"):
        await cluster.measure(kube)


async def test_who_is_interrupted_leaves_nothing(api, kube):
    cluster = Cluster(api)
    reached = asyncio.Event()

    async def wait_for_ever(seconds: float) -> None:
        reached.set()
        await asyncio.Event().wait()

    cluster.pace = Pace(lambda: 0.0, wait_for_ever)
    measuring = asyncio.create_task(cluster.measure(kube))
    await reached.wait()
    assert left(api)
    measuring.cancel()
    await asyncio.wait([measuring])
    assert measuring.cancelled()
    assert left(api) == []
