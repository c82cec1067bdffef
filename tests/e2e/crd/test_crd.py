"""A real API server takes the CRD, every experiment that we ship, and none of the bad examples."""

from __future__ import annotations

import json

import pytest
from bad_examples import BAD, BAD_UPDATES, EXPERIMENTS, ROOT, BadExample, schema_nodes
from crd_kubectl import Kubectl, Said

from skerry.experiment.schema import crd

pytestmark = pytest.mark.e2e

STATUS = {
    "phase": "Complete",
    "verdict": "Pass",
    "failover": "1.21s",
    "isrRecovery": "2.4s",
    "fault": "partition",
    "seed": 7,
    "message": "Nothing was lost.",
    "runStartedWallNs": 1_795_000_000_123_456_789,
    "conditions": [
        {
            "type": "Succeeded",
            "status": "True",
            "reason": "Passed",
            "message": "Nothing was lost.",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ],
}


def dry_run(kubectl: Kubectl, text: str) -> Said:
    return kubectl("apply", "--dry-run=server", "--filename=-", stdin=text)


def test_the_api_server_has_no_objection_to_the_crd(kubectl: Kubectl) -> None:
    conditions = kubectl.get("crd", "chaosexperiments.skerry.dev", "--output=json")["status"]["conditions"]
    assert {each["type"]: each["status"] for each in conditions} == {"NamesAccepted": "True", "Established": "True"}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_that_we_ship_is_taken(kubectl: Kubectl, path) -> None:
    code, output = dry_run(kubectl, path.read_text())
    assert code == 0, output
    assert output.strip().endswith("created (server dry run)"), "and without a warning"


@pytest.mark.parametrize("example", BAD, ids=lambda example: example.file.stem)
def test_every_bad_example_is_refused_with_its_words(kubectl: Kubectl, example: BadExample) -> None:
    code, output = dry_run(kubectl, example.text)
    assert code != 0
    assert example.is_refused_in(output), output


@pytest.mark.parametrize("example", BAD_UPDATES, ids=lambda example: example.file.stem)
def test_every_bad_update_is_refused_with_its_words(kubectl: Kubectl, example: BadExample) -> None:
    before = (ROOT / example.models).read_text()
    kubectl.must("apply", "--filename=-", stdin=before)
    assert dry_run(kubectl, before)[0] == 0, "the same again changes nothing"
    code, output = dry_run(kubectl, example.text)
    assert code != 0
    assert example.is_refused_in(output), output


def test_what_kubectl_get_shows(kubectl: Kubectl) -> None:
    kubectl.must("apply", "--filename=-", stdin=(ROOT / "experiments" / "01-leader-isolation.yaml").read_text())
    kubectl.must(
        "patch",
        "skx",
        "leader-isolation",
        "--subresource=status",
        "--type=merge",
        "--patch",
        json.dumps({"status": STATUS}),
    )
    head, row = kubectl.must("get", "skx").splitlines()
    assert head.split() == ["NAME", "PHASE", "VERDICT", "FAILOVER", "ISR", "RECOVERY", "FAULT", "AGE"]
    assert row.split()[:6] == ["leader-isolation", "Complete", "Pass", "1.21s", "2.4s", "partition"]
    head, row = kubectl.must("get", "chaos", "--output=wide").splitlines()
    assert head.split()[-3:] == ["REASON", "SEED", "MESSAGE"]
    assert row.endswith("Passed   7      Nothing was lost.")
    assert kubectl.get("skx", "leader-isolation", "--output=json")["status"] == STATUS, "nothing of it was pruned"


def test_a_status_out_of_bounds_is_refused(kubectl: Kubectl) -> None:
    kubectl.must("apply", "--filename=-", stdin=(ROOT / "experiments" / "02-follower-isolation.yaml").read_text())
    patch = ("patch", "skx", "follower-isolation", "--subresource=status", "--type=merge", "--patch")
    assert "Unsupported value" in kubectl(*patch, '{"status": {"verdict": "Perhaps"}}').output
    assert "Too many" in kubectl(*patch, json.dumps({"status": {"journal": ["{}"] * 401}})).output


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("skx", "One chaos experiment"),
        ("skx.spec.faults", "What is broken, and when."),
        ("skx.spec.faults.partition.groups", "The sides, each a list of targets."),
        ("skx.spec.faults.kill.how", "Process: a crash (SIGKILL)."),
        ("skx.spec.expect.inSyncReplicas.within", "Counted from the moment"),
        ("skx.status.conditions", "FaultVerified"),
    ],
)
def test_kubectl_explains(kubectl: Kubectl, field: str, words: str) -> None:
    assert words in " ".join(kubectl.must("explain", field).split())


def test_what_the_api_server_publishes_explains_every_field(kubectl: Kubectl) -> None:
    published = json.loads(kubectl.must("get", "--raw", "/openapi/v3/apis/skerry.dev/v1alpha1"))
    schema = published["components"]["schemas"]["dev.skerry.v1alpha1.ChaosExperiment"]
    described = {path for path, node in schema_nodes(schema) if node.get("description")}
    ours = {path for path, _ in schema_nodes(crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"])}
    assert {path for path in ours - described if not path.endswith("[]")} == {"metadata.name"}
