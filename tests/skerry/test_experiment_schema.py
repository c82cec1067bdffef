"""The generated files are what the models say, and the CRD is structural and accepts every experiment that we ship."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from skerry.engine.journal import ENTRIES_MAX
from skerry.engine.progress import Phase
from skerry.expectations.registry import EXPECTATIONS
from skerry.experiment import load_document
from skerry.experiment.crd_rules import RULES
from skerry.experiment.crd_status import CONDITIONS, PHASES
from skerry.experiment.document import RULE_ATTRIBUTES
from skerry.experiment.reference import reference_text
from skerry.experiment.schema import crd, crd_text, json_schema
from skerry.faults.registry import FAULTS
from skerry.schema.base import alias_of

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.yaml"))
FORBIDDEN = {"$ref", "anyOf", "oneOf", "allOf", "const", "title", "default", "propertyNames", "patternProperties"}
SCHEMA = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


@pytest.mark.parametrize("folder", ["crds", "helm/skerry/crds"])
def test_the_committed_crd_is_the_generated_one(folder):
    assert (ROOT / folder / "chaosexperiments.yaml").read_text() == crd_text(), "run hack/generate.py"


def test_the_crd_can_be_applied_by_a_client():
    """`kubectl apply` keeps what was applied in an annotation, and all annotations have 256 KiB."""
    assert len(json.dumps(crd(), separators=(",", ":"))) < 200 * 1024


def test_the_committed_reference_page_is_the_generated_one():
    assert (ROOT / "docs/experiment-reference.md").read_text() == reference_text(), "run hack/generate.py"


def test_every_expectation_is_registered_and_a_field():
    fields, registered = [alias_of(name) for name in RULE_ATTRIBUTES], list(EXPECTATIONS)
    assert sorted(set(registered) - set(fields)) == [], "in `EXPECTATIONS`, and no field of `Expectation`"
    assert sorted(set(fields) - set(registered)) == [], "a field of `Expectation`, and not in `EXPECTATIONS`"
    assert fields == registered, "the same order in both: it is that of the reference page"


def test_names_of_the_custom_resource():
    spec = crd()["spec"]
    assert spec["scope"] == "Namespaced"
    assert spec["names"]["shortNames"] == ["skx"]
    assert spec["names"]["categories"] == ["chaos"]
    assert spec["versions"][0]["subresources"] == {"status": {}}


def test_the_columns_of_kubectl_get():
    columns = crd()["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [column["name"].upper() for column in columns if not column.get("priority")] == [
        "PHASE",
        "VERDICT",
        "FAILOVER",
        "ISR RECOVERY",
        "FAULT",
        "AGE",
    ]
    assert [column["name"] for column in columns if column.get("priority")] == ["Reason", "Seed", "Message"]


def test_every_column_shows_a_field_that_exists():
    paths = {path for path, _ in nodes(SCHEMA)} | {".metadata.creationTimestamp"}
    for column in crd()["spec"]["versions"][0]["additionalPrinterColumns"]:
        assert re.sub(r"\[.*\]", "[]", column["jsonPath"]) in paths


def test_the_status_names_every_phase_and_condition():
    status = SCHEMA["properties"]["status"]["properties"]
    assert ("Pending", *(str(phase) for phase in Phase)) == PHASES
    assert all(phase in status["phase"]["description"] for phase in PHASES)
    assert all(name in status["conditions"]["description"] for name in CONDITIONS)
    assert len(CONDITIONS) <= status["conditions"]["maxItems"]
    assert status["journal"]["maxItems"] == ENTRIES_MAX


def nodes(node, path=""):
    """Every schema node, with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], f"{path}[]")


def test_every_node_is_structural_and_bounded():
    for path, node in nodes(SCHEMA):
        assert not node.keys() & FORBIDDEN, path
        assert ("type" in node) != bool(node.get("x-kubernetes-int-or-string")), path
        assert not ("properties" in node and "additionalProperties" in node), path
        if node.get("type") == "array":
            assert "maxItems" in node, f"{path}: CEL's cost is bounded by it"
        if node.get("type") == "string" and path.startswith(".spec"):
            assert node.keys() & {"maxLength", "enum"}, f"{path}: CEL's cost is bounded by it"
        if "additionalProperties" in node:
            assert "maxProperties" in node, f"{path}: CEL's cost is bounded by it"


def test_kubectl_explain_says_something_of_every_field():
    """`metadata` is described by the API server, which allows nobody else to do it."""
    for path, node in nodes(SCHEMA):
        if path and not path.startswith(".metadata") and not path.endswith("[]"):
            assert len(node.get("description", "")) >= 8, f"{path}: write a docstring under the field of the model"
            assert node["description"].endswith((".", "`")), f"{path}: a sentence, or a name"


def test_every_table_of_rules_belongs_to_a_model():
    assert set(RULES) <= json_schema()["$defs"].keys()


def violations(node, value, path=""):
    """A small reading of the structural schema: types, required, unknown fields, enums, patterns, bounds."""
    if node.get("x-kubernetes-int-or-string"):
        return [] if isinstance(value, int | str) else [path]
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if not isinstance(value, kinds[node["type"]]) or (node["type"] == "integer" and isinstance(value, bool)):
        return [f"{path}: not a {node['type']}"]
    found = []
    if node["type"] == "object" and "properties" in node:
        found += [f"{path}.{name}: missing" for name in node.get("required", []) if name not in value]
        for name, child in value.items():
            known = node["properties"].get(name)
            found += [f"{path}.{name}: unknown"] if known is None else violations(known, child, f"{path}.{name}")
    elif node["type"] == "array":
        found += [] if len(value) <= node["maxItems"] else [f"{path}: too long"]
        for index, child in enumerate(value):
            found += violations(node["items"], child, f"{path}[{index}]")
    elif node["type"] == "string":
        found += [] if value in node.get("enum", [value]) else [f"{path}: {value}"]
        found += [] if re.search(node.get("pattern", ""), value) else [f"{path}: {value}"]
    elif node["type"] == "integer":
        found += [] if node.get("minimum", value) <= value <= node.get("maximum", value) else [f"{path}: {value}"]
    return found


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_that_we_ship_is_right_and_says_what_it_proves(path):
    text = path.read_text()
    load_document(text, path.name)
    document = yaml.safe_load(text)
    assert violations(SCHEMA["properties"]["spec"], document["spec"]) == []
    assert text.startswith("# ")
    assert "# Proves:" in text


def test_the_small_reading_finds_what_is_wrong():
    spec = SCHEMA["properties"]["spec"]
    assert violations(spec, {"faults": [{"name": "x", "duration": "1.5s", "colour": 1}]}) == [
        ".hypothesis: missing",
        ".faults[0].duration: 1.5s",
        ".faults[0].colour: unknown",
    ]


def test_every_fault_and_expectation_of_the_registries_is_a_field():
    spec = SCHEMA["properties"]["spec"]["properties"]
    assert set(FAULTS) <= spec["faults"]["items"]["properties"].keys()
    assert set(EXPECTATIONS) == spec["expect"]["items"]["properties"].keys() - {"name"}
    assert len(RULE_ATTRIBUTES) == len(EXPECTATIONS)


def test_the_json_schema_names_the_fields_as_they_are_written():
    fault = json_schema()["$defs"]["Fault"]["properties"]
    assert {"name", "startAfter", "following", "duration", "repeat"} <= fault.keys()
