"""Seeds that once found a bug, each with a sentence that says which. They stay, whatever else changes.

A seed means something else when the drawing of plans or streams changes; what proves that these still look where the
bug was is the mutant of the same name in `test_mutants`. (The simulator also found that a leader took a silent follower
back into the ISR at once, with `experiments/11-partial-connectivity/d-controller-on-c.yaml`, which stays in the suite.)
"""

from __future__ import annotations

import pytest

from skerry.worlds.sim.chaos import run_seed

SEEDS = {
    16: "A replica that appeared after its broker's disk had failed was led and written to: late_replica_ignores_...",
}


@pytest.mark.sim
@pytest.mark.parametrize(("seed", "bug"), SEEDS.items(), ids=lambda value: str(value) if isinstance(value, int) else "")
def test_fixed_bug_stays_fixed(seed: int, bug: str) -> None:
    result = run_seed(seed)
    assert result.passed, f"{bug}\n{result.story()}"
