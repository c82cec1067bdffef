"""The same document has the same outcome in every world: verdict, reasons, what was proven, kinds of findings.

Every fault of the registry, with every ``acks``. Those that a world can do run there one after the other in a few
documents; those that it cannot do are refused before anything is touched. Real processes take their time: there every
fault is always asked once, and every ``acks`` of some; each with each is the longer half.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_cases import KNOWN, Case, cases, document, smallest
from outcomes import Outcome, difference, run

from skerry.engine.capabilities import Capabilities
from skerry.engine.needs import needed_features
from skerry.experiment import Experiment
from skerry.faults.registry import FAULTS
from skerry.schema.vocabulary import Acks
from skerry.worlds.local.world import CAPABILITIES as LOCAL
from skerry.worlds.sim.world import CAPABILITIES as SIM

ACKS = tuple(str(acks) for acks in Acks)


def possible(case: Case, world: Capabilities) -> bool:
    spec = Experiment.model_validate(document("one", "All", [case])).spec
    return not world.lacking(needed_features(spec))


def everywhere() -> list[Case]:
    """What both worlds can do."""
    return [case for case in cases() if possible(case, SIM) and possible(case, LOCAL)]


def shares() -> list[list[Case]]:
    """Every fault in one of as many shares as there are ``acks``; unlike ones beside each other."""
    found = everywhere()
    return [found[number :: len(ACKS)] for number in range(len(ACKS))]


def same_outcome(acks: str, chosen: list[Case], directory: Path) -> None:
    asked = document("share", acks, chosen)
    sim, local = (run(asked, world, directory / world) for world in ("sim", "local"))
    assert difference(sim.outcome, local.outcome) == [], f"{sim.output}\n{local.output}"
    assert [name for name, proven, healed in sim.outcome.faults if proven and healed] == [case.name for case in chosen]


@pytest.mark.local
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("acks", "share"), list(zip(ACKS, shares(), strict=True)), ids=ACKS)
def test_a_document_has_one_outcome(acks: str, share: list[Case], tmp_path: Path) -> None:
    same_outcome(acks, share, tmp_path)


@pytest.mark.long
@pytest.mark.local
@pytest.mark.timeout(240)
@pytest.mark.parametrize("acks", ACKS)
@pytest.mark.parametrize("turn", range(1, len(ACKS)))
def test_each_fault_has_one_outcome_with_each_acks(acks: str, turn: int, tmp_path: Path) -> None:
    """The shares that `test_a_document_has_one_outcome` asks with another ``acks``."""
    same_outcome(acks, shares()[(ACKS.index(acks) + turn) % len(ACKS)], tmp_path)


@pytest.mark.sim
@pytest.mark.timeout(120)
@pytest.mark.parametrize("acks", ACKS)
def test_every_fault_is_proven_and_healed_in_the_simulator(acks: str, tmp_path: Path) -> None:
    chosen = [case for case in cases() if possible(case, SIM)]
    for number, share in enumerate((chosen[::2], chosen[1::2])):
        found = run(document("half", acks, share), "sim", tmp_path / str(number))
        names = [case.name for case in share]
        assert [fault for fault, proven, healed in found.outcome.faults if proven and healed] == names, found.output
        assert found.outcome.verdict != "Fail", found.output


def test_every_fault_is_in_one_share() -> None:
    assert sorted(case for share in shares() for case in share) == sorted(everywhere())
    assert len(everywhere()) > 2 * len(ACKS)


@pytest.mark.parametrize("case", [case for case in cases() if not possible(case, LOCAL)], ids=lambda case: case.name)
def test_what_a_world_cannot_do_is_refused_before_the_run(case: Case, tmp_path: Path) -> None:
    found = run(document("refused", "All", [case]), "local", tmp_path, here=True)
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
