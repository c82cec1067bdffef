"""Brokers, their pods, and a slow, plain reading of NetworkPolicies to compare with: written from the API's
documentation, and sharing no line with the product."""

from __future__ import annotations

import ipaddress

from skerry.faults.network_partition import Connections, Cut, CutAction
from skerry.targets.skerry.planes import Plane
from skerry.worlds.kubernetes.cluster import BrokerSet

NAMESPACE = "skerry"
NAMESPACE_LABELS = {"kubernetes.io/metadata.name": NAMESPACE, "team": "sea"}
PORTS = {Plane.CLIENT: 9092, Plane.RAFT: 9093, Plane.REPLICATION: 9094}
FUSE = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "fuse", "uid": "f-1"}}


def broker_set(replicas=3):
    return BrokerSet("broker", NAMESPACE, "broker", replicas, PORTS, 9095)


def cut_of(*groups, planes=(Plane.RAFT, Plane.REPLICATION), action=CutAction.DROP):
    side = {ordinal: number for number, group in enumerate(groups) for ordinal in group}
    links = tuple(sorted((a, b) for a in side for b in side if side[a] != side[b]))
    return Cut(links, planes, Connections.NEW, action, groups)


def pod(name, ip, namespace=NAMESPACE, **labels):
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "containers": [
                {
                    "name": "broker",
                    "ports": [
                        {"name": "client", "containerPort": 9092},
                        {"name": "raft", "containerPort": 9093},
                        {"name": "replication", "containerPort": 9094, "protocol": "TCP"},
                        {"name": "gossip", "containerPort": 9093, "protocol": "UDP"},
                        {"name": "admin", "containerPort": 9095},
                    ],
                }
            ]
        },
        "status": {"podIP": ip, "podIPs": [{"ip": ip}]},
    }


def broker_pod(ordinal, **labels):
    name = f"broker-{ordinal}"
    known = {"statefulset.kubernetes.io/pod-name": name, "app": "broker", "side": "even" if ordinal % 2 == 0 else "odd"}
    return pod(name, f"10.244.0.{10 + ordinal}", **{**known, **labels})


def policy(name="standing", pods=None, types=("Ingress", "Egress"), namespace=NAMESPACE, labels=None, **sections):
    spec = {"podSelector": pods or {}, "policyTypes": list(types), **sections}
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels or {}}, "spec": spec}


# --- the plain reading ----------------------------------------------------------------------------------


def open_between(policies, source, target, protocol, port, namespaces):
    """Whether a connection may be opened. ``source`` and ``target`` are pods; ``namespaces``: name -> labels."""
    return open_at(policies, "Egress", source, target, target, protocol, port, namespaces) and open_at(
        policies, "Ingress", target, source, target, protocol, port, namespaces
    )


def open_at(policies, direction, own, peer, target, protocol, port, namespaces):
    mine = [each for each in policies if is_for(each, own) and direction in each["spec"]["policyTypes"]]
    if not mine:
        return True
    for each in mine:
        for rule in each["spec"].get(direction.lower(), []):
            peers = rule.get("from" if direction == "Ingress" else "to")
            ports = rule.get("ports")
            if peers and not any(is_peer(entry, each, peer, namespaces) for entry in peers):
                continue
            if ports and not any(is_port(entry, target, protocol, port) for entry in ports):
                continue
            return True
    return False


def is_for(each, own):
    same = each["metadata"]["namespace"] == own["metadata"]["namespace"]
    return same and selects(each["spec"]["podSelector"], own["metadata"]["labels"])


def selects(selector, labels):
    for key, value in selector.get("matchLabels", {}).items():
        if key not in labels or labels[key] != value:
            return False
    for wanted in selector.get("matchExpressions", []):
        has, value = wanted["key"] in labels, labels.get(wanted["key"])
        holds = {
            "In": has and value in wanted.get("values", []),
            "NotIn": not has or value not in wanted.get("values", []),
            "Exists": has,
            "DoesNotExist": not has,
        }
        if not holds[wanted["operator"]]:
            return False
    return True


def is_peer(entry, each, peer, namespaces):
    if "ipBlock" in entry:
        address = ipaddress.ip_address(peer["status"]["podIP"])
        block = entry["ipBlock"]
        holes = [ipaddress.ip_network(hole) for hole in block.get("except", [])]
        return address in ipaddress.ip_network(block["cidr"]) and all(address not in hole for hole in holes)
    home = peer["metadata"]["namespace"]
    if "namespaceSelector" in entry:
        if not selects(entry["namespaceSelector"], namespaces[home]):
            return False
    elif home != each["metadata"]["namespace"]:
        return False
    return "podSelector" not in entry or selects(entry["podSelector"], peer["metadata"]["labels"])


def is_port(entry, target, protocol, port):
    if entry.get("protocol", "TCP") != protocol:
        return False
    wanted = entry.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        declared = target["spec"]["containers"][0]["ports"]
        return any(
            (each["name"], each.get("protocol", "TCP"), each["containerPort"]) == (wanted, protocol, port)
            for each in declared
        )
    return wanted <= port <= entry.get("endPort", wanted)
