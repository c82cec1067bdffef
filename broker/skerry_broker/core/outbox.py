"""Where the parts of one node put their effects: one list, so that their order is the order of deciding."""

from __future__ import annotations

from skerry_broker.core.messages import Effect, Fact, PeerMessage, Send


class Outbox:
    """Shared by the parts of one node.

    Write ids are numbered here, across the metadata log and all partitions, because one disk makes them durable
    in that order (invariant: disk effects appear in the list in increasing ``write_id``).
    """

    def __init__(self) -> None:
        self._effects: list[Effect] = []
        self._write_id = 0

    def next_write_id(self) -> int:
        self._write_id += 1
        return self._write_id

    def put(self, effect: Effect) -> None:
        self._effects.append(effect)

    def send(self, destination: int, message: PeerMessage) -> None:
        self._effects.append(Send(destination, message))

    def fact(self, name: str, *labels: str, value: float = 1.0) -> None:
        self._effects.append(Fact(name, labels, value))

    def take(self) -> list[Effect]:
        """The effects since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects
