"""The plane of Skerry's brokers that no document can name."""

from __future__ import annotations

ADMIN = "Admin"
"""The plane on which a broker is looked at; no fault may take it."""
