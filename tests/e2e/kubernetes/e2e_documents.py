"""Experiments: as we ship them, and short ones that are made for one story."""

from __future__ import annotations

import copy
import uuid
from pathlib import Path
from typing import Any

import yaml
from e2e_cluster import JsonObject

ROOT = Path(__file__).parents[3]
EXPERIMENTS = ROOT / "experiments"
ISOLATION, CRASH, DELETION = "01-leader-isolation", "04a-leader-crash", "04b-leader-pod-deletion"
LEADER = {"role": "PartitionLeader", "partition": 0}


def shipped(file: str, name: str = "") -> JsonObject:
    """``experiments/<file>.yaml``, under another name: an experiment is a record, and its name is taken once."""
    document: JsonObject = yaml.safe_load((EXPERIMENTS / f"{file}.yaml").read_text())
    document["metadata"]["name"] = name or unique(document["metadata"]["name"])
    document["spec"]["retain"] = "2m"
    return document


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:6]}"


def experiment(name: str, *faults: JsonObject, expect: tuple[JsonObject, ...] = (), **spec: Any) -> JsonObject:
    """Small, on the brokers of the chart. ``spec`` goes over what is here."""
    return {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "ChaosExperiment",
        "metadata": {"name": unique(name)},
        "spec": {
            "hypothesis": "An end-to-end test of the operator.",
            "cluster": {"statefulSet": "broker", "brokers": 3},
            "topic": {"name": "orders", "partitions": 3, "replicationFactor": 3, "minInSyncReplicas": 2},
            "workload": {"producers": 2, "consumers": 1, "ratePerSecond": 100},
            "seed": 7,
            "timeout": "2m",
            "retain": "2m",
            "faults": list(faults),
            "expect": list(expect),
            **copy.deepcopy(spec),
        },
    }


def cut(duration: str = "20s", *, connections: str = "All", start_after: str = "1s") -> JsonObject:
    """The leader of partition 0 from everybody else, as in 01."""
    return {
        "name": "cut",
        "startAfter": start_after,
        "duration": duration,
        "partition": {
            "groups": [[LEADER], [{"role": "Other"}]],
            "planes": ["Raft", "Replication"],
            "connections": connections,
        },
    }


def deletion(down_for: str = "3s") -> JsonObject:
    """A deletion of the pod of the leader of partition 0; nothing has to be switched on for it."""
    return {"name": "delete", "kill": {"target": LEADER, "how": "PodDelete", "gracePeriod": "5s", "downFor": down_for}}
