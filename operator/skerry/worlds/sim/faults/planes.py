"""The document's planes as the broker's core names them."""

from __future__ import annotations

from collections.abc import Iterable

from skerry.schema.vocabulary import Plane as DocumentPlane
from skerry_broker.core.types import Plane


def broker_planes(planes: Iterable[DocumentPlane]) -> tuple[Plane, ...]:
    return tuple(Plane(plane.value) for plane in planes)
