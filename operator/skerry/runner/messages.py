"""What conductor and workload pod say to each other, as JSON over HTTP.

``POST /begin``, ``/events``, ``/drain``, ``/check`` and ``/finish`` need the token of the pod's template; everything
that is only read does not. Every answer carries the pod's clock, so that each request also is an exchange of clocks.
"""

from __future__ import annotations

import msgspec

from skerry.engine.world import Action, ActionReport, BrokerView, LinkView, WorkloadView
from skerry.history.records import Stall
from skerry.schema.verdict import Finding

PORT = 8080
TOKEN_VARIABLE = "SKERRY_RUNNER_TOKEN"
REPORT_FILES = ("report.json", "report.html", "junit.xml")
HISTORY_FILE = "history.jsonl"
BODY_BYTES_MAX = 4 << 20


class Begin(msgspec.Struct, frozen=True):
    """The run that this pod is for. Said again it changes nothing; another run is refused."""

    run: str
    """The experiment's UID."""
    document: str
    """YAML; goes into the header of the history."""
    seed: int
    addresses: dict[int, dict[str, str]]
    """Ordinal -> plane -> host:port, of every plane on which the run reaches a node."""
    clock_error_ns: int
    skerry_version: str
    retain_ns: int
    """How long report and history are served after the end."""


class Events(msgspec.Struct, frozen=True):
    """What the conductor decided, in order. An action whose id was seen before is passed over."""

    actions: tuple[Action, ...]
    abort: str = ""
    """Why the run is being broken off; stays set."""


class Answer(msgspec.Struct, frozen=True):
    """The answer to everything that is posted."""

    now_ns: int
    """The run's clock; -1: no run has begun."""
    error: str = ""


class View(msgspec.Struct, frozen=True):
    """``GET /view``: the latest of everything. Lists hold all of the run's, the newest `KEPT_MAX` at least."""

    now_ns: int
    """The run's clock while the request was answered; -1: no run has begun."""
    run: str = ""
    started_wall_ns: int = 0
    """The wall clock of the pod at 0 of the run's clock."""
    brokers: tuple[BrokerView, ...] = ()
    links: tuple[LinkView, ...] = ()
    workload: WorkloadView = WorkloadView()
    reports: tuple[ActionReport, ...] = ()
    stalls: tuple[Stall, ...] = ()
    findings: tuple[Finding, ...] | None = None
    finished: bool = False
    """The report is written and served."""
    failure: str = ""
    """A bug or a full disk; the run cannot be judged."""


KEPT_MAX = 300
