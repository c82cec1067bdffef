"""What doctor concludes from what it found: pure, a sentence each for what there is and for what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.capabilities import CLOCK_ERROR_NS
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.enforcement import ENFORCED_S, Enforcement
from skerry.worlds.kubernetes.opt_ins import OptIns
from skerry.worlds.kubernetes.readiness import (
    ENFORCE_LABEL,
    UNLABELLED,
    brokers_not_ready,
    enforced_level,
    not_enabled,
)

SKEW_MAX_NS = 500_000_000
"""Between a broker and the machine that asks: beyond it, times in the report read wrong."""
SECURITY_LEVELS = ("privileged", "baseline", "restricted")


class State(StrEnum):
    OK = "OK"
    WARN = "WARN"
    """Some experiments will be refused, or judged less sharply."""
    FAIL = "FAIL"
    """Experiments, or a whole kind of them, cannot be carried out."""
    UNKNOWN = "UNKNOWN"
    """It could not be found out; ``found`` says why."""


class Check(msgspec.Struct, frozen=True):
    name: str
    state: State
    found: str
    todo: str = ""
    """What to do; empty: nothing."""


def namespace_check(namespace: JsonObject) -> Check:
    refusal = not_enabled(namespace)
    if refusal is not None:
        return Check("namespace", State.FAIL, refusal.found, refusal.todo)
    return Check("namespace", State.OK, f"{namespace['metadata']['name']} allows experiments")


def security_check(namespace: JsonObject) -> Check:
    """Checks NET_ADMIN: of the injector's two programs, the one that resets connections needs it."""
    level = enforced_level(namespace)
    if level in SECURITY_LEVELS[1:]:
        return Check(
            "Pod Security",
            State.WARN,
            f"the namespace enforces {level}, which refuses NET_ADMIN: `connections: All` will be refused",
            f"if you want it: label the namespace {ENFORCE_LABEL}=privileged",
        )
    if level == UNLABELLED:
        return Check("Pod Security", State.OK, "the namespace enforces no level of its own")
    return Check("Pod Security", State.OK, f"the namespace enforces {level}")


def limits_check(ranges: Iterable[JsonObject]) -> Check:
    """A CPU limit that containers are given which ask for none: the workload's and the brokers' among them."""
    for each in ranges:
        for limit in (each.get("spec") or {}).get("limits") or []:
            cpu = (limit.get("default") or {}).get("cpu") if limit.get("type") == "Container" else None
            if cpu:
                return Check(
                    "limits",
                    State.WARN,
                    f"LimitRange `{each['metadata']['name']}` gives the workload pod a CPU limit of {cpu}: what it is "
                    "kept from seeing in time is Inconclusive, `Stalled`",
                    "a higher default, or a namespace without one",
                )
    return Check("limits", State.OK, "no LimitRange gives the workload pod a CPU limit")


def definition_check(served: JsonObject | None, own: JsonObject) -> Check:
    """``served``, ``own``: the CustomResourceDefinition of the cluster, and of this skerry."""
    install = "kubectl apply --server-side -f crds/chaosexperiments.yaml"
    if served is None:
        return Check("CRD", State.FAIL, "chaosexperiments.skerry.dev is not installed", install)
    versions = {each["name"]: each for each in served["spec"]["versions"] if each.get("served")}
    wanted = own["spec"]["versions"][0]
    if wanted["name"] not in versions:
        return Check("CRD", State.FAIL, f"{wanted['name']} is not served, only {', '.join(sorted(versions))}", install)
    if versions[wanted["name"]]["schema"] != wanted["schema"]:
        return Check(
            "CRD",
            State.WARN,
            f"{wanted['name']} is served, with a schema that is not the one of this skerry",
            f"{install}, or use the skerry of the operator's version",
        )
    return Check("CRD", State.OK, f"{wanted['name']} is served, as this skerry has it")


def operator_check(deployments: Sequence[JsonObject], namespace: str, version: str) -> Check:
    """``version``: of this skerry."""
    if not deployments:
        return Check(
            "operator",
            State.FAIL,
            f"there is none in namespace {namespace}",
            f"helm install skerry helm/skerry -n {namespace}, or say where it is: --operator-namespace",
        )
    deployment = deployments[0]
    metadata, status = deployment["metadata"], deployment.get("status") or {}
    name = metadata["name"]
    if not status.get("readyReplicas"):
        unmet = [each for each in status.get("conditions") or [] if each["status"] == "False"]
        why = unmet[0].get("message", "") if unmet else ""
        return Check(
            "operator",
            State.FAIL,
            f"Deployment {name} is not ready{f': {why}' if why else ''}",
            f"kubectl logs -n {namespace} deployment/{name}",
        )
    theirs = (metadata.get("labels") or {}).get("app.kubernetes.io/version")
    if theirs is not None and theirs != version:
        return Check("operator", State.WARN, f"{name} is ready, version {theirs}; this skerry is {version}", "use one")
    return Check("operator", State.OK, f"{name} is ready" + (f", version {theirs}" if theirs else ""))


def rights_check(lacking: Sequence[str], account: str) -> Check:
    if lacking:
        return Check(
            "rights",
            State.FAIL,
            f"the operator ({account}) may not {', '.join(lacking)}",
            "install the chart with rbac.create=true, or add it to the operator's Role (docs/security.md)",
        )
    return Check("rights", State.OK, f"the operator ({account}) may do all it must")


def experiments_check(experiments: Sequence[JsonObject]) -> Check:
    """One that is under way explains what the other checks find."""
    phases = {str(each["metadata"]["name"]): (each.get("status") or {}).get("phase") for each in experiments}
    running = [f"{name} is {phase}" for name, phase in phases.items() if phase not in (None, "Pending", "Complete")]
    if running:
        found = f"{', '.join(running)}: what is not ready below may be its doing"
        return Check("experiments", State.WARN, found, "look again when it is Complete")
    return Check("experiments", State.OK, "none is under way")


def brokers_checks(brokers: BrokerSet, pods: Mapping[str, JsonObject]) -> list[Check]:
    """``pods`` by name."""
    if unready := brokers_not_ready(brokers, pods):
        see = f"kubectl describe pods -n {brokers.namespace} -l {brokers.selector}"
        return [Check("brokers", State.FAIL, "; ".join(unready), see)]
    checks = [Check("brokers", State.OK, f"all {brokers.replicas} of StatefulSet `{brokers.name}` are ready")]
    if not brokers.hold:
        checks.append(
            Check(
                "downFor",
                State.WARN,
                "the brokers' pods have no init container `hold`: `downFor` will be refused",
                "install the brokers with the chart's value brokers.hold.enabled=true",
            )
        )
    return checks


def policies_check(voiders: Sequence[str]) -> Check:
    """``voiders``: a sentence for each standing policy that would void a partition."""
    if not voiders:
        return Check("policies", State.OK, "none that stands would void a partition")
    more = f" (and {len(voiders) - 1} more)" if len(voiders) > 1 else ""
    return Check("policies", State.WARN, voiders[0] + more, "until then partitions will be refused")


def prometheus_check(url: str, error: str) -> Check:
    """``error``: of asking it from inside the cluster."""
    if error:
        found = f"{url} does not answer inside the cluster ({error}): `promql` expectations would be inconclusive"
        return Check("Prometheus", State.WARN, found, "correct the URL, or open the way to it")
    return Check("Prometheus", State.OK, f"{url} answers inside the cluster")


def injector_check(opt_ins: OptIns, refused: str | None) -> Check:
    """``refused``: what a dry run said; empty: it would be let in, None: it was not tried."""
    if opt_ins.missing:
        return Check(
            "injector",
            State.WARN,
            "off: `connections: All` and `kill: Process` will be refused",
            f"if you want them: {opt_ins.missing}",
        )
    if refused:
        return Check("injector", State.WARN, f"on, and would be refused: {refused}", "see Pod Security")
    if refused is None:
        return Check("injector", State.UNKNOWN, "on; whether it would be let in was not tried (no broker, or no right)")
    return Check("injector", State.OK, "on, and would be let in")


def clocks_check(offsets: Mapping[str, tuple[int, int]]) -> Check:
    """``offsets``: by pod, the bounds of its wall clock minus ours, in nanoseconds."""
    if not offsets:
        return Check("clocks", State.UNKNOWN, "no broker told its time")
    lows, highs = {pod: each[0] for pod, each in offsets.items()}, {pod: each[1] for pod, each in offsets.items()}
    spread_ns = max(lows.values()) - min(highs.values())
    if spread_ns > CLOCK_ERROR_NS:
        ahead, behind = max(lows, key=lows.__getitem__), min(highs, key=highs.__getitem__)
        return Check(
            "clocks",
            State.WARN,
            f"{ahead} is at least {_ms(spread_ns)} ahead of {behind}; {_ms(CLOCK_ERROR_NS)} are allowed for",
            "synchronize the nodes' clocks (NTP), or do not trust failover times by metrics",
        )
    away_ns = max(0, *(max(low, -high) for low, high in offsets.values()))
    if away_ns > SKEW_MAX_NS:
        return Check(
            "clocks",
            State.WARN,
            f"the brokers agree, and are at least {_ms(away_ns)} away from this machine",
            "synchronize this machine's clock: times in reports are the cluster's",
        )
    error_ns = max((high - low) // 2 for low, high in offsets.values())
    return Check("clocks", State.OK, f"brokers and this machine agree, as far as can be told (within {_ms(error_ns)})")


def enforcement_checks(found: Enforcement, injector: bool) -> list[Check]:
    """``injector``: it is switched on."""
    new, kept = "new connections", "kept-open connections"
    if found.new_cut_ns is None:
        return [
            Check(
                new,
                State.FAIL,
                f"a NetworkPolicy did not cut them within {ENFORCED_S:.0f} s: nothing here enforces it",
                "install a network plugin that enforces NetworkPolicies (Calico, Cilium, kube-router); kills work",
            ),
            Check(kept, State.UNKNOWN, "new ones were not cut, so these say nothing"),
        ]
    how = "no answer" if found.error == "TimeoutError" else f"refused, {found.error}"
    cut = f"a NetworkPolicy cuts them within {found.new_cut_ns / 1e9:.1f} s ({how})"
    checks = [
        Check(new, State.OK, cut)
        if found.others_open
        else Check(
            new,
            State.WARN,
            f"{cut}, and on a port that was not to be cut, too",
            "the network plugin may not know port ranges (`endPort`): a partition would take more than its planes",
        )
    ]
    if not found.kept_survives:
        checks.append(Check(kept, State.OK, "a NetworkPolicy cuts them, too"))
    elif injector:
        checks.append(Check(kept, State.OK, "they survive a NetworkPolicy; the injector resets them"))
    else:
        checks.append(
            Check(
                kept,
                State.WARN,
                "they survive a NetworkPolicy: partitions with `connections: All` need the injector",
                "set `connections: New`, or switch the injector on",
            )
        )
    return checks


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.0f} ms"
