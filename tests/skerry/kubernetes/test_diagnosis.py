"""What doctor concludes, from hand-written findings."""

from __future__ import annotations

import copy

import pytest

from skerry.experiment.schema import crd
from skerry.worlds.kubernetes.diagnosis import (
    State,
    clocks_check,
    definition_check,
    enforcement_checks,
    experiments_check,
    injector_check,
    namespace_check,
    operator_check,
    policies_check,
    prometheus_check,
    rights_check,
    security_check,
)
from skerry.worlds.kubernetes.enforcement import Enforcement
from skerry.worlds.kubernetes.opt_ins import OptIns

MS = 1_000_000


def namespace(**labels: str) -> dict:
    return {"metadata": {"name": "skerry", "labels": labels}}


@pytest.mark.parametrize(
    ("value", "state", "todo"),
    [
        ("true", State.OK, ""),
        ("false", State.FAIL, "kubectl label namespace skerry skerry.dev/enabled=true --overwrite"),
        (None, State.FAIL, "kubectl label namespace skerry skerry.dev/enabled=true --overwrite"),
    ],
)
def test_namespace(value, state, todo):
    check = namespace_check(namespace(**({"skerry.dev/enabled": value} if value is not None else {})))
    assert (check.state, check.todo) == (state, todo)


@pytest.mark.parametrize(
    ("level", "state"),
    [(None, State.OK), ("privileged", State.OK), ("baseline", State.WARN), ("restricted", State.WARN)],
)
def test_pod_security(level, state):
    labels = {} if level is None else {"pod-security.kubernetes.io/enforce": level}
    assert security_check(namespace(**labels)).state == state


def without_a_field(definition: dict) -> None:
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"].pop("status")


@pytest.mark.parametrize(
    ("change", "state", "found"),
    [
        (lambda definition: None, State.OK, "v1alpha1 is served, as this skerry has it"),
        (without_a_field, State.WARN, "with a schema that is not the one of this skerry"),
        (
            lambda definition: definition["spec"]["versions"][0].update(name="v1beta1"),
            State.FAIL,
            "v1alpha1 is not served, only v1beta1",
        ),
    ],
    ids=["same", "another", "later"],
)
def test_definition(change, state, found):
    served = copy.deepcopy(crd())
    change(served)
    check = definition_check(served, crd())
    assert check.state == state
    assert found in check.found


def test_no_definition():
    assert definition_check(None, crd()).state == State.FAIL


def deployment(ready: int, version: str | None = "0.1.0") -> dict:
    labels = {} if version is None else {"app.kubernetes.io/version": version}
    conditions = [
        {"type": "Progressing", "status": "True", "message": "fine"},
        {"type": "Available", "status": "False", "message": "no pod is available"},
    ]
    status = {"readyReplicas": ready} if ready else {"conditions": conditions}
    return {"metadata": {"name": "skerry-operator", "labels": labels}, "status": status}


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        ([deployment(1)], State.OK, "skerry-operator is ready, version 0.1.0"),
        ([deployment(1, None)], State.OK, "skerry-operator is ready"),
        ([deployment(1, "0.2.0")], State.WARN, "version 0.2.0; this skerry is 0.1.0"),
        ([deployment(0)], State.FAIL, "Deployment skerry-operator is not ready: no pod is available"),
        ([], State.FAIL, "there is none in namespace skerry"),
    ],
    ids=["same", "unlabelled", "another version", "not ready", "none"],
)
def test_operator(found, state, words):
    check = operator_check(found, "skerry", "0.1.0")
    assert (check.state, words in check.found) == (state, True)
    assert bool(check.todo) is (state != State.OK)


def test_rights():
    assert rights_check([], "a:b").state == State.OK
    check = rights_check(["get pods", "create jobs (batch)"], "a:b")
    assert check.state == State.FAIL
    assert check.found == "the operator (a:b) may not get pods, create jobs (batch)"


@pytest.mark.parametrize(
    ("phases", "state", "words"),
    [
        ([], State.OK, "none is under way"),
        ([None, "Pending", "Complete"], State.OK, "none is under way"),
        (["Complete", "Holding"], State.WARN, "x1 is Holding: what is not ready below may be its doing"),
    ],
)
def test_experiments(phases, state, words):
    experiments = [{"metadata": {"name": f"x{n}"}, "status": {"phase": phase}} for n, phase in enumerate(phases)]
    check = experiments_check(experiments)
    assert (check.state, check.found) == (state, words)


@pytest.mark.parametrize(
    ("grant", "label", "refused", "state", "words"),
    [
        (True, True, "", State.OK, "on, and would be let in"),
        (True, True, "violates PodSecurity", State.WARN, "would be refused: violates PodSecurity"),
        (True, True, None, State.UNKNOWN, "was not tried"),
        (True, False, None, State.WARN, "off"),
        (False, False, None, State.WARN, "off"),
    ],
)
def test_injector(grant, label, refused, state, words):
    check = injector_check(OptIns(grant, label, namespace="skerry"), refused)
    assert (check.state, words in check.found) == (state, True)


@pytest.mark.parametrize(
    ("offsets", "state", "words"),
    [
        ({}, State.UNKNOWN, "no broker told its time"),
        ({"a": (-5, 5), "b": (-6, 4)}, State.OK, "agree"),
        # As far as slow answers allow: nothing says that they differ.
        ({"a": (-900, 100), "b": (0, 1000)}, State.OK, "agree, as far as can be told (within 500 ms)"),
        ({"a": (0, 10), "b": (31, 41)}, State.WARN, "b is at least 21 ms ahead of a; 20 ms are allowed for"),
        ({"a": (0, 10), "b": (30, 40)}, State.OK, "agree"),
        ({"a": (501, 510), "b": (500, 509)}, State.WARN, "the brokers agree, and are at least 501 ms away"),
        ({"a": (-610, -601), "b": (-610, -600)}, State.WARN, "at least 601 ms away from this machine"),
    ],
)
def test_clocks(offsets, state, words):
    """Bounds in milliseconds."""
    check = clocks_check({pod: (low * MS, high * MS) for pod, (low, high) in offsets.items()})
    assert (check.state, words in check.found) == (state, True), check


CUT = Enforcement(210 * MS, "TimeoutError", kept_survives=True, others_open=True, url_error="")


@pytest.mark.parametrize(
    ("found", "injector", "new", "kept"),
    [
        (CUT, True, State.OK, State.OK),
        (CUT, False, State.OK, State.WARN),
        (CUT._replace(kept_survives=False), False, State.OK, State.OK),
        (CUT._replace(others_open=False), True, State.WARN, State.OK),
        (CUT._replace(new_cut_ns=None, error=""), True, State.FAIL, State.UNKNOWN),
    ],
    ids=["enforced, injector", "enforced", "kept are cut", "all ports", "not enforced"],
)
def test_enforcement(found, injector, new, kept):
    assert [check.state for check in enforcement_checks(found, injector)] == [new, kept]


def test_enforcement_in_words():
    assert enforcement_checks(CUT, False)[0].found == "a NetworkPolicy cuts them within 0.2 s (no answer)"
    refused = enforcement_checks(CUT._replace(error="ConnectionRefusedError"), False)[0]
    assert "(refused, ConnectionRefusedError)" in refused.found


def test_standing_policies():
    assert policies_check([]).state == State.OK
    check = policies_check(["`a` allows it", "`b` allows it"])
    assert (check.state, check.found) == (State.WARN, "`a` allows it (and 1 more)")


def test_prometheus():
    assert prometheus_check("http://p", "").state == State.OK
    assert prometheus_check("http://p", "no such host").state == State.WARN
