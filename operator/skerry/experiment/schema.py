"""The JSON schema of the document, and the CustomResourceDefinition, both generated from the models.

A CRD's schema is *structural*: no references, no unions by type, no `additionalProperties: false` beside properties. So
references are inlined, `X | None` becomes an optional X, and what the models check in code is repeated as CEL rules
where CEL can say it cheaply; the rest is refused by the operator (condition `Accepted`). Defaults stay with the models,
so that a stored object is what the user wrote.
"""

from __future__ import annotations

from typing import Any

import yaml

from skerry.experiment.base import JsonObject, alias_of
from skerry.experiment.document import API_VERSION, KIND, RULE_ATTRIBUTES, Experiment, Spec
from skerry.experiment.faults import FAULTS

GROUP, VERSION = API_VERSION.split("/")
PLURAL = "chaosexperiments"

_DROPPED = frozenset({"title", "default", "additionalProperties", "propertyNames", "$defs", "discriminator"})


def json_schema() -> JsonObject:
    """JSON Schema 2020-12 of a whole document, for editors and `skerry schema`."""
    schema = Experiment.model_json_schema(by_alias=True, mode="validation")
    _tidy(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def crd() -> JsonObject:
    """The CustomResourceDefinition, as a plain object."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["skx"],
                "categories": ["chaos"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _COLUMNS,
                    "schema": {"openAPIV3Schema": _open_api()},
                }
            ],
        },
    }


def crd_text() -> str:
    """The file `crds/chaosexperiments.yaml`."""
    head = "# Generated from operator/skerry/experiment by hack/generate.py; do not edit.\n"
    return head + yaml.dump(crd(), Dumper=_NoAliases, sort_keys=False, width=120, allow_unicode=True)


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


_COLUMNS = [
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {"name": "Verdict", "type": "string", "jsonPath": ".status.verdict"},
    {"name": "Reason", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Succeeded")].reason'},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "Seed", "type": "integer", "jsonPath": ".status.seed", "priority": 1},
    {"name": "Message", "type": "string", "jsonPath": ".status.message", "priority": 1},
]


def _open_api() -> JsonObject:
    schema = Spec.model_json_schema(by_alias=True, mode="validation")
    spec = _structural(schema, schema.get("$defs", {}))
    _add_rules(spec)
    return {
        "type": "object",
        "description": "One chaos experiment: what is broken, what runs meanwhile, and what must be true. "
        "It is a record: its spec cannot be changed.",
        "x-kubernetes-validations": [
            _rule("self.metadata.name.size() <= 50", "the name is part of other objects' names: at most 50 characters")
        ],
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": _STATUS,
        },
    }


def _structural(node: JsonObject, definitions: JsonObject) -> JsonObject:
    """``node`` without references, type unions and what a structural schema may not hold."""
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        return _structural({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
    if "anyOf" in node:
        (kind,) = [each for each in node["anyOf"] if each.get("type") != "null"]
        return _structural({**kind, **{key: value for key, value in node.items() if key != "anyOf"}}, definitions)
    result = {key: value for key, value in node.items() if key not in _DROPPED}
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    if "properties" in result:
        result["properties"] = {
            name: _structural(each, definitions) for name, each in sorted_as_written(result["properties"])
        }
    if "items" in result:
        result["items"] = _structural(result["items"], definitions)
    if isinstance(node.get("additionalProperties"), dict):
        result["additionalProperties"] = _structural(node["additionalProperties"], definitions)
    return result


def sorted_as_written(properties: JsonObject) -> list[tuple[str, JsonObject]]:
    """In the order of the models, which is the order of the reference page."""
    return list(properties.items())


def _add_rules(spec: JsonObject) -> None:
    """What the models check, once more for the API server. Messages end with the words of the models."""
    fields = spec["properties"]
    spec["x-kubernetes-validations"] = [
        _rule("self == oldSelf", "the spec is immutable: an experiment is a record; create a new one"),
        _rule(
            f"{_or('topic', 'replicationFactor', 3)} <= {_or('cluster', 'brokers', 3)}",
            "topic.replicationFactor must not exceed cluster.brokers",
        ),
        _rule(
            f"{_or('topic', 'minInSyncReplicas', 2)} <= {_or('topic', 'replicationFactor', 3)}",
            "topic.minInSyncReplicas must not exceed topic.replicationFactor",
        ),
        _rule(
            "self.faults.all(f, !has(f.following) || self.faults.exists(g, g.name == f.following && g.name != f.name))",
            "`following` must name another fault of this experiment",
        ),
    ]
    fault = fields["faults"]["items"]
    lasting, ending = ("partition", "slow", "pause", "clock"), ("kill", "restart", "wipe")
    fault["x-kubernetes-validations"] = [
        _exactly_one(tuple(FAULTS)),
        _rule(f"!({_any(lasting)}) || has(self.duration)", f"`duration` is missing: {_listed(lasting)} need it"),
        _rule(f"!({_any(ending)}) || !has(self.duration)", f"`duration` has no meaning for {_listed(ending)}"),
    ]
    fault["properties"]["repeat"]["x-kubernetes-validations"] = [_exactly_one(("times", "until"))]
    fault["properties"]["partition"]["x-kubernetes-validations"] = [_exactly_one(("groups", "links"))]
    fields["expect"]["items"]["x-kubernetes-validations"] = [
        _exactly_one(tuple(alias_of(name) for name in RULE_ATTRIBUTES))
    ]
    for name in ("faults", "expect"):
        fields[name]["x-kubernetes-list-type"] = "map"
        fields[name]["x-kubernetes-list-map-keys"] = ["name"]
    _add_target_rules(spec)


def _add_target_rules(node: Any) -> None:
    if isinstance(node, dict):
        names = node.get("properties")
        if isinstance(names, dict) and {"role", "ordinal", "count"} <= names.keys():
            node["x-kubernetes-validations"] = [_exactly_one(("role", "ordinal"))]
        for child in node.values():
            _add_target_rules(child)


def _exactly_one(names: tuple[str, ...]) -> JsonObject:
    cases = ", ".join(f"has(self.{name})" for name in names)
    return _rule(f"[{cases}].exists_one(x, x)", f"give exactly one of {_listed(names)}")


def _rule(rule: str, message: str) -> JsonObject:
    return {"rule": rule, "message": message}


def _or(parent: str, field: str, default: int) -> str:
    """The value of an optional field of an optional object."""
    return f"(has(self.{parent}) && has(self.{parent}.{field}) ? self.{parent}.{field} : {default})"


def _any(names: tuple[str, ...]) -> str:
    return " || ".join(f"has(self.{name})" for name in names)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _tidy(node: Any) -> None:
    """Descriptions on one line; no defaults, which are attributes' values (nanoseconds) and not what one writes."""
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            node["description"] = " ".join(node["description"].split())
        for key in ("default", "title"):
            if not isinstance(node.get(key), dict):
                node.pop(key, None)
        for child in node.values():
            _tidy(child)
    elif isinstance(node, list):
        for child in node:
            _tidy(child)


def _text(description: str, length_max: int = 1000, **more: Any) -> JsonObject:
    return {"type": "string", "description": description, "maxLength": length_max, **more}


_STATUS: JsonObject = {
    "type": "object",
    "description": "What has come of it; written by the operator only.",
    "properties": {
        "observedGeneration": {"type": "integer", "format": "int64"},
        "phase": _text("Where it is: Preflight, SteadyState ... Complete.", 40),
        "verdict": _text("Pass, Fail or Inconclusive.", 20, enum=["Pass", "Fail", "Inconclusive"]),
        "message": _text("The first line of the report."),
        "seed": {"type": "integer", "format": "int64", "description": "Of everything random in the run."},
        "startTime": {"type": "string", "format": "date-time"},
        "completionTime": {"type": "string", "format": "date-time"},
        "report": _text("The ConfigMap that holds the report.", 253),
        "historyDigest": _text("BLAKE2b of the recorded history.", 128),
        "measurements": {
            "type": "array",
            "description": "What was measured, one entry per expectation.",
            "maxItems": 64,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": _text("Of the expectation.", 80),
                    "limit": _text("What was asked.", 200),
                    "measured": _text("What was seen.", 200),
                    "verdict": _text("Pass, Fail or Inconclusive.", 20),
                },
            },
        },
        "journal": {
            "type": "array",
            "description": "The conductor's decisions, each written before it was carried out; bounded.",
            "maxItems": 400,
            "x-kubernetes-list-type": "atomic",
            "items": {"type": "string", "maxLength": 4000},
        },
        "conditions": {
            "type": "array",
            "maxItems": 16,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": {
                "type": "object",
                "required": ["type", "status", "lastTransitionTime", "reason", "message"],
                "properties": {
                    "type": _text(
                        "Accepted, SteadyState, FaultActive, FaultVerified, Healed, Complete or Succeeded.", 40
                    ),
                    "status": _text("True, False or Unknown.", 10, enum=["True", "False", "Unknown"]),
                    "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
                    "lastTransitionTime": {"type": "string", "format": "date-time"},
                    "reason": _text("A CamelCase code.", 80),
                    "message": _text("One sentence.", 4000),
                },
            },
        },
    },
}
