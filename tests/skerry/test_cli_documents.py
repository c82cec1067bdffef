"""Wrong documents, as the user meets them: every command says the exact sentence and exits 3 before anything runs."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from skerry.cli import abilities, run_command_line
from skerry.cli.documents import read_document, read_suite

EXPERIMENTS = Path(__file__).parents[2] / "experiments"

GOOD = """\
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: crash}
spec:
  hypothesis: A leader that dies is replaced.
  cluster: {brokers: 3}
  topic: {partitions: 1, replicationFactor: 3, minInSyncReplicas: 2}
  timeout: 2m
  faults:
  - {name: crash, startAfter: 1s, kill: {target: {role: PartitionLeader, partition: 0}, how: Process, downFor: 2s}}
  expect:
  - {name: new leader, leaderChange: {partition: 0, within: 3s, of: crash}}
"""

WRONG = {
    "wrong document": (
        lambda text: text.replace("kind: ChaosExperiment", "kind: Pod"),
        "FILE:2: kind: must be `ChaosExperiment`, and is `Pod`",
    ),
    "unknown field": (
        lambda text: text.replace("timeout: 2m", "timeuot: 2m"),
        "FILE:8: spec.timeuot: unknown field; did you mean `timeout`?",
    ),
    "duplicate key": (
        lambda text: text.replace("  timeout: 2m\n", "  timeout: 2m\n  timeout: 3m\n"),
        "FILE:9: spec.timeout: is written twice (first on line 8); keep one",
    ),
    "several documents in one file": (
        lambda text: text + "---\n" + text,
        "FILE:14: holds 2 documents; put each experiment in a file of its own (a suite is a directory)",
    ),
    "impossible target": (
        lambda text: text.replace("brokers: 3", "brokers: 1"),
        "FILE:7: spec.topic.replicationFactor: 3 replicas do not fit on 1 broker; lower `replicationFactor` or raise "
        "`cluster.brokers`",
    ),
    "nobody of that number": (
        lambda text: text.replace("{role: PartitionLeader, partition: 0}", "{ordinal: 3}"),
        "FILE:10: spec.faults[0].kill.target.ordinal: there is no broker 3: `cluster.brokers` is 3, so ordinals are "
        "0 to 2",
    ),
    "a duration that outlives the timeout": (
        lambda text: text.replace("downFor: 2s", "downFor: 3m"),
        "FILE:10: spec.faults[0].kill: `crash` ends 3m1s after the steady state at the earliest, and `timeout` is 2m; "
        "shorten the fault or raise `timeout`",
    ),
    "empty": (lambda text: "", "FILE: is empty; it must hold one ChaosExperiment (apiVersion, kind, metadata, spec)"),
    "no YAML": (
        lambda text: text.replace("{brokers: 3}", "{brokers: 3"),
        "FILE:7: is not YAML",
    ),
}  # fmt: skip


@pytest.fixture
def document(tmp_path):
    """Writes one, and gives its path."""

    def write(text: str, name: str = "x.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_document(what, command, document, tmp_path, capsys):
    change, sentence = WRONG[what]
    path = document(change(GOOD))
    options = ["--out", str(tmp_path / "out")] if command == "run" else []
    assert run_command_line([command, str(path), *options]) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(sentence.replace("FILE", str(path)))
    assert output.err.count("\n") == 1
    assert not (tmp_path / "out").exists(), "something was begun"


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe\x00", "FILE:1: holds the byte 0xff, which is not UTF-8; save it as UTF-8 text"),
        (b"a: b\nc: \xe9\n", "FILE:2: holds the byte 0xe9, which is not UTF-8; save it as UTF-8 text"),
        (b"\x00" * 300_000, "FILE: is larger than 256 KiB; an experiment is a page of text"),
        (b"\xc3\xa9" * 200_000, "FILE: is larger than 256 KiB; an experiment is a page of text"),
    ],
)
def test_a_file_of_another_kind(content, sentence, command, tmp_path, capsys):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    assert run_command_line([command, str(path)]) == 3
    assert capsys.readouterr().err == sentence.replace("FILE", str(path)) + "\n"


def test_files_that_are_not_there(tmp_path, capsys):
    assert run_command_line(["run", str(tmp_path / "no.yaml")]) == 3
    assert capsys.readouterr().err == f"{tmp_path}/no.yaml: cannot be read as a document: No such file or directory\n"
    assert run_command_line(["plan", str(tmp_path)]) == 3
    assert capsys.readouterr().err == f"{tmp_path}: is a directory; name one document in it\n"
    assert run_command_line(["run", str(tmp_path)]) == 3
    assert "holds no experiment document (*.yaml)" in capsys.readouterr().err


def test_a_document_from_standard_input(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode())))
    assert run_command_line(["plan", "-"]) == 0
    assert "crash#0: kill PartitionLeader of partition 0" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(GOOD.replace("ChaosExperiment", "Pod").encode())))
    assert run_command_line(["plan", "-"]) == 3
    assert capsys.readouterr().err.startswith("standard input:2: kind: must be `ChaosExperiment`")


def test_what_is_hidden_belongs_to_tools_and_not_to_a_suite(document, tmp_path):
    (tmp_path / ".cache" / "deep").mkdir(parents=True)
    (tmp_path / "sub").mkdir()
    for name in ("a.yaml", ".b.yaml", ".cache/c.yaml", ".cache/deep/d.yaml"):
        document(GOOD, name)
    document(GOOD.replace("name: crash}", "name: other}"), "sub/e.yml")
    assert [each.path.relative_to(tmp_path).as_posix() for each in read_suite(tmp_path)] == ["a.yaml", "sub/e.yml"]
    assert [each.experiment.name for each in read_suite(tmp_path / ".cache" / "deep")] == ["crash"], (
        "named, it is meant"
    )


def test_a_suite_is_read_whole_before_the_first_run(document, tmp_path, capsys):
    """All problems of all documents at once, and none has run."""
    document(GOOD, "a.yaml")
    document(GOOD.replace("how: Process", "how: Magic"), "b.yaml")
    document(GOOD.replace("timeout: 2m", "timeout: soon").replace("name: crash}", "name: other}"), "c.yml")
    document(GOOD, "d.yaml")
    out = tmp_path / "out"
    assert run_command_line(["run", str(tmp_path), "--world", "sim", "--out", str(out)]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        [f"{tmp_path}/b.yaml:10", "spec.faults[0].kill.how"],
        [f"{tmp_path}/c.yml:8", "spec.timeout"],
        [f"{tmp_path}/d.yaml", "metadata.name"],
    ]
    assert lines[2].endswith(f"`crash` is also the name in {tmp_path}/a.yaml")
    assert not out.exists()


def test_a_byte_order_mark_is_no_mistake(tmp_path, capsys):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert run_command_line(["plan", str(path)]) == 0


def test_a_plan_says_who_when_and_with_what_effect(capsys):
    assert run_command_line(["plan", str(EXPERIMENTS / "01-leader-isolation.yaml"), "--world", "local"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "seed 7" in lines
    assert any(line.endswith("cut#0: partition PartitionLeader of partition 0 | Other") for line in lines)
    assert any("steady state, workload runs" in line for line in lines)
    kept = "every partition keeps its minimum ISR, whoever leads (smallest: 2)"
    predicted = f"predicted: quorum holds (2 connected, 2 needed); {kept}"
    assert any(predicted in line for line in lines)
    assert lines[-1] == "local       can run it."


def test_a_plan_shows_what_the_guard_refuses(document, capsys):
    path = document(GOOD.replace("{role: PartitionLeader, partition: 0}", "{role: All}"))
    assert run_command_line(["plan", str(path)]) == 3
    output = capsys.readouterr().out
    assert "predicted: quorum is lost (0 connected, 2 needed)" in output
    assert "REFUSED:" in output
    assert "add `QuorumLoss` to `allow`" in output


def test_a_plan_shows_what_the_world_lacks(document, capsys):
    jump = "clock: {target: {ordinal: 0}, jump: 1h}"
    path = document(GOOD)
    text = GOOD[: GOOD.index("  - {name: crash")] + f"  - {{name: crash, startAfter: 1s, duration: 2s, {jump}}}\n"
    path.write_text(text)
    assert run_command_line(["plan", str(path), "--world", "sim"]) == 0
    capsys.readouterr()
    assert run_command_line(["plan", str(path), "--world", "local"]) == 3
    assert "the brokers share this machine's clock; use `--world sim`." in capsys.readouterr().out


def worlds_of(path, capsys):
    """World -> the first words of what its plan says; the exit code."""
    code = run_command_line(["plan", str(path)])
    lines = capsys.readouterr().out.splitlines()[-3:]
    return {line.split()[0]: " ".join(line.split()[1:]) for line in lines}, code


def test_a_plan_says_which_worlds_can_run_it_and_why_not(document, capsys):
    """A cluster may have been given what the chart leaves off: that is no reason to change the document."""
    crash = GOOD.replace("cluster: {brokers: 3}", "cluster: {brokers: 3, statefulSet: broker}")
    told, code = worlds_of(document(crash), capsys)
    assert code == 0
    assert told["sim"] == told["local"] == "can run it."
    assert told["kubernetes"].startswith("can run it where the chart's value `injector.enabled=true` and the label")
    assert told["kubernetes"].endswith("are on, for `kill, how: Process`; `skerry doctor -n NS` says whether they are.")
    assert run_command_line(["plan", str(document(crash)), "--world", "kubernetes"]) == 0

    deletion = crash.replace("how: Process, downFor: 2s", "how: PodDelete")
    told, _ = worlds_of(document(deletion), capsys)
    assert told["kubernetes"] == "can run it."

    told, code = worlds_of(document(GOOD), capsys)
    assert code == 0, "two worlds can"
    assert told["kubernetes"] == (
        "cannot run it. The document names no `cluster.statefulSet`: it says where the brokers are."
    )


def test_the_page_of_experiments_is_what_the_plans_say():
    page = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text()
    paths = sorted(EXPERIMENTS.rglob("*.yaml"))
    documents = [(f"experiments/{path.relative_to(EXPERIMENTS).as_posix()}", read_document(path)) for path in paths]
    assert page == abilities.page([(name, each.experiment) for name, each in documents]), "run hack/generate.py"
