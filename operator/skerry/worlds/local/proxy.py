"""The fault proxy: a process of its own that stands between every ordered pair of brokers, on every plane.

Each broker is given the proxy's address instead of its peer's, one listening port per (source, target, plane),
so that the proxy knows whose bytes it carries. It is told rules on its standard input and answers on its standard
output, one JSON line each; there is no control port. Two ends are its own: a rule is lifted at its deadline even if
nobody asks, and when standard input closes (the runner is gone) the proxy closes every connection and exits.

A cut with Drop holds bytes as a network that drops packets holds a TCP stream: nothing arrives, nothing is
reported, and what was held goes on when the cut ends. A connection opened during the cut is accepted by the kernel and
then stays silent, where a real one would not even be accepted; the brokers' checks count an answer, not an accept.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
import time
from collections import deque
from typing import Any, cast

import msgspec
import uvloop

from skerry.worlds.local.rules import TRANSPARENT, Flow, Rule, Treatment, delay_ns, treatment

HELD_BYTES_MAX = 1 << 20
"""How much of one direction of one connection is kept back before its sender is made to wait."""
LAG_CHECK_NS = 20_000_000
STALL_NS = 200_000_000
RESET_LINGER = struct.pack("ii", 1, 0)


class Link(msgspec.Struct, frozen=True):
    """One listening port of the proxy: what ``source`` dials to reach ``target`` on ``plane``."""

    source: int
    target: int
    plane: str
    listen_port: int
    target_port: int


class Command(msgspec.Struct, frozen=True):
    """``op``: rules (replace all), open (listen on the given links), stats, ping."""

    id: int
    op: str
    rules: tuple[Rule, ...] = ()
    links: tuple[Link, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """``before_ns`` and ``after_ns`` (boot clock) bracket what was done."""

    id: int
    before_ns: int
    after_ns: int
    error: str = ""
    held_bytes: int = 0
    resets: int = 0
    expired: tuple[str, ...] = ()


class StallReport(msgspec.Struct, frozen=True, tag_field="event", tag="stall"):
    from_ns: int
    to_ns: int


def boot_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Side(asyncio.Protocol):
    """One end of a proxied connection; reads of this end are the ``flow`` towards the other."""

    def __init__(self, board: Switchboard, flow: Flow, opened_ns: int) -> None:
        self.board = board
        self.flow = flow
        self.opened_ns = opened_ns
        self.transport: asyncio.Transport | None = None
        self.other: Side | None = None
        self.treated = TRANSPARENT
        self.queue: deque[tuple[int, bytes]] = deque()
        self.queued_bytes = 0
        self.free_at_ns = 0
        self.timer: asyncio.TimerHandle | None = None
        self.ended = False
        self.write_blocked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not registered as one
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.treat()

    def data_received(self, data: bytes) -> None:
        other = self.other
        if other is not None and other.transport is not None and self.treated.transparent and not self.queue:
            other.transport.write(data)
            return
        self.hold(data)

    def hold(self, data: bytes) -> None:
        now = boot_ns()
        rng = self.board.rng
        due = now + delay_ns(self.treated, len(data), rng.random(), rng.random())
        if self.treated.rate_kbps:
            start = max(now, self.free_at_ns)
            self.free_at_ns = start + len(data) * 8_000_000 // self.treated.rate_kbps
            due = max(due, self.free_at_ns)
        if self.queue:
            due = max(due, self.queue[-1][0])  # a stream keeps its order
        self.queue.append((due, data))
        self.queued_bytes += len(data)
        if self.queued_bytes > HELD_BYTES_MAX and self.transport is not None:
            self.transport.pause_reading()
        self.release()

    def release(self) -> None:
        """Send on what is due; invariant: bytes leave in the order in which they came."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.treated.held or self.other is None or self.other.transport is None:
            return
        now = boot_ns()
        while self.queue and self.queue[0][0] <= now and not self.write_blocked:
            _, data = self.queue.popleft()
            self.queued_bytes -= len(data)
            self.other.transport.write(data)
        if self.transport is not None and self.queued_bytes <= HELD_BYTES_MAX and not self.transport.is_closing():
            self.transport.resume_reading()
        if self.queue and not self.write_blocked:
            delay_s = max(0, self.queue[0][0] - now) / 1e9
            self.timer = self.board.loop.call_later(delay_s, self.release)
        elif self.ended and not self.queue:
            self.board.sides.discard(self)
            self.other.transport.close()

    def treat(self) -> None:
        """Look up what the rules say of this connection now, and act on the change."""
        self.treated = self.board.treatment_of(self.flow, self.opened_ns)
        if self.treated.reset:
            self.reset()
        else:
            self.release()

    def reset(self) -> None:
        self.board.resets += 1
        for side in (self, self.other):
            if side is not None and side.transport is not None:
                raw = side.transport.get_extra_info("socket")
                if raw is not None and not side.transport.is_closing():
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_LINGER)
                side.transport.abort()

    def eof_received(self) -> bool:
        self.ended = True
        self.release()
        return True

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.write_blocked = True
            if self.other.transport is not None:
                self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.write_blocked = False
            self.other.release()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.ended = True
        other = self.other
        if other is not None and other.transport is not None:
            if self.treated.held or (exc is None and self.queue and not self.treated.reset):
                # What it sent before it closed still has to arrive, and a cut network does not carry the news.
                self.release()
                return
            other.transport.close()
        if self.timer is not None:
            self.timer.cancel()
        self.board.sides.discard(self)


class Switchboard:
    """All listening ports, connections and rules of this proxy."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rng: random.Random) -> None:
        self.loop = loop
        self.rng = rng
        self.rules: dict[Flow, list[Rule]] = {}
        self.since_ns: dict[str, int] = {}
        self.sides: set[Side] = set()
        self.servers: list[asyncio.Server] = []
        self.resets = 0
        self.expired: list[str] = []
        self.expiry: asyncio.TimerHandle | None = None
        self.dials: set[asyncio.Task[None]] = set()

    def treatment_of(self, flow: Flow, opened_ns: int) -> Treatment:
        rules = self.rules.get(flow)
        return treatment(rules, opened_ns, self.since_ns) if rules else TRANSPARENT

    def replace_rules(self, rules: tuple[Rule, ...]) -> None:
        now = boot_ns()
        self.rules = {}
        for rule in rules:
            if rule.expires_ns > now:
                self.rules.setdefault(rule.flow, []).append(rule)
                self.since_ns.setdefault(rule.fault, now)
        alive = {rule.fault for rules_of_flow in self.rules.values() for rule in rules_of_flow}
        self.since_ns = {fault: since for fault, since in self.since_ns.items() if fault in alive}
        for side in list(self.sides):
            side.treat()
        self.schedule_expiry(now)

    def schedule_expiry(self, now: int) -> None:
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None
        deadlines = [rule.expires_ns for rules in self.rules.values() for rule in rules]
        if deadlines:
            self.expiry = self.loop.call_later(max(0, min(deadlines) - now) / 1e9, self.expire)

    def expire(self) -> None:
        now = boot_ns()
        everything = [rule for rules in self.rules.values() for rule in rules]
        self.expired += sorted({rule.fault for rule in everything if rule.expires_ns <= now})
        self.replace_rules(tuple(rule for rule in everything if rule.expires_ns > now))

    async def open(self, link: Link) -> None:
        def accepted() -> Side:
            opened_ns = boot_ns()
            near = Side(self, Flow(link.source, link.target, link.plane), opened_ns)
            self.sides.add(near)
            task = self.loop.create_task(self.dial(near, link, opened_ns))
            self.dials.add(task)
            task.add_done_callback(self.dials.discard)
            return near

        self.servers.append(await self.loop.create_server(accepted, "127.0.0.1", link.listen_port))

    async def dial(self, near: Side, link: Link, opened_ns: int) -> None:
        """Reach the target for a connection that was accepted, or pass its refusal on."""
        far = Side(self, Flow(link.target, link.source, link.plane), opened_ns)
        far.other = near
        try:
            await self.loop.create_connection(lambda: far, "127.0.0.1", link.target_port)
        except OSError:
            near.reset()
            return
        if near.transport is None and near.ended is False:
            if far.transport is not None:
                far.transport.abort()
            return
        near.other = far
        self.sides.add(far)
        near.treat()
        far.treat()

    @property
    def held_bytes(self) -> int:
        return sum(side.queued_bytes for side in self.sides)


async def carry_out(board: Switchboard, command: Command) -> Answer:
    before_ns = boot_ns()
    error = ""
    try:
        if command.op == "rules":
            board.replace_rules(command.rules)
        elif command.op == "open":
            for link in command.links:
                await board.open(link)
        elif command.op not in ("stats", "ping"):
            error = f"unknown op {command.op!r}: use rules, open, stats or ping"
    except OSError as failure:
        error = str(failure)
    expired, board.expired = tuple(board.expired), []
    return Answer(command.id, before_ns, boot_ns(), error, board.held_bytes, board.resets, expired)


def say(message: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


async def watch_own_lag() -> None:
    """A proxy that did not run has delayed traffic that nobody asked it to delay: the history must show it."""
    last = boot_ns()
    while True:
        await asyncio.sleep(LAG_CHECK_NS / 1e9)
        now = boot_ns()
        if now - last > STALL_NS + LAG_CHECK_NS:
            say(StallReport(last, now))
        last = now


async def serve() -> None:
    loop = asyncio.get_running_loop()
    board = Switchboard(loop, random.Random())
    reader = asyncio.StreamReader(limit=1 << 22)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    watch = loop.create_task(watch_own_lag())
    while line := await reader.readline():
        say(await carry_out(board, msgspec.json.decode(line, type=Command)))
    watch.cancel()
    for side in list(board.sides):
        if side.transport is not None:
            side.transport.abort()
    for server in board.servers:
        server.close()


def main() -> None:
    uvloop.run(serve())


if __name__ == "__main__":
    main()
