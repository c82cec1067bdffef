"""A follower as its leader knows it: how far it counts, beside the dumb rule."""

from __future__ import annotations

import random

from skerry_broker.core.in_sync import Follower


def test_it_counts_as_far_as_both_its_proven_and_its_durable_end_reach() -> None:
    rng = random.Random(11)
    follower = Follower(2, 0)
    proven = durable = -1
    for _ in range(500):
        if rng.random() < 0.05:
            follower.forget(rng.randrange(5))
            proven = durable = -1
        said = rng.randrange(-1, 40), rng.randrange(-1, 40)
        follower.reaches(*said)
        proven, durable = max(proven, said[0]), max(durable, said[1])
        assert (follower.log_end, follower.claimed_end, follower.counted_end) == (proven, durable, min(proven, durable))
