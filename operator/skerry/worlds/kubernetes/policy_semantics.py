"""What a NetworkPolicy means: which pods it selects, and whether it allows a TCP connection between two pods.

The semantics of the API (networking.k8s.io/v1): policies only allow; a pod that one of them selects is closed in the
directions of its ``policyTypes``, but for what some rule of some of them allows.

An answer is yes, no, or a `Doubt`: an unknown field or operator, an address that is not known yet. It is for the
caller to assume the worse.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.names import NAMESPACE_NAME_LABEL

PROTOCOLS = ("TCP", "UDP", "SCTP")
SPEC_FIELDS = {"podSelector", "policyTypes", "ingress", "egress"}


class Doubt(msgspec.Struct, frozen=True):
    """Neither yes nor no: something here is not understood."""

    why: str
    """The place in the policy's spec, and what is there."""


Answer = bool | Doubt


def any_of(answers: Iterable[Answer]) -> Answer:
    """Yes if one is yes; else the first doubt; else no."""
    doubt: Answer = False
    for answer in answers:
        if answer is True:
            return True
        if isinstance(answer, Doubt) and doubt is False:
            doubt = answer
    return doubt


def all_of(answers: Iterable[Answer]) -> Answer:
    """No if one is no; else the first doubt; else yes."""
    doubt: Answer = True
    for answer in answers:
        if answer is False:
            return False
        if isinstance(answer, Doubt) and doubt is True:
            doubt = answer
    return doubt


class Direction(StrEnum):
    INGRESS = "Ingress"
    EGRESS = "Egress"


class PodFacts(msgspec.Struct, frozen=True):
    """What policies ask of a pod."""

    name: str
    namespace: str
    labels: dict[str, str]
    ips: tuple[str, ...]
    """Empty: it has none yet."""
    named_ports: dict[str, int]
    """The TCP port."""


def pod_facts(pod: JsonObject) -> PodFacts:
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    ips = {str(each["ip"]) for each in status.get("podIPs") or []} | {str(status.get("podIP") or "")}
    sidecars = [each for each in spec.get("initContainers") or [] if each.get("restartPolicy") == "Always"]
    return PodFacts(
        name=str(metadata["name"]),
        namespace=str(metadata["namespace"]),
        labels=dict(metadata.get("labels") or {}),
        ips=tuple(sorted(ips - {""})),
        named_ports={
            str(port["name"]): int(port["containerPort"])
            for container in (*spec.get("containers", ()), *sidecars)
            for port in container.get("ports") or []
            if port.get("name") and port.get("protocol", "TCP") == "TCP"
        },
    )


def applies(policy: JsonObject, direction: Direction, pod: PodFacts) -> Answer:
    """The policy selects the pod, and closes it in this direction."""
    spec = policy.get("spec") or {}
    return all_of(
        (
            policy["metadata"]["namespace"] == pod.namespace,
            _understood(spec, SPEC_FIELDS, "spec"),
            _closes(spec, direction),
            _matches(spec.get("podSelector") or {}, pod.labels, "podSelector"),
        )
    )


def permits(
    policy: JsonObject,
    direction: Direction,
    own: PodFacts,
    peer: PodFacts,
    port: int,
    namespace_labels: Mapping[str, str],
) -> Answer:
    """Some rule of the policy, which selects ``own``, allows TCP with ``peer``.

    ``port``: of the destination, which is ``own`` for ingress and ``peer`` for egress.
    ``namespace_labels``: of the peer's namespace.
    """
    section, key = ("ingress", "from") if direction is Direction.INGRESS else ("egress", "to")
    destination = own if direction is Direction.INGRESS else peer
    namespace = {NAMESPACE_NAME_LABEL: peer.namespace, **namespace_labels}
    home = policy["metadata"]["namespace"] == peer.namespace
    spec = policy.get("spec") or {}
    fields = _understood(spec, SPEC_FIELDS, "spec")
    by_rules = any_of(
        all_of(
            (
                _understood(rule, {key, "ports"}, where),
                _ports_match(rule.get("ports"), destination, port, f"{where}.ports"),
                _peers_match(rule.get(key), peer, home, namespace, f"{where}.{key}"),
            )
        )
        for where, rule in ((f"{section}[{index}]", rule) for index, rule in enumerate(spec.get(section) or []))
    )
    return any_of((by_rules, fields if isinstance(fields, Doubt) else False))


def _understood(value: Any, known: set[str], where: str) -> Answer:
    """Yes, or a doubt: there is a field whose meaning we do not know."""
    if not isinstance(value, dict):
        return Doubt(f"`{where}` is no object")
    unknown = sorted(value.keys() - known)
    return Doubt(f"`{where}` has the unknown field `{unknown[0]}`") if unknown else True


def _closes(spec: JsonObject, direction: Direction) -> Answer:
    """Without ``policyTypes`` the API server fills in Ingress, and Egress if there are egress rules."""
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    unknown = [each for each in types if each not in (Direction.INGRESS, Direction.EGRESS)]
    return direction in types or (Doubt(f"`policyTypes` holds `{unknown[0]}`") if unknown else False)


def _matches(selector: Any, labels: Mapping[str, str], where: str) -> Answer:
    """An empty selector selects everything."""
    fields = _understood(selector, {"matchLabels", "matchExpressions"}, where)
    if fields is not True:
        return fields
    return all_of(
        (
            *(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()),
            *(
                _requirement(each, labels, f"{where}.matchExpressions[{index}]")
                for index, each in enumerate(selector.get("matchExpressions") or [])
            ),
        )
    )


def _requirement(requirement: Any, labels: Mapping[str, str], where: str) -> Answer:
    fields = _understood(requirement, {"key", "operator", "values"}, where)
    if fields is not True:
        return fields
    key, operator, values = requirement.get("key"), requirement.get("operator"), requirement.get("values") or []
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":  # a pod without the label matches
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return Doubt(f"`{where}` has the unknown operator `{operator}`")


def _ports_match(ports: Any, destination: PodFacts, port: int, where: str) -> Answer:
    """No list, or an empty one: every port."""
    if not ports:
        return True
    return any_of(_port_matches(each, destination, port, f"{where}[{index}]") for index, each in enumerate(ports))


def _port_matches(entry: Any, destination: PodFacts, port: int, where: str) -> Answer:
    fields = _understood(entry, {"protocol", "port", "endPort"}, where)
    if fields is not True:
        return fields
    protocol, first, last = entry.get("protocol", "TCP"), entry.get("port"), entry.get("endPort")
    if protocol not in PROTOCOLS:
        return Doubt(f"`{where}` has the unknown protocol `{protocol}`")
    if protocol != "TCP":
        return False
    if first is None and last is None:
        return True
    if isinstance(first, str) and last is None:
        return destination.named_ports.get(first) == port
    if not isinstance(first, int) or not isinstance(last, int | None):
        return Doubt(f"`{where}` has the port `{first}` and the end `{last}`")
    return first <= port <= (first if last is None else last)


def _peers_match(peers: Any, peer: PodFacts, home: bool, namespace_labels: Mapping[str, str], where: str) -> Answer:
    """No list, or an empty one: everybody. ``home``: the peer lives in the policy's own namespace."""
    if not peers:
        return True
    return any_of(
        _peer_matches(each, peer, home, namespace_labels, f"{where}[{index}]") for index, each in enumerate(peers)
    )


def _peer_matches(entry: Any, peer: PodFacts, home: bool, namespace_labels: Mapping[str, str], where: str) -> Answer:
    fields = _understood(entry, {"podSelector", "namespaceSelector", "ipBlock"}, where)
    if fields is not True:
        return fields
    pods, namespaces, block = entry.get("podSelector"), entry.get("namespaceSelector"), entry.get("ipBlock")
    if block is not None and pods is None and namespaces is None:
        return _in_block(block, peer, f"{where}.ipBlock")
    if block is not None or (pods is None and namespaces is None):
        return Doubt(f"`{where}` names neither pods nor a block of addresses, or both")
    return all_of(
        (
            home if namespaces is None else _matches(namespaces, namespace_labels, f"{where}.namespaceSelector"),
            True if pods is None else _matches(pods, peer.labels, f"{where}.podSelector"),
        )
    )


def _in_block(block: Any, peer: PodFacts, where: str) -> Answer:
    """Whether blocks of addresses match pods is the network plugin's choice; the worse is that they do."""
    fields = _understood(block, {"cidr", "except"}, where)
    if fields is not True:
        return fields
    try:
        network = ipaddress.ip_network(block.get("cidr"), strict=False)
        without = [ipaddress.ip_network(each, strict=False) for each in block.get("except") or []]
        addresses = [ipaddress.ip_address(each) for each in peer.ips]
    except ValueError as error:
        return Doubt(f"`{where}`: {error}")
    if not addresses:
        return Doubt(f"`{where}`: pod {peer.name} has no address yet")
    return any(each in network and not any(each in hole for hole in without) for each in addresses)
