"""The eyes of a run: asks every broker for its status, links and metrics, and records what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

import msgspec

from skerry.engine.world import BrokerView, LinkView, ProcessState
from skerry.history.records import (
    ElectionSeen,
    HistoryRecord,
    LinkSample,
    MetricSample,
    Note,
    ProcessExit,
    Stall,
    StatusSample,
)
from skerry.runner.clock import RunClock
from skerry.runner.recorder import Recorder
from skerry.runner.skew import ClockSkew
from skerry.targets.skerry.admin import AdminClient
from skerry.targets.skerry.status import StatusAnswer
from skerry.targets.skerry.system import SkerrySystem

NS = 1_000_000_000
STATUS_EVERY_S = 0.1
METRICS_EVERY_S = 0.2
LAG_CHECK_S = 0.02
STALL_NS = 200_000_000
LINK_RECORD_EVERY_NS = NS
TIMESTAMP_METRICS = (
    "broker_partition_leader_elected_timestamp_seconds",
    "broker_partition_isr_full_timestamp_seconds",
)
"""Always scraped: failover and ISR recovery are read from them, whatever the interval."""


class Process(Protocol):
    """What is known of a broker's process beside what the broker itself says."""

    @property
    def state(self) -> ProcessState: ...

    @property
    def ended_by_itself(self) -> str:
        """How, and its last words, when nobody told the process to end; else empty."""
        ...

    @property
    def exit_code(self) -> int | None:
        """Of the process that ended; the negative number of the signal that ended it. None: it runs, or is unseen."""
        ...

    @property
    def starts(self) -> int: ...

    def log_tail(self, lines: int = 5) -> str: ...


class UnseenProcess:
    """A process on another machine: who can look at it says so elsewhere."""

    state = ProcessState.UNKNOWN
    ended_by_itself = ""
    exit_code: int | None = None
    starts = 0

    def log_tail(self, lines: int = 5) -> str:
        return ""


class Sampler:
    """Keeps the latest picture of every broker, and records changes into the history."""

    def __init__(
        self,
        target: SkerrySystem,
        brokers: Mapping[int, Process],
        recorder: Recorder,
        clock: RunClock,
        metric_names: frozenset[str] = frozenset(),
    ) -> None:
        """``metric_names``: what `metric` expectations ask for; every sample of these is recorded."""
        self._target = target
        self._brokers = brokers
        self._recorder = recorder
        self._clock = clock
        self._metric_names = metric_names
        self._views = {ordinal: BrokerView(ordinal, 0, reachable=False) for ordinal in sorted(brokers)}
        self._links: dict[tuple[int, int, str, str], LinkView] = {}
        self._link_recorded_ns: dict[tuple[int, int, str, str], int] = {}
        self._elections: set[tuple[str, int, int]] = set()
        self._timestamps: dict[tuple[int, str, tuple[tuple[str, str], ...]], float] = {}
        self._skew = ClockSkew()
        self._stalls: list[Stall] = []
        self._pids: dict[int, int] = {}
        self._stalls_seen: dict[int, tuple[str, int]] = {}
        """Ordinal -> of which incarnation, and when the newest ended, by its own machine's clock."""
        self._exits_noted: dict[int, int] = {}
        """Ordinal -> at which start; one that is started again may exit again."""
        self._tasks: list[asyncio.Task[None]] = []
        self._admin: AdminClient | None = None

    # --- what the conductor sees ------------------------------------------------------------------------

    def brokers(self) -> tuple[BrokerView, ...]:
        return tuple(self._views.values())

    def links(self) -> tuple[LinkView, ...]:
        return tuple(self._links.values())

    def pids(self) -> dict[int, int]:
        """Ordinal -> process id, as the brokers themselves see it."""
        return dict(self._pids)

    def take_stalls(self) -> tuple[Stall, ...]:
        """New ones since the last call."""
        stalls, self._stalls = self._stalls, []
        return tuple(stalls)

    # --- life -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self._admin = await self._target.admin().__aenter__()
        for ordinal in self._views:
            self._tasks.append(asyncio.create_task(self._watch_status(ordinal)))
            self._tasks.append(asyncio.create_task(self._watch_metrics(ordinal)))
        self._tasks.append(asyncio.create_task(self._watch_own_lag()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._admin is not None:
            await self._admin.__aexit__(None, None, None)
            self._admin = None

    def raise_failure(self) -> None:
        """A sampler that died must not look like a cluster that went silent."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (failure := task.exception()) is not None:
                raise failure

    async def check_links(self) -> None:
        """Every reachable broker opens a new connection to every peer on every plane, now."""
        await asyncio.gather(*(self._check_links_of(ordinal) for ordinal in self._views))

    # --- sampling ---------------------------------------------------------------------------------------

    async def _watch_status(self, ordinal: int) -> None:
        while True:
            begun = self._clock.now_ns()
            await self._sample_status(ordinal)
            await asyncio.sleep(max(0.01, STATUS_EVERY_S - (self._clock.now_ns() - begun) / NS))

    async def _sample_status(self, ordinal: int) -> None:
        assert self._admin is not None
        before_ns, wall_before_ns = self._clock.now_ns(), self._clock.wall_ns()
        answer = await self._admin.status(ordinal)
        after_ns, wall_after_ns = self._clock.now_ns(), self._clock.wall_ns()
        process = self._brokers[ordinal].state
        if answer is None:
            # The fields of the last answer stay; the picture says that they are old.
            self._views[ordinal] = msgspec.structs.replace(
                self._views[ordinal],
                sampled_ns=before_ns,
                reachable=False,
                process=process,
                process_sampled_ns=after_ns,
                exited=self._note_exit(ordinal),
            )
        else:
            view = answer.view(ordinal, before_ns, process, after_ns)
            offset = self._skew.note(ordinal, before_ns, wall_before_ns, answer.wall_ns, wall_after_ns)
            if offset is not None:
                view = msgspec.structs.replace(view, clock_offset_ns=offset.middle_ns, clock_error_ns=offset.error_ns)
            self._views[ordinal] = view
            self._pids[ordinal] = answer.pid
            self._note_elections(answer, after_ns)
            self._note_stalls(ordinal, answer, before_ns, after_ns)
            for link in answer.links(ordinal, before_ns):
                self._note_link(link, before_ns, after_ns)
        if answer is None:
            self._record(StatusSample(ordinal, before_ns, after_ns, reachable=False))
        else:
            self._record(answer.sample(ordinal, before_ns, after_ns))

    async def _check_links_of(self, ordinal: int) -> None:
        assert self._admin is not None
        before_ns = self._clock.now_ns()
        links = await self._admin.check_links(ordinal, before_ns)
        after_ns = self._clock.now_ns()
        for link in links:
            self._note_link(link, before_ns, after_ns)

    def _note_link(self, link: LinkView, before_ns: int, after_ns: int) -> None:
        """Recorded when it is news: a new connection, a change, or a second after the last one."""
        key = (link.source, link.target, str(link.plane), str(link.kind))
        previous = self._links.get(key)
        self._links[key] = link
        changed = previous is None or previous.ok != link.ok
        if changed or link.kind == "new" or after_ns - self._link_recorded_ns[key] >= LINK_RECORD_EVERY_NS:
            self._link_recorded_ns[key] = after_ns
            self._record(
                LinkSample(
                    source=link.source,
                    target=link.target,
                    plane=str(link.plane),
                    connection=str(link.kind),
                    before_ns=before_ns,
                    after_ns=after_ns,
                    ok=link.ok,
                    silent_ns=link.silent_ns,
                    rtt_ns=link.rtt_ns,
                )
            )

    def _note_exit(self, ordinal: int) -> str:
        """Why the broker is gone, when no fault of ours took it; in the history with its last words, once."""
        broker = self._brokers[ordinal]
        exited = broker.ended_by_itself
        if exited and self._exits_noted.get(ordinal) != broker.starts:
            self._exits_noted[ordinal] = broker.starts
            words = broker.log_tail()
            self._record(Note(self._clock.now_ns(), f"{exited}\n{words}", ordinal))
            if broker.exit_code is not None:
                self._record(ProcessExit(ordinal, self._clock.now_ns(), broker.exit_code, words))
        return exited

    def _note_elections(self, answer: StatusAnswer, seen_ns: int) -> None:
        for election in answer.elections(seen_ns):
            key = (election.topic, election.partition, election.leader_epoch)
            if key not in self._elections:
                self._elections.add(key)
                self._record(election)

    def _note_stalls(self, ordinal: int, answer: StatusAnswer, before_ns: int, after_ns: int) -> None:
        """Their moments are known as well as the answer's own is, which lies between the two bounds."""
        incarnation, newest_boot_ns = self._stalls_seen.get(ordinal, ("", 0))
        if incarnation != answer.incarnation:
            newest_boot_ns = 0
        for ended_boot_ns, from_ago_ns, to_ago_ns in answer.stalls():
            if ended_boot_ns > newest_boot_ns:
                newest_boot_ns = ended_boot_ns
                self._stalled(Stall(ordinal, before_ns - from_ago_ns, after_ns - to_ago_ns))
        self._stalls_seen[ordinal] = answer.incarnation, newest_boot_ns

    def stalled(self, process: int, from_boot_ns: int, to_boot_ns: int) -> None:
        """Somebody on this machine did not run: the runner (-1) or the proxy (-2)."""
        self._stalled(Stall(process, self._clock.run_ns(from_boot_ns), self._clock.run_ns(to_boot_ns)))

    def _stalled(self, stall: Stall) -> None:
        if stall.to_ns > 0:
            self._stalls.append(stall)
            self._record(stall)

    async def _watch_metrics(self, ordinal: int) -> None:
        while True:
            await asyncio.sleep(METRICS_EVERY_S)
            await self._sample_metrics(ordinal)

    async def _sample_metrics(self, ordinal: int) -> None:
        assert self._admin is not None
        samples = await self._admin.metrics(ordinal, frozenset(TIMESTAMP_METRICS) | self._metric_names)
        at_ns = self._clock.now_ns()
        for name, labels, value in samples:
            if name in TIMESTAMP_METRICS:
                key = (ordinal, name, tuple(sorted(labels.items())))
                if self._timestamps.get(key) == value:
                    continue  # it stands still between elections; the first sample says it all
                self._timestamps[key] = value
            self._record(MetricSample(ordinal, at_ns, name, labels, value))

    async def _watch_own_lag(self) -> None:
        """A runner that did not run measured nothing meanwhile; whoever judges must know."""
        last_ns = self._clock.now_ns()
        while True:
            await asyncio.sleep(LAG_CHECK_S)
            now_ns = self._clock.now_ns()
            if now_ns - last_ns > STALL_NS + LAG_CHECK_S * NS:
                self.stalled(-1, self._clock.boot_ns(last_ns), self._clock.boot_ns(now_ns))
            last_ns = now_ns

    def _record(self, record: HistoryRecord | ElectionSeen) -> None:
        self._recorder.append(record)
