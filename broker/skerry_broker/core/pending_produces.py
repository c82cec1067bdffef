"""The produce requests of one leader that wait for their acknowledgement."""

from __future__ import annotations

from collections import deque

from skerry_broker.core.api import ErrorCode, ErrorResponse, ProduceResponse
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.replica_log import NEVER
from skerry_broker.core.types import NO_BROKER, Acks


class _Waiting:
    __slots__ = ("acks", "deadline", "request_id", "required", "response")

    def __init__(self, request_id: int, required: int, acks: Acks, response: ProduceResponse, deadline: int) -> None:
        self.request_id = request_id
        self.required = required
        self.acks = acks
        self.response = response
        self.deadline = deadline


class PendingProduces:
    """Invariants: ``_by_id`` holds what is still owed an answer; the queues are in the order of ``required`` and may
    hold entries that were answered otherwise. Nothing completes but by `complete`, and then only when its rule holds.
    """

    def __init__(self, out: Outbox) -> None:
        self._out = out
        self._by_id: dict[int, _Waiting] = {}
        self._for_all: deque[_Waiting] = deque()  # until the high watermark has passed
        self._for_leader: deque[_Waiting] = deque()  # until the leader's own disk has it
        self._duplicates: list[_Waiting] = []
        self.next_deadline = NEVER

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, request_id: int, required: int, acks: Acks, response: ProduceResponse, deadline: int) -> None:
        waiting = _Waiting(request_id, required, acks, response, deadline)
        self._by_id[request_id] = waiting
        if response.duplicate:
            self._duplicates.append(waiting)
        else:
            (self._for_all if acks is Acks.ALL else self._for_leader).append(waiting)
        if deadline < self.next_deadline:
            self.next_deadline = deadline

    def forget(self, request_id: int) -> None:
        self._by_id.pop(request_id, None)

    def complete(self, high_watermark: int, counted_end: int, lease_holds: bool, enough_in_sync: bool) -> None:
        """Answer everything that is replicated as far as it asked for.

        A batch below the high watermark is safe in any case; what a lapsed lease or a small ISR takes away is the
        right to say so.
        """
        queue = self._for_all
        while queue and queue[0].required <= high_watermark:
            self._answer(queue.popleft(), lease_holds, enough_in_sync)
        queue = self._for_leader
        while queue and queue[0].required <= counted_end:
            self._answer(queue.popleft(), lease_holds, True)
        if self._duplicates:
            still = []
            for waiting in self._duplicates:
                if waiting.required <= (high_watermark if waiting.acks is Acks.ALL else counted_end):
                    self._answer(waiting, lease_holds, True)
                else:
                    still.append(waiting)
            self._duplicates = still

    def _answer(self, waiting: _Waiting, lease_holds: bool, enough_in_sync: bool) -> None:
        if self._by_id.pop(waiting.request_id, None) is None:
            return
        response: ProduceResponse | ErrorResponse = waiting.response
        if not lease_holds:
            self._out.fact("broker_fenced_produce_rejections_total", waiting.acks.value)
            message = "the lease lapsed before the answer: outcome unknown"
            response = ErrorResponse(ErrorCode.LEADERSHIP_LOST, message)
        elif not enough_in_sync:
            message = "appended, but the in-sync replicas fell below the minimum"
            response = ErrorResponse(ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND, message)
        self._out.put_reply(waiting.request_id, response)

    def expire(self, now: int, enough_in_sync: bool) -> None:
        """What was not replicated in time is unknown, not failed (I-SAF-11)."""
        code = ErrorCode.TIMED_OUT if enough_in_sync else ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
        for waiting in [entry for entry in self._by_id.values() if entry.deadline <= now]:
            del self._by_id[waiting.request_id]
            self._out.put_reply(
                waiting.request_id, ErrorResponse(code, "appended, but not replicated in time: outcome unknown")
            )
        self.next_deadline = min((entry.deadline for entry in self._by_id.values()), default=NEVER)
        if not self._by_id:
            self._for_all.clear()
            self._for_leader.clear()
            self._duplicates.clear()

    def fail_all(self, message: str, leader: int = NO_BROKER, leader_epoch: int = -1) -> None:
        """Leadership ended: nothing may be completed any more (I-SAF-10)."""
        for request_id in self._by_id:
            self._out.put_reply(request_id, ErrorResponse(ErrorCode.LEADERSHIP_LOST, message, leader, leader_epoch))
        self._by_id.clear()
        self._for_all.clear()
        self._for_leader.clear()
        self._duplicates.clear()
        self.next_deadline = NEVER
