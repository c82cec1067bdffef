"""Where the parts of one node put their effects: one list, so that their order is the order of deciding."""

from __future__ import annotations

from skerry_broker.core.api import ClientResponse
from skerry_broker.core.messages import Effect, Fact, Reply, Send
from skerry_broker.core.peer_messages import PeerMessage
from skerry_broker.core.types import NO_BROKER, TopicPartition


class Outbox:
    """Shared by the parts of one node.

    Write ids are numbered here, across the metadata log and all partitions, because one disk makes them durable
    in that order (invariant: disk effects appear in the list in increasing ``write_id``).
    """

    def __init__(self, broker_id: int = NO_BROKER) -> None:
        self._broker_id = broker_id
        self.effects: list[Effect] = []
        """In the order of deciding; waiting for `take`."""
        self.to_self: list[PeerMessage] = []
        """Waiting for `take_to_self`."""
        self.write_id = 0
        """The last one that was given."""
        self.unflushed: dict[TopicPartition, None] = {}
        """The partitions whose logs have writes that are not durable yet, in the order of their first one."""

    def next_write_id(self) -> int:
        self.write_id += 1
        return self.write_id

    def put(self, effect: Effect) -> None:
        self.effects.append(effect)

    def send(self, destination: int, message: PeerMessage) -> None:
        """What a node sends to itself (it is its own controller, say) never leaves it: `take_to_self`."""
        if destination == self._broker_id:
            self.to_self.append(message)
        else:
            self.effects.append(Send(destination, message))

    def put_reply(self, request_id: int, response: ClientResponse) -> None:
        self.effects.append(Reply(request_id, response))

    def take_to_self(self) -> list[PeerMessage]:
        """The messages from this node to itself since the last call, in order."""
        messages, self.to_self = self.to_self, []
        return messages

    def fact(self, name: str, *labels: str, value: float = 1.0) -> None:
        self.effects.append(Fact(name, labels, value))

    def take(self) -> list[Effect]:
        """The effects since the last call, in order."""
        effects, self.effects = self.effects, []
        return effects
