"""Errors that a person sees when a broker does not start or does not go on, and the exit code of each.

Every message is one sentence: what, where, what to change.
"""

from __future__ import annotations

import errno
import os

IN_USE = os.strerror(errno.EADDRINUSE)

EXIT_CLEAN = 0
EXIT_FAILED = 1
"""The broker stopped because it had to: a disk failed, or the node said so."""
EXIT_WRONG_START = 3
"""A flag, an address or a data directory is wrong; starting again without a change will fail again."""


class StartError(Exception):
    """The broker cannot start as it was told to."""


class ConfigError(StartError):
    """A flag or an environment variable is missing, malformed or contradicts another."""

    def __init__(self, flag: str, problem: str) -> None:
        self.flag = flag
        super().__init__(f"{flag}: {problem}")


class PortInUse(StartError):
    """Or the host is not of this machine, or the name is unknown."""

    def __init__(self, flag: str, host: str, port: int, reason: str) -> None:
        remedy = "free that port or choose another with" if reason == IN_USE else "correct"
        super().__init__(f"cannot listen on {host}:{port} ({reason}); {remedy} {flag}")
