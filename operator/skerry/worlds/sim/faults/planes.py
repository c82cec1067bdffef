"""The document's planes as the broker's core names them."""

from __future__ import annotations

from collections.abc import Iterable

from skerry_broker.core.types import Plane


def broker_planes(planes: Iterable[str]) -> tuple[Plane, ...]:
    return tuple(Plane(plane) for plane in planes)
