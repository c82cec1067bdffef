"""What this world can do with which switches, and the sentence for what it cannot."""

from __future__ import annotations

import pytest

from skerry.engine.capabilities import ELSEWHERE, PREPARE, all_features
from skerry.expectations.port import METRICS, PROMQL
from skerry.faults.kill.fault import DOWN_FOR, POD_DELETE, PROCESS
from skerry.faults.network_partition.fault import ESTABLISHED, PARTITION
from skerry.worlds.kubernetes.capabilities import capabilities, needs_init
from skerry.worlds.kubernetes.opt_ins import OptIns

ALWAYS = {PARTITION, POD_DELETE, PREPARE, ELSEWHERE, METRICS}
GRANT = "the chart's value `injector.enabled=true`"
LABEL = 'the label `skerry.dev/allow-injector: "true"` of namespace skerry'


def opted(*, grant: bool = False, label: bool = False, hold: bool = False, prometheus: bool = False) -> OptIns:
    return OptIns(grant, label, hold, prometheus, namespace="skerry")


@pytest.mark.parametrize(
    ("opt_ins", "more"),
    [
        (opted(), set()),
        (opted(grant=True), set()),
        (opted(label=True), set()),
        (opted(grant=True, label=True), {ESTABLISHED, PROCESS}),
        (opted(hold=True), {DOWN_FOR}),
        (opted(prometheus=True), {PROMQL}),
    ],
)
def test_each_switch_adds_what_it_is_for(opt_ins, more):
    assert capabilities(opt_ins).features == ALWAYS | more


@pytest.mark.parametrize(
    ("opt_ins", "named"),
    [(opted(), f"{GRANT} and {LABEL}"), (opted(label=True), GRANT), (opted(grant=True), LABEL)],
)
@pytest.mark.parametrize("feature", [ESTABLISHED, PROCESS])
def test_only_what_is_missing_is_named(opt_ins, named, feature):
    (sentence,) = capabilities(opt_ins).lacking(frozenset({feature}))
    assert sentence.endswith(f"switch on {named}.")


def test_a_cut_of_open_connections_says_what_a_policy_cannot_do():
    assert capabilities(opted()).lacking(frozenset({ESTABLISHED})) == [
        "The kubernetes world cannot do `partition, connections: All`: a NetworkPolicy does not cut established TCP "
        "connections on Calico, kindnet or kube-router, so the brokers' kept-open ones would survive; set "
        f"`connections: New`, or switch on {GRANT} and {LABEL}."
    ]


def test_without_a_namespace_the_label_is_still_named():
    assert OptIns(grant=True, label=False).missing == 'the label `skerry.dev/allow-injector: "true"` of the namespace'


def test_whatever_is_lacking_says_why_and_what_would_help():
    can = capabilities(opted())
    for feature in all_features() - can.features:
        assert "; " in can.reasons[feature], feature
    assert not can.reasons.keys() & can.features


@pytest.mark.parametrize(("pid", "refused"), [(1, True), (7, False)])
def test_a_broker_that_is_process_1_cannot_be_killed(pid, refused):
    assert ("tini" in needs_init(pid)) is refused
