"""Where client requests enter the node, however they came: admitted, measured, and answered exactly once.

What is admitted is decided by `core.intake`, before memory is held for the request.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from skerry_broker.core.api import ClientRequest, ClientResponse, ErrorCode, ErrorResponse
from skerry_broker.core.intake import Intake
from skerry_broker.core.messages import ClientGone, Event, FromClient
from skerry_broker.metrics import Metrics

Respond = Callable[[ClientResponse], None]


class _Waiting(msgspec.Struct):
    respond: Respond
    api: str
    begun: float


class Gateway:
    """Invariant: every request that ``submit`` takes is answered once, or its client is gone."""

    def __init__(self, deliver: Callable[[Event], None], metrics: Metrics, intake: Intake) -> None:
        self._deliver = deliver
        self._metrics = metrics
        self.intake = intake
        self._waiting: dict[int, _Waiting] = {}
        self._last_id = 0

    @property
    def batch_bytes_max(self) -> int:
        return self.intake.limits.batch_bytes_max

    @property
    def in_flight(self) -> int:
        return len(self._waiting)

    def submit(self, request: ClientRequest, respond: Respond) -> int:
        """Take a request; ``respond`` is called once, perhaps before this returns. Returns its id, for `gone`."""
        self._last_id += 1
        request_id = self._last_id
        api = str(request.__struct_config__.tag)
        begun = time.monotonic()
        admission = self.intake.admit(request_id, request)
        admitted, answer = admission.request, admission.answer
        if answer is None:
            self._waiting[request_id] = _Waiting(respond, api, begun)
        if admitted is not None:
            self._deliver(FromClient(request_id, admitted))
        if answer is not None:
            if isinstance(answer, ErrorResponse):
                self._observe(api, answer, begun)
            respond(answer)
        return request_id

    def reply(self, request_id: int, response: ClientResponse) -> None:
        """The node's answer. One for a client that has gone is dropped."""
        waiting = self._waiting.pop(request_id, None)
        if waiting is None:
            return
        self.intake.release(request_id)
        self._observe(waiting.api, response, waiting.begun)
        waiting.respond(response)

    def gone(self, request_id: int) -> None:
        """The client does not wait any more."""
        if self._waiting.pop(request_id, None) is not None:
            self.intake.release(request_id)
            self._deliver(ClientGone(request_id))

    def refuse_all(self, error: ErrorCode, message: str) -> None:
        """The node has stopped: answer everybody who still waits."""
        for request_id in list(self._waiting):
            self.reply(request_id, ErrorResponse(error, message))

    def _observe(self, api: str, response: ClientResponse, begun: float) -> None:
        error = response.error if isinstance(response, ErrorResponse) else ErrorCode.NONE
        self._metrics.add("broker_request_seconds", api, error.value, value=time.monotonic() - begun)
