"""Asks Skerry's brokers on their admin plane, which no fault takes: status, links, metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from skerry.engine.world import LinkView
from skerry.targets.skerry.status import StatusAnswer, new_links
from skerry_broker.status_report import PeerCheckReport, StatusReport

STATUS_TIMEOUT_S = 0.4
PEER_CHECK_TIMEOUT_S = 1.0
METRICS_TIMEOUT_S = 1.0
REPLICA_TIMEOUT_S = 5.0


class _ReplicaFile(msgspec.Struct, frozen=True):
    name: str
    bytes: int


_files_decoder = msgspec.json.Decoder(list[_ReplicaFile])
_status_decoder = msgspec.json.Decoder(StatusReport)
_peer_check_decoder = msgspec.json.Decoder(PeerCheckReport)


class AdminClient:
    """One HTTP session for all brokers. A broker that does not answer in time gives None or nothing, never an error."""

    def __init__(self, addresses: Mapping[int, str], topic: str = "") -> None:
        """``addresses``: ordinal -> host:port of its admin plane. ``topic``: leave out what brokers say of others."""
        self._topic = topic
        self._urls = {ordinal: f"http://{address}" for ordinal, address in addresses.items()}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # A pod that was replaced has another address under the same name: every new connection asks again.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(use_dns_cache=False))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def status(self, ordinal: int) -> StatusAnswer | None:
        body = await self._ask("GET", ordinal, "/status", STATUS_TIMEOUT_S)
        return parse_status(body, self._topic) if body is not None else None

    async def check_links(self, ordinal: int, asked_ns: int, closely: bool) -> list[LinkView]:
        """What came of one new connection to every peer on every plane."""
        path = "/peer-check?closely=1" if closely else "/peer-check"
        body = await self._ask("POST", ordinal, path, PEER_CHECK_TIMEOUT_S)
        return new_links(ordinal, _peer_check_decoder.decode(body), asked_ns) if body is not None else []

    async def metrics(self, ordinal: int, names: frozenset[str]) -> list[tuple[str, dict[str, str], float]]:
        """(name, labels, value) of every series of these metrics."""
        body = await self._ask("GET", ordinal, "/metrics", METRICS_TIMEOUT_S)
        return list(parse_metrics(body.decode(), names)) if body is not None else []

    async def replica_files(self, ordinal: int, topic: str, partition: int) -> list[str] | None:
        """Names of the files of a replica; None when the broker holds none of it, or does not answer."""
        body = await self._ask("GET", ordinal, f"/replica/{topic}/{partition}", REPLICA_TIMEOUT_S)
        return None if body is None else [file.name for file in _files_decoder.decode(body)]

    async def fetch_replica_file(self, ordinal: int, topic: str, partition: int, name: str, to: Path) -> bool:
        """Copy one file; False when it did not come whole. Raises OSError when it cannot be written."""
        assert self._session is not None
        url = f"{self._urls[ordinal]}/replica/{topic}/{partition}/{name}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=METRICS_TIMEOUT_S, sock_read=REPLICA_TIMEOUT_S)
        try:
            async with self._session.get(url, timeout=timeout) as response:
                if response.status != 200:
                    return False
                with to.open("wb") as file:
                    async for chunk in response.content.iter_chunked(1 << 18):
                        file.write(chunk)
        except (aiohttp.ClientError, TimeoutError):
            return False
        return True

    async def _ask(self, method: str, ordinal: int, path: str, timeout_s: float) -> bytes | None:
        assert self._session is not None
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._session.request(method, self._urls[ordinal] + path, timeout=timeout) as response:
                return await response.read() if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None


def parse_status(body: bytes, topic: str = "") -> StatusAnswer:
    """Raises msgspec.DecodeError."""
    return StatusAnswer(_status_decoder.decode(body), topic)


def parse_metrics(text: str, names: frozenset[str]) -> Iterable[tuple[str, dict[str, str], float]]:
    """Only the lines that matter are parsed: an exposition has hundreds."""
    wanted = "\n".join(line for line in text.splitlines() if line.partition("{")[0].partition(" ")[0] in names)
    for family in text_string_to_metric_families(wanted + "\n"):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value
