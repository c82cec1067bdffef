"""The same document has the same outcome in every world: verdict, reasons, what was proven, kinds of findings.

Every fault of the registry, with every ``acks``. Those that a world can do run there one after the other in two
documents; those that it cannot do are refused before anything is touched.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fault_cases import KNOWN, Case, cases, document, smallest
from outcomes import Outcome, Run, difference, run

from skerry.engine.capabilities import Capabilities
from skerry.engine.needs import needed_features
from skerry.experiment import Experiment
from skerry.faults.port import Absence
from skerry.faults.registry import FAULTS
from skerry.schema.vocabulary import Acks
from skerry.worlds.local.world import CAPABILITIES as LOCAL
from skerry.worlds.sim.world import CAPABILITIES as SIM

ACKS = tuple(str(acks) for acks in Acks)


def possible(case: Case, world: Capabilities) -> bool:
    spec = Experiment.model_validate(document("one", "All", [case], "1s")).spec
    return not world.lacking(needed_features(spec))


def stays(case: Case) -> bool:
    """No process ends by it."""
    fault = FAULTS[case.kind]
    return fault.absence(fault.body.model_validate(case.body)) is Absence.NEVER


def documents(acks: str, *worlds: Capabilities) -> list[dict]:
    """All faults that these worlds can do: those that take no process away, and those that do, which need more time."""
    chosen = [case for case in cases() if all(possible(case, world) for world in worlds)]
    quiet = [case for case in chosen if stays(case)]
    rough = [case for case in chosen if not stays(case)]
    half = (len(rough) + 1) // 2
    return [
        document("links", acks, quiet, "2500ms"),
        document("processes", acks, rough[:half], "5s"),
        document("more-processes", acks, rough[half:], "5s"),
    ]


def both(acks: str, world: str, out: Path) -> list[Run]:
    """Real processes at once: most of such a run is waiting."""
    found = documents(acks, SIM, LOCAL)
    with ThreadPoolExecutor(len(found) if world == "local" else 1) as pool:
        return list(pool.map(lambda item: run(item[1], world, out / f"{world}-{item[0]}"), enumerate(found)))


@pytest.mark.local
@pytest.mark.timeout(240)
@pytest.mark.parametrize("acks", ACKS)
def test_a_document_has_one_outcome(acks: str, tmp_path: Path) -> None:
    for sim, local in zip(both(acks, "sim", tmp_path), both(acks, "local", tmp_path), strict=True):
        assert difference(sim.outcome, local.outcome) == [], f"{sim.output}\n{local.output}"
        assert all(proven and healed for _, proven, healed in sim.outcome.faults), sim.output


@pytest.mark.sim
@pytest.mark.timeout(120)
@pytest.mark.parametrize("acks", ACKS)
def test_every_fault_is_proven_and_healed_in_the_simulator(acks: str, tmp_path: Path) -> None:
    for number, each in enumerate(documents(acks, SIM)):
        found = run(each, "sim", tmp_path / str(number))
        names = [fault["name"] for fault in each["spec"]["faults"]]
        assert [fault for fault, proven, healed in found.outcome.faults if proven and healed] == names, found.output
        assert found.outcome.verdict != "Fail", found.output


@pytest.mark.parametrize("case", [case for case in cases() if not possible(case, LOCAL)], ids=lambda case: case.name)
def test_what_a_world_cannot_do_is_refused_before_the_run(case: Case, tmp_path: Path) -> None:
    found = run(document("refused", "All", [case], "1s"), "local", tmp_path, here=True)
    assert (found.outcome.verdict, found.outcome.reason) == ("Inconclusive", "UnsupportedFault"), found.output
    assert found.outcome.faults == ()


def test_every_fault_of_the_registry_has_a_case_and_the_other_way_round() -> None:
    assert {case.kind for case in cases()} == set(FAULTS)
    assert set(KNOWN) <= set(FAULTS)


def test_a_fault_without_a_case_gets_the_smallest_one() -> None:
    assert smallest(FAULTS["pause"].body) == {"target": {"ordinal": 2}}
    assert smallest(FAULTS["wipe"].body) == {"target": {"ordinal": 2}}
    assert smallest(FAULTS["kill"].body)["how"] == "Process"


def test_another_outcome_is_found() -> None:
    """The check is not blind: one finding more, another reason, a fault that was not proven."""
    one = Outcome("Pass", "Passed", (("cut", True, True),), frozenset({("safety", "lost-write", "Pass", "")}))
    assert difference(one, one) == []
    for other in (
        one._replace(verdict="Fail"),
        one._replace(reason="NotVerified"),
        one._replace(faults=(("cut", False, True),)),
        one._replace(findings=frozenset()),
        one._replace(findings=one.findings | {("run", "stalls", "Inconclusive", "Stalled")}),
    ):
        assert len(difference(one, other)) == 1, other
