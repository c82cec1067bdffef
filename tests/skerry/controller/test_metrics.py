"""The operator's metrics, the page that shows them, and the pages that probes ask."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest

from skerry.controller.metrics import Metrics
from skerry.controller.server import Server
from skerry.experiment import Verdict
from skerry.history.records import FaultEvent, FaultStep

S = 10**9
WALL_NS = 1_800_000_000 * S
LABELS = {"namespace": "lab", "experiment": "story"}


def step(step: FaultStep, before_ns: int, after_ns: int, wall_ns: int = 0) -> FaultEvent:
    return FaultEvent("cut", 0, step, before_ns, after_ns, wall_ns=wall_ns, kind="partition")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_the_phase_is_one_of_all():
    metrics = Metrics()
    story = metrics.of("lab", "story")
    for phase in ("Preflight", "Holding"):
        story.in_phase(phase)
    assert value(metrics, "skerry_experiment_phase", phase="Holding", **LABELS) == 1
    assert value(metrics, "skerry_experiment_phase", phase="Preflight", **LABELS) == 0
    assert value(metrics, "skerry_experiment_phase", phase="Pending", **LABELS) == 0


def test_edges_and_latencies_of_a_fault():
    metrics = Metrics()
    story = metrics.of("lab", "story")
    for event, heard_ns in (
        (step(FaultStep.INJECTING, 10 * S, 10 * S), 10 * S),
        (step(FaultStep.EFFECTIVE, 10 * S + S // 10, 10 * S + S // 5, WALL_NS), 10 * S + S // 2),
        (step(FaultStep.VERIFIED, 10 * S + S // 10, 11 * S), 11 * S + S // 10),
        (step(FaultStep.HEALING, 20 * S, 20 * S + S // 10), 20 * S + S // 10),
        (step(FaultStep.HEALED, 20 * S, 20 * S + S // 10, WALL_NS + 10 * S), 22 * S),
    ):
        story.hear(event, heard_ns)
    assert value(metrics, "skerry_fault_effective_timestamp_seconds", fault="cut", **LABELS) == WALL_NS / S
    assert value(metrics, "skerry_fault_healed_timestamp_seconds", fault="cut", **LABELS) == WALL_NS / S + 10
    sums = {
        name: value(metrics, f"skerry_fault_{name}_seconds_sum", kind="partition")
        for name in ("injection", "verification", "heal")
    }
    assert sums == pytest.approx({"injection": 0.2, "verification": 1.0, "heal": 2.0})


def test_of_occurrences_the_last_one_is_shown_and_an_unknown_wall_clock_is_not():
    metrics = Metrics()
    story = metrics.of("lab", "story")
    story.hear(step(FaultStep.EFFECTIVE, S, S, 0), S)
    assert value(metrics, "skerry_fault_effective_timestamp_seconds", fault="cut", **LABELS) is None
    for wall_ns in (WALL_NS, WALL_NS + S):
        story.hear(step(FaultStep.EFFECTIVE, S, S, wall_ns), S)
    assert value(metrics, "skerry_fault_effective_timestamp_seconds", fault="cut", **LABELS) == WALL_NS / S + 1


def test_forgotten_series_are_gone_and_those_of_others_are_not():
    metrics = Metrics()
    story, other = metrics.of("lab", "story"), metrics.of("lab", "other")
    for each in (story, other):
        each.in_phase("Holding")
        each.hear(step(FaultStep.EFFECTIVE, S, S, WALL_NS), S)
    story.verdict(Verdict.PASS)
    story.forget()
    story.forget()
    page = metrics.exposition().decode()
    assert 'experiment="story"' not in page
    assert 'experiment="other"' in page
    assert 'skerry_verdicts_total{verdict="Pass"} 1.0' in page


def test_counters_are_there_from_the_start():
    page = Metrics().exposition().decode()
    for verdict in Verdict:
        assert f'skerry_verdicts_total{{verdict="{verdict}"}} 0.0' in page
    for kind in ("partition", "kill"):
        assert f'skerry_fault_injection_seconds_count{{kind="{kind}"}} 0.0' in page


def test_the_document_lists_them():
    text = (Path(__file__).parents[3] / "docs/metrics.md").read_text()
    listed = re.findall(r"^\| `(skerry_\w+)` \| (.+?) \| (\w+) \| (.+) \|$", text, re.M)
    known = [
        (
            family.name + ("_total" if family.type == "counter" else ""),
            ", ".join(f"`{label}`" for label in collector._labelnames) or "-",
            family.type,
            family.documentation,
        )
        for collector, _ in Metrics().registry._collector_to_names.items()
        for family in collector.describe() or collector.collect()
    ]
    assert listed == known


async def test_the_pages():
    why = "the experiments were not listed yet"
    server = Server(Metrics().exposition, lambda: why, host="127.0.0.1", port=0)
    async with server, aiohttp.ClientSession() as session:

        async def get(path: str) -> tuple[int, str]:
            async with session.get(f"http://127.0.0.1:{server.port}{path}") as response:
                return response.status, await response.text()

        assert await get("/healthz") == (200, "ok\n")
        assert await get("/readyz") == (503, "the experiments were not listed yet\n")
        why = ""
        assert await get("/readyz") == (200, "ok\n")
        status, page = await get("/metrics")
        assert status == 200
        assert "skerry_experiments_running 0.0" in page
        assert (await get("/"))[0] == 404
        async with session.post(f"http://127.0.0.1:{server.port}/metrics") as response:
            assert response.status == 405
