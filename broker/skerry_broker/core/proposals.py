"""The controller's proposals in flight: what it has decided but not yet seen committed, and who waits for it.

``view`` is the applied metadata plus every proposal in flight: the state at the end of the log. All decisions are made
against it, so two proposals never carry the same ``partition_epoch`` and a new decision never contradicts one that is
about to commit. As long as we lead, the log ends exactly as we wrote it; when we lead no more, the view is thrown away
with the controller.
"""

from __future__ import annotations

from collections.abc import Callable

from skerry_broker.core.api import ClientResponse, ErrorCode, ErrorResponse
from skerry_broker.core.messages import Reply
from skerry_broker.core.metadata import Change, ClusterMetadata
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import AlterPartitionReply, AlterResult, PeerMessage
from skerry_broker.core.records import Entry, Record

MS = 1_000_000


class _InFlight:
    """What happens when one proposed entry is applied."""

    __slots__ = ("clients", "failovers", "peers")

    def __init__(self) -> None:
        self.clients: list[tuple[int, ClientResponse]] = []
        self.peers: list[tuple[int, PeerMessage]] = []
        self.failovers: list[tuple[str, int]] = []
        """(cause, last contact with the old leader): one sample of ``broker_failover_seconds`` each."""


class Proposals:
    """Proposing, and answering when the proposal is applied, has timed out, or is lost with the leadership."""

    def __init__(
        self,
        metadata: ClusterMetadata,
        out: Outbox,
        term: int,
        propose: Callable[[int, tuple[Record, ...]], int | None],
        send: Callable[[int, PeerMessage], None],
    ) -> None:
        self.view = metadata.copy()
        self._out = out
        self._term = term
        self._propose = propose
        self._send = send
        self._in_flight: dict[int, _InFlight] = {}
        self._deadlines_ns: dict[int, int] = {}
        """Client requests without an answer, and when they time out."""

    def propose(self, now: int, records: tuple[Record, ...]) -> tuple[int, list[Change]] | None:
        """Append one entry; its index and what it changes in the view. None: this node leads no more."""
        index = self._propose(now, records)
        if index is None:
            return None
        self._in_flight[index] = _InFlight()
        return index, self.view.apply(Entry(index, self._term, records))

    # --- who waits --------------------------------------------------------------------------------------

    def request(self, now: int, request_id: int, timeout_ms: int) -> None:
        """A client's request that cannot be answered at once."""
        self._deadlines_ns[request_id] = now + timeout_ms * MS

    def answer_client(self, index: int, request_id: int, response: ClientResponse) -> None:
        """Answer with ``response`` when entry ``index`` is applied."""
        self._in_flight[index].clients.append((request_id, response))

    def answer_after_all(self, request_id: int, response: ClientResponse) -> None:
        """Answer when everything in flight is applied; at once when nothing is."""
        if self._in_flight:
            self.answer_client(max(self._in_flight), request_id, response)
        else:
            self.reply(request_id, response)

    def answer_peer(self, index: int, destination: int, message: PeerMessage) -> None:
        in_flight = self._in_flight.get(index)
        if in_flight is None:  # applied already
            self._send(destination, message)
        else:
            in_flight.peers.append((destination, message))

    def observe_failover(self, index: int, cause: str, contact_ns: int) -> None:
        self._in_flight[index].failovers.append((cause, contact_ns))

    def reply(self, request_id: int, response: ClientResponse) -> None:
        """Answer now, if it still waits. A client that timed out or went away has had its answer."""
        if self._deadlines_ns.pop(request_id, None) is not None:
            self._out.put(Reply(request_id, response))

    def forget(self, request_id: int) -> None:
        self._deadlines_ns.pop(request_id, None)

    # --- what ends the waiting --------------------------------------------------------------------------

    def applied(self, now: int, index: int) -> None:
        in_flight = self._in_flight.pop(index, None)
        if in_flight is None:
            return
        for request_id, response in in_flight.clients:
            self.reply(request_id, response)
        for destination, message in in_flight.peers:
            self._send(destination, message)
        for cause, contact_ns in in_flight.failovers:
            self._out.fact("broker_failover_seconds", cause, value=(now - contact_ns) / 1e9)

    def tick(self, now: int) -> None:
        overdue = [request_id for request_id, due in self._deadlines_ns.items() if now >= due]
        for request_id in overdue:
            self.reply(
                request_id,
                ErrorResponse(ErrorCode.TIMED_OUT, "not committed by the metadata quorum in time; it may still be"),
            )

    def step_down(self) -> None:
        """Those who wait learn that the outcome is unknown: the next controller may still commit the entries. A leader
        that waits for an ISR change asks the next controller; if the change was committed, it is told so there."""
        for request_id in list(self._deadlines_ns):
            self.reply(
                request_id,
                ErrorResponse(ErrorCode.LEADERSHIP_LOST, "the controller changed before this was committed"),
            )
        for in_flight in self._in_flight.values():
            for destination, message in in_flight.peers:
                if isinstance(message, AlterPartitionReply):
                    self._send(
                        destination,
                        AlterPartitionReply(
                            message.partition,
                            message.leader_epoch,
                            message.requested_partition_epoch,
                            AlterResult.NOT_CONTROLLER,
                        ),
                    )
        self._in_flight.clear()
