"""What stories of one experiment have in common."""

from __future__ import annotations

from typing import Any

from skerry.worlds.kubernetes.api import KubeError

SILENCE = KubeError(0, "Unreachable", "no answer", "the API server cannot be reached")


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {each["type"]: f"{each['status']} {each['reason']}" for each in status["conditions"]}
