"""Asks etcd members what they say of themselves: status and metrics, both on the client plane."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from skerry.targets.etcd.status import METRICS_PATH, STATUS_PATH, MemberStatus, Role, read_status
from skerry.targets.group_report import GroupReport
from skerry.targets.port import Admin

STATUS_TIMEOUT_S = 0.4
METRICS_TIMEOUT_S = 1.0


class EtcdAdmin(Admin):
    """One HTTP session for all members. A member that does not answer in time gives None or nothing, never an error."""

    def __init__(self, addresses: Mapping[int, str]) -> None:
        """``addresses``: ordinal -> host:port of its client plane."""
        self._urls = {ordinal: f"http://{address}" for ordinal, address in addresses.items()}
        self._session: aiohttp.ClientSession | None = None
        self._ordinals: dict[int, int] = {}
        """Member id -> ordinal, of every member that has ever answered."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(use_dns_cache=False))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def status(self, ordinal: int) -> GroupReport | None:
        """Its generation is in its metrics, so that an answer takes both; they are of one process only if the metrics
        were asked first: a process that started in between is then taken for the old one, until the next time."""
        metrics = await self._ask("GET", ordinal, METRICS_PATH, STATUS_TIMEOUT_S)
        body = await self._ask("POST", ordinal, STATUS_PATH, STATUS_TIMEOUT_S)
        if metrics is None or body is None:
            return None
        try:
            status = read_status(body, metrics.decode(errors="replace"))
        except msgspec.DecodeError:
            return None
        self._ordinals[status.member_id] = ordinal
        return report_of(status, self._ordinals.get(status.leader_id, -1), len(self._urls))

    async def metrics(self, ordinal: int, names: frozenset[str]) -> list[tuple[str, dict[str, str], float]]:
        """(name, labels, value) of every series of these metrics."""
        if not names:
            return []
        body = await self._ask("GET", ordinal, METRICS_PATH, METRICS_TIMEOUT_S)
        return parse_metrics(body.decode(errors="replace"), names) if body is not None else []

    async def _ask(self, method: str, ordinal: int, path: str, timeout_s: float) -> bytes | None:
        assert self._session is not None
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        url = self._urls[ordinal] + path
        try:
            async with self._session.request(method, url, data=b"{}", timeout=timeout) as response:
                return await response.read() if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None


def report_of(status: MemberStatus, leader: int, members: int) -> GroupReport:
    """``leader``: its ordinal; -1: nobody, or somebody who has never answered. ``members``: how many there are."""
    return GroupReport(
        group="etcd",
        nodes=members,
        incarnation=status.generation,
        started_ms=status.started_ms,
        role="" if status.role is Role.NONE else str(status.role),
        leader=leader,
        term=status.term,
        committed=status.revision,
        applied=status.applied_index,
        identity=f"{status.member_id:x}",
    )


def parse_metrics(text: str, names: frozenset[str]) -> list[tuple[str, dict[str, str], float]]:
    """Only the lines that matter are parsed: an exposition has hundreds. One that is none holds nothing."""
    wanted = "\n".join(line for line in text.splitlines() if line.partition("{")[0].partition(" ")[0] in names)
    try:
        families = list(text_string_to_metric_families(wanted + "\n"))
    except ValueError:
        return []
    return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]
