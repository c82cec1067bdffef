"""What a NetworkPolicy does in this cluster, measured with two throw-away pods and the very policy of a partition.

Everything hangs on one fuse: a doctor that dies under way leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from skerry.faults.network_partition import Connections, Cut, CutAction
from skerry.faults.port import OccurrenceId
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import JOBS, NETWORK_POLICIES, PODS, Kube, KubeError
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.fuse import fuse_manifest
from skerry.worlds.kubernetes.names import (
    NAMESPACE_NAME_LABEL,
    POD_NAME_LABEL,
    Artefact,
    labels,
    object_name,
    owner_reference,
)
from skerry.worlds.kubernetes.policy import policies_for, voiding
from skerry.worlds.kubernetes.readiness import not_ready

DOCTOR = "doctor"
"""In place of an experiment's name, in labels and names."""
PYTHON = "/opt/venv/bin/python"
"""The interpreter in the operator's image."""
CUT_PORT, OPEN_PORT, TELL_PORT = 7001, 7002, 8080
CUT, OPEN = "Cut", "Open"
"""The planes of the two probes."""
FUSE_S = 120.0
PODS_S = 45.0
STEADY_S = 10.0
ENFORCED_S = 10.0
SURE_S = 0.6
"""A new connection must fail for this long to count as cut."""
KEPT_S = 2.0
"""How long the kept connection is watched after the new ones are cut."""
SILENT_S = 1.0
"""A kept connection that is silent for this long is cut."""
POLL_S = 0.1
NS = 1_000_000_000
TAKEN_OVER = ("imagePullSecrets", "nodeSelector", "tolerations")
"""The parts of the operator's pod that the probes share: where it runs, so do they."""
Progress = Callable[[str], None]


class Impossible(Exception):
    """It cannot be measured here; one sentence says why."""


class Enforcement(NamedTuple):
    """What was measured."""

    new_cut_ns: int | None
    """From the creation of the policy to the failure of new connections, at most; None: they never failed."""
    error: str
    """How they fail: `TimeoutError` is silence, `ConnectionRefusedError` a refusal."""
    kept_survives: bool
    """A connection that was open before the policy still carries bytes."""
    others_open: bool
    """A port that was not cut stays reachable."""
    url_error: str
    """Why the URL does not answer from inside; empty: it does, or none was given."""


class Pace(NamedTuple):
    """The time, for what waits."""

    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def measure(
    kube: Kube, deployment: JsonObject, suffix: str, url: str, say: Progress, pace: Pace | None = None
) -> Enforcement:
    """About ten seconds.

    ``deployment``: the operator's, as the API server returned it: it lends its image.
    ``suffix``: makes the names unique.
    ``url``: asked once from inside the cluster; empty: none.
    Raises Impossible: and nothing is left behind.
    Raises KubeError: the API server did not answer; the fuse removes what is left behind.
    """
    probe = _Probe(kube, deployment, suffix, pace or Pace())
    try:
        return await probe.run(url, say)
    except KubeError as error:
        if error.status:
            raise Impossible(str(error)) from None
        raise
    finally:
        await asyncio.shield(probe.remove())


class _Probe:
    def __init__(self, kube: Kube, deployment: JsonObject, suffix: str, pace: Pace) -> None:
        self._kube = kube
        self._deployment = deployment
        self._pace = pace
        self._fuse = object_name(DOCTOR, suffix)
        ports = {CUT: CUT_PORT, OPEN: OPEN_PORT}
        self._set = BrokerSet(self._fuse, kube.namespace, "", 2, ports, TELL_PORT)
        self._server, self._client = (self._set.pod_name(ordinal) for ordinal in self._set.ordinals)

    async def run(self, url: str, say: Progress) -> Enforcement:
        say("starting two probe pods")
        manifest = fuse_manifest(self._fuse, DOCTOR, self._deployment, FUSE_S)
        # No owner, but the deadline of its own: the operator may live in another namespace.
        manifest["metadata"] = {"name": self._fuse, "labels": labels(DOCTOR, Artefact.PROBE)}
        fuse = await self._kube.create(JOBS, manifest)
        ports = [f"--port={port}" for port in (CUT_PORT, OPEN_PORT)]
        await self._kube.create(PODS, self._pod(self._server, fuse, ["server", *ports]))
        host = (await self._running(self._server))["status"]["podIP"]
        told = [f"--url={url}"] if url else []
        arguments = ["client", f"--host={host}", f"--listen={TELL_PORT}", *ports, *told]
        await self._kube.create(PODS, self._pod(self._client, fuse, arguments))
        await self._running(self._client)
        say("waiting until the probes reach each other")
        await self._require_way()
        before = await self._steady()
        say("cutting them off by a NetworkPolicy")
        links = ((0, 1), (1, 0))
        cut = Cut(links, (CUT,), Connections.NEW, CutAction.DROP, ((0,), (1,)))
        for policy in policies_for(cut, self._set, experiment=DOCTOR, occurrence=OccurrenceId("probe", 0), owner=fuse):
            policy["metadata"]["labels"] = labels(DOCTOR, Artefact.PROBE)
            policy["metadata"]["name"] = self._fuse
            await self._kube.create(NETWORK_POLICIES, policy)
        after = await self._cut()
        return _read(before, after)

    async def remove(self) -> None:
        """The rest goes with the fuse; and the fuse goes by itself."""
        try:
            await self._kube.delete(JOBS, self._fuse)
        except KubeError:
            return

    async def _running(self, name: str) -> JsonObject:
        deadline_s = self._pace.now_s() + PODS_S
        while True:
            pod = await self._kube.get(PODS, name)
            status = (pod or {}).get("status") or {}
            if status.get("phase") == "Running" and status.get("podIP"):
                return pod or {}
            why = not_ready(pod)
            if "image" in why or status.get("phase") in ("Failed", "Succeeded"):
                raise Impossible(f"probe pod {name} {why}")
            if self._pace.now_s() > deadline_s:
                raise Impossible(f"probe pod {name} did not start within {PODS_S:.0f} s: it {why}")
            await self._pace.sleep(POLL_S)

    async def _require_way(self) -> None:
        """No standing policy allows what the probe is about to deny: that it is not cut would be no news."""
        kube = self._kube
        pods = [pod for name in (self._server, self._client) if (pod := await kube.get(PODS, name)) is not None]
        standing = await kube.list(NETWORK_POLICIES)
        ports = {CUT: CUT_PORT}
        voiders = voiding(standing, pods, {NAMESPACE_NAME_LABEL: kube.namespace}, [(self._server, self._client)], ports)
        if voiders:
            raise Impossible(f"NetworkPolicy `{voiders[0].policy}` allows what the probe would deny")

    async def _steady(self) -> JsonObject:
        """The client's words once every connection works: without that a failure would mean nothing."""
        deadline_s = self._pace.now_s() + STEADY_S
        while True:
            told = await self._told()
            ports = (told or {}).get("ports") or {}
            if told and all(_works(each) for each in ports.values()):
                return told
            if self._pace.now_s() > deadline_s:
                raise Impossible(
                    f"the probe pods could not reach each other within {STEADY_S:.0f} s, before anything was cut"
                    if told
                    else f"the API server could not reach probe pod {self._client} on port {TELL_PORT}"
                )
            await self._pace.sleep(POLL_S)

    async def _cut(self) -> JsonObject:
        """The client's words when enough was seen of the cut, or of its absence."""
        enforced_by_s = self._pace.now_s() + ENFORCED_S
        watched_ns = round((SURE_S + KEPT_S) * NS)
        while True:
            told = await self._told()
            if told is None and self._pace.now_s() > enforced_by_s:
                raise Impossible(f"probe pod {self._client} does not answer the API server any more")
            if told is not None:
                failing_ns = told["ports"][str(CUT_PORT)]["new_failing_ns"]
                if failing_ns and told["now_ns"] - failing_ns > watched_ns:
                    return told
                if self._pace.now_s() > enforced_by_s + (SURE_S + KEPT_S if failing_ns else 0):
                    return told
            await self._pace.sleep(POLL_S)

    async def _told(self) -> JsonObject | None:
        try:
            told: JsonObject = json.loads(await self._kube.pod_get(self._client, TELL_PORT, "/"))
        except KubeError as error:
            if error.forbidden:
                raise
            return None
        return told

    def _pod(self, name: str, fuse: JsonObject, arguments: list[str]) -> JsonObject:
        template = self._deployment["spec"]["template"]["spec"]
        operator = template["containers"][0]
        program = ["-m", "skerry.worlds.kubernetes.probe_pod", *arguments, f"--for-s={FUSE_S:.0f}"]
        container = {
            "name": "probe",
            "image": operator["image"],
            "imagePullPolicy": operator.get("imagePullPolicy", "IfNotPresent"),
            "command": ["/usr/bin/tini", "--", PYTHON, *program],
            "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "128Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
        pod = {
            **{field: template[field] for field in TAKEN_OVER if field in template},
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        }
        metadata = {
            "name": name,
            # The policy of a partition knows pods by this label.
            "labels": {**labels(DOCTOR, Artefact.PROBE), POD_NAME_LABEL: name},
            "ownerReferences": [owner_reference(fuse)],
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}


def _works(port: JsonObject) -> bool:
    return bool(port["new_ok_ns"] and port["kept_ok_ns"] and not port["new_failing_ns"])


def _read(before: JsonObject, after: JsonObject) -> Enforcement:
    """What the client told right before the policy was created, and when enough was seen: all on its own clock."""
    port, other = after["ports"][str(CUT_PORT)], after["ports"][str(OPEN_PORT)]
    failing_ns = port["new_failing_ns"]
    lost = port["kept_opened"] > before["ports"][str(CUT_PORT)]["kept_opened"]
    silent = after["now_ns"] - port["kept_ok_ns"] > SILENT_S * NS
    return Enforcement(
        new_cut_ns=max(0, failing_ns - before["now_ns"]) if failing_ns else None,
        error=port["error"],
        kept_survives=not lost and not silent,
        others_open=not other["new_failing_ns"],
        url_error=str(after.get("url_error", "")),
    )
