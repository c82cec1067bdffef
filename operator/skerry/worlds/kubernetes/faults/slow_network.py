"""`slow` cannot be done on a cluster yet."""

from __future__ import annotations

from skerry.faults.slow_network import FAULT
from skerry.worlds.kubernetes.faults.handler import LATER, Handler

HANDLER = Handler(FAULT, cannot=lambda opt_ins: dict.fromkeys(FAULT.features, LATER))
