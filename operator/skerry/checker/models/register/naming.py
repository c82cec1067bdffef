"""How findings of this model name an operation."""

from __future__ import annotations

from skerry.checker.findings import value_text
from skerry.checker.models.register.keys import ABSENT
from skerry.history.records import RegisterAction, RegisterOperation


def named(operation: RegisterOperation) -> str:
    """``the put of record 3 of process 1 at revision 7``, ``the get that saw revision 6``."""
    if operation.action is RegisterAction.PUT:
        at = f" at revision {operation.revision}" if operation.revision > ABSENT else ""
        return f"the put of {value_text(operation.value)}{at}"
    if operation.revision == ABSENT:
        return "the get that found no such key"
    return f"the get that saw revision {operation.revision}"
