"""The client's state machine, sans I/O (skeleton: signatures first)."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from skerry_broker.core.api import ClientRequest, ClientResponse, ErrorCode
from skerry_broker.core.types import Batch, Rng


class ClientConfig(msgspec.Struct, frozen=True):
    idempotent: bool = True
    request_timeout_ms: int = 1000
    """Per attempt; a long poll adds its wait."""
    delivery_timeout_ms: int = 30_000
    retry_backoff_ms: int = 50
    retry_backoff_max_ms: int = 200
    metadata_timeout_ms: int = 250
    metadata_max_age_ms: int = 30_000
    slow_call_ms: int = 250
    """An attempt unanswered this long makes the client look for another leader meanwhile."""
    max_in_flight: int = 5
    """Produce requests per partition; the broker remembers five batches per producer."""
    retry_unknown: bool = False
    """Retry a non-idempotent produce whose outcome is unknown: it may be written twice."""


class Operation(msgspec.Struct, frozen=True):
    request: ClientRequest
    directed_to: int | None = None
    """A probe: one attempt at that broker, never redirected, never retried, never idempotent."""
    delivery_timeout_ms: int | None = None


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Call(msgspec.Struct, frozen=True):
    call_id: int
    broker_id: int
    request: ClientRequest
    timeout_ms: int


class CancelCall(msgspec.Struct, frozen=True):
    call_id: int


class Completed(msgspec.Struct, frozen=True):
    op_id: int
    outcome: Outcome
    response: ClientResponse | None
    error: ErrorCode
    attempts: int
    message: str = ""


class Client:
    """``seal`` binds a batch's bytes to the producer id, epoch and sequence that the client gave it (the record batch's
    checksum covers them); the identity where bytes are opaque. Called once per batch and identity."""

    def __init__(
        self, config: ClientConfig, bootstrap: tuple[int, ...], rng: Rng, seal: Callable[[Batch], Batch] | None = None
    ) -> None: ...

    def submit(self, now: int, op_id: int, operation: Operation) -> None: ...

    def answered(self, now: int, call_id: int, response: ClientResponse) -> None: ...

    def call_failed(self, now: int, call_id: int, error: ErrorCode) -> None:
        """CONNECTION_FAILED: never sent. CONNECTION_LOST: sent or perhaps sent, not answered."""

    def tick(self, now: int) -> None: ...

    @property
    def next_deadline(self) -> int | None:
        raise NotImplementedError

    def take(self) -> list[Call | CancelCall | Completed]:
        raise NotImplementedError
