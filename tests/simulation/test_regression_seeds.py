"""Seeds that once found a bug, each with a sentence that says which. They stay, whatever else changes.

A seed means something else when the drawing of plans or streams changes; then the bug's own unit test is what remains.
"""

from __future__ import annotations

import pytest

from skerry.worlds.sim.chaos import run_seed

SEEDS = {
    16: "A replica that appeared after its broker's disk had failed was led and written to (fixed in partitions).",
}


@pytest.mark.sim
@pytest.mark.parametrize(("seed", "bug"), SEEDS.items(), ids=lambda value: str(value) if isinstance(value, int) else "")
def test_fixed_bug_stays_fixed(seed: int, bug: str) -> None:
    result = run_seed(seed)
    assert result.passed, f"{bug}\n{result.story()}"
