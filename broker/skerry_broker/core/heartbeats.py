"""The controller's answers to heartbeats. Each waits for a Raft round begun after it arrived, and may renew a lease."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from skerry_broker.core import decisions
from skerry_broker.core.controller_state import ControllerState
from skerry_broker.core.peer_messages import BrokerHeartbeat, HeartbeatReply, PeerMessage


class _Waiting(NamedTuple):
    """A heartbeat that waits for its round."""

    round: int
    broker_id: int
    broker_epoch: int
    sequence: int
    received_ns: int
    wants_shutdown: bool


class HeartbeatAnswers:
    """Invariant: a lease is renewed only by the answer to a heartbeat that arrived before a round which a majority has
    acknowledged in this term; the broker's contact notes the arrival as ``granted_ns`` before the answer leaves."""

    def __init__(self, term: int, state: ControllerState, send: Callable[[int, PeerMessage], None]) -> None:
        self._term = term
        self._state = state
        self._send = send
        self._waiting: deque[_Waiting] = deque()

    def wait(self, now: int, round_: int, broker_id: int, message: BrokerHeartbeat) -> None:
        """Answer ``message``, which arrived now, when ``round_`` is confirmed."""
        self._waiting.append(
            _Waiting(round_, broker_id, message.broker_epoch, message.sequence, now, message.wants_shutdown)
        )

    def round_confirmed(self, now: int, confirmed_round: int) -> None:
        """A majority has acknowledged this round, and so every earlier one, in our term."""
        waiting = self._waiting
        while waiting and waiting[0].round <= confirmed_round:
            self._answer(now, waiting.popleft())

    def drop(self) -> None:
        """We could not prove any more that we led when they arrived: they stay without an answer."""
        self._waiting.clear()

    def _answer(self, now: int, heartbeat: _Waiting) -> None:
        state = self._state
        broker = state.view.brokers.get(heartbeat.broker_id)
        if broker is None or broker.broker_epoch != heartbeat.broker_epoch:
            self._send(
                heartbeat.broker_id,
                HeartbeatReply(
                    self._term,
                    heartbeat.sequence,
                    heartbeat.broker_epoch,
                    fenced=True,
                    unknown_epoch=True,
                    granted=False,
                ),
            )
            return
        applied = state.metadata.brokers.get(heartbeat.broker_id)
        # A fence counts from its proposal, an unfencing from its commit.
        fenced = broker.fenced or applied is None or applied.fenced or applied.broker_epoch != broker.broker_epoch
        contact = state.contacts[heartbeat.broker_id]
        granted = not fenced and contact.may_be_granted(now, state.config.timing)
        if granted and heartbeat.received_ns > contact.granted_ns:
            contact.granted_ns = heartbeat.received_ns
        self._send(
            heartbeat.broker_id,
            HeartbeatReply(
                self._term,
                heartbeat.sequence,
                heartbeat.broker_epoch,
                fenced,
                may_stop=heartbeat.wants_shutdown
                and decisions.may_stop(state.known, state.metadata, heartbeat.broker_id),
                granted=granted,
            ),
        )
