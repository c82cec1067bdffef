"""The bodies of the admin plane's JSON: ``GET /status`` and ``POST /peer-check``.

Decode them with ``msgspec.json.decode(body, type=StatusReport)``. Times are nanoseconds; ``boot`` is this machine's
CLOCK_BOOTTIME (it goes on while the machine sleeps), ``wall`` is the wall clock.
"""

from __future__ import annotations

import msgspec

from skerry_broker.core.status import NodeStatus
from skerry_broker.core.types import Plane, Timing


class KeptConnection(msgspec.Struct, frozen=True):
    """The one connection that is kept open and pinged every 100 ms, as this broker (which opened it) sees it."""

    connected_wall_ns: int | None
    """When the present connection was opened; None while there is none."""
    opened: int
    """How many connections it took so far: one more means that the kept one was lost."""
    silent_ns: int
    """Since the last answer to a ping, on whatever connection (since the start of the process, if there was none)."""
    unanswered_ns: int | None
    """Since the first ping after that answer, which itself has none; None: no ping is on its way."""
    rtt_ns: int | None
    """Round trip of the last answered ping."""
    pings: int
    pongs: int
    error: str
    """Why the last connection ended or could not be opened; "" if none did."""


class Received(msgspec.Struct, frozen=True):
    """The other direction: the numbered pings of that peer, as they arrive here. A one-way cut stops one of the two."""

    number: int
    """The number of the last one; the peer's own ``pings`` counts what it sent."""
    count: int
    silent_ns: int | None
    """None: none ever arrived."""


class PeerCheck(msgspec.Struct, frozen=True):
    broker_id: int
    plane: Plane
    kept: KeptConnection
    received: Received


class Probe(msgspec.Struct, frozen=True):
    """The answer of one new connection, opened on request."""

    broker_id: int
    plane: Plane
    ok: bool
    rtt_ns: int | None
    """From the start of the connection to the answer of its one ping."""
    error: str


class PeerCheckReport(msgspec.Struct, frozen=True):
    """``POST /peer-check``: begun and ended bracket all probes."""

    broker_id: int
    begun_boot_ns: int
    ended_boot_ns: int
    begun_wall_ns: int
    probes: tuple[Probe, ...]


class Stall(msgspec.Struct, frozen=True):
    """The event loop did not run for ``duration_ns``, until the given moment (SIGSTOP, no CPU, a slow call)."""

    ended_boot_ns: int
    ended_wall_ns: int
    duration_ns: int


class DiskReport(msgspec.Struct, frozen=True):
    """The disk thread's rounds: everything that was queued is written, each file is synced once, then it is reported.
    What the *oldest write* has waited, queue included, is ``node.disk_waiting_ns``."""

    fsync_under_way_ns: int
    """How long the present round has been under way; 0 while there is none. It grows while the disk hangs."""
    last_fsync_ns: int
    """How long the last round took; -1 before the first."""


class ProcessReport(msgspec.Struct, frozen=True):
    pid: int
    started_wall_ns: int
    started_boot_ns: int
    cpu_ns: int
    resident_bytes: int
    python: str
    event_loop: str


class StatusReport(msgspec.Struct, frozen=True):
    """``GET /status``."""

    version: str
    broker_id: int
    wall_ns: int
    boot_ns: int
    ready: bool
    not_ready: str
    """Why not; "" when ready."""
    timing_preset: str
    timing: Timing
    flush: str
    advertised: dict[str, str]
    """Broker id -> where clients find it, as far as this broker knows."""
    node: NodeStatus
    peers: tuple[PeerCheck, ...]
    stalls: tuple[Stall, ...]
    """The last 64 stalls above 200 ms, oldest first."""
    process: ProcessReport
    disk: DiskReport = DiskReport(0, -1)
