"""`docs/extending.md`, run: its blocks are the files, and what it promises of them holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from outcomes import Run, difference, environment_with, run
from page import copy_with, files, written

PAGE = "extending.md"


@pytest.fixture
def dns(tmp_path: Path) -> Path:
    """A folder in which the fault `dns` is installed."""
    return written(PAGE, tmp_path / "installed", "skerry_dns")


def with_dns(dns: Path, world: str, out: Path, **changes: object) -> Run:
    document = yaml.safe_load(files(PAGE)["dns.yaml"])
    return run({**document, "spec": document["spec"] | changes}, world, out, [dns])


def python(code: str, *path: Path, arguments: Sequence[str] = ()) -> str:
    """What a process prints that has these folders installed."""
    command = [sys.executable, "-c", code, *arguments]
    environment = os.environ | environment_with(path)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_the_schema_knows_an_installed_fault(dns: Path) -> None:
    schema = json.loads(python("import sys; from skerry.cli import main; sys.argv[1:] = ['schema']; main()", dns))
    assert "Nobody finds the broker by its name" in json.dumps(schema)


@pytest.mark.parametrize("acks", ["All", "Leader", "None"])
def test_an_installed_fault_is_proven_and_healed(acks: str, dns: Path, tmp_path: Path) -> None:
    workload = {"producers": 1, "consumers": 1, "ratePerSecond": 50, "acks": acks, "idempotent": acks == "All"}
    found = with_dns(dns, "sim", tmp_path, workload=workload)
    assert found.outcome.verdict != "Fail", found.output
    assert found.outcome.faults == (("no-dns", True, True),)
    assert "no name is resolved" in found.output


def test_an_installed_fault_joins_the_conformance_tests(dns: Path) -> None:
    """By being in the registry: with the smallest body that its model takes."""
    code = "from fault_cases import cases; print([case.body for case in cases() if case.kind == 'dns'])"
    assert python(code, dns, Path(__file__).parent) == "[{'target': {'ordinal': 2}}]"


def test_a_handler_that_does_nothing_is_found_out(dns: Path, tmp_path: Path) -> None:
    handler = dns / "skerry_dns" / "sim.py"
    cut = "    machines.cluster.cut(str(occurrence), fault.links, mode=CutMode.NEW_ONLY)\n"
    assert cut in handler.read_text()
    handler.write_text(handler.read_text().replace(cut, ""))
    found = with_dns(dns, "sim", tmp_path)
    assert (found.outcome.verdict, found.outcome.reason) == ("Inconclusive", "NotVerified"), found.output


def test_a_handler_that_does_too_much_is_found_out(dns: Path, tmp_path: Path) -> None:
    handler = dns / "skerry_dns" / "sim.py"
    handler.write_text(handler.read_text().replace("CutMode.NEW_ONLY", "CutMode.DROP"))
    found = with_dns(dns, "sim", tmp_path, allow=["QuorumLoss", "BelowMinIsr"])
    assert found.outcome.verdict == "Inconclusive", found.output


def test_without_a_handler_it_is_refused(dns: Path, tmp_path: Path) -> None:
    points = dns / "skerry_dns-1.0.dist-info" / "entry_points.txt"
    points.write_text(points.read_text().split("[skerry.faults.sim]")[0])
    found = with_dns(dns, "sim", tmp_path)
    assert (found.outcome.verdict, found.outcome.reason) == ("Inconclusive", "UnsupportedFault"), found.output


@pytest.mark.local
@pytest.mark.timeout(150)
def test_an_installed_fault_has_one_outcome(dns: Path, tmp_path: Path) -> None:
    sim, local = (with_dns(dns, world, tmp_path / world) for world in ("sim", "local"))
    assert difference(sim.outcome, local.outcome) == [], f"{sim.output}\n{local.output}"


# --- an expectation ---------------------------------------------------------------------------------------------


@pytest.fixture
def laboratory(tmp_path: Path) -> Path:
    """A copy of the laboratory with the expectation `acknowledged`: its file, and a line in the registry."""
    return copy_with(PAGE, tmp_path / "copy", "operator/skerry/expectations")


@pytest.mark.parametrize(("at_least", "verdict"), [(50, "Pass"), (5000, "Fail")])
def test_a_new_expectation_is_judged(at_least: int, verdict: str, laboratory: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(files(PAGE)["acknowledged.yaml"])
    document["spec"]["expect"][0]["acknowledged"]["atLeast"] = at_least
    found = run(document, "sim", tmp_path, [laboratory])
    assert found.outcome.verdict == verdict, found.output
    assert "records were acknowledged during" in json.dumps(found.report)


def test_an_installed_expectation_is_judged(tmp_path: Path) -> None:
    folder = written(PAGE, tmp_path / "installed", "skerry_acknowledged")
    (source,) = (text for path, text in files(PAGE).items() if path.endswith("/acknowledged.py"))
    (folder / "skerry_acknowledged.py").write_text(source)
    found = run(yaml.safe_load(files(PAGE)["acknowledged.yaml"]), "sim", tmp_path, [folder])
    assert found.outcome.verdict == "Pass", found.output


def test_a_new_expectation_is_in_what_is_generated(laboratory: Path) -> None:
    code = (
        "from skerry.checker.catalogue import markdown; from skerry.experiment.reference import reference_text; "
        "from skerry.experiment.schema import crd_text; "
        "print('### ack' in markdown(), '### `ack' in reference_text(), 'acknowledged:' in crd_text())"
    )
    assert python(code, laboratory) == "True True True"


def test_without_its_line_a_new_expectation_is_unknown(tmp_path: Path) -> None:
    document = yaml.safe_load(files(PAGE)["acknowledged.yaml"])
    with pytest.raises(AssertionError, match="acknowledged"):
        run(document, "sim", tmp_path)


# --- a world ----------------------------------------------------------------------------------------------------

ON_PAPER = """
import json, sys
from skerry.experiment import load_document
from skerry.history.records import FaultEvent
from skerry_paper import PaperWorld, run
text = '''
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: paper}
spec:
  hypothesis: A follower may sleep.
  topic: {name: orders, partitions: 1, replicationFactor: 3, minInSyncReplicas: 2}
  faults:
  - {name: sleep, startAfter: 1s, FAULT}
'''
for change, fault in json.loads(sys.argv[1]):
    world = PaperWorld()
    exec(change)
    finish = run(load_document(text.replace("FAULT", fault), "paper.yaml"), world)
    print(*sorted({finding.reason for finding in finish.findings if finding.reason}), finish.verdict)
    print(*(str(record.step) for record in world.history if isinstance(record, FaultEvent)))
"""
PAUSE = "duration: 3s, pause: {target: {ordinal: 2}}"
LYING = "world.handlers['pause'] = type('Lies', (), {'apply': lambda *a: None, 'lift': lambda *a: None})()"


RUNS = (
    ("", PAUSE, "Inconclusive\nresolved injecting effective verified healing healed"),
    (LYING, PAUSE, "NotVerified Inconclusive\nresolved injecting effective unverified healing healed"),
    ("", "kill: {target: {ordinal: 2}, how: Process}", "UnsupportedFault Inconclusive\n"),
)


def test_a_new_world_carries_out_a_run(tmp_path: Path) -> None:
    """One that is honest, one that lies, one that it cannot do."""
    folder = written(PAGE, tmp_path, "skerry_paper")
    asked = json.dumps([(change, fault) for change, fault, _ in RUNS])
    assert python(ON_PAPER, folder, arguments=[asked]) == "\n".join(told for _, _, told in RUNS).strip()


# --- a target ---------------------------------------------------------------------------------------------------

SHELF = Path(__file__).with_name("shelf.py")


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder in which the target `shelf` is installed, and its program."""
    folder = written(PAGE, tmp_path / "installed", "skerry_shelf")
    program = folder / "shelf"
    program.write_text(f"#!{sys.executable} -S\n{SHELF.read_text()}")
    program.chmod(0o755)
    return folder


def on_the_shelf(**changes: object) -> dict[str, Any]:
    document = yaml.safe_load(files(PAGE)["shelf.yaml"])
    return {**document, "spec": document["spec"] | changes}


@pytest.mark.local
@pytest.mark.timeout(90)
def test_a_new_target_is_judged_like_any_other(shelf: Path, tmp_path: Path) -> None:
    """Its leader is killed and paused, then all nodes are killed at once; nothing is lost."""
    found = run(on_the_shelf(), "local", tmp_path / "out", [shelf])
    assert found.outcome.verdict == "Pass", found.output
    assert found.outcome.faults == (("crash", True, True), ("sleep", True, True), ("again", True, True))
    assert {each["owed"] for each in found.report["findings"] if each["rule"] == "lost-put"} == {"what was put"}


@pytest.mark.local
@pytest.mark.timeout(90)
def test_a_new_target_that_answers_before_it_writes_fails(shelf: Path, tmp_path: Path) -> None:
    program = shelf / "shelf"
    writes = '        new.replace(self.data / "shelf")\n'
    assert program.read_text().count(writes) == 1
    program.write_text(program.read_text().replace(writes, ""))
    fault = {
        "name": "again",
        "startAfter": "2s",
        "restart": {"targets": [{"role": "All"}], "how": "Kill", "order": "Together"},
    }
    found = run(on_the_shelf(faults=[fault], expect=[]), "local", tmp_path / "out", [shelf])
    assert found.outcome.verdict == "Fail", found.output
    failed = {(kind, rule) for kind, rule, verdict, _ in found.outcome.findings if verdict == "Fail"}
    # Revisions begin anew. How far they have come by the end decides which properties see the loss.
    assert failed & {("safety", rule) for rule in ("lost-put", "put-count", "revision-conflict")}
    assert {kind for kind, _ in failed} == {"safety"}


REFUSED = """
import json, sys
from fault_cases import cases
from skerry.engine.capabilities import capabilities_for
from skerry.engine.needs import needed_features
from skerry.experiment import load_document
from skerry.worlds.local.world import CAPABILITIES as LOCAL
from skerry.worlds.sim.world import CAPABILITIES as SIM
document = json.loads(sys.argv[1])
for case in cases():
    document["spec"]["faults"] = [case.fault]
    text = json.dumps(document).replace("PartitionLeader", "Keeper").replace(', "partition": 0', "")
    text = text.replace('"Raft"', '"Back"').replace('"Replication"', '"Door"')
    experiment = load_document(text, case.name)
    needed = needed_features(experiment.spec)
    for world in (LOCAL, SIM):
        reason, _ = capabilities_for(world, experiment.target).refusal(experiment.spec.target, needed)
        print(case.name, world.world, reason or "runs")
"""


def test_what_a_new_target_cannot_do_is_refused_before_the_run(shelf: Path) -> None:
    """A world refuses what it cannot do, and what the target says that it cannot show or undo."""
    asked = json.dumps(on_the_shelf(expect=[]))
    said = [line.split() for line in python(REFUSED, shelf, Path(__file__).parent, arguments=[asked]).splitlines()]
    runs = {name for name, world, answer in said if (world, answer) == ("local", "runs")}
    assert runs == {"pause", "crash", "deleted", "rolling", "killed"}
    assert {answer for name, world, answer in said if world == "local" and name not in runs} == {"UnsupportedFault"}
    assert {answer for _, world, answer in said if world == "sim"} == {"UnsupportedTarget"}


def test_without_its_program_a_new_target_is_refused_with_a_sentence(shelf: Path, tmp_path: Path) -> None:
    (shelf / "shelf").unlink()
    with pytest.raises(AssertionError, match="put a program named `shelf` into PATH"):
        run(on_the_shelf(), "local", tmp_path / "out", [shelf])


WORDS_OF_THE_SHELF = """
import json, sys
from skerry.experiment import DocumentError, load_document
from skerry.targets.port import addresses_on_loopback
text = '''
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: shelf}
spec:
  hypothesis: It goes on.
  WORDS
'''
FAULTS = "faults: [{name: stop, startAfter: 1s, duration: 1s, pause: {target: {ordinal: 0}}}]"
for words in json.loads(sys.argv[1]):
    try:
        said = words if "faults:" in words else f"{words}\\n  {FAULTS}"
        experiment = load_document(text.replace("WORDS", said), "shelf.yaml")
        system = experiment.target.connect(addresses_on_loopback([{"Door": 5, "Back": 6}]), experiment)
        print(experiment.target.title, experiment.part, experiment.spec.faults[0].body.planes_named, system.doors)
    except DocumentError as error:
        print(" ".join(str(error).split()))
"""
SLOW = "name: f, duration: 1s, slow: {between: [[{role: All}]], latency: 9ms"
WORDS = {
    "target: shelf": "a shelf with numbered places None () ['127.0.0.1:5']",
    "target: shelf\n  shelf: {keys: 5}": "a shelf with numbered places keys=5 () ['127.0.0.1:5']",
    "target: shelf\n  shelf: {keys: 99}": "keys",
    "target: shelf\n  topic: {name: orders}": "`topic` is a word of the target `skerry`",
    "shelf: {keys: 5}": "`shelf` is a word of the target `shelf`",
    "target: shelf\n  faults: [{name: f, duration: 1s, pause: {target: {role: Leader}}}]": (
        "`Leader` is no role of the target `shelf`; its roles are Keeper, Helper, All, Other"
    ),
    f"target: shelf\n  faults: [{{{SLOW}}}}}]": "('Back',)",
    f"target: shelf\n  faults: [{{{SLOW}, planes: [Raft]}}}}]": (
        "`Raft` is no plane of the target `shelf`; its planes are Door, Back"
    ),
    "target: shelff": "there is no target `shelff`",
}
"""What a document says of its target, and what is answered."""


def test_a_new_target_has_its_own_words(shelf: Path) -> None:
    said = python(WORDS_OF_THE_SHELF, shelf, arguments=[json.dumps(list(WORDS))]).splitlines()
    for line, told in zip(said, WORDS.values(), strict=True):
        assert told in line
