"""The same seed gives the same events: in one process, in another one, under another hash seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from skerry.worlds.sim.chaos import run_seed
from skerry_broker.core.partitions import Partitions

SEEDS = (1, 7, 12)
"""7 sends every message through the wire codec."""

PROGRAM = """
import json, sys
from skerry.worlds.sim.chaos import run_seed
print(json.dumps([[r.hash, r.events, len(r.history)] for r in map(run_seed, map(int, sys.argv[1:]))]))
"""


def run_elsewhere(hash_seed: str) -> list[list[object]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, SEEDS)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[list[object]] = json.loads(done.stdout)
    return found


@pytest.mark.sim
@pytest.mark.timeout(300)
def test_same_seed_same_hash_in_any_process() -> None:
    one = run_elsewhere("1")
    assert one == run_elsewhere("4242")
    here = [[result.hash, result.events, len(result.history)] for result in map(run_seed, SEEDS)]
    assert one == here
    assert len({line[0] for line in here}) == len(SEEDS), "different seeds, different events"


@pytest.mark.sim
@pytest.mark.timeout(300)
def test_what_is_skipped_when_nothing_was_stirred_would_have_changed_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = [run_seed(seed).hash for seed in SEEDS]
    monkeypatch.setattr(Partitions, "stirred", property(lambda self: True, lambda self, value: None), raising=False)
    assert [run_seed(seed).hash for seed in SEEDS] == quick
