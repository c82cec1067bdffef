"""What the objects of this world are called and labelled: deterministic, so that doing it twice is doing it once."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from skerry.faults.port import OccurrenceId
from skerry.schema.base import JsonObject

GROUP = "skerry.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ChaosExperiment"
PLURAL = "chaosexperiments"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
PART_OF_LABEL = "app.kubernetes.io/part-of"
EXPERIMENT_LABEL = f"{GROUP}/experiment"
ARTEFACT_LABEL = f"{GROUP}/artefact"
ENABLED_LABEL = f"{GROUP}/enabled"
"""On a namespace, with the value "true": Skerry may break things in here."""
ALLOW_INJECTOR_LABEL = f"{GROUP}/allow-injector"
"""On a namespace, with the value "true": Skerry may add ephemeral containers to pods in here."""
ABORT_ANNOTATION = f"{GROUP}/abort"
"""On an experiment: end it; the value is the reason."""
POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
"""On every pod of a StatefulSet, by its controller."""
NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"
"""On every namespace, by the API server."""

MANAGER = "skerry"
NAME_MAX = 63
"""The longest DNS label; the names of a Job's pods must be one, and so must label values."""
DIGEST_LENGTH = 8


class Artefact(StrEnum):
    FUSE = "fuse"
    POLICY = "policy"
    HOLD = "hold"
    WORKLOAD = "workload"
    REPORT = "report"
    LEASE = "lease"
    PROBE = "probe"


def labels(experiment: str, artefact: Artefact) -> dict[str, str]:
    """The labels of every object that belongs to an experiment; `skerry clean` finds them by these."""
    return {
        MANAGED_BY_LABEL: MANAGER,
        PART_OF_LABEL: MANAGER,
        EXPERIMENT_LABEL: experiment,
        ARTEFACT_LABEL: str(artefact),
    }


def selector(experiment: str = "", artefact: Artefact | None = None) -> str:
    """The label selector, as the API writes it, of everything of ours, of one experiment, or of one kind of it."""
    terms = [f"{MANAGED_BY_LABEL}={MANAGER}"]
    if experiment:
        terms.append(f"{EXPERIMENT_LABEL}={experiment}")
    if artefact is not None:
        terms.append(f"{ARTEFACT_LABEL}={artefact}")
    return ",".join(terms)


def is_ours(manifest: JsonObject) -> bool:
    """Whether the object carries our label."""
    found = manifest["metadata"].get("labels") or {}
    return bool(found.get(MANAGED_BY_LABEL) == MANAGER)


def owner_reference(owner: JsonObject) -> JsonObject:
    """The reference that makes the garbage collector remove an object when ``owner`` goes. It never blocks a deletion.

    Raises ValueError: ``owner`` is not an object as the API server returned it (no kind, or no uid). Items of a list
        carry no kind.
    """
    metadata = owner.get("metadata") or {}
    reference = {
        "apiVersion": owner.get("apiVersion"),
        "kind": owner.get("kind"),
        "name": metadata.get("name"),
        "uid": metadata.get("uid"),
    }
    missing = [key for key, value in reference.items() if not value]
    if missing:
        raise ValueError(f"an owner must be an object of the API server, and this one has no {', '.join(missing)}")
    return {**reference, "blockOwnerDeletion": False}


def digest(*parts: str) -> str:
    """A few hexadecimal digits that differ when any of the parts does."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:DIGEST_LENGTH]


def object_name(experiment: str, *parts: str) -> str:
    """``skerry-<experiment>-<parts>``, a DNS label of at most 63 characters.

    Different arguments give different names: a digest is added where they would read the same (`a-b` + `c` and `a` +
    `b-c`), or where the name had to be cut.
    """
    plain = "-".join((MANAGER, experiment, *parts))
    if len(plain) <= NAME_MAX and not any("-" in part or "." in part for part in parts) and "." not in experiment:
        return plain
    head = plain.replace(".", "-")[: NAME_MAX - DIGEST_LENGTH - 1].rstrip("-")
    return f"{head}-{digest(experiment, *parts)}"


def fuse_name(experiment: str, occurrence: OccurrenceId) -> str:
    return object_name(experiment, occurrence.fault, str(occurrence.number), "fuse")


def policy_name(experiment: str, occurrence: OccurrenceId, pod: str) -> str:
    return object_name(experiment, occurrence.fault, str(occurrence.number), pod)


def workload_name(experiment: str) -> str:
    return object_name(experiment, "workload")


def report_name(experiment: str) -> str:
    return object_name(experiment, "report")


def lease_name(stateful_set: str) -> str:
    """One experiment at a time per target: who holds it may break that StatefulSet."""
    return f"{MANAGER}-{stateful_set}"


def hold_name(stateful_set: str) -> str:
    """The ConfigMap that the brokers' init containers wait for; the chart mounts it by this name."""
    return f"{stateful_set}-hold"
