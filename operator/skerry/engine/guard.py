"""The guard: what a fault will do to the cluster, before it is injected. What that means for a system its rules say."""

from __future__ import annotations

from collections.abc import Iterable

from skerry.faults.port import Effect, ResolvedFault
from skerry.targets.port import ClusterRules, P, R


def predict_all(
    rules: ClusterRules[R, P], roles: R, active: Iterable[ResolvedFault], added: ResolvedFault
) -> tuple[P, ...]:
    """One prediction for each state that ``added`` leads through while the ``active`` faults last."""
    standing = Effect()
    for fault in active:
        for effect in fault.effects():
            standing = standing.merged(effect)  # of a rolling restart it is unknown who is down: assume the worst
    return tuple(rules.predict(standing.merged(effect), roles) for effect in added.effects())
