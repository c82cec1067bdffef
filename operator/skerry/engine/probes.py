"""Directed requests for `writesRefused` and its like: when they run, and which brokers they go to.

A probe runs from the moment its fault took effect until that fault's heal is asked for. A side that is named by ordinal
belongs to no fault: its probe runs while any fault is in effect.
"""

from __future__ import annotations

from collections.abc import Sequence

from skerry.engine.actions import StartProbe, StopProbe
from skerry.engine.fault_instance import FaultInstance
from skerry.engine.stage import Stage
from skerry.engine.step_context import StepContext
from skerry.expectations.bodies import Probed
from skerry.experiment.document import Expectation, Spec
from skerry.schema.selectors import Side

_IN_EFFECT = (Stage.VERIFYING, Stage.HOLDING)


class Probes:
    """Starts and stops them as the instances of the faults go on."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._wanted = [
            (expectation, side)
            for expectation in spec.expect
            if expectation.body.probed is not None
            for _, side in expectation.body.sides()
        ]
        self._running: set[str] = set()

    def step(self, context: StepContext, instances: Sequence[FaultInstance]) -> None:
        wanted: dict[str, tuple[Expectation, tuple[int, ...]]] = {}
        for expectation, side in self._wanted:
            for name, ordinals in self._sides(expectation, side, instances):
                wanted[name] = expectation, ordinals
        for name in sorted(self._running - wanted.keys()):
            context.send(StopProbe(context.new_id(), name))
        for name in sorted(wanted.keys() - self._running):
            expectation, ordinals = wanted[name]
            acks = getattr(expectation.body, "acks", None) or self._spec.workload.acks
            what = expectation.body.probed or Probed.WRITES
            context.send(StartProbe(context.new_id(), name, ordinals, str(acks), what))
        self._running = set(wanted)

    def _sides(
        self, expectation: Expectation, side: Side, instances: Sequence[FaultInstance]
    ) -> list[tuple[str, tuple[int, ...]]]:
        current = [instance for instance in instances if instance.stage in _IN_EFFECT]
        if side.ordinal is not None:
            return [(expectation.name, (side.ordinal,))] if current else []
        return [
            (f"{expectation.name}#{instance.occurrence.id.number}", instance.groups[side.group_index])
            for instance in current
            if instance.occurrence.id.fault == side.fault and side.group_index < len(instance.groups)
        ]
