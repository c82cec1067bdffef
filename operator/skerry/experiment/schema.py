"""The JSON schema of the document, and the CustomResourceDefinition, both generated from the models.

A CRD's schema is *structural*: no references, no unions by type, no `additionalProperties: false` beside properties. So
references are inlined, `X | None` becomes an optional X, and what the models check in code is repeated as CEL rules
where CEL can say it cheaply; the rest is refused by the operator (condition `Accepted`). Defaults stay with the models,
so that a stored object is what the user wrote.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from skerry.experiment.crd_rules import ROOT_RULES, RULES
from skerry.experiment.crd_status import COLUMNS, STATUS
from skerry.experiment.descriptions import describe
from skerry.experiment.document import API_VERSION, KIND, Experiment, Spec
from skerry.schema.base import JsonObject

GROUP, VERSION = API_VERSION.split("/")
PLURAL = "chaosexperiments"

_DROPPED = frozenset({"title", "default", "additionalProperties", "propertyNames", "$defs", "discriminator"})


def json_schema() -> JsonObject:
    """JSON Schema 2020-12 of a whole document, for editors and `skerry schema`."""
    schema = Experiment.model_json_schema(by_alias=True, mode="validation")
    describe(schema, Experiment)
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
                    "additionalPrinterColumns": COLUMNS,
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


@cache
def _spec_schema() -> JsonObject:
    """What the models say, once: it takes pydantic a tenth of a second, and each run on a cluster asks for it. Nobody
    may change it."""
    schema = Spec.model_json_schema(by_alias=True, mode="validation")
    describe(schema, Spec)
    return schema


def _open_api() -> JsonObject:
    schema = _spec_schema()
    spec = _structural({"$ref": "#/$defs/Spec"}, {**schema.get("$defs", {}), "Spec": schema})
    for name in ("faults", "expect"):
        spec["properties"][name]["x-kubernetes-list-type"] = "map"
        spec["properties"][name]["x-kubernetes-list-map-keys"] = ["name"]
    return {
        "type": "object",
        "description": "One chaos experiment: what is broken, what runs meanwhile, and what must be true. "
        "It is a record: its spec cannot be changed.",
        "x-kubernetes-validations": list(ROOT_RULES),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"`{API_VERSION}`."},
            "kind": {"type": "string", "description": f"`{KIND}`."},
            # All that may be said of it here; its description is the API server's. A rule blames the name.
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": spec,
            "status": STATUS,
        },
    }


def _structural(node: JsonObject, definitions: JsonObject) -> JsonObject:
    """``node`` without references, type unions and what else a structural schema may not hold, and with the rules."""
    rules = node.get("x-kubernetes-validations", [])
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        node = {**definitions[name], **{key: value for key, value in node.items() if key != "$ref"}}
        return _structural({**node, "x-kubernetes-validations": [*rules, *RULES.get(name, ())]}, definitions)
    if "anyOf" in node:
        (kind,) = [each for each in node["anyOf"] if each.get("type") != "null"]
        return _structural({**kind, **{key: value for key, value in node.items() if key != "anyOf"}}, definitions)
    result = {key: value for key, value in node.items() if key not in _DROPPED}
    if not rules:
        result.pop("x-kubernetes-validations", None)
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    if "properties" in result:  # in the order of the models, which is the order of the reference page
        result["properties"] = {name: _structural(each, definitions) for name, each in result["properties"].items()}
    if "items" in result:
        result["items"] = _structural(result["items"], definitions)
    if "patternProperties" in result:  # a rule checks the keys
        (values,) = result.pop("patternProperties").values()
        result["additionalProperties"] = _structural(values, definitions)
    return result


def _tidy(node: Any) -> None:
    """Descriptions on one line; no defaults, which are attributes' values (nanoseconds) and not what one writes."""
    if isinstance(node, dict):
        node.pop("x-kubernetes-validations", None)
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
