"""How far one occurrence of a fault has come."""

from __future__ import annotations

from enum import IntEnum


class Stage(IntEnum):
    WAITING = 0
    INJECTING = 1
    VERIFYING = 2
    HOLDING = 3
    HEALING = 4
    OVER = 5
