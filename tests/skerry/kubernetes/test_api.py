"""The client of the API server against a server in this process: what it asks, and what it says when it is refused."""

from __future__ import annotations

import pytest
from fake_api import FakeApi
from kubernetes.aio.client import Configuration

from skerry.worlds.kubernetes.api import (
    CONFIG_MAPS,
    EXPERIMENTS,
    JOBS,
    LEASES,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    Kube,
    KubeError,
)


def config_map(name: str, owner: dict | None = None, **labels: str) -> dict:
    metadata: dict = {"name": name, "labels": labels}
    if owner is not None:
        described = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"]}
        metadata["ownerReferences"] = [described | {"uid": owner["metadata"]["uid"]}]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}


def job(name: str) -> dict:
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"parallelism": 0}}


async def test_what_is_created_is_found_and_what_is_absent_is_none(kube):
    created = await kube.create(CONFIG_MAPS, config_map("one"))
    assert created["metadata"]["uid"]
    assert await kube.get(CONFIG_MAPS, "one") == created
    assert await kube.get(CONFIG_MAPS, "two") is None


async def test_lists_select_by_label_and_say_what_each_is(kube):
    for name, artefact in (("one", "fuse"), ("two", "policy")):
        await kube.create(CONFIG_MAPS, config_map(name, artefact=artefact))
    assert [item["metadata"]["name"] for item in await kube.list(CONFIG_MAPS)] == ["one", "two"]
    (found,) = await kube.list(CONFIG_MAPS, "artefact=policy")
    assert (found["metadata"]["name"], found["apiVersion"], found["kind"]) == ("two", "v1", "ConfigMap")
    assert [each["metadata"]["name"] for each in await kube.list(CONFIG_MAPS, "artefact in (fuse, hold)")] == ["one"]


async def test_objects_of_the_cluster_are_asked_for_outside_of_the_namespace(api, kube):
    api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "skerry"}})
    assert (await kube.get(NAMESPACES, "skerry"))["kind"] == "Namespace"


async def test_a_dry_run_changes_nothing(api, kube):
    answer = await kube.create(CONFIG_MAPS, config_map("one"), dry_run=True)
    assert answer["data"] == {"a": "1"}
    assert await kube.list(CONFIG_MAPS) == []
    await kube.create(CONFIG_MAPS, config_map("one"))
    await kube.patch(CONFIG_MAPS, "one", {"data": {"a": "2"}}, dry_run=True)
    assert (await kube.get(CONFIG_MAPS, "one"))["data"] == {"a": "1"}
    assert api.writes == ["create configmaps/one"]


async def test_creating_twice_is_a_conflict(kube):
    await kube.create(CONFIG_MAPS, config_map("one"))
    with pytest.raises(KubeError, match=r"refused to create configmaps/one in namespace skerry: 409") as raised:
        await kube.create(CONFIG_MAPS, config_map("one"))
    assert raised.value.conflict
    assert raised.value.reason == "AlreadyExists"


async def test_deleting_twice_is_deleting_once(kube):
    await kube.create(CONFIG_MAPS, config_map("one"))
    assert await kube.delete(CONFIG_MAPS, "one") is True
    assert await kube.delete(CONFIG_MAPS, "one") is False


async def test_another_object_of_the_same_name_is_not_deleted(api, kube):
    created = await kube.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "broker-0"}})
    assert await kube.delete(PODS, "broker-0", uid="of an earlier one") is False
    assert api.names("pods") == ["broker-0"]
    assert await kube.delete(PODS, "broker-0", uid=created["metadata"]["uid"], grace_s=3) is True
    assert api.seen[-1].body["gracePeriodSeconds"] == 3


async def test_what_a_job_owns_goes_with_it(api, kube):
    # The server's own default for Jobs is to leave dependents behind: the cut would stay.
    fuse = await kube.create(JOBS, job("fuse"))
    await kube.create(CONFIG_MAPS, config_map("owned", owner=fuse))
    await kube.create(CONFIG_MAPS, config_map("other"))
    await kube.delete(JOBS, "fuse")
    assert api.names("configmaps") == ["other"]


async def test_a_merge_patch_replaces_lists_and_a_strategic_one_merges_them_by_name(kube):
    pod = {"metadata": {"name": "p"}, "spec": {"ephemeralContainers": [{"name": "a", "image": "one"}]}}
    await kube.create(PODS, {"apiVersion": "v1", "kind": "Pod", **pod})
    added = {"spec": {"ephemeralContainers": [{"name": "b", "image": "two"}]}}
    after = await kube.patch(PODS, "p", added, subresource="ephemeralcontainers", strategic=True)
    assert [each["name"] for each in after["spec"]["ephemeralContainers"]] == ["a", "b"]
    after = await kube.patch(PODS, "p", added, subresource="ephemeralcontainers")
    assert [each["name"] for each in after["spec"]["ephemeralContainers"]] == ["b"]


async def test_status_is_changed_by_its_subresource_only(kube):
    document = {"apiVersion": "skerry.dev/v1alpha1", "kind": "ChaosExperiment", "metadata": {"name": "x"}, "spec": {}}
    await kube.create(EXPERIMENTS, document)
    await kube.patch(EXPERIMENTS, "x", {"status": {"phase": "lost"}})
    await kube.patch(EXPERIMENTS, "x", {"status": {"phase": "Holding"}, "spec": {"a": 1}}, subresource="status")
    found = await kube.get(EXPERIMENTS, "x")
    assert (found["status"], found["spec"]) == ({"phase": "Holding"}, {})


async def test_replacing_what_somebody_else_changed_is_a_conflict(kube):
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}}
    first = await kube.create(LEASES, lease)
    second = await kube.replace(LEASES, "l", first | {"spec": {"holderIdentity": "me"}})
    assert second["spec"] == {"holderIdentity": "me"}
    with pytest.raises(KubeError) as raised:
        await kube.replace(LEASES, "l", first | {"spec": {"holderIdentity": "you"}})
    assert raised.value.conflict


async def test_access_reviews_answer_before_anything_is_tried(api, kube):
    api.denied.add(("patch", "pods/ephemeralcontainers"))
    assert await kube.allowed("create", NETWORK_POLICIES)
    assert not await kube.allowed("patch", PODS, subresource="ephemeralcontainers")
    assert await kube.allows("skerry:operator", "patch", PODS, subresource="ephemeralcontainers")
    asked = [each.body["spec"] for each in api.seen]
    assert asked[0]["resourceAttributes"] == {
        "namespace": "skerry",
        "verb": "create",
        "group": "networking.k8s.io",
        "resource": "networkpolicies",
    }
    assert asked[2]["user"] == "system:serviceaccount:skerry:operator"


async def test_what_rbac_refuses_names_what_to_grant(api, kube):
    api.denied.add(("create", "networkpolicies"))
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "cut"}}
    with pytest.raises(KubeError) as raised:
        await kube.create(NETWORK_POLICIES, policy)
    assert raised.value.forbidden
    assert str(raised.value) == (
        "the API server refused to create networkpolicies/cut in namespace skerry: somebody may not; "
        "grant `create` on networkpolicies (networking.k8s.io)"
    )


async def test_what_is_granted_may_be_a_part_of_what_was_asked(api, kube):
    api.denied.add(("get", "pods/proxy"))
    with pytest.raises(KubeError, match=r"get /status from pod b, .*: somebody may not; grant `get` on pods/proxy$"):
        await kube.pod_get("b", 9095, "/status")


async def test_what_admission_refuses_is_not_mended_by_a_grant(api, kube):
    api.refuse("patch", "pods/ephemeralcontainers", 403, "Forbidden", 'pods "b" is forbidden: violates PodSecurity')
    with pytest.raises(KubeError, match="violates PodSecurity") as raised:
        await kube.patch(PODS, "b", {}, subresource="ephemeralcontainers", strategic=True)
    assert "grant" not in str(raised.value)
    assert raised.value.message == 'pods "b" is forbidden: violates PodSecurity'


async def test_nobody_there_is_one_sentence():
    async with FakeApi() as api:
        url = api.url
    async with Kube("skerry", configuration=Configuration(host=url)) as kube:
        with pytest.raises(KubeError, match=f"the API server at {url} cannot be reached: .*; check") as raised:
            await kube.get(PODS, "p")
    assert (raised.value.status, raised.value.reason) == (0, "Unreachable")


async def test_a_server_that_is_silent_is_not_waited_for(api, kube):
    api.silent.add(("get", "pods/proxy"))
    with pytest.raises(KubeError, match=r"was asked to get /status from pod broker-0, .* in time") as raised:
        await kube.pod_get("broker-0", 9095, "/status", timeout_s=0.01)
    assert (raised.value.status, raised.value.reason) == (0, "Timeout")


async def test_a_watch_gives_what_happened_since_then_what_happens_then_ends(api, kube):
    await kube.create(CONFIG_MAPS, config_map("old", mine="yes"))
    _, since = await kube.listed(CONFIG_MAPS, "mine=yes")
    await kube.create(CONFIG_MAPS, config_map("new", mine="yes"))
    told = []
    async for event, item in kube.watch(CONFIG_MAPS, "mine=yes", since):
        told.append((event, item["metadata"]["name"]))
        match told:
            case [_]:
                await kube.create(CONFIG_MAPS, config_map("not mine"))
                await kube.patch(CONFIG_MAPS, "new", {"data": {"a": "2"}})
            case [_, _]:
                await kube.delete(CONFIG_MAPS, "old")
            case _:
                api.end_watches()
    assert told == [("ADDED", "new"), ("MODIFIED", "new"), ("DELETED", "old")]


async def test_a_watch_from_a_version_that_is_gone_says_so(api, kube):
    api.refuse("watch", "configmaps", 410, "Expired", "too old resource version")
    with pytest.raises(KubeError) as raised:
        async for _ in kube.watch(CONFIG_MAPS, "", "1"):
            pass
    assert raised.value.status == 410


async def test_a_pod_is_asked_through_the_api_server(api, kube):
    api.pods_serve["broker-0", 9095] = lambda path: (200, f"you asked {path}".encode())
    assert await kube.pod_get("broker-0", 9095, "/status") == b"you asked /status"
    with pytest.raises(KubeError, match=r"get /status from pod broker-1, port 9095, in namespace skerry: 503"):
        await kube.pod_get("broker-1", 9095, "/status")


async def test_a_kind_that_the_server_does_not_know(api, kube):
    api.unknown.add("chaosexperiments")
    assert await kube.get(EXPERIMENTS, "x") is None
    with pytest.raises(KubeError, match="could not find the requested resource") as raised:
        await kube.list(EXPERIMENTS)
    assert raised.value.not_found


async def test_another_namespace_by_the_same_connection(api, kube):
    await kube.within("other").create(CONFIG_MAPS, config_map("there"))
    assert await kube.list(CONFIG_MAPS) == []
    assert [item["metadata"]["namespace"] for item in await kube.within("other").list(CONFIG_MAPS)] == ["other"]


async def test_the_version_and_the_address(api, kube):
    assert await kube.version() == "v1.34.4"
    assert kube.server == api.url
