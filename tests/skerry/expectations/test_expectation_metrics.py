"""`metric` and `promql`: no sample is never zero."""

from __future__ import annotations

import pytest
from expectation_kit import FAIL, INCONCLUSIVE, PASS, assert_judged, judge, metric

OFFLINE = "metric: {name: broker_offline_partitions, aggregate: %s, %s, during: cut}"


def offline(at, value, broker=1):
    return metric("broker_offline_partitions", at, value, broker)


@pytest.mark.parametrize(
    ("aggregate", "limit", "verdict"),
    [
        ("Max", "atMost: 3", PASS),
        ("Max", "atMost: 2", FAIL),
        ("Min", "equals: 1", PASS),
        ("Last", "equals: 2", PASS),
        ("Sum", "equals: 5", PASS),  # 3 of broker 2 and 2 of broker 1
        ("Delta", "equals: 1", PASS),
        ("Delta", "atLeast: 2", FAIL),
        ("Max", 'atMost: "2.5"', FAIL),
    ],
)
def test_metric(aggregate, limit, verdict):
    samples = [offline(1000, 9), offline(6000, 1), offline(8000, 3, broker=2), offline(9000, 2), offline(20_000, 9)]
    assert judge(OFFLINE % (aggregate, limit), samples).verdict is verdict


def test_a_counter_that_starts_again_has_not_shrunk():
    samples = [offline(6000, 5), offline(7000, 7), offline(8000, 1)]
    assert judge(OFFLINE % ("Delta", "equals: 3"), samples).measured == "3"


def test_metric_without_a_sample_is_inconclusive_never_zero():
    rule = OFFLINE % ("Max", "atMost: 3")
    assert_judged(INCONCLUSIVE, rule, [], reason="NoSample")
    assert_judged(INCONCLUSIVE, rule, [offline(1000, 0), metric("other", 6000, 0)], reason="NoSample")
    assert_judged(
        INCONCLUSIVE, rule, [offline(6000, 0, broker=-1)], reason="NoSample"
    )  # the operator's, not a broker's
    assert_judged(INCONCLUSIVE, rule, [offline(6000, float("nan"))], reason="NotANumber")


def test_metric_by_labels_and_of_the_operator():
    rule = "metric: {name: x, labels: {plane: Raft}, from: Operator, aggregate: Max, atMost: 1}"
    mine, other = metric("x", 6000, 1, -1, plane="Raft", more="1"), metric("x", 6000, 9, -1, plane="Client")
    assert judge(rule, [mine, other]).verdict is PASS


def test_promql():
    rule = 'promql: {query: "max(up)", equals: 1}'
    extra = "prometheusUrl: http://prometheus:9090"
    assert_judged(INCONCLUSIVE, rule, [], reason="EmptyResult", extra=extra)
    assert judge(rule, [metric("promql", 24_500, 1, -1, query="max(up)")], extra=extra).verdict is PASS
    values = [metric("promql", 24_500, value, -1, query="max(up)") for value in (1, 0)]
    assert_judged(FAIL, rule, values, "1 of 2 values", reason="OutOfBounds", extra=extra)
