"""Faults in the simulated world that are healed while they are still being carried out."""

from __future__ import annotations

from pathlib import Path

import pytest

from skerry.engine.conductor import Conductor
from skerry.experiment import load_document
from skerry.history.records import FaultStep
from skerry.schema.verdict import Verdict
from skerry.worlds.sim.world import CAPABILITIES, SimulatedRun, SimWorld

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: broken-off}
spec:
  hypothesis: What was begun is put right, and the rest is not begun.
  workload: {producers: 1, consumers: 1, ratePerSecond: 20}
  timeout: 2m
  faults:
  - {name: roll, startAfter: 200ms, restart: {targets: [{role: All}], how: HOW, pauseBetween: 20s}}
"""


def aborted_after(starts: int, how: str, directory: Path) -> tuple[SimulatedRun, list[int]]:
    """Aborted when the processes have been started so often, more than once each; how often each was at the end."""
    text = DOCUMENT.replace("HOW", how)
    experiment = load_document(text)

    def look(*_: object) -> None:
        if sum(host.starts for host in world.cluster.hosts) == 3 + starts:
            world.abort("enough")

    world = SimWorld(experiment, text, 7, directory, "test", look)
    return world.run(Conductor(experiment, 7, CAPABILITIES)), [host.starts for host in world.cluster.hosts]


@pytest.mark.parametrize(("duration", "drift_ppm"), [("15s", 50_000), ("21s", -100), ("4800ms", 450)])
def test_a_drift_shows_when_it_can(duration: str, drift_ppm: int, tmp_path: Path) -> None:
    """Whether a drift has ended shows late: later than the margin after which a fault ends by itself. That a small one
    has begun shows late, too."""
    clock = f"{{target: {{ordinal: 0}}, driftPpm: {drift_ppm}}}"
    drift = f"faults:\n  - {{name: drift, duration: {duration}, clock: {clock}}}\n"
    text = DOCUMENT[: DOCUMENT.index("faults:")] + drift
    experiment = load_document(text)
    result = SimWorld(experiment, text, 7, tmp_path, "test").run(Conductor(experiment, 7, CAPABILITIES))
    assert (result.finish.verdict, result.finish.reason) == (Verdict.PASS, "Passed")


@pytest.mark.parametrize("how", ["Graceful", "Kill"])
def test_a_rolling_restart_that_is_broken_off_begins_no_other_broker(how: str, tmp_path: Path) -> None:
    result, starts = aborted_after(1, how, tmp_path)
    assert sorted(starts) == [1, 1, 2]
    assert (result.finish.verdict, result.finish.reason) == (Verdict.INCONCLUSIVE, "Aborted")
    healing, healed = (
        next(event for event in result.history.faults if event.step is step)
        for step in (FaultStep.HEALING, FaultStep.HEALED)
    )
    assert healed.after_ns - healing.after_ns < 5_000_000_000
    assert "it was broken off before the turn of broker" in healed.detail
