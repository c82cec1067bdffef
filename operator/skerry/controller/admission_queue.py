"""Whose turn it is at each StatefulSet, among the experiments that wait for it: first created, first served. Pure."""

from __future__ import annotations

from typing import NamedTuple

from skerry.schema.base import JsonObject


class Place(NamedTuple):
    """A place in a queue; the smallest is first."""

    created: str
    """As the API server writes it: in order as text."""
    name: str
    uid: str


def place_of(resource: JsonObject) -> Place:
    metadata = resource["metadata"]
    return Place(str(metadata.get("creationTimestamp", "")), str(metadata["name"]), str(metadata["uid"]))


class AdmissionQueue:
    def __init__(self) -> None:
        self._queues: dict[tuple[str, str], set[Place]] = {}

    def wait(self, namespace: str, stateful_set: str, place: Place) -> None:
        self._queues.setdefault((namespace, stateful_set), set()).add(place)

    def leave(self, namespace: str, stateful_set: str, place: Place) -> None:
        self._queues.get((namespace, stateful_set), set()).discard(place)

    def before(self, namespace: str, stateful_set: str, place: Place) -> str:
        """The name of the experiment whose turn comes before this one's; empty: it is this one's."""
        earlier = [each for each in self._queues.get((namespace, stateful_set), set()) if each < place]
        return min(earlier).name if earlier else ""
