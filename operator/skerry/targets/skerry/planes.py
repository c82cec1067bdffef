"""The planes of Skerry's brokers: four networks, four ports, so that a fault can take one and leave the others."""

from __future__ import annotations

from enum import StrEnum


class Plane(StrEnum):
    """Those that a document can name."""

    CLIENT = "Client"
    RAFT = "Raft"
    REPLICATION = "Replication"


ADMIN = "Admin"
"""The plane on which a broker is looked at; no fault may take it."""
