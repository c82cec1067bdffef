"""One question to the finished cluster: does its CNI enforce NetworkPolicies? Many accept them and do nothing."""

from __future__ import annotations

import json
import time

from . import versions
from .cache import FILES
from .cluster import Kubectl
from .console import Console, Failure

NAMESPACE = "skerry-policy-check"
ANNOTATION = "skerry.dev/enforces-network-policies"
READY_TIMEOUT_S = 60.0
ENFORCED_WITHIN_S = 10.0
POLL_S = 0.2
DENY_ALL = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny", "namespace": NAMESPACE},
    "spec": {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"]},
}


def last_state(log: str) -> tuple[str, float]:
    """("open" or "closed", since which wall-clock second) of the client's log; ("", 0.0) while it is empty."""
    lines = [line.split() for line in log.splitlines() if line.strip()]
    if not lines:
        return "", 0.0
    state, since_s = lines[-1]
    return state, float(since_s)


class PolicyCheck:
    def __init__(self, kubectl: Kubectl, console: Console) -> None:
        self._kubectl = kubectl
        self._console = console

    def ensure(self, image: str) -> None:
        """Check once in a cluster's life; the node remembers the answer.

        ``image``: one that the node has, with /usr/bin/python3.

        Raises Failure: the pods do not reach each other without a policy, or still do with one.
        """
        if self._remembered():
            self._console.say("CNI enforces NetworkPolicies: checked before")
            return
        with self._console.step("checking that the CNI enforces NetworkPolicies"):
            delay_s = self._check(image)
        self._console.say(
            f"CNI enforces NetworkPolicies: new connections fail {delay_s:.1f} s after the policy was made"
        )
        self._kubectl.run("annotate", "node", versions.NODE, "--overwrite", f"{ANNOTATION}=true")

    def _remembered(self) -> bool:
        node = json.loads(self._kubectl.capture("get", "node", versions.NODE, "-o", "json"))
        return bool(node["metadata"].get("annotations", {}).get(ANNOTATION) == "true")

    def _check(self, image: str) -> float:
        manifest = (FILES / "policy-check.yaml").read_text().replace("IMAGE", image)
        self._kubectl.run("apply", "-f", "-", input_text=manifest)
        try:
            self._wait_for("open", READY_TIMEOUT_S, "two pods cannot reach each other, though no policy forbids it")
            self._kubectl.run("apply", "-f", "-", input_text=json.dumps(DENY_ALL))
            made = time.time()
            since = self._wait_for("closed", ENFORCED_WITHIN_S, "a NetworkPolicy that allows nothing stops nothing")
            return max(0.0, since - made)
        finally:
            self._kubectl.succeeds("delete", "namespace", NAMESPACE, "--wait=false")

    def _wait_for(self, state: str, timeout_s: float, otherwise: str) -> float:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            log = ""
            if self._kubectl.succeeds("-n", NAMESPACE, "logs", "client", "--tail=1"):
                log = self._kubectl.capture("-n", NAMESPACE, "logs", "client", "--tail=1")
            seen, since_s = last_state(log)
            if seen == state:
                return since_s
            time.sleep(POLL_S)
        raise Failure(f"The CNI is not usable: {otherwise} (waited {timeout_s:.0f} s); see the logs of Calico's pods.")
