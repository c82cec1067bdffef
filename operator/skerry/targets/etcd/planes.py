"""The planes of an etcd member."""

from __future__ import annotations

CLIENT = "Client"
"""The gateway, and on the same port status and metrics."""
PEER = "Peer"
"""Raft between the members."""
