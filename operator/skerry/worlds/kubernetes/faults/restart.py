"""`restart` cannot be done on a cluster yet."""

from __future__ import annotations

from skerry.faults.restart import FAULT
from skerry.faults.restart.fault import GRACEFUL, KILL
from skerry.worlds.kubernetes.faults.handler import Handler

HANDLER = Handler(
    FAULT,
    cannot=lambda opt_ins: {
        GRACEFUL: "it comes with a later version; use `--world local`, or a `kill` with `how: PodDelete`.",
        KILL: "it comes with a later version; use `--world local`, or a `kill` with `how: Process`.",
    },
)
