"""Every experiment of the repository, in virtual time: the same document, conductor, checker and verdict as elsewhere.

And that the verdict can be trusted: a cut that does not cut, a broker that lies, a run that is aborted.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from agreement import disagreements

from skerry.engine.conductor import Conductor
from skerry.experiment import load_document
from skerry.history import read_history
from skerry.schema.verdict import Finding, Verdict
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.world import CAPABILITIES, SimulatedRun, SimWorld, run_simulated
from skerry_broker.core.pending_produces import PendingProduces
from skerry_broker.core.types import Plane

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
FILES = [
    path
    for path in sorted(EXPERIMENTS.rglob("*.yaml"))
    if load_document(path.read_text()).target.name in CAPABILITIES.targets
]
SHORT = EXPERIMENTS / "04a-leader-crash.yaml"
CUT = EXPERIMENTS / "01-leader-isolation.yaml"

pytestmark = [pytest.mark.sim, pytest.mark.timeout(200)]


def run(path: Path, directory: Path, seed: int = 7) -> SimulatedRun:
    text = path.read_text()
    return run_simulated(load_document(text, source_name=path.name), text, seed, directory, "0")


def wrong(result: SimulatedRun) -> list[Finding]:
    return [finding for finding in result.finish.findings if finding.verdict is not Verdict.PASS]


def test_there_are_experiments() -> None:
    assert CUT in FILES
    assert SHORT in FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_experiment_passes(path: Path, tmp_path: Path) -> None:
    result = run(path, tmp_path)
    assert result.finish.verdict is Verdict.PASS, "\n".join(map(str, wrong(result)))
    assert result.history.faults, "nothing was injected"
    experiment = load_document(path.read_text(), source_name=path.name)
    assert disagreements(result.history, experiment, result.finish.findings) == []


def test_same_document_and_seed_same_history(tmp_path: Path) -> None:
    paths = []
    for number in range(2):
        directory = tmp_path / str(number)
        directory.mkdir()
        paths.append(run(SHORT, directory).history_path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with paths[0].open("rb") as lines:
        assert read_history(lines).footer is not None


def test_a_cut_that_does_not_cut_is_inconclusive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "cut", lambda self, *arguments, **options: None)
    result = run(CUT, tmp_path)
    assert result.finish.verdict is Verdict.INCONCLUSIVE
    assert {finding.reason for finding in wrong(result)} & {"NotVerified"}


def test_a_broker_that_acknowledges_before_replication_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = PendingProduces.complete

    def complete(self: PendingProduces, high_watermark: int, counted_end: int, lease: bool, enough: bool) -> None:
        rule(self, max(high_watermark, counted_end), counted_end, lease, enough)

    monkeypatch.setattr(PendingProduces, "complete", complete)
    result = run(CUT, tmp_path)
    assert result.finish.verdict is Verdict.FAIL
    rules = {finding.rule for finding in wrong(result)}
    assert "invariants" in rules


def test_an_aborted_run_is_inconclusive_and_healed(tmp_path: Path) -> None:
    text = CUT.read_text()
    experiment = load_document(text, source_name=CUT.name)
    world: SimWorld

    def on_turn(now_ns: int, observation: object, actions: object) -> None:
        if now_ns > 7_000_000_000:
            world.abort("interrupted")

    world = SimWorld(experiment, text, 7, tmp_path, "0", on_turn)
    result = world.run(Conductor(experiment, 7, CAPABILITIES))
    assert result.finish.verdict is Verdict.INCONCLUSIVE
    assert result.finish.aborted
    assert all(
        world.cluster.network.reachable(a, b, plane)
        for a in range(3)
        for b in range(3)
        for plane in (Plane.RAFT, Plane.REPLICATION)
        if a != b
    )
