"""The fuse: what ends a cut when nobody else does.

A Job that never has a pod (``parallelism: 0``), that the Job controller fails at its ``activeDeadlineSeconds`` and
removes at once (``ttlSecondsAfterFinished: 0``). The NetworkPolicies of a fault are owned by it, and go with it,
whether the operator lives or not.
"""

from __future__ import annotations

import math

from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.names import Artefact, labels, owner_reference

NO_IMAGE = "none"
"""The API wants a pod template with an image. No pod is ever made from it, so nothing is ever pulled."""


def fuse_manifest(name: str, experiment_name: str, owner: JsonObject, lasts_s: float) -> JsonObject:
    """The Job, in the namespace of ``owner``, the experiment as the API server returned it.

    ``lasts_s``: how long it burns; rounded up to seconds. The Job controller counts from the beginning of the
        second in which it saw the Job, so it may burn up to one second less (measured: 24.5 s and 25.6 s of 25). The
        caller adds that, what its fault needs to take effect, and what it takes to be healed in time.
    Raises ValueError: it would not burn at all.
    """
    if not lasts_s > 0 or math.isinf(lasts_s):
        raise ValueError(f"a fuse burns for some seconds, and not {lasts_s}")
    named = labels(experiment_name, Artefact.FUSE)
    container = {
        "name": "none",
        "image": NO_IMAGE,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "labels": named,
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": {
            "parallelism": 0,
            "backoffLimit": 0,
            "activeDeadlineSeconds": math.ceil(lasts_s),
            "ttlSecondsAfterFinished": 0,
            "template": {"metadata": {"labels": named}, "spec": pod},
        },
    }
