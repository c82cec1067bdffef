"""No verdict is a Pass where the fault layer lies: every lie on every fault, in the simulated world."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
from lies import LIES, SENSELESS, UNMEASURED

from skerry.experiment import Verdict, load_document
from skerry.faults.registry import FAULTS
from skerry.worlds.sim.faults.registry import HANDLERS
from skerry.worlds.sim.world import run_simulated

VICTIM = {"target": {"ordinal": 2}}
BODIES = {
    "partition": {"groups": [[{"ordinal": 2}], [{"ordinal": 0}]]},
    "slow": {"between": [[{"ordinal": 2}], [{"ordinal": 0}]], "latency": "100ms"},
    "kill": VICTIM | {"how": "Process", "downFor": "4s"},
    "restart": {"targets": [{"ordinal": 2}], "how": "Kill"},
    "pause": VICTIM,
    "wipe": VICTIM | {"downFor": "4s"},
    "disk": VICTIM | {"slowBy": "300ms"},
    "clock": VICTIM | {"jump": "1s"},
}
REASONS = {"NotVerified", "FaultLost", "NotHealed"}


def document(kind: str) -> str:
    body = FAULTS[kind].body.model_validate(BODIES[kind])
    fault = {"name": "lie", "startAfter": "1s", kind: BODIES[kind]}
    spec = {
        "hypothesis": "The layer that carries the fault out lies.",
        "workload": {"producers": 1, "consumers": 0, "ratePerSecond": 20},
        "timeout": "3m",
        "allow": ["BelowMinIsr"],
        "faults": [fault if body.lasts_ns() is not None else fault | {"duration": "4s"}],
    }
    head = {"apiVersion": "skerry.dev/v1alpha1", "kind": "ChaosExperiment", "metadata": {"name": "lie"}}
    return json.dumps(head | {"spec": spec})


def verdict(kind: str, directory: Path) -> tuple[Verdict, str, str]:
    text = document(kind)
    finish = run_simulated(load_document(text, "lie.yaml"), text, 7, directory, "test").finish
    return finish.verdict, finish.reason, finish.message


def test_every_fault_is_asked_every_lie():
    assert set(BODIES) == set(FAULTS)
    assert {(kind, lie) for kind, lie in SENSELESS} <= set(product(FAULTS, LIES))


@pytest.mark.parametrize("kind", list(BODIES))
def test_an_honest_layer_passes(kind, tmp_path):
    assert verdict(kind, tmp_path)[0] is Verdict.PASS


@pytest.mark.parametrize(
    ("kind", "lie"),
    [pair for pair in product(BODIES, LIES) if pair not in SENSELESS and pair not in UNMEASURED],
    ids=lambda value: value,
)
def test_a_lie_is_never_a_pass(kind, lie, tmp_path, monkeypatch):
    monkeypatch.setitem(HANDLERS, kind, LIES[lie](HANDLERS[kind]))
    found, reason, message = verdict(kind, tmp_path)
    assert found is Verdict.INCONCLUSIVE, message
    assert reason in REASONS, message


@pytest.mark.parametrize(("kind", "lie"), list(UNMEASURED), ids=lambda value: value)
@pytest.mark.xfail(strict=True, reason="not measured yet: see UNMEASURED")
def test_a_lie_that_is_not_found_out_yet(kind, lie, tmp_path, monkeypatch):
    monkeypatch.setitem(HANDLERS, kind, LIES[lie](HANDLERS[kind]))
    assert verdict(kind, tmp_path)[0] is Verdict.INCONCLUSIVE
