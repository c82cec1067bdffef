"""The frame of every operation: which client carries it out, and how its answer finds back.

A workload is a pure machine, ``step(now_ns, answers) -> operations``. What an operation says (its ``request``) and what
is answered (its ``result``) belong to the model of the system: `workload.log.operations`, or another beside it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

NEVER_NS = 1 << 62
"""A due time that does not come."""


class ClientSpec(NamedTuple):
    """One client, which a driver makes when its first operation comes. Equal specs are the same client."""

    name: str
    """Unique among the clients of a run; randomness of a simulated client is drawn from it."""
    idempotent: bool = False
    """It numbers its writes, so that a retry is never a duplicate."""
    delivery_timeout_ms: int = 10_000
    """Every operation ends, somehow, in that time."""


class Operation(NamedTuple):
    """Something to begin now. Its answer is owed, whatever comes of it."""

    id: int
    client: ClientSpec
    request: Any


class Answer(NamedTuple):
    """How an operation ended: a driver gives it to ``step`` exactly once."""

    id: int
    completed_ns: int
    """Read after the answer was understood."""
    result: Any
