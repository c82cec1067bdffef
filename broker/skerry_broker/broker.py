"""One whole broker process, put together: storage, node, runtime, four planes.

`__main__` runs one; a test may run three in one process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from aiohttp import web
from prometheus_client.core import GaugeMetricFamily

from skerry_broker.admin_api import AdminApi
from skerry_broker.batch import check_batch
from skerry_broker.calls import Calls
from skerry_broker.clocks import boot_ns
from skerry_broker.config import PLANES, Address, BrokerConfig
from skerry_broker.core.api import ErrorCode
from skerry_broker.core.intake import Intake, IntakeLimits
from skerry_broker.core.messages import FromPeer, PeerRefused, StopNode
from skerry_broker.core.node import Node
from skerry_broker.core.peer_messages import PeerMessage
from skerry_broker.core.status import NodeStatus
from skerry_broker.core.types import Plane, Timing, Voter
from skerry_broker.dialing import Resolver
from skerry_broker.errors import StartError
from skerry_broker.frames import FrameConnection, Session
from skerry_broker.gateway import Gateway
from skerry_broker.http_api import HttpApi
from skerry_broker.listener import PlaneListener
from skerry_broker.metric_gauges import gauges
from skerry_broker.metrics import Metrics
from skerry_broker.peer_checks import PeerChecks
from skerry_broker.runtime import Runtime
from skerry_broker.status_report import DiskReport, ProcessReport, StatusReport
from skerry_broker.storage import Storage, StorageError
from skerry_broker.transport import STALL_S, Identity, PeerTransport
from skerry_broker.wire import CALL_BYTES_EXTRA, HELLO_BYTES_MAX, PEER_BYTES_MAX, Hello, Purpose

log = logging.getLogger("skerry_broker")

STORAGE_CLOSE_TIMEOUT_S = 5.0


def broker_version() -> str:
    try:
        return version("skerry")
    except PackageNotFoundError:  # run from a source tree
        return "unknown"


class Broker:
    """Invariant: everything that `start` opened is closed by `close`, whatever failed in between."""

    def __init__(self, config: BrokerConfig) -> None:
        self.config = config
        self.metrics = Metrics()
        self.addresses: dict[Plane, Address] = dict(config.listen)
        """Where it really listens (ports of 0 are replaced)."""
        self.runtime: Runtime
        self.storage: Storage
        self._started_wall_ns = time.time_ns()
        self._started_boot_ns = boot_ns()
        self._listeners: list[PlaneListener] = []

    async def start(self) -> None:
        """Lock and recover the data directory, listen, join. Raises StartError."""
        config = self.config
        loop = asyncio.get_running_loop()
        begun = time.monotonic()
        # The callbacks come from the disk thread, and only after the first effect: the runtime exists by then.
        try:
            self.storage, recovered = await loop.run_in_executor(
                None,
                partial(
                    Storage.open,
                    config.data_dir,
                    config.broker_id,
                    on_flushed=lambda write_id: self.runtime.flushed(write_id),
                    on_failed=lambda raft, reason: self.runtime.disk_failed(raft, reason),
                    flush=config.flush,
                    segment_bytes=config.segment_bytes,
                    size_limit_bytes=config.data_bytes_max or None,
                    lock_wait_s=config.lock_wait_ms / 1000,
                ),
            )
        except StorageError as error:
            raise StartError(str(error)) from None
        self.metrics.add("broker_log_recovery_seconds", value=time.monotonic() - begun)
        for problem in self.storage.problems:
            log.error("disk damage: %s; it is put aside and copied again from other brokers; check the disk", problem)
        try:
            self.node = Node(config.node_config(), recovered, random.SystemRandom(), boot_ns())
            self.runtime = Runtime(self.node, self.storage, self.metrics)
            self.identity = Identity(
                Voter(config.broker_id, recovered.directory_id),
                recovered.incarnation,
                recovered.cluster_id,
                str(config.advertised_client),
            )
            limits = IntakeLimits(
                config.requests_max, config.request_bytes_in_flight_max, config.batch_bytes_max, config.fetch_bytes_max
            )
            intake = Intake(limits, check_batch, lambda: self.storage.backlog_bytes)
            self.gateway = Gateway(self.runtime.deliver, self.metrics, intake)
            resolver = Resolver()
            self.checks = PeerChecks(self.identity, config.peers, resolver)
            self.transport = PeerTransport(
                self.identity,
                config.peers,
                on_message=self._on_message,
                on_refused=lambda peer, plane: self.runtime.deliver(PeerRefused(peer, plane)),
                metrics=self.metrics,
                resolver=resolver,
                stall_s=STALL_S * config.timing.session_ms / Timing().session_ms,
            )
            self.runtime.attach(self.transport, self.gateway, [self.transport.beat, self.checks.beat])
            self.metrics.collect_from(self._gauges)
            self._http = HttpApi(self.gateway, self.identity)
            self._admin = AdminApi(self.status, self.checks, self.metrics, config.data_dir)
            await self._listen()
        except BaseException:
            await self.close(None)
            raise
        self.transport.start()
        self.checks.start()
        self.runtime.start(config.retention_check_ms)

    async def stopped(self) -> StopNode:
        """Wait for the node's StopNode. Raises whatever bug ended it."""
        return await asyncio.shield(self.runtime.stopped)

    async def close(self, stop: StopNode | None) -> None:
        """Close everything. With a clean stop, the clean-shutdown mark is left last."""
        runtime = getattr(self, "runtime", None)
        if runtime is not None:
            runtime.halt()
            self.gateway.refuse_all(ErrorCode.CONNECTION_LOST, "the broker has stopped")
        for part in ("transport", "checks"):
            if hasattr(self, part):
                await getattr(self, part).stop()
        for listener in self._listeners:
            await listener.close()
        self._listeners.clear()
        for part in ("_http", "_admin"):
            if hasattr(self, part):
                await getattr(self, part).close()
        clean_epoch = None if stop is None else stop.clean_broker_epoch
        await asyncio.get_running_loop().run_in_executor(
            None, partial(self.storage.close, clean_epoch, STORAGE_CLOSE_TIMEOUT_S)
        )

    def status(self) -> StatusReport:
        """The body of ``GET /status``."""
        now = boot_ns()
        node = self.node.status(now)
        not_ready = why_not_ready(node)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return StatusReport(
            version=broker_version(),
            broker_id=self.config.broker_id,
            wall_ns=time.time_ns(),
            boot_ns=now,
            ready=not not_ready,
            not_ready=not_ready,
            timing_preset=self.config.timing_preset,
            timing=self.config.timing,
            flush=self.config.flush.value,
            advertised={str(one): address for one, address in sorted(self.identity.advertised.items())},
            node=node,
            peers=self.checks.report(),
            stalls=tuple(self.runtime.stalls),
            process=ProcessReport(
                os.getpid(),
                self._started_wall_ns,
                self._started_boot_ns,
                int((usage.ru_utime + usage.ru_stime) * 1e9),
                resident_bytes(),
                sys.version.split()[0],
                type(asyncio.get_running_loop()).__module__.split(".")[0],
            ),
            disk=DiskReport(self.storage.fsync_under_way_ns, self.storage.last_fsync_ns),
        )

    # --- wiring

    def _on_message(self, source: Voter, message: PeerMessage) -> None:
        self.runtime.deliver(FromPeer(source, message))

    def _gauges(self) -> Iterable[GaugeMetricFamily]:
        return gauges(self.node.status(boot_ns()), self.checks.report(), self.gateway.in_flight)

    async def _listen(self) -> None:
        config = self.config
        http: dict[Plane, web.Server] = {
            Plane.CLIENT: await self._http.open(),
            Plane.ADMIN: await self._admin.open(),
        }
        bytes_max = {
            Plane.CLIENT: config.batch_bytes_max + CALL_BYTES_EXTRA,
            Plane.RAFT: PEER_BYTES_MAX,
            Plane.REPLICATION: PEER_BYTES_MAX,
            Plane.ADMIN: HELLO_BYTES_MAX,
        }
        for plane in PLANES:
            factory: Callable[[], asyncio.Protocol] | None = http.get(plane)
            listener = PlaneListener(
                plane,
                config.listen[plane],
                gate=self._gate,
                welcome=self.identity.welcome,
                bytes_max=bytes_max[plane],
                metrics=self.metrics,
                http=factory,
                connections_max=config.connections_max,
            )
            self.addresses[plane] = await listener.open()
            self._listeners.append(listener)
        if config.advertised_client.port == 0:
            self.identity.advertised[config.broker_id] = str(self.addresses[Plane.CLIENT])

    def _gate(self, hello: Hello, connection: FrameConnection) -> Session | str:
        match hello.purpose:
            case Purpose.MESSAGES:
                return self.transport.accept(hello, connection)
            case Purpose.PINGS | Purpose.PROBE:
                return self.checks.accept(hello, connection)
            case Purpose.CALLS:
                if hello.plane is not Plane.CLIENT:
                    return f"the {hello.plane.value} plane takes no calls"
                return Calls(connection, self.gateway, self.identity)


def why_not_ready(node: NodeStatus) -> str:
    """One sentence; "" when this broker can be sent clients."""
    if node.shutting_down:
        return "it is shutting down"
    if node.log_offline:  # before the lease and the fence, which it loses because of it
        return "its log is offline after a disk error, which its own log names"
    if node.broker_epoch < 0:
        return "it has not registered with the controller yet"
    if node.fenced:
        return "it is fenced: the controller has not heard of it in time, or it is still catching up"
    if node.lease_remaining_ns <= 0:
        return "its lease has lapsed: it has lost the controller"
    return ""


def resident_bytes() -> int:
    """Now, not at the peak; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0
