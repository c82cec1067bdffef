"""The API server is never stricter than the models, hardly ever more lenient, and has time for the largest document."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
import yaml
from bad_examples import BAD, EXPERIMENTS
from crd_kubectl import Kubectl
from mutations import Mutations

from skerry.experiment import DocumentError, load_document

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

DOCUMENTS = 400
LENIENT_MAX = 2
"""Per cent: longer circles of `following`, and an `Other` that means nobody, are left to the models."""

Document = dict[str, Any]


def taken_by(kubectl: Kubectl, documents: list[Document]) -> tuple[set[str], str]:
    """The names of those that the API server would create, and all that was said."""
    stream = "\n---\n".join(json.dumps(document) for document in documents)
    output = kubectl("create", "--dry-run=server", "--filename=-", stdin=stream).output
    return {
        line.split()[0].partition("/")[2] for line in output.splitlines() if "created (server dry run)" in line
    }, output


def refusal_of(document: Document) -> str:
    """What the models say; empty when they take it."""
    try:
        load_document(json.dumps(document))  # which is YAML, without anchors
    except DocumentError as error:
        return str(error)
    return ""


def test_models_and_api_server_agree_on_random_documents(kubectl: Kubectl) -> None:
    seed = int(os.environ.get("SKERRY_SEED", "1"))
    known = [yaml.safe_load(path.read_text()) for path in EXPERIMENTS] + [yaml.safe_load(each.text) for each in BAD]
    mutations = Mutations(known, seed)
    documents = [mutations.draw(f"drawn-{number}") for number in range(DOCUMENTS)]
    said = {document["metadata"]["name"]: refusal_of(document) for document in documents}
    right = {name for name, refusal in said.items() if not refusal}
    assert DOCUMENTS / 10 < len(right) < DOCUMENTS * 9 / 10, "both kinds are drawn"
    taken, output = taken_by(kubectl, documents)
    assert right - taken == set(), f"SKERRY_SEED={seed}: the API server is stricter than the models\n{output}"
    lenient = {name: said[name] for name in taken - right}
    assert len(lenient) <= DOCUMENTS * LENIENT_MAX / 100, f"SKERRY_SEED={seed}: {lenient}"


def fault(number: int, body: Document) -> Document:
    name = f"a-name-of-thirty-characters-{number:02}"
    before = {"following": f"a-name-of-thirty-characters-{number - 1:02}"} if number else {}
    return {"name": name, "startAfter": "1m1s1ms", "duration": "1s", **before, **body}


def large(body: Document) -> Document:
    """As many faults, expectations and placements as there may be."""
    side = {"fault": "a-name-of-thirty-characters-15", "group": 0}
    expectations = [
        {"name": f"{'x' * 70}{number}", "writesRefused": {"by": side, "within": "500ms", "partition": 998}}
        for number in range(32)
    ]
    return {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "ChaosExperiment",
        "metadata": {"name": "large"},
        "spec": {
            "hypothesis": "x" * 1000,
            "timeout": "24h",
            "cluster": {"brokers": 99},
            "topic": {"partitions": 999},
            "prepare": {"leaders": [{"partition": number, "ordinal": number} for number in range(64)]},
            "faults": [fault(number, body) for number in range(16)],
            "expect": expectations,
        },
    }


FOLLOWERS = [{"role": "InSyncFollower", "partition": 900 + number, "count": 2} for number in range(16)]


@pytest.mark.parametrize(
    "body",
    [
        {"partition": {"groups": [[{"ordinal": 12 * side + each} for each in range(12)] for side in range(8)]}},
        {"partition": {"groups": [FOLLOWERS] * 8}},
        {
            "slow": {"between": [FOLLOWERS] * 8, "latency": "1s"},
            "repeat": {"every": "1m", "until": "3h", "jitter": "1s"},
        },
    ],
    ids=["ordinals", "roles", "slow"],
)
def test_the_largest_document_is_within_the_budget_of_the_api_server(kubectl: Kubectl, body: Document) -> None:
    document = large(body)
    assert refusal_of(document) == ""
    taken, output = taken_by(kubectl, [document])
    assert taken == {"large"}, output
