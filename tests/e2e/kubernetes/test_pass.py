"""The three experiments of the main job pass, and their reports say what really happened."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from e2e_cli import Told, skerry, story, told
from e2e_cluster import JsonObject
from e2e_documents import CRASH, DELETION, EXPERIMENTS, ISOLATION, shipped
from e2e_lab import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.smoke, pytest.mark.timeout(400)]

EACH_S = 300
CUT_PLANES = {"Raft", "Replication"}
STRAY_NS = 1_000_000_000


def run_through_the_cli(lab: Lab, file: str, out: Path) -> Told:
    """It passes, in time."""
    started_s = time.monotonic()
    path = str(EXPERIMENTS / f"{file}.yaml")
    done = skerry("run", path, "--world", "kubernetes", "--namespace", lab.namespace, "--out", str(out))
    took_s = time.monotonic() - started_s
    verdict = next((line for line in done.stdout.splitlines() if line.startswith(("Fail", "Inconclusive"))), "")
    assert done.returncode == 0, f"{file}: {verdict}\n{story(out)}\n{done.stdout}{done.stderr}"
    assert done.stdout.count("Pass: all") == 1
    assert took_s < EACH_S
    return told(out)


@pytest.fixture
def unrecorded(lab: Lab) -> Iterator[Lab]:
    """The lab, in which no record has the names of the experiments that we ship; nor afterwards."""
    names = [
        yaml.safe_load((EXPERIMENTS / f"{file}.yaml").read_text())["metadata"]["name"]
        for file in (ISOLATION, CRASH, DELETION)
    ]
    lab.must("delete", "skx", "--ignore-not-found", *names)
    yield lab
    lab.must("delete", "skx", "--ignore-not-found", *names)


def test_leader_isolation_passes_and_shows_the_cut_on_the_wire(unrecorded: Lab, tmp_path: Path) -> None:
    run = run_through_the_cli(unrecorded, ISOLATION, tmp_path)
    (cut,) = run.report["faults"]
    assert cut["verified"]
    assert re.fullmatch(
        r"4 ordered pairs fail on Raft and Replication \(new and kept .*; no other pair does", cut["detail"]
    )
    assert re.search(r"[1-9]\d* established connections with broker-\d, broker-\d were reset", "\n".join(run.notes()))

    links = [each for each in run.history if each["type"] == "link"]
    verified_ns, heal_ns = run.fault("verified")["after_ns"], run.fault("healing")["before_ns"]
    cut_pairs = {tuple(pair) for pair in cut["links"]}
    assert len(cut_pairs) == 4
    failed, silent = set(), defaultdict(list)
    for each in links:
        if cut["effective_ns"] < each["before_ns"] and each["after_ns"] < heal_ns:
            pair = ((each["source"], each["target"]), each["plane"], each["connection"])
            is_cut = pair[0] in cut_pairs and each["plane"] in CUT_PLANES
            if is_cut and not each["ok"]:
                failed.add(pair)
            if not is_cut and each["before_ns"] > verified_ns:
                silent[pair].append(each)
    wanted = {(pair, plane, how) for pair in cut_pairs for plane in CUT_PLANES for how in ("new", "kept")}
    assert failed == wanted, "each cut pair was seen to fail, on both planes, on new and on kept-open connections"
    for pair, samples in silent.items():
        assert _longest_failing_ns(samples) < STRAY_NS, f"and nobody else: {pair}"
    for plane in CUT_PLANES:
        for how in ("new", "kept"):
            assert f"<caption>{plane} · {how}</caption>" in run.html, "the report has the matrix of pairs"


def _longest_failing_ns(samples: list[JsonObject]) -> int:
    """A busy machine may miss a ping; what is cut fails for longer."""
    longest = since_ns = 0
    for each in sorted(samples, key=lambda each: each["before_ns"]):
        since_ns = 0 if each["ok"] else since_ns or each["before_ns"]
        longest = max(longest, each["after_ns"] - since_ns if since_ns else 0)
    return longest


def test_leader_crash_passes_and_tells_of_sigkill(unrecorded: Lab, tmp_path: Path) -> None:
    run = run_through_the_cli(unrecorded, CRASH, tmp_path)
    (crash,) = run.report["faults"]
    assert crash["verified"]
    note = next(line for line in run.notes() if "SIGKILL" in line)
    assert re.search(
        r"SIGKILL was sent to process \d+ \([^)]+\); its connections were closed at \d+\.\d+ s; "
        r"its container ended with exit code 137",
        note,
    ), note
    assert "SIGKILL was sent to process" in run.html


def test_leader_pod_deletion_passes_and_tells_of_sigterm(unrecorded: Lab, tmp_path: Path) -> None:
    run = run_through_the_cli(unrecorded, DELETION, tmp_path)
    (delete,) = run.report["faults"]
    assert delete["verified"]
    note = next(line for line in run.notes() if "SIGTERM" in line)
    assert re.search(
        r"SIGTERM was asked for at \d+\.\d+ s \(grace 10 s\), its connections were closed at \d+\.\d+ s; "
        r"its container ended with exit code 0",
        note,
    ), note
    assert "SIGTERM was asked for" in run.html


def test_kubectl_alone_is_enough(lab: Lab, tmp_path: Path) -> None:
    """Apply, look, wait, fetch the report; then what the operator's metrics say of it."""
    run = lab.apply(shipped(DELETION))
    lab.must("wait", "--for=condition=Complete", f"skx/{run.name}", "--timeout=5m", timeout_s=310)
    head, row = lab.must("get", "skx", run.name).splitlines()
    assert head.split() == ["NAME", "PHASE", "VERDICT", "FAILOVER", "ISR", "RECOVERY", "FAULT", "AGE"]
    assert row.split()[:3] == [run.name, "Complete", "Pass"], run.status["message"]
    assert "kill" in row.split()
    described = lab.must("describe", "skx", run.name)
    for reason in ("Accepted", "FaultEffective", "FaultVerified", "Healed", "Complete"):
        assert re.search(rf"^\s+Normal\s+{reason}\s", described, re.MULTILINE), f"no Event {reason}: {described}"

    done = skerry("report", "--kube", run.name, "--namespace", lab.namespace, "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    fetched = told(tmp_path)
    assert fetched.report["message"] == run.status["message"]
    assert fetched.report["history_digest"] == run.status["historyDigest"]
    checked = skerry("check", str(tmp_path / "history.jsonl"))
    assert checked.returncode == 0, f"anybody can judge the recording again: {checked.stdout}{checked.stderr}"

    page = operator_metrics(lab)
    labels = f'experiment="{run.name}"'
    assert re.search(rf"^skerry_experiment_phase{{[^}}]*{labels}[^}}]*Complete[^}}]*}} 1", page, re.MULTILINE), page
    effective_s = metric(page, "skerry_fault_effective_timestamp_seconds", run.name)
    healed_s = metric(page, "skerry_fault_healed_timestamp_seconds", run.name)
    assert time.time() - 300 < effective_s < healed_s < time.time()
    assert re.search(r'^skerry_verdicts_total{[^}]*verdict="Pass"[^}]*} [1-9]', page, re.MULTILINE)
    for histogram in ("injection", "verification", "heal"):
        assert re.search(rf"^skerry_\w*{histogram}\w*_count(?:{{[^}}]*}})? [1-9]", page, re.MULTILINE), histogram


def operator_metrics(lab: Lab) -> str:
    (pod,) = lab.items("pods", "app.kubernetes.io/component=operator")
    path = f"api/v1/namespaces/{lab.namespace}/pods/{pod['metadata']['name']}:8080/proxy/metrics"
    content = lab.cluster.raw(path)
    assert content is not None
    return content.decode()


def metric(page: str, name: str, experiment: str) -> float:
    found = re.findall(rf'^{name}{{[^}}]*experiment="{experiment}"[^}}]*}} (\S+)', page, re.MULTILINE)
    assert len(found) == 1, f"{name} of {experiment}: {found}"
    return float(found[0])
