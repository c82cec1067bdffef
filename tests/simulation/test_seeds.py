"""Whole clusters under a swarm of faults, one seed each. ``SKERRY_SEEDS`` says how many (default 20), from
``SKERRY_FIRST_SEED`` (default 0) on.

They come in chunks, so that parallel workers share them. A failure names the seed and the command that replays it.
"""

from __future__ import annotations

import os

import pytest

from skerry.worlds.sim.chaos import run_seed

SEEDS = int(os.environ.get("SKERRY_SEEDS", "20"))
FIRST_SEED = int(os.environ.get("SKERRY_FIRST_SEED", "0"))
CHUNK = 5


@pytest.mark.sim
@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + SEEDS, CHUNK))
def test_seeds_hold_every_invariant(first: int) -> None:
    stories = []
    for seed in range(first, min(first + CHUNK, FIRST_SEED + SEEDS)):
        result = run_seed(seed)
        if not result.passed:
            stories.append(result.story())
        assert result.acknowledged > 0 or not result.passed, f"seed {seed} wrote nothing, so it proves nothing"
    if stories:
        pytest.fail("\n".join(stories))
