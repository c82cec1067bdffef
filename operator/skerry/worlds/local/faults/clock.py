"""`clock` cannot be done on this machine: all brokers share its clock."""

from __future__ import annotations

from skerry.faults.clock import FAULT
from skerry.faults.clock.fault import DRIFT, JUMP
from skerry.worlds.local.faults.handler import AnyHandler, Handler

SHARED = "the brokers share this machine's clock; use `--world sim`."

HANDLER: AnyHandler = Handler(FAULT, cannot={JUMP: SHARED, DRIFT: SHARED})
