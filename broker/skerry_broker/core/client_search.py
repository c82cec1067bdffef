"""The client's search for metadata: one request at a time, from broker to broker, with a pause between rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from skerry_broker.core.api import MetadataRequest
from skerry_broker.core.client_calls import MS, ClientConfig, Op, Operation, Timers
from skerry_broker.core.client_metadata import ClusterView
from skerry_broker.core.types import TopicPartition

METADATA_OP = -1
"""The op id of the client's own metadata requests."""

Send = Callable[[int, Op, int, MetadataRequest, int], None]
"""Takes (now, operation, broker, request, timeout in ms)."""


class MetadataSearch:
    """``suspects`` is the client's own: partition -> its believed leader, which does not serve it; they are asked last.

    Invariant: at most one of ``op`` (a request is under way) and ``_wanted_at`` (one is due) is set.
    """

    def __init__(
        self,
        config: ClientConfig,
        view: ClusterView,
        timers: Timers,
        suspects: Mapping[TopicPartition, int],
        first_broker: int,
        send: Send,
    ) -> None:
        self._config = config
        self._view = view
        self._timers = timers
        self.suspects = suspects
        self._first_broker = first_broker
        self._send = send
        self.op: Op | None = None
        """The request under way."""
        self._wanted_at: int | None = None
        self._backoff_at = 0
        self._failures = 0
        self._learned_at: int | None = None

    def is_old(self, now: int) -> bool:
        """What was learned last is older than ``metadata_max_age_ms``."""
        return self._learned_at is not None and now - self._learned_at > self._config.metadata_max_age_ms * MS

    def want(self, now: int) -> None:
        """Ask now, or when the pause is over; once, however often it is wanted meanwhile."""
        if self.op is None and self._wanted_at is None:
            if now >= self._backoff_at:
                self._ask(now)
            else:
                self._wanted_at = self._backoff_at
                self._timers.at(self._backoff_at, "metadata", 0)

    def timer(self, now: int, time: int) -> None:
        """The timer that was set for ``time`` has come."""
        if self._wanted_at is not None and self._wanted_at <= time:
            self._wanted_at = None
            self._ask(now)

    def next_broker(self) -> int:
        return self._view.next_broker(self._first_broker, set(self.suspects.values()))

    def failed(self, now: int) -> None:
        """The next broker is asked at once, after a full round of failures with a pause."""
        self.op = None
        self._failures += 1
        if self._failures % len(self._view.brokers) != 0:
            self._backoff_at = now
        self.want(now)

    def learned(self, now: int) -> None:
        """Metadata has come, by this search or by the user's own request."""
        self._failures = 0
        self._learned_at = now

    def _ask(self, now: int) -> None:
        self._backoff_at = now + self._config.retry_backoff_ms * MS
        request = MetadataRequest()
        self.op = Op(METADATA_OP, Operation(request), now)
        self._send(now, self.op, self.next_broker(), request, self._config.metadata_timeout_ms)
