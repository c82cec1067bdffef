"""`skerry clean`, `skerry report --kube` and `skerry doctor`, from the command line to the exit code."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import threading
from pathlib import Path

import msgspec
import pytest
from fake_api import FakeApi

from skerry.cli import run_command_line
from skerry.report.model import RunReport
from skerry.schema.verdict import Finding, FindingKind, Verdict
from skerry.worlds.kubernetes.names import Artefact, labels, report_name

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "{url}"}}}}]
contexts: [{{name: here, context: {{cluster: here, namespace: skerry}}}}]
"""


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    """A server in a thread of its own: a command has its own event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    api = FakeApi()
    asyncio.run_coroutine_threadsafe(api.__aenter__(), loop).result()
    (tmp_path / "kubeconfig").write_text(KUBECONFIG.format(url=api.url))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    yield api
    asyncio.run_coroutine_threadsafe(api.__aexit__(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def put(api: FakeApi, api_version: str, kind: str, name: str, labelled: dict | None = None, **fields: object) -> None:
    api.put({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": labelled or {}}, **fields})


def put_experiment(api: FakeApi, **status: str) -> None:
    put(api, "skerry.dev/v1alpha1", "ChaosExperiment", "cut", status=status)


def put_policy(api: FakeApi, experiment: str) -> None:
    put(api, "networking.k8s.io/v1", "NetworkPolicy", f"of-{experiment}", labels(experiment, Artefact.POLICY))


def skerry(capsys, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output, errors, each without line breaks at its end."""
    code = run_command_line(arguments)
    said = capsys.readouterr()
    return code, said.out.rstrip("\n"), said.err.rstrip("\n")


# --- clean -----------------------------------------------------------------------------------------------------------


def test_clean_says_what_it_removed_then_that_there_is_nothing(cluster, capsys):
    put_policy(cluster, "cut")
    assert skerry(capsys, "clean") == (0, "removed policy NetworkPolicy of-cut of experiment cut", "")
    assert skerry(capsys, "clean") == (0, "nothing to clean in namespace skerry", "")


def test_clean_of_one_experiment_leaves_the_others(cluster, capsys):
    put_policy(cluster, "cut")
    put_policy(cluster, "other")
    assert skerry(capsys, "clean", "cut", "-n", "skerry")[0] == 0
    assert cluster.names("networkpolicies") == ["of-other"]
    assert skerry(capsys, "clean", "cut")[1] == "nothing of experiment cut to clean in namespace skerry"


def test_clean_warns_of_an_experiment_that_is_not_over(cluster, capsys):
    put_experiment(cluster, phase="Holding")
    said = skerry(capsys, "clean")[1].splitlines()[-1]
    assert said.startswith("experiment cut is still Holding: if an operator runs, it may go on; to end it, kubectl del")
    put_experiment(cluster, phase="Complete")
    assert "still" not in skerry(capsys, "clean")[1]


def test_clean_works_without_the_resource_definition(cluster, capsys):
    cluster.unknown.add("chaosexperiments")
    put_policy(cluster, "cut")
    assert skerry(capsys, "clean")[0] == 0


def test_clean_without_rights_says_what_to_grant_and_what_it_did(cluster, capsys):
    put_policy(cluster, "cut")
    cluster.denied.add(("list", "leases"))
    code, out, errors = skerry(capsys, "clean")
    assert (code, out) == (3, "removed policy NetworkPolicy of-cut of experiment cut")
    assert errors.endswith("grant `list` on leases (coordination.k8s.io)")


def test_no_cluster_is_one_sentence(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    code, out, errors = skerry(capsys, "clean")
    assert (code, out) == (3, "")
    assert errors == f"there is no kubeconfig at {tmp_path / 'none'}; name one with KUBECONFIG"


# --- report ----------------------------------------------------------------------------------------------------------


def report(verdict: Verdict) -> RunReport:
    finding = Finding(kind=FindingKind.RUN, rule="run", verdict=verdict, message="it ran")
    return RunReport(
        experiment="cut",
        hypothesis="It holds.",
        world="kubernetes",
        seed=7,
        verdict=verdict,
        reason="Passed",
        message=f"{verdict}: it ran.",
        findings=(finding,),
        started_wall_ns=0,
        duration_ns=0,
        operations=0,
        acknowledged_records=0,
        history_digest="",
        skerry_version="0",
        replay="kubectl apply -f cut.yaml",
    )


def put_report(api: FakeApi, verdict: Verdict = Verdict.PASS, **changed: bytes | None) -> None:
    contents = {"report.json": msgspec.json.encode(report(verdict)), "junit.xml": b"<x/>", "report.html": b"<html/>"}
    packed = {f"{name}.gz": gzip.compress(content) for name, content in contents.items()} | {
        name.replace("_", "."): content for name, content in changed.items()
    }
    data = {name: base64.b64encode(content).decode() for name, content in packed.items() if content is not None}
    put(api, "v1", "ConfigMap", report_name("cut"), binaryData=data)


def put_workload(api: FakeApi, phase: str) -> None:
    put(api, "v1", "Pod", "skerry-cut-workload-x", labels("cut", Artefact.WORKLOAD), status={"phase": phase})


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.PASS, 0), (Verdict.FAIL, 1), (Verdict.INCONCLUSIVE, 2)])
def test_report_writes_the_files_and_ends_as_the_verdict_says(verdict, code, cluster, tmp_path, capsys):
    put_report(cluster, verdict)
    put_workload(cluster, "Running")
    cluster.pods_serve["skerry-cut-workload-x", 8080] = lambda path: (200, f"served {path}".encode())
    out = tmp_path / "out"
    ended, said, errors = skerry(capsys, "report", "--kube", "cut", "--out", str(out))
    assert (ended, errors) == (code, "")
    assert f"{verdict}: it ran." in said
    assert {path.name for path in out.iterdir()} == {"report.json", "junit.xml", "report.html", "history.jsonl"}
    assert json.loads((out / "report.json").read_bytes())["verdict"] == verdict
    assert (out / "history.jsonl").read_bytes() == b"served /history"
    assert said.splitlines()[-1].endswith("report.html")


@pytest.mark.parametrize(
    ("phase", "sentence"),
    [
        (None, "the history is gone: the workload pod has ended (`spec.retain` says how long it serves)"),
        ("Succeeded", "the history is gone"),
        ("Running", "the history could not be fetched: the API server refused to get /history from pod"),
    ],
)
def test_a_history_that_cannot_be_had_is_told_and_the_report_is_there(phase, sentence, cluster, tmp_path, capsys):
    put_report(cluster)
    if phase is not None:
        put_workload(cluster, phase)
    code, said, _ = skerry(capsys, "report", "--kube", "cut", "--out", str(tmp_path / "out"))
    assert code == 0
    assert said.splitlines()[-1].startswith(sentence)
    assert not (tmp_path / "out" / "history.jsonl").exists()


def test_what_the_operator_left_out_is_told_in_its_words(cluster, tmp_path, capsys):
    put_report(cluster, report_html_gz=None)
    cluster.find("configmaps", report_name("cut"))["data"] = {"note": "It is too large: report.html was left out."}
    code, said, _ = skerry(capsys, "report", "--kube", "cut", "--out", str(tmp_path / "out"))
    assert code == 0
    assert said.splitlines()[-3:-1] == ["It is too large: report.html was left out.", "there is no report.html in it"]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ({"phase": "Holding"}, "it is in phase Holding; wait for it with `kubectl wait --for=condition=Complete skx/"),
        ({}, "no operator has seen it yet; see `skerry doctor -n skerry`"),
        ({"phase": "Complete", "message": "Brokers not ready."}, "it ended without one (Brokers not ready.)"),
        (None, "there is no ChaosExperiment cut in namespace skerry, and no report of one; see `kubectl get skx -A`"),
    ],
    ids=["running", "unseen", "refused", "absent"],
)
def test_no_report_is_one_sentence(status, sentence, cluster, tmp_path, capsys):
    if status is not None:
        put_experiment(cluster, **status)
    code, said, errors = skerry(capsys, "report", "--kube", "cut", "--out", str(tmp_path / "out"))
    assert (code, said) == (3, "")
    assert sentence in errors
    assert errors.count("\n") == 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"not gzip", "report.json in ConfigMap skerry-cut-report is damaged"),
        (gzip.compress(b"{}")[:-9], "report.json in ConfigMap skerry-cut-report is incomplete"),
        (gzip.compress(b'{"verdict": 7}'), "was written by another version of skerry"),
        (None, "was written by another version of skerry"),
    ],
    ids=["garbage", "cut off", "unknown", "absent"],
)
def test_a_report_that_cannot_be_read_is_one_sentence(content, sentence, cluster, tmp_path, capsys):
    put_report(cluster, report_json_gz=content)
    code, _, errors = skerry(capsys, "report", "--kube", "cut", "--out", str(tmp_path / "out"))
    assert code == 3
    assert sentence in errors


def test_where_nothing_can_be_written_says_so(cluster, tmp_path, capsys):
    put_report(cluster)
    (tmp_path / "file").write_text("")
    code, _, errors = skerry(capsys, "report", "--kube", "cut", "--out", str(Path(tmp_path) / "file" / "out"))
    assert (code, "choose another --out" in errors) == (3, True)


# --- doctor ----------------------------------------------------------------------------------------------------------


def test_doctor_shows_all_checks_then_what_to_do_and_fails(cluster, capsys):
    put(cluster, "v1", "Namespace", "skerry")
    code, said, errors = skerry(capsys, "doctor")
    assert (code, errors) == (1, "")
    lines = said.splitlines()
    assert "namespace: kubectl label namespace skerry skerry.dev/enabled=true --overwrite" in lines  # in one piece
    assert lines[-1] == "To be mended first: CRD, namespace, operator, brokers."
    assert [word for word in ("API server", "UNKNOWN", "FAIL", "OK") if word not in said] == []


def test_doctor_without_a_cluster_says_so_and_fails(cluster, monkeypatch, tmp_path, capsys):
    (tmp_path / "kubeconfig").write_text(KUBECONFIG.format(url="http://127.0.0.1:1"))
    code, said, _ = skerry(capsys, "doctor")
    assert code == 1
    assert said.splitlines()[-1] == "To be mended first: API server."


def test_doctor_is_content_where_nothing_fails(cluster, monkeypatch, capsys):
    from skerry.worlds.kubernetes.diagnosis import Check, State
    from skerry.worlds.kubernetes.doctor import Doctor

    async def checks(self):
        yield Check("namespace", State.OK, "[bold]yes[/bold]")
        yield Check("injector", State.WARN, "off", "switch it on")

    monkeypatch.setattr(Doctor, "checks", checks)
    code, said, _ = skerry(capsys, "doctor")
    assert code == 0
    assert "[bold]yes[/bold]" in said
    assert said.splitlines()[-2:] == [
        "injector: switch it on",
        "Nothing was found that keeps experiments from being carried out here; mind: injector.",
    ]
