"""A workload pod by script: it answers as the real one does, shows what a test wants, and goes wrong on demand."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer
from fake_api import FakeApi

from skerry.engine.world import Action, ActionReport, Check, Drain, Finish, ReportState
from skerry.runner.messages import Answer, Begin, Events, View

Object = dict[str, Any]
WORKLOAD = "skerry-demo-workload"
REPORT = {"report.json": b"{}", "report.html": b"<p>", "junit.xml": b"<x/>"}


class ScriptedPod:
    """``async with ScriptedPod(api) as pod``: a Job that is created from then on gets it as its pod."""

    def __init__(self, api: FakeApi, *, comes_up: bool = True) -> None:
        self._api = api
        self._comes_up = comes_up
        self.token = ""
        """The environment of the Job that was made."""
        self.began: list[Begin] = []
        self.actions: list[Action] = []
        """In the order in which they were taken, once each."""
        self.paths: list[str] = []
        """The status code of all posts but /begin."""
        self.aborts: list[str] = []
        self.shows: Callable[[View], View] = lambda view: view
        """What becomes of the picture before it is sent."""
        self.reports: list[ActionReport] = []
        self.report_files = dict(REPORT)
        self.refuses: tuple[int, str] | None = None
        """(status, sentence) for every post."""
        self.drops_answers = 0
        """For how many posts the answer never comes, though what is sent is taken."""
        self.silent = False
        self.raw_view: bytes | None = None
        self._started_ns = time.monotonic_ns()
        self._finished = False
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/view", self._view),
                web.get("/report/{file}", self._report),
                web.post("/begin", self._begin),
                web.post("/{path}", self._post),
            ]
        )
        self._server = TestServer(app, host="127.0.0.1")

    async def __aenter__(self) -> ScriptedPod:
        await self._server.start_server()
        self._api.on("create", "jobs", self._job_made)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def port(self) -> int:
        assert self._server.port is not None
        return self._server.port

    def now_ns(self) -> int:
        return time.monotonic_ns() - self._started_ns

    # --- as the cluster sees it ---------------------------------------------------------------------------

    def _job_made(self, job: Object) -> None:
        if job["metadata"]["labels"]["skerry.dev/artefact"] != "workload":
            return
        [container] = job["spec"]["template"]["spec"]["containers"]
        container["ports"][0]["containerPort"] = self.port
        self.token = next(each["value"] for each in container["env"] if each["name"] == "SKERRY_RUNNER_TOKEN")
        if self._comes_up:
            self.appear(str(job["metadata"]["uid"]))

    def appear(self, job_uid: str, **status: Any) -> None:
        """The pod of that Job, ready unless ``status`` says otherwise."""
        ready = {"phase": "Running", "podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
        self._api.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"{WORKLOAD}-x5ctl",
                    "labels": {"batch.kubernetes.io/controller-uid": job_uid, "skerry.dev/artefact": "workload"},
                },
                "status": status or ready,
            }
        )

    def fails(self, **status: Any) -> None:
        """The kubelet reports the end of its pod."""
        pod = copy.deepcopy(self._api.find("pods", f"{WORKLOAD}-x5ctl"))
        assert pod is not None
        self._api.put({**pod, "status": {"phase": "Failed", **status}})

    def deleted(self) -> None:
        self._api.remove("pods", f"{WORKLOAD}-x5ctl")

    # --- HTTP ---------------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.silent:
            await asyncio.Event().wait()
        if request.method == "POST" and request.headers.get("Authorization") != f"Bearer {self.token}":
            return _json(Answer(-1, "this needs the token of the workload pod"), 401)
        return await handler(request)

    async def _view(self, request: web.Request) -> web.Response:
        if self.raw_view is not None:
            return web.Response(body=self.raw_view)
        run = self.began[0].run if self.began else ""
        view = View(self.now_ns(), run, reports=tuple(self.reports), finished=self._finished)
        return _json(self.shows(view))

    async def _report(self, request: web.Request) -> web.Response:
        return web.Response(body=self.report_files[request.match_info["file"]])

    async def _begin(self, request: web.Request) -> web.Response:
        if self.refuses is not None:
            return _json(Answer(-1, self.refuses[1]), self.refuses[0])
        self.began.append(msgspec.json.decode(await request.read(), type=Begin))
        return _json(Answer(self.now_ns()))

    async def _post(self, request: web.Request) -> web.Response:
        if self.refuses is not None:
            return _json(Answer(-1, self.refuses[1]), self.refuses[0])
        events = msgspec.json.decode(await request.read(), type=Events)
        self.paths.append(request.path)
        self.aborts.append(events.abort)
        for action in events.actions:
            if action not in self.actions:
                self._take(action)
        if self.drops_answers:
            self.drops_answers -= 1
            return web.Response(status=502, body=b"bad gateway")
        return _json(Answer(self.now_ns()))

    def _take(self, action: Action) -> None:
        self.actions.append(action)
        if isinstance(action, Drain | Check):
            self.reports.append(ActionReport(action.id, ReportState.DONE, self.now_ns(), self.now_ns()))
        self._finished = self._finished or isinstance(action, Finish)


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
