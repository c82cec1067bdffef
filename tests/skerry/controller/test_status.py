"""What a status says. Pure, and within what the CRD takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from skerry.controller.events import EventReason
from skerry.controller.measurements import longest, measurements
from skerry.controller.metrics import PHASES
from skerry.controller.status import Condition, Ended, StatusModel, date_time, is_complete
from skerry.engine.progress import Phase
from skerry.engine.world import OccurrenceId
from skerry.experiment import Finding, FindingKind, Verdict
from skerry.experiment.schema import crd
from skerry.history.records import FaultEvent, FaultStep

NOW_S = 1_800_000_000.0
DOCS = Path(__file__).parents[3] / "docs"


def told(status: dict[str, Any] | None = None) -> StatusModel:
    return StatusModel({"metadata": {"name": "story", "uid": "u", "generation": 3}, "status": status or {}})


def step(step: FaultStep, fault: str = "cut", number: int = 0, detail: str = "") -> FaultEvent:
    return FaultEvent(*OccurrenceId(fault, number), step, 1, 2, kind="partition", detail=detail)


def state(told: StatusModel, kind: str, now_s: float = NOW_S) -> str:
    found = next(each for each in told.status(now_s)["conditions"] if each["type"] == kind)
    return f"{found['status']} {found['reason']}"


def expectation(rule: str, measured: str, verdict: Verdict = Verdict.PASS, name: str = "") -> Finding:
    return Finding(FindingKind.EXPECTATION, rule, verdict, "m", name=name or rule, limit="3.00 s", measured=measured)


R, I, E, V, U, H, D, L = (  # noqa: E741  # the letters of a life, in order
    FaultStep.RESOLVED,
    FaultStep.INJECTING,
    FaultStep.EFFECTIVE,
    FaultStep.VERIFIED,
    FaultStep.UNVERIFIED,
    FaultStep.HEALING,
    FaultStep.HEALED,
    FaultStep.LOST,
)


@pytest.mark.parametrize(
    ("steps", "active", "verified", "healed"),
    [
        ((), "False NotInjected", "Unknown NotInjected", "Unknown NotInjected"),
        ((R,), "False NotInjected", "Unknown NotInjected", "Unknown NotInjected"),
        ((R, U), "False NotInjected", "False NotVerified", "Unknown NotInjected"),
        ((R, I), "True InEffect", "Unknown Verifying", "False FaultActive"),
        ((R, I, E), "True InEffect", "Unknown Verifying", "False FaultActive"),
        ((R, I, E, V), "True InEffect", "True Verified", "False FaultActive"),
        ((R, I, E, U), "True InEffect", "False NotVerified", "False FaultActive"),
        ((R, I, E, V, L), "True InEffect", "False FaultLost", "False FaultActive"),
        ((R, I, E, V, H), "True InEffect", "True Verified", "False FaultActive"),
        ((R, I, E, V, H, D), "False Healed", "True Verified", "True Healed"),
        ((R, I, E, V, U, H, D), "False Healed", "False NotVerified", "True Healed"),
        ((R, I, U, H, D), "False Healed", "False NotVerified", "True Healed"),
    ],
)
def test_the_life_of_a_fault(steps, active, verified, healed):
    known = told()
    for each in steps:
        known.hear(step(each))
    assert state(known, "FaultActive") == active
    assert state(known, "FaultVerified") == verified
    assert state(known, "Healed") == healed


def test_of_several_faults_the_worst_is_said():
    known = told()
    for each in (step(I), step(E), step(V), step(I, number=1), step(E, number=1), step(U, number=1, detail="no")):
        known.hear(each)
    known.hear(step(D))
    (verified,) = [each for each in known.status(NOW_S)["conditions"] if each["type"] == "FaultVerified"]
    assert (verified["reason"], verified["message"]) == ("NotVerified", "cut#1: no")
    assert state(known, "FaultActive") == "True InEffect"


def test_a_fault_that_was_not_healed_stays_so():
    known = told()
    known.hear(step(I))
    known.end(Ended(Verdict.INCONCLUSIVE, "NotHealed", "It was not healed."), NOW_S)
    assert state(known, "Healed") == "False NotHealed"
    assert state(known, "FaultActive") == "True InEffect"


def test_nobody_claims_to_have_measured_the_heal_of_an_interrupted_run():
    known = told()
    known.resumed("it had only just begun")
    assert state(known, "Healed") == "Unknown Interrupted"
    known.end(Ended(Verdict.INCONCLUSIVE, "Interrupted", "It was interrupted."), NOW_S)
    assert [state(known, kind) for kind in ("SteadyState", "FaultActive", "FaultVerified", "Healed")] == [
        "Unknown Interrupted"
    ] * 4


def test_what_an_earlier_operator_had_found_out_stands():
    first = told()
    first.steady()
    for each in (step(I), step(E), step(V, detail="it fails")):
        first.hear(each)
    second = told({"conditions": first.status(NOW_S)["conditions"]})
    second.resumed("`cut#0` may still be in effect")
    kinds = ("SteadyState", "FaultVerified", "FaultActive", "Healed")
    assert [state(second, kind) for kind in kinds] == [
        "True Reached",
        "True Verified",
        "Unknown Interrupted",
        "Unknown Interrupted",
    ]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_verdict_and_what_says_so_come_together(verdict):
    known = told()
    assert not {"verdict", "completionTime"} & known.status(NOW_S).keys()
    known.end(Ended(verdict, "Because", "So it is."), NOW_S)
    known.end(Ended(Verdict.PASS, "Other", "Said later."), NOW_S + 100)
    status = known.status(NOW_S + 1)
    assert (status["verdict"], status["message"], status["phase"]) == (verdict, "So it is.", "Complete")
    assert status["completionTime"] == date_time(NOW_S)
    assert state(known, "Succeeded") == f"{verdict.condition_status} Because"
    assert is_complete({"status": status})


def test_a_transition_is_stamped_and_nothing_else_is():
    known = told()
    first = known.status(NOW_S)["conditions"]
    known.waits("TargetBusy", "another has it")  # another reason, the same status
    known.hear(step(I))
    second = known.status(NOW_S + 60)["conditions"]
    changed = {
        after["type"]
        for before, after in zip(first, second, strict=True)
        if before["lastTransitionTime"] != after["lastTransitionTime"]
    }
    assert changed == {"FaultActive", "Healed"}
    # ... and an operator that takes over goes on from there.
    third = told({"conditions": second}).status(NOW_S + 120)["conditions"]
    assert {each["type"] for each in third if each["lastTransitionTime"] == date_time(NOW_S + 120)} == {
        "FaultActive",
        "Healed",
    }


def test_the_phase_is_complete_only_with_the_verdict():
    known = told()
    for phase in (Phase.CHECKING, Phase.COMPLETE):
        known.in_phase(phase)
    assert known.status(NOW_S)["phase"] == "Checking"


# --- measurements -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measured", "shown"),
    [("1.21 s", "1.21s"), ("2.40 s", "2.4s"), ("3.00 s", "3s"), ("10.00 s", "10s"), ("0.00 s", "0s"), ("none", "")],
)
def test_columns(measured, shown):
    for word in ("failover", "isrRecovery"):
        assert longest([expectation(word, measured)])[word] == shown


def test_the_longest_failover_is_shown_and_the_metrics_before_the_samples():
    findings = [
        expectation("leaderChange", "8.00-9.00 s"),
        expectation("failover", "2.00 s"),
        expectation("failover", "10.50 s"),
    ]
    assert longest(findings) == {"failover": "10.5s", "isrRecovery": ""}
    assert longest(findings[:1])["failover"] == "9s"
    assert longest([]) == {"failover": "", "isrRecovery": ""}


def test_measurements_are_the_expectations():
    safety = Finding(FindingKind.SAFETY, "lost-write", Verdict.PASS, "m")
    assert measurements([safety, expectation("failover", "2.00 s", Verdict.FAIL, "fast")]) == [
        {"name": "fast", "limit": "3.00 s", "measured": "2.00 s", "verdict": "Fail"}
    ]


# --- the CRD ------------------------------------------------------------------------------------------------

SCHEMA = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]


def complaints(value: Any, schema: dict[str, Any], path: str = "status") -> list[str]:
    """What the API server would refuse, or prune."""
    found = []
    if schema["type"] == "object":
        found += [f"{path}.{key} is pruned" for key in value.keys() - schema["properties"].keys()]
        found += [f"{path}.{key} is missing" for key in schema.get("required", []) if key not in value]
        for key in value.keys() & schema["properties"].keys():
            found += complaints(value[key], schema["properties"][key], f"{path}.{key}")
    elif schema["type"] == "array":
        found += [f"{path} is too long"] if len(value) > schema["maxItems"] else []
        names = [each[key] for key in schema.get("x-kubernetes-list-map-keys", []) for each in value]
        found += [f"{path} names something twice"] if len(set(names)) < len(names) else []
        for each in value:
            found += complaints(each, schema["items"], f"{path}[]")
    elif schema["type"] == "string":
        found += [f"{path} is too long"] if len(value) > schema.get("maxLength", 10**9) else []
        found += [f"{path} is {value}"] if value not in schema.get("enum", [value]) else []
    else:
        found += [] if isinstance(value, int) else [f"{path} is no integer"]
    return found


def test_the_checker_of_the_schema_complains():
    wrong = {"phase": "x" * 41, "verdict": "Great", "nonsense": 1, "conditions": [{"type": "A"}] * 17}
    assert {
        "status.phase is too long",
        "status.verdict is Great",
        "status.nonsense is pruned",
        "status.conditions is too long",
        "status.conditions names something twice",
        "status.conditions[].reason is missing",
    } <= set(complaints(wrong, SCHEMA))


def test_however_long_everything_is_the_api_server_takes_it():
    known = told()
    known.seed, known.workload = 7, "w" * 63
    for number in range(200):
        known.hear(step(R, number=number, detail="d" * 5000))
        known.hear(step(I, number=number))
        known.hear(step(U, number=number, detail="d" * 5000))
    findings = tuple(expectation("failover", "m" * 500, name=f"e{number}") for number in range(100))
    known.end(
        Ended(Verdict.FAIL, "R" * 200, "m" * 5000, findings, "r" * 63, "n" * 5000, "d" * 64, 10**18),
        NOW_S,
    )
    assert complaints(known.status(NOW_S), SCHEMA) == []


def test_words_are_those_of_the_crd():
    described = SCHEMA["properties"]["conditions"]["items"]["properties"]["type"]["description"]
    assert all(condition in described for condition in Condition)
    assert all(phase in SCHEMA["properties"]["phase"]["description"] for phase in PHASES)


def test_the_document_lists_the_conditions_with_every_reason_of_their_own():
    text = (DOCS / "operator.md").read_text()
    source = (Path(__file__).parents[3] / "operator/skerry/controller/status.py").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.M))
    assert set(Condition) <= rows.keys()
    for reason in set(re.findall(r'State\((?:TRUE|FALSE|UNKNOWN), "(\w+)"', source)):
        assert f"`{reason}`" in text, f"docs/operator.md does not say what {reason} means"
    assert all(f"`{reason}`" in text for reason in EventReason)
