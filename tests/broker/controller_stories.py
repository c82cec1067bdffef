"""How a story of the controller begins, and the requests in it."""

from __future__ import annotations

from control_plane import ControlPlane


def started(**shape: int) -> ControlPlane:
    plane = ControlPlane()
    plane.start(**shape)
    assert plane.shape() == "0@0 isr [0, 1, 2] elr []"
    return plane
