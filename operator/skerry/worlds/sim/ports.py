"""What the driver of a node needs of the node, of its watcher, and of the clients that call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from skerry_broker.core.api import ClientRequest, ClientResponse
from skerry_broker.core.messages import Effect, Event, Recovered
from skerry_broker.core.status import NodeStatus
from skerry_broker.core.types import NodeConfig, Rng

if TYPE_CHECKING:
    from skerry.worlds.sim.node_host import NodeHost


class Machine(Protocol):
    """What the simulator needs of a core node."""

    def step(self, now: int, event: Event, /) -> list[Effect]: ...

    @property
    def next_deadline(self) -> int | None: ...

    @property
    def commit_index(self) -> int:
        """The commit index of the metadata log; asked after every step, so it had better be an attribute."""
        ...

    def status(self, now: int, /) -> NodeStatus: ...


NodeFactory = Callable[[NodeConfig, Recovered, Rng, int], Machine]


CallKey = tuple[int, int]
"""The number of a client, and the id that it gave to its call."""


class ClientCall(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A request on its way to a broker."""

    key: CallKey
    request: ClientRequest


class ClientCancel(msgspec.Struct, frozen=True, array_like=True, gc=False):
    key: CallKey


class ClientAnswer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    key: CallKey
    response: ClientResponse


class Watcher(Protocol):
    """Sees everything that a broker does, before it takes effect. It raises nothing; it notes violations."""

    def started(self, host: NodeHost) -> None: ...

    def stopped(self, host: NodeHost) -> None: ...

    def effect(self, host: NodeHost, event: Event, effect: Effect) -> None: ...

    def decided(self, host: NodeHost) -> bool:
        """The node has stepped; none of its effects is carried out yet. True: call ``stepped`` when they are."""
        ...

    def stepped(self, host: NodeHost) -> None:
        """All effects of the step are carried out."""

    def broken(self, host: NodeHost, rule: str, message: str) -> None: ...
