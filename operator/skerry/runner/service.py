"""The workload pod: one `Run` behind HTTP, driven by a conductor that is elsewhere.

Reading needs nothing; everything that changes something needs the token. The pod knows no API server: what it is told
is a document and the addresses of the brokers. When the run is over it writes the report, serves it and the history for
``retain``, and ends.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from skerry.engine.world import ActionReport, Finish
from skerry.experiment import load_document
from skerry.history.records import Footer, PhaseEvent, ReplicaDump, Stall
from skerry.report.files import write_report
from skerry.report.model import make_report, replay_of
from skerry.runner.clock import RunClock
from skerry.runner.header import header_of
from skerry.runner.messages import BODY_BYTES_MAX, HISTORY_FILE, KEPT_MAX, REPORT_FILES, Answer, Begin, Events, View
from skerry.runner.run import Run
from skerry.runner.sampling import UnseenProcess
from skerry.runner.throttling import ThrottlingWatch
from skerry.targets.port import System

log = logging.getLogger("skerry.runner")

FLUSH_EVERY_S = 0.2
THROTTLING_EVERY_S = 0.5
RUNNER = -1
"""In the place of a broker's ordinal."""
NS = 1_000_000_000

_begin_decoder = msgspec.json.Decoder(Begin)
_events_decoder = msgspec.json.Decoder(Events)


class Service:
    """Invariant: of each action id at most one action is performed."""

    def __init__(self, directory: Path, token: str, throttling: ThrottlingWatch | None = None) -> None:
        """``throttling``: of this container; default: as its kernel tells."""
        self._throttling = throttling or ThrottlingWatch()
        self._directory = directory
        self._token = token
        self._begin: Begin | None = None
        self._run: Run | None = None
        self._system: System | None = None
        self._seen: set[int] = set()
        self._reports: deque[ActionReport] = deque(maxlen=KEPT_MAX)
        self._stalls: deque[Stall] = deque(maxlen=KEPT_MAX)
        self._failure = ""
        self._finished = False
        self._tasks: list[asyncio.Task[None]] = []
        self.over = asyncio.Event()
        """Set when nothing is left to serve."""

    def application(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/healthz", self._health),
                web.get("/view", self._view),
                web.get("/history", self._history),
                web.get("/report/{file}", self._report),
                web.post("/begin", self._post_begin),
                web.post("/events", self._post_events),
                web.post("/drain", self._post_events),
                web.post("/check", self._post_events),
                web.post("/finish", self._post_events),
            ]
        )
        return app

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._run is not None:
            await self._run.break_off()
            self._run.recorder.close(Footer(self._run.clock.now_ns(), aborted=True, reason="the pod was stopped"))

    # --- HTTP ---------------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            given = request.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
                return _json(Answer(-1, "this needs the token of the workload pod"), 401)
        return await handler(request)

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def _view(self, request: web.Request) -> web.Response:
        return _json(self.view())

    async def _history(self, request: web.Request) -> web.StreamResponse:
        return self._file(HISTORY_FILE, "no run has begun in this pod")

    async def _report(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["file"]
        if name not in REPORT_FILES:
            return _json(Answer(self._now_ns(), f"there is no such file; there are {', '.join(REPORT_FILES)}"), 404)
        return self._file(name, "the run is not over: there is no report yet")

    def _file(self, name: str, otherwise: str) -> web.StreamResponse:
        path = self._directory / name
        if (name != HISTORY_FILE and not self._finished) or not path.is_file():
            return _json(Answer(self._now_ns(), otherwise), 404)
        return web.FileResponse(path)

    async def _post_begin(self, request: web.Request) -> web.Response:
        try:
            begin = _begin_decoder.decode(await request.read())
            if self._begin is None:
                await self.begin(begin)
        except (msgspec.DecodeError, ValueError, OSError) as error:
            return _json(Answer(self._now_ns(), f"the run cannot begin: {error}"), 400)
        if self._begin is not None and self._begin.run != begin.run:
            return _json(Answer(self._now_ns(), "this pod is for another run"), 409)
        return _json(Answer(self._now_ns()))

    async def _post_events(self, request: web.Request) -> web.Response:
        try:
            events = _events_decoder.decode(await request.read())
        except msgspec.DecodeError as error:
            return _json(Answer(self._now_ns(), f"no events: {error}"), 400)
        if self._run is None:
            return _json(Answer(-1, "no run has begun in this pod"), 409)
        return _json(Answer(self._now_ns(), self.perform(events)))

    # --- the run ------------------------------------------------------------------------------------------

    async def begin(self, begin: Begin) -> None:
        """Start to look at the brokers. Raises ValueError for a wrong document, OSError for a full disk."""
        experiment = load_document(begin.document, "the document of the run")
        clock = RunClock()
        header = header_of(
            experiment,
            begin.document,
            world="kubernetes",
            seed=begin.seed,
            started_wall_ns=clock.started_wall_ns,
            version=begin.skerry_version,
            clock_error_ns=begin.clock_error_ns,
        )
        self._system = experiment.target.connect(begin.addresses, experiment)
        processes = {ordinal: UnseenProcess() for ordinal in begin.addresses}
        self._begin = begin
        self._run = Run(experiment, header, self._directory, self._system, processes, clock, self._dumps)
        self._run.recorder.append(PhaseEvent("Starting", 0))
        await self._run.sampling.start()
        self._tasks.append(asyncio.create_task(self._keep_up(self._run)))
        self._tasks.append(asyncio.create_task(self._watch_throttling(self._run)))
        self._tasks.append(asyncio.create_task(self._system.remove_leftovers(own=False)))

    def perform(self, events: Events) -> str:
        """What is wrong with them; empty: all were begun."""
        assert self._run is not None
        self._run.abort_reason = self._run.abort_reason or events.abort
        for action in events.actions:
            if action.id in self._seen:
                continue
            self._seen.add(action.id)
            if isinstance(action, Finish):
                self._tasks.append(asyncio.create_task(self._finish(action, self._run)))
                continue
            try:
                taken = self._run.perform(action)
            except Exception as failure:
                # It is not asked for again: what was begun of it must not be done twice.
                log.exception("an action could not be begun")
                self._failure = f"the runner failed: {type(failure).__name__}: {failure}"
                return self._failure
            if not taken:
                return f"a workload pod does not do `{type(action).__name__}`"
        return ""

    def view(self) -> View:
        run = self._run
        if run is None or self._begin is None:
            return View(-1)
        self._collect(run)
        return View(
            now_ns=run.clock.now_ns(),
            run=self._begin.run,
            started_wall_ns=run.clock.started_wall_ns,
            brokers=run.observer.brokers(),
            links=run.observer.links(),
            workload=run.workload(),
            reports=tuple(self._reports),
            stalls=tuple(self._stalls),
            findings=run.findings,
            finished=self._finished,
            failure=self._failure,
        )

    def _now_ns(self) -> int:
        return self._run.clock.now_ns() if self._run is not None else -1

    def _collect(self, run: Run) -> None:
        self._reports.extend(run.take_reports())
        self._stalls.extend(run.observer.take_stalls())

    async def _keep_up(self, run: Run) -> None:
        """Hand the history to the kernel, and notice when a part of us has died: also the checker, at the end."""
        while not self._finished:
            await asyncio.sleep(FLUSH_EVERY_S)
            run.recorder.flush()
            try:
                run.raise_failure()
            except Exception as failure:
                log.exception("the runner failed")
                self._failure = f"the runner failed: {type(failure).__name__}: {failure}"
                return

    async def _watch_throttling(self, run: Run) -> None:
        """What this pod was kept from running for, it has neither measured nor written in time."""
        noted = False
        while not self._finished:
            throttled = self._throttling.look(run.clock.now_ns())
            if throttled is not None:
                run.observer.stalled(Stall(RUNNER, throttled.from_ns, throttled.to_ns))
                if not noted:
                    run.note(str(throttled))
                noted = True
            await asyncio.sleep(THROTTLING_EVERY_S)

    async def _dumps(self, ends: Mapping[int, int]) -> Sequence[ReplicaDump]:
        assert self._run is not None
        assert self._system is not None
        directory = self._directory / "replicas"
        return await self._system.fetch_dumps(self._run.experiment, self._run.observer.brokers, ends, directory)

    async def _finish(self, finish: Finish, run: Run) -> None:
        assert self._begin is not None
        await run.break_off()
        # A run that was refused before anything was recorded ends in order, too; it only has nothing to check.
        run.recorder.close(Footer(run.clock.now_ns(), aborted=finish.aborted, reason=run.abort_reason))
        try:
            await asyncio.to_thread(self._write_report, finish, run)
            self._finished = True
        except Exception as failure:
            log.exception("the report could not be written")
            self._failure = f"the report could not be written: {type(failure).__name__}: {failure}"
        assert self._system is not None
        self._tasks.append(asyncio.create_task(self._system.remove_leftovers(own=True)))
        await asyncio.sleep(self._begin.retain_ns / NS)
        self.over.set()

    def _write_report(self, finish: Finish, run: Run) -> None:
        assert self._begin is not None
        replay = replay_of(run.experiment.name, "kubernetes", self._begin.seed)
        reason = finish.reason if finish.aborted else ""
        history = run.history()
        report = make_report(run.experiment, history, finish.findings, replay, reason)
        write_report(self._directory, report, history, run.experiment)


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
