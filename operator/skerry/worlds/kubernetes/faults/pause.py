"""`pause` cannot be done on a cluster yet."""

from __future__ import annotations

from skerry.faults.pause import FAULT
from skerry.faults.pause.fault import PAUSE
from skerry.worlds.kubernetes.faults.handler import Handler

HANDLER = Handler(FAULT, cannot=lambda opt_ins: {PAUSE: "it comes with a later version; use `--world local`."})
