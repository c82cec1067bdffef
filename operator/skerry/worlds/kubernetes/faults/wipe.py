"""`wipe` cannot be done on a cluster yet."""

from __future__ import annotations

from skerry.faults.wipe import FAULT
from skerry.faults.wipe.fault import WIPE
from skerry.worlds.kubernetes.faults.handler import Handler

HANDLER = Handler(FAULT, cannot=lambda opt_ins: {WIPE: "it comes with a later version; use `--world local`."})
