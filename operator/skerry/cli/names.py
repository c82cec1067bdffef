"""The names of the worlds, and of what stands for standard input: all that the command line itself has to know."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

STANDARD_INPUT = Path("-")


class WorldName(StrEnum):
    SIM = "sim"
    LOCAL = "local"
    KUBERNETES = "kubernetes"
