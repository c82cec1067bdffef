"""`clock` cannot be done on a cluster."""

from __future__ import annotations

from skerry.faults.clock import FAULT
from skerry.worlds.kubernetes.faults.handler import Handler

CLOCK = "a pod shares the clock of its node; use `--world sim`."

HANDLER = Handler(FAULT, cannot=lambda opt_ins: dict.fromkeys(FAULT.features, CLOCK))
