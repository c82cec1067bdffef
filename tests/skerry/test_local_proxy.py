"""The fault proxy on real loopback sockets, and its rules as tables."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator

import pytest

from skerry.worlds.local.ports import ClaimedPorts, claim_ports
from skerry.worlds.local.proxy import Command, Link, Switchboard, boot_ns, carry_out
from skerry.worlds.local.rules import TRANSPARENT, CutAction, Flow, Rule, Treatment, delay_ns, treatment

SECOND_NS = 1_000_000_000
FORWARD, BACKWARD = Flow(0, 1, "Raft"), Flow(1, 0, "Raft")


def rule(fault: str = "cut", flow: Flow = FORWARD, expires_ns: int = 10**30, **what: object) -> Rule:
    return Rule(fault=fault, flow=flow, expires_ns=expires_ns, **what)  # type: ignore[arg-type]  # a table's shorthand


@pytest.mark.parametrize(
    ("rules", "opened_ns", "expected"),
    [
        ([], 0, TRANSPARENT),
        ([rule(cut=CutAction.DROP)], 0, Treatment(held=True)),
        ([rule(cut=CutAction.REJECT)], 0, Treatment(reset=True)),
        ([rule(cut=CutAction.DROP, new_connections_only=True)], 99, TRANSPARENT),
        ([rule(cut=CutAction.DROP, new_connections_only=True)], 101, Treatment(held=True)),
        ([rule(latency_ms=100), rule("b", latency_ms=20, jitter_ms=5)], 0, Treatment(latency_ms=120, jitter_ms=5)),
        ([rule(rate_kbps=3000), rule("b", rate_kbps=500, loss_percent=1)], 0, Treatment(rate_kbps=500, loss_percent=1)),
    ],
)
def test_rules_add_up(rules: list[Rule], opened_ns: int, expected: Treatment) -> None:
    assert treatment(rules, opened_ns, {"cut": 100, "b": 100}) == expected


@pytest.mark.parametrize(
    ("treated", "draw_jitter", "draw_loss", "expected_ms"),
    [
        (Treatment(latency_ms=100, jitter_ms=20), 0.0, 0.0, 80),
        (Treatment(latency_ms=100, jitter_ms=20), 0.5, 0.0, 100),
        (Treatment(latency_ms=5, jitter_ms=20), 0.0, 0.0, 0),
        (Treatment(loss_percent=1), 0.5, 0.5, 0),
        (Treatment(loss_percent=1), 0.5, 0.995, 200),
    ],
)
def test_delay(treated: Treatment, draw_jitter: float, draw_loss: float, expected_ms: int) -> None:
    assert delay_ns(treated, 100, draw_jitter, draw_loss) == expected_ms * 1_000_000


class Bench:
    """An echo server, one link to it, and the proxy between."""

    def __init__(self, board: Switchboard, port: int) -> None:
        self.board = board
        self.port = port
        self.command_id = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def rules(self, *rules: Rule) -> None:
        self.command_id += 1
        answer = await carry_out(self.board, Command(self.command_id, "rules", rules))
        assert answer.before_ns <= answer.after_ns

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        for side in list(self.board.sides):
            if side.transport is not None:
                side.transport.abort()
        for listener in self.board.servers:
            listener.close()
        for writer in self.writers:
            writer.close()
            with contextlib.suppress(ConnectionResetError):
                await writer.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionResetError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


@pytest.fixture
def ports() -> Iterator[ClaimedPorts]:
    claimed = claim_ports(4, random.Random())
    yield claimed
    claimed.close()


@pytest.fixture
async def bench(ports: ClaimedPorts) -> AsyncIterator[Bench]:
    target_port, listen_port, _, _ = ports
    server = await asyncio.start_server(echo, "127.0.0.1", target_port)
    board = Switchboard(asyncio.get_running_loop(), random.Random(1))
    await carry_out(board, Command(0, "open", links=(Link(0, 1, "Raft", listen_port, target_port),)))
    made = Bench(board, listen_port)
    yield made
    await made.close()
    server.close()
    await asyncio.sleep(0.01)  # the echo server's side of what was aborted


async def ask(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], data: bytes = b"ping") -> bytes:
    reader, writer = connection
    writer.write(data)
    async with asyncio.timeout(0.1):
        return await reader.readexactly(len(data))


async def test_without_rules_bytes_pass(bench: Bench) -> None:
    assert await ask(await bench.connect(), b"x" * 1_000_000) == b"x" * 1_000_000


@pytest.mark.parametrize("flow", [FORWARD, BACKWARD])
async def test_a_drop_in_either_direction_silences_open_and_new_connections_until_it_ends(
    bench: Bench, flow: Flow
) -> None:
    kept = await bench.connect()
    await ask(kept)
    await bench.rules(rule(flow=flow, cut=CutAction.DROP))
    new = await bench.connect()
    for connection in (kept, new):
        with pytest.raises(TimeoutError):
            await ask(connection, b"held")
    await bench.rules()
    for reader, _ in (kept, new):
        async with asyncio.timeout(1):
            assert await reader.readexactly(4) == b"held"


async def test_connections_new_spares_what_is_open(bench: Bench) -> None:
    kept = await bench.connect()
    await ask(kept)
    await bench.rules(rule(cut=CutAction.DROP, new_connections_only=True))
    assert await ask(kept) == b"ping"
    with pytest.raises(TimeoutError):
        await ask(await bench.connect())


async def test_reject_resets(bench: Bench) -> None:
    kept = await bench.connect()
    await ask(kept)
    await bench.rules(rule(cut=CutAction.REJECT))
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await ask(kept)


async def test_a_rule_ends_at_its_own_deadline(bench: Bench) -> None:
    await bench.rules(rule(expires_ns=boot_ns() + SECOND_NS // 20, cut=CutAction.DROP))
    connection = await bench.connect()
    connection[1].write(b"late")
    async with asyncio.timeout(1):
        assert await connection[0].readexactly(4) == b"late"
    assert bench.board.expired == ["cut"]


async def test_latency_is_added_and_order_kept(bench: Bench) -> None:
    await bench.rules(rule(latency_ms=30, jitter_ms=30))
    reader, writer = await bench.connect()
    for number in range(50):
        writer.write(bytes([number]))
        await asyncio.sleep(0)
    async with asyncio.timeout(1):
        assert await reader.readexactly(50) == bytes(range(50))


async def test_a_refused_target_is_passed_on(bench: Bench, ports: ClaimedPorts) -> None:
    _, _, nobody, listen_port = ports
    await carry_out(bench.board, Command(9, "open", links=(Link(0, 2, "Raft", listen_port, nobody),)))
    reader, writer = await asyncio.open_connection("127.0.0.1", listen_port)
    bench.writers.append(writer)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        async with asyncio.timeout(1):
            await reader.readexactly(1)


async def test_an_unknown_command_and_a_taken_port_are_answered(bench: Bench) -> None:
    assert "unknown op" in (await carry_out(bench.board, Command(1, "explode"))).error
    taken = Command(2, "open", links=(Link(0, 1, "Raft", bench.port, 1),))
    assert "address already in use" in (await carry_out(bench.board, taken)).error
