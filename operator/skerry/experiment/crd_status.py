"""What the operator writes into an experiment: the columns of `kubectl get skx`, and the schema of `status`.

Texts are for people, and everything is bounded. A phase and a condition's type are plain text on purpose: Helm never
upgrades a CRD, and a newer operator must still be able to say where it is.
"""

from __future__ import annotations

from typing import Any

from skerry.expectations.registry import columns
from skerry.schema.base import JsonObject
from skerry.schema.verdict import Verdict

CONDITIONS = {
    "Accepted": "document, permissions, brokers and opt-ins are as the experiment needs them",
    "SteadyState": "leaders, full ISR and writes flowing before the first fault",
    "FaultActive": "a fault is in effect now",
    "FaultVerified": "every fault so far was measured to be in effect",
    "Healed": "every fault is over",
    "Complete": "there is a verdict",
    "Succeeded": "True for Pass, False for Fail, Unknown for Inconclusive",
}
"""The type of a condition -> what True says."""

PHASES = (
    "Pending",
    "Preflight",
    "SteadyState",
    "Injecting",
    "Verifying",
    "Holding",
    "Healing",
    "Recovering",
    "Draining",
    "Checking",
    "Complete",
)
"""Pending: another experiment has the brokers. The others are the engine's."""

COLUMNS: list[JsonObject] = [
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {"name": "Verdict", "type": "string", "jsonPath": ".status.verdict"},
    *({"name": each.title, "type": "string", "jsonPath": f".status.{each.field}"} for each in columns()),
    {"name": "Fault", "type": "string", "jsonPath": ".status.fault"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {
        "name": "Reason",
        "type": "string",
        "jsonPath": '.status.conditions[?(@.type=="Succeeded")].reason',
        "priority": 1,
    },
    {"name": "Seed", "type": "integer", "jsonPath": ".status.seed", "priority": 1},
    {"name": "Message", "type": "string", "jsonPath": ".status.message", "priority": 1},
]


def _text(description: str, length_max: int, **more: Any) -> JsonObject:
    return {"type": "string", "description": description, "maxLength": length_max, **more}


def _integer(description: str, **more: Any) -> JsonObject:
    return {"type": "integer", "format": "int64", "description": description, **more}


def _time(description: str) -> JsonObject:
    return {"type": "string", "format": "date-time", "description": description}


def _list(description: str, items: JsonObject, length_max: int) -> JsonObject:
    return {
        "type": "array",
        "description": description,
        "maxItems": length_max,
        "x-kubernetes-list-type": "atomic",
        "items": items,
    }


def _map(description: str, key: str, required: list[str], properties: JsonObject, length_max: int) -> JsonObject:
    return {
        "type": "array",
        "description": description,
        "maxItems": length_max,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [key],
        "items": {"type": "object", "required": required, "properties": properties},
    }


_VERDICTS = [str(verdict) for verdict in Verdict]
_CONDITION_TYPES = " ".join(f"{name}: {meaning}." for name, meaning in CONDITIONS.items())

STATUS: JsonObject = {
    "type": "object",
    "description": "What has come of it; written by the operator only.",
    "properties": {
        "observedGeneration": _integer("The generation of the object that the status is about.", minimum=0),
        "phase": _text(f"Where it is: {', '.join(PHASES)}. Pending: another experiment has the brokers.", 40),
        "verdict": _text("Pass, Fail or Inconclusive; absent while it runs.", 20, enum=_VERDICTS),
        "message": _text("The first line of the report, or what it waits for.", 1000),
        **{each.field: _text(each.meaning, 40) for each in columns()},
        "fault": _text("The kinds of its faults, comma separated.", 200),
        "targets": _list(
            "The brokers that the faults met: one line per occurrence, with broker, epoch and how it was found.",
            {"type": "string", "maxLength": 400},
            64,
        ),
        "seed": _integer("Of everything random in the run; the same seed gives the same plan.", minimum=0),
        "startTime": _time("When the operator took it up."),
        "completionTime": _time("When the verdict was given."),
        "runStartedWallNs": _integer(
            "When the run's clock was 0, in nanoseconds since 1970; the report's times add to it."
        ),
        "workload": _text("The Job whose pod writes, reads and records, and serves report and history afterwards.", 63),
        "report": _text("The ConfigMap that holds the report.", 253),
        "historyDigest": _text("SHA-256 of the recorded history, in hex.", 128),
        "measurements": _map(
            "What was measured, one entry per expectation.",
            "name",
            ["name"],
            {
                "name": _text("Of the expectation.", 80),
                "limit": _text("What was asked.", 200),
                "measured": _text("What was seen.", 200),
                "verdict": _text("Pass, Fail or Inconclusive.", 20, enum=_VERDICTS),
            },
            64,
        ),
        "journal": _list(
            "The conductor's decisions, one JSON object each, written before it was carried out.",
            {"type": "string", "maxLength": 4000},
            400,
        ),
        "conditions": _map(
            f"What is true of it now. {_CONDITION_TYPES}",
            "type",
            ["type", "status", "lastTransitionTime", "reason", "message"],
            {
                "type": _text(f"One of {', '.join(CONDITIONS)}.", 40),
                "status": _text("True, False or Unknown.", 10, enum=["True", "False", "Unknown"]),
                "observedGeneration": _integer("The generation that the condition was found for.", minimum=0),
                "lastTransitionTime": _time("When the status last changed."),
                "reason": _text("A CamelCase code.", 80),
                "message": _text("One sentence.", 4000),
            },
            16,
        ),
    },
}
