"""What clients of a store of registers do: put values that are unique in the run, and get them back.

`load`: one machine for all that clients do in a run. A driver calls its ``step(now_ns, answers)`` with what has been
answered since the last call, carries out the operations that it returns with the target's clients, and calls again at
``next_due_ns`` or when something is answered. `client`, `final_read`: plans of single processes. Clients are *open
loop*: an operation has an intended time, whatever became of the ones before it.

Processes: clients are 0, 1, ..; the final reader is ``skerry.workload.FINAL_READER``.
"""

from skerry.workload.register.client import BACKLOG_MAX, WINDOW, RegisterClient, clients
from skerry.workload.register.final_read import FinalRead
from skerry.workload.register.load import RegisterLoadSpec, RegisterWorkload
from skerry.workload.register.operations import (
    Ended,
    Get,
    PlannedOperation,
    Put,
    RegisterAnswer,
    key_names,
    record_of,
)

__all__ = [
    "BACKLOG_MAX",
    "WINDOW",
    "Ended",
    "FinalRead",
    "Get",
    "PlannedOperation",
    "Put",
    "RegisterAnswer",
    "RegisterClient",
    "RegisterLoadSpec",
    "RegisterWorkload",
    "clients",
    "key_names",
    "record_of",
]
