"""Skerry itself on the cluster: namespace with both opt-ins, CRD, chart with operator and brokers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import rollout, versions
from .cache import FILES, Cache, digest, tree
from .cluster import Kubectl
from .console import STILL_RUNNING_EVERY_S, Console, Failure

RELEASE = "skerry"
# Both are needed for faults that act inside a pod; this namespace is for nothing else.
OPT_INS = ("skerry.dev/enabled=true", "skerry.dev/allow-injector=true")
# Where the chart keeps the tag of each image.
TAG_VALUES = {"broker": "brokers.image.tag", "operator": "operator.image.tag", "injector": "injector.image.tag"}
READY_TIMEOUT_S = 180.0
POLL_S = 1.0
# A pod that crashes twice may have come too early for something; one that crashes on is broken.
CRASHES_ENDURED = 3


def installed(status: Mapping[str, Any], key: str) -> bool:
    """Whether `helm status -o json` tells of a finished release with that key as its description."""
    info = status.get("info", {})
    return bool((info.get("status"), info.get("description")) == ("deployed", key))


class Chart:
    def __init__(self, root: Path, cache: Cache, kubectl: Kubectl, console: Console) -> None:
        self._chart = root / "helm" / "skerry"
        self._crds = root / "crds"
        self._kubectl = kubectl
        self._console = console
        self._helm = [
            *(str(cache.bin / "helm"), "--kubeconfig", str(cache.kubeconfig), "--kube-context", versions.CONTEXT),
            *("--namespace", versions.NAMESPACE),
        ]

    def ensure(self, tags: Mapping[str, str]) -> None:
        """Install or upgrade, unless exactly this is there already; returns when operator and brokers are ready.

        ``tags``: image (broker, operator, injector) -> tag.

        Raises Failure: Helm refuses, or something does not get ready; names the pods and why.
        """
        self._prepare_namespace()
        self._kubectl.run("apply", "--server-side", "--force-conflicts", "-f", str(self._crds))
        values = FILES / "values.yaml"
        settings = [f"{TAG_VALUES[image]}={tag}" for image, tag in sorted(tags.items())]
        key = digest(*tree(self._chart, values), *settings)
        if installed(self._status(), key):
            self._console.say(f"chart {RELEASE}: already installed")
        else:
            # What an interrupted run left half-way would lock the release for ever.
            pending = f"owner=helm,name={RELEASE},status in (pending-install,pending-upgrade,pending-rollback)"
            self._kubectl.run("-n", versions.NAMESPACE, "delete", "secret", "--ignore-not-found", "-l", pending)
            with self._console.step(f"installing the chart {RELEASE}"):
                options = [word for setting in settings for word in ("--set-string", setting)]
                argv = [*self._helm, "upgrade", "--install", RELEASE, str(self._chart), "--values", str(values)]
                self._console.run([*argv, *options, "--skip-crds", "--description", key])
        self._wait()

    def _prepare_namespace(self) -> None:
        if not self._kubectl.succeeds("get", "namespace", versions.NAMESPACE):
            self._kubectl.run("create", "namespace", versions.NAMESPACE)
        self._kubectl.run("label", "namespace", versions.NAMESPACE, "--overwrite", *OPT_INS)

    def _status(self) -> dict[str, Any]:
        argv = [*self._helm, "status", RELEASE, "--output", "json"]
        if not self._console.succeeds(argv):
            return {}
        status = json.loads(self._console.capture(argv))
        return status if isinstance(status, dict) else {}

    def _wait(self) -> None:
        """Helm's own --wait tells nobody what it waits for, and waits to the end for what cannot become ready."""
        workloads = self._get("deployments,statefulsets")
        if all(rollout.complete(workload) for workload in workloads):
            self._console.say("operator and brokers: ready")
            return
        with self._console.step("waiting for operator and brokers"):
            started = said = time.monotonic()
            while not all(rollout.complete(workload) for workload in self._get("deployments,statefulsets")):
                pods = self._get("pods")
                now = time.monotonic()
                hopeless = rollout.hopeless(pods, CRASHES_ENDURED)
                if hopeless is not None or now - started > READY_TIMEOUT_S:
                    self._give_up(hopeless, rollout.not_ready(pods), now - started)
                if now - said > STILL_RUNNING_EVERY_S:
                    said = now
                    self._console.say(f"not ready after {now - started:.0f} s: {'; '.join(rollout.not_ready(pods))}")
                time.sleep(POLL_S)

    def _give_up(self, hopeless: str | None, waiting: list[str], waited_s: float) -> None:
        advice = f"`kubectl -n {versions.NAMESPACE} logs POD`"
        if hopeless is not None:
            last = self._kubectl.capture("-n", versions.NAMESPACE, "logs", hopeless, "--all-containers", "--tail=3")
            raise Failure(f"Pod {hopeless} will not become ready; its last words: {last or 'none'}; see {advice}.")
        names = "; ".join(waiting) or "no pod exists, ask `kubectl get events`"
        raise Failure(f"Not ready after {waited_s:.0f} s: {names}; see {advice}.")

    def _get(self, kinds: str) -> list[dict[str, Any]]:
        selector = f"app.kubernetes.io/instance={RELEASE}"
        said = self._kubectl.capture("-n", versions.NAMESPACE, "get", kinds, "-l", selector, "-o", "json")
        return list(json.loads(said)["items"])
