"""What is tried of each fault: the cases below, and for a fault that has none here, the smallest body of its model.

Each case names what makes it unlike the others of its kind. A fault joins by being in the registry.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from skerry.faults.port import Absence, FaultBody
from skerry.faults.registry import FAULTS

JsonObject = dict[str, Any]
FOLLOWER = {"ordinal": 2}
LEADER = {"role": "PartitionLeader", "partition": 0}
SIDES = [[FOLLOWER], [{"role": "Other"}]]
LASTS = "2500ms"
"""Long enough to be proven on a machine that stands still for a second."""
GAP, GAP_FOR_A_START = "3500ms", "5s"
"""From the effect of one fault to the beginning of the next; a process that ended needs the longer one to be back."""


class Case(NamedTuple):
    """One fault of a document. Its name tells it from the others of its kind."""

    name: str
    kind: str
    body: JsonObject

    @property
    def fault(self) -> JsonObject:
        """As it stands in a document; with a duration where the document must have one."""
        fault: JsonObject = {"name": self.name, self.kind: self.body}
        lasts = FAULTS[self.kind].body.model_validate(self.body).lasts_ns()
        return fault if lasts is not None else fault | {"duration": LASTS}

    @property
    def gap(self) -> str:
        """From its effect to the beginning of the next fault."""
        fault = FAULTS[self.kind]
        takes_a_process = fault.absence(fault.body.model_validate(self.body)) is not Absence.NEVER
        return GAP_FOR_A_START if takes_a_process else GAP


KNOWN: dict[str, dict[str, JsonObject]] = {
    "partition": {
        "drop": {"groups": SIDES, "planes": ["Replication"], "connections": "All", "action": "Drop"},
        "reject-new": {"groups": SIDES, "planes": ["Raft", "Replication"], "connections": "New", "action": "Reject"},
        "one-way": {"links": [{"from": FOLLOWER, "to": {"ordinal": 1}}], "planes": ["Raft"], "connections": "All"},
    },
    "slow": {"slow": {"between": SIDES, "latency": "150ms"}},
    "pause": {"pause": {"target": FOLLOWER}},
    "kill": {
        "crash": {"target": LEADER, "how": "Process", "downFor": "1s"},
        "deleted": {"target": FOLLOWER, "how": "PodDelete", "downFor": "1s"},
    },
    "wipe": {"wipe": {"target": FOLLOWER}},
    "restart": {
        "rolling": {"targets": [{"role": "All"}], "how": "Graceful", "order": "OneByOne", "pauseBetween": "0s"},
        "killed": {"targets": [FOLLOWER], "how": "Kill", "order": "Together"},
    },
    "disk": {
        "power-cut": {"target": FOLLOWER, "loseUnsynced": True, "downFor": "1s"},
        "slow-disk": {"target": FOLLOWER, "slowBy": "50ms"},
    },
    "clock": {"clock-jump": {"target": FOLLOWER, "jump": "2s"}},
}


def cases() -> list[Case]:
    """In the order of the registry."""
    found = []
    for kind, fault in FAULTS.items():
        for name, body in (KNOWN.get(kind) or {kind: smallest(fault.body)}).items():
            found.append(Case(name, kind, body))
    return found


def smallest(model: type[FaultBody]) -> JsonObject:
    """The required fields of a body, each with a plain value: victims are broker 2, times one second.

    Raises ValueError when the model refuses it: such a fault needs a line in ``KNOWN``.
    """
    schema = model.model_json_schema(by_alias=True)
    body = _value(schema, schema.get("$defs", {}))
    assert isinstance(body, dict)
    model.model_validate(body)
    return body


def _value(schema: JsonObject, named: JsonObject) -> object:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return dict(FOLLOWER) if name == "Selector" else _value(named[name], named)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: _value(schema["properties"][name], named) for name in schema.get("required", ())}
        case "array":
            return [_value(schema["items"], named)] * max(1, schema.get("minItems", 1))
        case "integer":
            return schema.get("minimum", 1)
        case "boolean":
            return True
    return "1s"


def document(name: str, acks: str, chosen: list[Case]) -> JsonObject:
    """One run of these faults, each when the one before has ended."""
    faults: list[JsonObject] = []
    before: Case | None = None
    for case in chosen:
        when = {"startAfter": "500ms"} if before is None else {"startAfter": before.gap, "following": before.name}
        faults.append({**case.fault, **when})
        before = case
    return {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "ChaosExperiment",
        "metadata": {"name": f"{name}-{acks.lower()}"},
        "spec": {
            "hypothesis": "One document has one outcome, wherever it runs.",
            "topic": {"name": "orders", "partitions": 1, "replicationFactor": 3, "minInSyncReplicas": 2},
            "workload": {
                "producers": 1,
                "consumers": 1,
                "ratePerSecond": 50,
                "acks": acks,
                "idempotent": acks == "All",
            },
            "prepare": {"controller": {"ordinal": 1}, "leaders": [{"partition": 0, "ordinal": 0}]},
            "allow": ["QuorumLoss", "BelowMinIsr"],  # a broker that is slow to come back must not end the run
            "seed": 7,
            "timeout": "3m",
            "faults": faults,
        },
    }
