"""`disk` cannot be done on a cluster."""

from __future__ import annotations

from skerry.faults.disk import FAULT
from skerry.worlds.kubernetes.faults.handler import Handler

DISK = "no disk of a pod fails on demand; use `--world sim`."

HANDLER = Handler(FAULT, cannot=lambda opt_ins: dict.fromkeys(FAULT.features, DISK))
