"""The client requests of one simulated broker process: what `skerry_broker.gateway` is to a real one."""

from __future__ import annotations

from collections.abc import Callable

from skerry.worlds.sim.ports import CallKey, ClientAnswer, ClientCall, ClientCancel
from skerry_broker.core.api import ClientRequest, ClientResponse
from skerry_broker.core.intake import CheckBatch, Intake, IntakeLimits
from skerry_broker.core.messages import ClientGone, Event, FromClient
from skerry_broker.core.types import Batch


def opaque_batch(batch: Batch) -> Batch:
    """The check of simulated batches, whose bytes only stand for records. Raises ValueError for none."""
    if batch.record_count < 1:
        raise ValueError(f"the batch claims {batch.record_count} records")
    return batch


class ClientRequests:
    """Invariant: every admitted request is in ``open`` until it is answered or its client has gone."""

    def __init__(
        self, deliver: Callable[[Event], None], send: Callable[[ClientAnswer], None], check_batch: CheckBatch
    ) -> None:
        """``deliver`` takes what the node must hear of, ``send`` puts an answer on its way to the clients."""
        self._deliver = deliver
        self._send = send
        self._check_batch = check_batch
        self._keys: dict[int, CallKey] = {}
        self._ids: dict[CallKey, int] = {}
        self._last_id = 0
        self.open: dict[int, ClientRequest] = {}
        """The unanswered ones, by request id."""
        self.reset()

    def reset(self) -> None:
        """The process has ended, and with it whatever it held for its clients."""
        self._keys.clear()
        self._ids.clear()
        self.open.clear()
        self._intake = Intake(IntakeLimits(), self._check_batch)

    def call(self, call: ClientCall) -> None:
        self._last_id += 1
        request_id = self._last_id
        admission = self._intake.admit(request_id, call.request)
        admitted, answer = admission.request, admission.answer
        if admitted is not None and answer is None:
            self._keys[request_id] = call.key
            self._ids[call.key] = request_id
            self.open[request_id] = admitted
        if admitted is not None:
            self._deliver(FromClient(request_id, admitted))
        if answer is not None:
            self._send(ClientAnswer(call.key, answer))

    def cancel(self, cancel: ClientCancel) -> None:
        request_id = self._ids.get(cancel.key)
        if request_id is not None:
            self._close(request_id)
            self._deliver(ClientGone(request_id))

    def answer(self, request_id: int, response: ClientResponse) -> None:
        """The node's answer. One for a client that has gone is dropped."""
        key = self._close(request_id)
        if key is not None:
            self._send(ClientAnswer(key, response))

    def _close(self, request_id: int) -> CallKey | None:
        key = self._keys.pop(request_id, None)
        if key is not None:
            del self._ids[key], self.open[request_id]
            self._intake.release(request_id)
        return key
