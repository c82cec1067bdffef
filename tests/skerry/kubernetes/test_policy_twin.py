"""Cuts and standing policies drawn at random, against the plain reading of `policy_world`: every pod and port."""

from __future__ import annotations

import copy
import itertools
import random

import pytest
from policy_world import (
    FUSE,
    NAMESPACE_LABELS,
    PORTS,
    broker_pod,
    broker_set,
    cut_of,
    open_between,
    pod,
    policy,
)

from skerry.faults.port import OccurrenceId
from skerry.targets.skerry.planes import Plane
from skerry.worlds.kubernetes.policy import cut_pairs, guards_of, policies_for, voiding

NAMESPACES = {"skerry": NAMESPACE_LABELS, "kube-system": {"kubernetes.io/metadata.name": "kube-system"}}
OTHERS = [
    pod("workload", "10.244.0.50", app="workload"),
    pod("unlabelled", "10.244.0.51"),
    pod("dns", "10.244.0.60", namespace="kube-system", app="dns"),
    # the same name in another namespace is another pod
    pod("broker-1", "10.244.0.61", namespace="kube-system", **{"statefulset.kubernetes.io/pod-name": "broker-1"}),
]
WIRES = [("TCP", port) for port in (1, 53, 9091, 9092, 9093, 9094, 9095, 9096, 65535)]
WIRES += [("UDP", 53), ("UDP", 9093), ("SCTP", 9094)]
SEEDS = range(300)
CHUNK = 20
CHUNKS = pytest.mark.parametrize("seeds", [SEEDS[first : first + CHUNK] for first in SEEDS[::CHUNK]], ids=str)


def drawn_cut(draw):
    """Two to seven brokers, some of which may be in no group, and one or two planes."""
    count = draw.randint(2, 7)
    ordinals = draw.sample(range(count), draw.randint(2, count))
    sides = draw.randint(2, min(4, len(ordinals)))
    groups = [[ordinal] for ordinal in ordinals[:sides]]
    for ordinal in ordinals[sides:]:
        draw.choice(groups).append(ordinal)
    planes = draw.choice([(Plane.RAFT,), (Plane.REPLICATION,), (Plane.RAFT, Plane.REPLICATION)])
    return count, cut_of(*(tuple(sorted(group)) for group in groups), planes=planes)


def made(cut, count, avoid=()):
    return policies_for(
        cut, broker_set(count), experiment="one", occurrence=OccurrenceId("cut", 0), owner=FUSE, avoid=avoid
    )


def wanted_shut(cut, source, target, protocol, port):
    """What the cut is to deny, from the links themselves."""
    ends = [
        int(each["metadata"]["name"].rpartition("-")[2]) if each["metadata"]["labels"].get("app") == "broker" else None
        for each in (source, target)
    ]
    return protocol == "TCP" and port in {PORTS[plane] for plane in cut.planes} and tuple(ends) in cut.links


def differences(policies, cut, pods):
    """The connections on which the policies and the wish disagree."""
    return [
        (source["metadata"]["name"], target["metadata"]["name"], protocol, port)
        for source, target in itertools.permutations(pods, 2)
        for protocol, port in WIRES
        if open_between(policies, source, target, protocol, port, NAMESPACES)
        == wanted_shut(cut, source, target, protocol, port)
    ]


@CHUNKS
def test_alone_the_policies_deny_exactly_what_is_cut(seeds):
    for seed in seeds:
        draw = random.Random(seed)
        count, cut = drawn_cut(draw)
        avoid = draw.sample(range(count), draw.randint(0, 2))
        pods = [broker_pod(ordinal) for ordinal in range(count)] + OTHERS
        assert differences(made(cut, count, avoid), cut, pods) == [], f"seed {seed}"


@CHUNKS
def test_no_more_pods_are_selected_than_all_but_the_largest_side(seeds):
    for seed in seeds:
        count, cut = drawn_cut(random.Random(seed))
        sizes = [len(group) for group in cut.groups]
        assert len(made(cut, count)) == sum(sizes) - max(sizes), f"seed {seed}"


BREAKS = {
    "one direction only": lambda spec: spec.update(policyTypes=["Ingress"]),
    "nothing but the peers' pods": lambda spec: spec["ingress"][0]["from"].pop(1),
    "one port too many": lambda spec: spec["ingress"][1]["ports"][0].update(endPort=9093),
    "one port too few": lambda spec: spec["ingress"][1]["ports"][0].update(endPort=9091),
    "no UDP": lambda spec: spec["egress"][1]["ports"].pop(2),
    "an open block of addresses": lambda spec: spec["egress"][0]["to"].append({"ipBlock": {"cidr": "10.0.0.0/8"}}),
    "a peer too few": lambda spec: spec["egress"][0]["to"][0]["podSelector"]["matchExpressions"][0]["values"].pop(),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_the_comparison_sees_a_broken_policy(broken):
    cut = cut_of((0,), (1, 2))
    pods = [broker_pod(ordinal) for ordinal in range(3)] + OTHERS
    (one,) = made(cut, 3)
    assert differences([one], cut, pods) == []
    spec = copy.deepcopy(one["spec"])
    BREAKS[broken](spec)
    assert differences([{**one, "spec": spec}], cut, pods)


# --- standing policies ----------------------------------------------------------------------------------

KEYS = ["app", "side", "statefulset.kubernetes.io/pod-name", "absent"]
VALUES = ["broker", "even", "odd", "broker-0", "broker-1", "broker-2", "workload"]


def drawn_selector(draw):
    selector = {}
    if draw.random() < 0.5:
        selector["matchLabels"] = {draw.choice(KEYS): draw.choice(VALUES)}
    if draw.random() < 0.5:
        operator = draw.choice(["In", "NotIn", "NotIn", "Exists", "DoesNotExist"])
        requirement = {"key": draw.choice(KEYS), "operator": operator}
        if operator in ("In", "NotIn"):
            requirement["values"] = draw.sample(VALUES, draw.randint(1, 3))
        selector["matchExpressions"] = [requirement]
    return selector


def drawn_peer(draw):
    kind = draw.randrange(4)
    if kind == 0:
        return {"podSelector": drawn_selector(draw)}
    if kind == 1:
        return {"namespaceSelector": draw.choice([{}, {"matchLabels": {"team": draw.choice(["sea", "land"])}}])}
    if kind == 2:
        return {"namespaceSelector": {}, "podSelector": drawn_selector(draw)}
    holes = draw.choice([[], ["10.244.0.10/32"], ["10.244.0.10/31", "10.244.0.12/32"]])
    return {"ipBlock": {"cidr": draw.choice(["0.0.0.0/0", "10.244.0.0/16", "192.168.0.0/16"]), "except": holes}}


def drawn_port(draw):
    return draw.choice(
        [
            {"port": 9093},
            {"port": 9094, "protocol": "TCP"},
            {"port": 9090, "endPort": 9093},
            {"port": 9094, "endPort": 9999},
            {"port": "raft"},
            {"port": "replication"},
            {"port": "gossip"},
            {"port": "unheard-of"},
            {"protocol": "UDP"},
            {"protocol": "TCP"},
        ]
    )


def drawn_rules(draw, key):
    rules = []
    for _ in range(draw.randint(0, 2)):
        rule = {}
        if draw.random() < 0.7:
            rule[key] = [drawn_peer(draw) for _ in range(draw.randint(0, 2))]
        if draw.random() < 0.6:
            rule["ports"] = [drawn_port(draw) for _ in range(draw.randint(0, 2))]
        rules.append(rule)
    return rules


def drawn_policy(draw, name):
    types = draw.choice([("Ingress",), ("Egress",), ("Ingress", "Egress")])
    sections = {}
    if "Ingress" in types:
        sections["ingress"] = drawn_rules(draw, "from")
    if "Egress" in types:
        sections["egress"] = drawn_rules(draw, "to")
    namespace = "skerry" if draw.random() < 0.9 else "kube-system"
    return policy(name, pods=drawn_selector(draw), types=types, namespace=namespace, **sections)


def leaks(policies, cut, pods):
    """What the cut was to deny, and is open."""
    return [each for each in differences(policies, cut, pods) if wanted_shut(cut, *_ends(each, pods), *each[2:])]


def _ends(each, pods):
    by_name = {found["metadata"]["name"]: found for found in pods}
    return by_name[each[0]], by_name[each[1]]


def drawn_case(seed):
    """The cut, its brokers' pods, its own policies, the standing ones, and what the product says of those."""
    draw = random.Random(f"standing {seed}")
    count, cut = drawn_cut(draw)
    avoid = draw.sample(range(count), draw.randint(0, 1))
    brokers = broker_set(count)
    pods = [broker_pod(ordinal) for ordinal in range(count)]
    standing = [drawn_policy(draw, f"standing-{number}") for number in range(draw.randint(1, 4))]
    pairs = cut_pairs(cut)
    voiders = voiding(
        standing,
        pods,
        NAMESPACE_LABELS,
        [(brokers.pod_name(one), brokers.pod_name(other)) for one, other in pairs],
        {plane: brokers.ports[plane] for plane in cut.planes},
        [brokers.pod_name(guard) for guard in guards_of(pairs, avoid)],
    )
    return cut, pods, made(cut, count, avoid), standing, voiders


@CHUNKS
def test_nothing_voids_the_cut_exactly_when_the_union_denies_it(seeds):
    for seed in seeds:
        cut, pods, own, standing, voiders = drawn_case(seed)
        assert not any(voider.doubt for voider in voiders), f"seed {seed}: everything here is plain"
        assert bool(voiders) == bool(leaks(own + standing, cut, pods)), f"seed {seed}"
        named = {voider.policy for voider in voiders}
        left = [each for each in standing if each["metadata"]["name"] not in named]
        assert leaks(own + left, cut, pods) == [], f"seed {seed}: without those that were named it bites"


def test_the_draws_are_not_one_sided():
    verdicts = [bool(drawn_case(seed)[4]) for seed in SEEDS]
    assert 60 < sum(verdicts) < 240
