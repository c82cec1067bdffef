"""A cut as NetworkPolicies: the policies that people read, who is selected, and which standing policies void it."""

from __future__ import annotations

import pytest
import yaml
from policy_world import FUSE, NAMESPACE_LABELS, PORTS, broker_pod, broker_set, cut_of, pod, policy

from skerry.faults.network_partition import Connections, Cut, CutAction
from skerry.faults.port import OccurrenceId
from skerry.targets.skerry.planes import Plane
from skerry.worlds.kubernetes import names
from skerry.worlds.kubernetes.policy import cut_pairs, guards_of, policies_for, voiding
from skerry.worlds.kubernetes.policy_semantics import Direction, permits, pod_facts

RAFT = {Plane.RAFT: 9093}
PODS = [broker_pod(ordinal) for ordinal in range(3)]
LEADER_CUT = [("broker-0", "broker-1"), ("broker-0", "broker-2")]


def made(cut, replicas=3, **more):
    return policies_for(
        cut, broker_set(replicas), experiment="one", occurrence=OccurrenceId("isolate", 2), owner=FUSE, **more
    )


def test_the_policy_of_an_isolated_leader():
    (only,) = made(cut_of((0,), (1, 2)))
    assert only["spec"] == yaml.safe_load("""
        podSelector: {matchLabels: {statefulset.kubernetes.io/pod-name: broker-0}}
        policyTypes: [Ingress, Egress]
        ingress:
        - from: &peers
          - podSelector:
              matchExpressions:
              - {key: statefulset.kubernetes.io/pod-name, operator: NotIn, values: [broker-1, broker-2]}
          - namespaceSelector:
              matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [skerry]}]
        - ports: &ports
          - {protocol: TCP, port: 1, endPort: 9092}
          - {protocol: TCP, port: 9095, endPort: 65535}
          - {protocol: UDP, port: 1, endPort: 65535}
          - {protocol: SCTP, port: 1, endPort: 65535}
        egress:
        - to: *peers
        - ports: *ports
    """)
    assert only["apiVersion"] == "networking.k8s.io/v1"
    assert only["kind"] == "NetworkPolicy"
    assert only["metadata"] == {
        "name": names.policy_name("one", OccurrenceId("isolate", 2), "broker-0"),
        "namespace": "skerry",
        "labels": names.labels("one", names.Artefact.POLICY),
        "annotations": {"skerry.dev/cuts": "broker-0 from broker-1, broker-2 on Raft 9093, Replication 9094"},
        "ownerReferences": [names.owner_reference(FUSE)],
    }


def test_one_plane_leaves_the_other_open():
    (only,) = made(cut_of((0,), (1, 2), planes=(Plane.REPLICATION,)))
    tcp = [each for each in only["spec"]["ingress"][1]["ports"] if each["protocol"] == "TCP"]
    assert [(each["port"], each["endPort"]) for each in tcp] == [(1, 9093), (9095, 65535)]


def test_three_sides_need_two_policies():
    first, second = made(cut_of((0,), (1,), (2, 3)), replicas=4)
    assert first["metadata"]["annotations"]["skerry.dev/cuts"].startswith("broker-0 from broker-1, broker-2, broker-3 ")
    assert second["metadata"]["annotations"]["skerry.dev/cuts"].startswith("broker-1 from broker-0, broker-2, broker-3")
    assert first["metadata"]["name"] != second["metadata"]["name"]


@pytest.mark.parametrize(
    ("groups", "guards"),
    [
        (((0,), (1, 2)), (0,)),
        (((1, 2), (0,)), (0,)),
        (((0, 1, 2), (3, 4)), (3, 4)),
        (((0, 1), (2, 3)), (0, 1)),
        (((0,), (1,), (2,)), (0, 1)),
        (((0, 1, 2), (3,), (4, 5)), (3, 4, 5)),
        (((0, 4), (1, 3), (2, 5, 6)), (0, 1, 3, 4)),
    ],
)
def test_the_largest_side_is_not_selected(groups, guards):
    assert guards_of(cut_pairs(cut_of(*groups))) == guards


@pytest.mark.parametrize(
    ("pairs", "avoid", "guards"),
    [
        ([(0, 1), (0, 2)], (0,), (1, 2)),
        ([(0, 1), (0, 2)], (1,), (0,)),
        ([(0, 1), (0, 2)], (0, 1), (0,)),  # one of the two must be
        ([(0, 1)], (0, 1), (0,)),
        ([(0, 1), (1, 2), (2, 3)], (), (1, 2)),
        ([(0, 1), (2, 3)], (), (0, 2)),
        ([], (), ()),
    ],
)
def test_guards_of_any_pairs(pairs, avoid, guards):
    assert guards_of(pairs, avoid) == guards


@pytest.mark.parametrize(
    ("cut", "sentence"),
    [
        (Cut(((0, 1),), (Plane.RAFT,), Connections.NEW, CutAction.DROP), "cannot cut one direction"),
        (cut_of((0,), (1,), action=CutAction.REJECT), "cannot choose between silence and refusal"),
        (cut_of((0,), (1, 3)), "there is no broker 3: StatefulSet `broker` has 3"),
    ],
)
def test_what_a_policy_cannot_express(cut, sentence):
    with pytest.raises(ValueError, match=sentence):
        made(cut)


# --- what voids a cut -----------------------------------------------------------------------------------


def void(*standing, pairs=LEADER_CUT, ports=RAFT, guards=("broker-0",), pods=PODS):
    return voiding(standing, pods, NAMESPACE_LABELS, pairs, ports, guards)


ALLOW_ALL = policy("allow-all", ingress=[{}], egress=[{}])


def test_a_standing_policy_that_allows_everything_is_named():
    (voider,) = void(ALLOW_ALL)
    assert voider.sentence == (
        "NetworkPolicy `allow-all` allows broker-0 -> broker-1 on port 9093 (Raft): policies add up, so the cut would "
        "have no effect; remove it, or exclude the brokers from its podSelector"
    )


LEADER = {"matchLabels": {"statefulset.kubernetes.io/pod-name": "broker-0"}}
OPEN = {"ingress": [{}], "types": ("Ingress",)}


@pytest.mark.parametrize(
    ("standing", "voids"),
    [
        (policy(**OPEN), True),
        (policy(pods={"matchLabels": {"app": "web"}}, **OPEN), False),
        (policy(pods={"matchLabels": {"app": "broker"}}, **OPEN), True),
        (policy(namespace="elsewhere", **OPEN), False),
        # it selects the other end only, where no policy of the cut is
        (policy(pods={"matchLabels": {"side": "odd"}}, **OPEN), False),
        # closes, and allows nothing: it helps
        (policy(types=("Ingress", "Egress")), False),
        (policy(types=("Ingress",), ingress=[{"from": []}]), True),
        (policy(types=("Ingress",), ingress=[{"ports": [{"port": 9095}]}]), False),
        (policy(types=("Ingress",), ingress=[{"ports": [{"port": 9000, "endPort": 9093}]}]), True),
        (policy(types=("Ingress",), ingress=[{"ports": [{"port": "raft"}]}]), True),
        (policy(types=("Ingress",), ingress=[{"ports": [{"port": "gossip"}]}]), False),
        (policy(types=("Ingress",), ingress=[{"ports": [{"protocol": "UDP"}]}]), False),
        (policy(types=("Ingress",), ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]), False),
        (policy(types=("Ingress",), ingress=[{"from": [{"podSelector": {"matchLabels": {"side": "odd"}}}]}]), True),
        (
            policy(
                types=("Ingress",),
                ingress=[
                    {
                        "from": [
                            {
                                "podSelector": {"matchLabels": {"app": "broker"}},
                                "namespaceSelector": {"matchLabels": {"team": "land"}},
                            }
                        ]
                    }
                ],
            ),
            False,
        ),
        (
            policy(types=("Ingress",), ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"team": "sea"}}}]}]),
            True,
        ),
        (policy(types=("Ingress",), ingress=[{"from": [{"ipBlock": {"cidr": "10.244.0.0/16"}}]}]), True),
        (
            policy(
                types=("Ingress",),
                ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.244.0.0/16"]}}]}],
            ),
            False,
        ),
        (policy(types=("Egress",), egress=[{"to": [{"podSelector": {}}]}]), True),
    ],
)
def test_which_standing_policies_void_the_cut(standing, voids):
    assert bool(void(standing)) == voids


@pytest.mark.parametrize(
    ("spec", "voids"),
    [
        ({"podSelector": LEADER, "ingress": [{}]}, True),
        ({"podSelector": LEADER, "egress": [{}]}, True),
        ({"podSelector": LEADER, "policyTypes": ["Ingress"], "egress": [{}]}, False),
        ({"podSelector": LEADER, "policyTypes": [], "egress": []}, False),
        ({"podSelector": {}, "egress": [{}]}, False),  # it closes the ingress of the other end
        ({"ingress": [{}]}, True),
        ({}, False),
    ],
)
def test_what_is_left_out_has_its_default(spec, voids):
    assert bool(void({"metadata": {"name": "old", "namespace": "skerry"}, "spec": spec})) == voids


def test_both_ends_must_allow():
    """Both are selected by the cut, and only one of them is opened again."""
    opens_one = policy("opens-one", pods={"matchLabels": {"side": "even"}}, ingress=[{}], egress=[{}])
    opens_other = policy("opens-other", pods={"matchLabels": {"side": "odd"}}, ingress=[{}], egress=[{}])
    pair = [("broker-0", "broker-1")]
    assert not void(opens_one, pairs=pair, guards=("broker-0", "broker-1"))
    both = void(opens_one, opens_other, pairs=pair, guards=("broker-0", "broker-1"))
    assert [voider.policy for voider in both] == ["opens-one", "opens-other"]


def test_a_standing_policy_that_closes_the_other_end_helps():
    opens = policy("opens", pods={"matchLabels": {"side": "even"}}, types=("Ingress",), ingress=[{}])
    closes = policy("closes", pods={"matchLabels": {"side": "odd"}}, types=("Egress",))
    pair = [("broker-0", "broker-1")]
    assert void(opens, pairs=pair)
    assert not void(opens, closes, pairs=pair)


def test_before_roles_are_known_either_end_may_be_selected():
    opens = policy("opens", pods={"matchLabels": {"side": "odd"}}, types=("Ingress",), ingress=[{}])
    assert not void(opens)
    (voider,) = void(opens, guards=None)
    assert (voider.source, voider.target, voider.guard) == ("broker-0", "broker-1", "broker-1")


def test_two_cuts_of_one_pod_void_each_other_even_if_the_older_one_cuts_more():
    (live,) = made(cut_of((0,), (1, 2)))
    (voider,) = void(live, pairs=[("broker-0", "broker-1")])
    assert voider.ours
    assert voider.sentence.startswith(
        f"NetworkPolicy `{live['metadata']['name']}` of another fault that is still active selects broker-0 too: "
    )
    assert not void(live, pairs=[("broker-1", "broker-2")], guards=("broker-1",))


@pytest.mark.parametrize(
    ("spec", "doubt"),
    [
        ({"ingress": [{"from": [{"serviceAccount": "x"}]}]}, "`ingress[0].from[0]` has the unknown field"),
        ({"ingress": [{"ports": [{"protocol": "QUIC"}]}]}, "`ingress[0].ports[0]` has the unknown protocol `QUIC`"),
        ({"ingress": [{"ports": [{"endPort": 9}]}]}, "`ingress[0].ports[0]` has the port `None`"),
        ({"ingress": [{"except": []}]}, "`ingress[0]` has the unknown field `except`"),
        ({"ingress": [{"from": [{}]}]}, "names neither pods nor a block of addresses"),
        ({"ingress": [{"from": [{"ipBlock": {"cidr": "everything"}}]}]}, "'everything' does not appear to be"),
        ({"tier": "Admin"}, "`spec` has the unknown field `tier`"),
        (
            {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}, "ingress": [{}]},
            "`podSelector.matchExpressions[0]` has the unknown operator `Near`",
        ),
        ({"policyTypes": ["Transit"], "ingress": [{}]}, "`policyTypes` holds `Transit`"),
    ],
)
def test_what_is_not_understood_counts_as_allowing_and_says_so(spec, doubt):
    (voider,) = void({"metadata": {"name": "odd", "namespace": "skerry"}, "spec": {"podSelector": {}, **spec}})
    assert doubt in voider.doubt
    assert "NetworkPolicy `odd` may allow broker-" in voider.sentence
    assert f"(not understood: {voider.doubt})" in voider.sentence


def test_a_certain_answer_wins_over_a_doubt():
    rules = [{"from": [{"podSelector": {}, "realm": "x"}]}, {"from": [{"podSelector": {}}]}]
    (voider,) = void(policy(types=("Ingress",), ingress=rules))
    assert not voider.doubt
    never = [{"from": [{"podSelector": {}, "realm": "x"}], "ports": [{"port": 80}]}]
    assert not void(policy(types=("Ingress",), ingress=never))


def test_a_closed_end_that_may_not_be_closed_does_not_help():
    opens = policy("opens", pods={"matchLabels": {"side": "even"}}, types=("Ingress",), ingress=[{}])
    closes = policy("closes", pods={"matchExpressions": [{"key": "side", "operator": "Near"}]}, types=("Egress",))
    assert [voider.policy for voider in void(opens, closes, pairs=[("broker-0", "broker-1")])] == ["opens"]


def test_a_pod_without_an_address_may_be_in_any_block():
    pods = [broker_pod(0), {**broker_pod(1), "status": {}}, broker_pod(2)]
    blocks = policy(types=("Ingress",), ingress=[{"from": [{"ipBlock": {"cidr": "192.168.0.0/16"}}]}])
    (voider,) = void(blocks, pods=pods)
    assert "pod broker-1 has no address yet" in voider.doubt
    assert not void(blocks)


def test_one_entry_for_each_policy_in_the_order_of_their_names():
    voiders = void(policy("b", **OPEN), policy("a", **OPEN), ports=PORTS)
    assert [voider.policy for voider in voiders] == ["a", "b"]


def test_pods_and_pairs_that_cannot_be_judged():
    with pytest.raises(ValueError, match="nothing is known of pod broker-2"):
        void(ALLOW_ALL, pods=PODS[:2])
    with pytest.raises(ValueError, match="no policy of the cut would select broker-1 or broker-2"):
        void(ALLOW_ALL, pairs=[("broker-1", "broker-2")])


# --- single connections ---------------------------------------------------------------------------------


def test_a_pod_selector_alone_speaks_of_the_policys_own_namespace():
    rule = policy(ingress=[{"from": [{"podSelector": {}}]}])
    here, there = pod_facts(broker_pod(0)), pod_facts(pod("broker-1", "10.244.0.61", namespace="elsewhere"))
    assert permits(rule, Direction.INGRESS, here, pod_facts(broker_pod(1)), 9093, {}) is True
    assert permits(rule, Direction.INGRESS, here, there, 9093, {}) is False


def test_a_named_port_is_the_destinations():
    here = pod_facts(broker_pod(0))
    nameless = pod_facts({**broker_pod(1), "spec": {"containers": [{"name": "broker"}]}})
    by_name = policy(ingress=[{"ports": [{"port": "raft"}]}], egress=[{"ports": [{"port": "raft"}]}])
    assert permits(by_name, Direction.INGRESS, here, nameless, 9093, {}) is True
    assert permits(by_name, Direction.EGRESS, here, nameless, 9093, {}) is False
    assert permits(by_name, Direction.EGRESS, nameless, here, 9093, {}) is True


def test_a_sidecar_names_ports_and_an_init_container_that_ends_does_not():
    ports = [{"name": "raft", "containerPort": 9093}]
    initial = {"name": "init", "ports": ports}
    spec = {"containers": [{"name": "broker"}], "initContainers": [initial]}
    assert pod_facts({**broker_pod(1), "spec": spec}).named_ports == {}
    spec["initContainers"] = [{**initial, "restartPolicy": "Always"}]
    assert pod_facts({**broker_pod(1), "spec": spec}).named_ports == {"raft": 9093}
