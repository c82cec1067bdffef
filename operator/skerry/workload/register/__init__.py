"""What clients of a store of registers do: put values that are unique in the run, and get them back.

Pure machines. A driver calls ``step(now_ns, answers)`` with what has ended since the last call, carries out the
operations that it returns with a client of its own, and calls again at ``next_due_ns`` or when something has ended.
Clients are *open loop*: an operation has an intended time, whatever became of the ones before it.

Processes: clients are 0, 1, ..; the final reader is ``skerry.workload.FINAL_READER``.
"""

from skerry.workload.register.client import BACKLOG_MAX, WINDOW, RegisterClient, clients
from skerry.workload.register.final_read import FinalRead
from skerry.workload.register.operations import Ended, PlannedOperation, RegisterAnswer, key_names, record_of

__all__ = [
    "BACKLOG_MAX",
    "WINDOW",
    "Ended",
    "FinalRead",
    "PlannedOperation",
    "RegisterAnswer",
    "RegisterClient",
    "clients",
    "key_names",
    "record_of",
]
