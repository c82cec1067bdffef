"""The driver of a node, with toy machines: order of effects, syncs, ticks, pauses, crashes, refusals."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from skerry.worlds.sim.cluster import Cluster, between
from skerry.worlds.sim.network import CLIENTS, CutMode
from skerry.worlds.sim.node_host import NodeHost
from skerry.worlds.sim.ports import ClientAnswer, ClientCall, ClientCancel
from skerry.worlds.sim.scheduler import NS_PER_MS, NS_PER_S
from skerry.worlds.sim.streams import Streams
from skerry_broker.core.api import DoneResponse, MetadataRequest
from skerry_broker.core.messages import (
    ClientGone,
    DiskFailed,
    Effect,
    Event,
    Flushed,
    FromClient,
    FromPeer,
    PeerRefused,
    Recovered,
    Reply,
    SaveRaft,
    Send,
    ShutdownRequested,
    StopNode,
    Tick,
    WallClock,
)
from skerry_broker.core.peer_messages import TimeoutNow
from skerry_broker.core.status import NodeStatus
from skerry_broker.core.types import HardState, NodeConfig, Plane, Rng

React = Callable[[Event], list[Effect]]


class Toy:
    """Does what ``react`` says, and remembers (local time, event)."""

    def __init__(self, config: NodeConfig, recovered: Recovered, rng: Rng, now: int) -> None:
        self.config = config
        self.recovered = recovered
        self.started = now
        self.seen: list[tuple[int, Event]] = []
        self.react: React = lambda event: []
        self.next_deadline: int | None = None
        self.commit_index = 0

    def step(self, now: int, event: Event, /) -> list[Effect]:
        self.seen.append((now, event))
        return self.react(event)

    def status(self, now: int, /) -> NodeStatus:
        raise NotImplementedError

    def events(self, kind: type[object]) -> list[object]:
        return [event for _, event in self.seen if isinstance(event, kind)]


class Silent:
    """A watcher that only remembers what was broken."""

    def __init__(self) -> None:
        self.broke: list[str] = []

    def started(self, host: NodeHost) -> None: ...

    def stopped(self, host: NodeHost) -> None: ...

    def effect(self, host: NodeHost, event: Event, effect: Effect) -> None: ...

    def decided(self, host: NodeHost) -> bool:
        return False

    def stepped(self, host: NodeHost) -> None: ...

    def broken(self, host: NodeHost, rule: str, message: str) -> None:
        self.broke.append(rule)


class Lab:
    def __init__(self, brokers: int = 2) -> None:
        self.toys: list[Toy] = []
        self.watcher = Silent()
        self.cluster = Cluster(Streams(3), self.make, self.watcher, brokers=brokers)
        self.answers: list[ClientAnswer] = []
        self.cluster.network.attach(CLIENTS, lambda source, payload: self.answers.append(payload))  # type: ignore[arg-type]  # answers only
        self.cluster.start_all()

    def make(self, config: NodeConfig, recovered: Recovered, rng: Rng, now: int) -> Toy:
        self.toys.append(Toy(config, recovered, rng, now))
        return self.toys[-1]

    def toy(self, broker_id: int) -> Toy:
        node = self.cluster.hosts[broker_id].node
        assert isinstance(node, Toy)
        return node

    def run_ms(self, milliseconds: int) -> None:
        self.cluster.run_for(milliseconds * NS_PER_MS)

    def poke(self, broker_id: int, *effects: Effect) -> None:
        """Make the node emit these, once."""
        toy = self.toy(broker_id)
        toy.react = lambda event: list(effects)
        self.cluster.hosts[broker_id].step(Tick())
        toy.react = lambda event: []


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_a_start_tells_the_wall_clock_and_an_incarnation(lab: Lab) -> None:
    toy = lab.toy(0)
    assert isinstance(toy.seen[0][1], WallClock)
    assert toy.seen[0][0] == toy.started
    assert toy.recovered.incarnation == "b0.1"
    lab.cluster.kill(0)
    lab.cluster.start(0)
    assert lab.toy(0) is not toy
    assert lab.toy(0).recovered.incarnation == "b0.2"


def test_a_tick_comes_at_the_deadline_on_the_nodes_own_clock(lab: Lab) -> None:
    toy = lab.toy(0)
    toy.next_deadline = toy.started + 5 * NS_PER_MS

    def later(event: Event) -> list[Effect]:
        if isinstance(event, Tick):
            toy.next_deadline = None
        return []

    toy.react = later
    lab.cluster.hosts[0].rearm()
    lab.run_ms(20)
    assert [at - toy.started for at, event in toy.seen if isinstance(event, Tick)] == [5 * NS_PER_MS]


def test_a_machine_that_never_sleeps_is_found(lab: Lab) -> None:
    lab.toy(0).next_deadline = 0
    lab.cluster.hosts[0].rearm()
    lab.run_ms(1)
    assert lab.watcher.broke == ["never-sleeps"]


def test_writes_are_reported_durable_once_and_in_order(lab: Lab) -> None:
    lab.poke(0, SaveRaft(1, HardState(1)), SaveRaft(2, HardState(2)))
    lab.poke(0, SaveRaft(3, HardState(3)))
    assert lab.toy(0).events(Flushed) == []
    lab.run_ms(10)
    assert lab.toy(0).events(Flushed) == [Flushed(2), Flushed(3)]
    assert lab.cluster.hosts[0].disk.raft.durable_hard_state == HardState(3)


def test_messages_carry_the_voter_and_take_the_plane_of_their_kind(lab: Lab) -> None:
    lab.cluster.cut("f", between([[0], [1]]), [Plane.REPLICATION])
    lab.poke(0, Send(1, TimeoutNow(3)))
    lab.run_ms(5)
    assert lab.toy(1).events(FromPeer) == [FromPeer(lab.cluster.hosts[0].voter, TimeoutNow(3))]


def test_a_crash_takes_what_was_on_its_way_and_is_noticed_by_peers(lab: Lab) -> None:
    lab.poke(0, Send(1, TimeoutNow(3)))
    lab.cluster.kill(1)
    lab.cluster.start(1)
    lab.run_ms(5)
    assert lab.toy(1).events(FromPeer) == []
    refused = lab.toy(0).events(PeerRefused)
    assert {event.plane for event in refused if isinstance(event, PeerRefused)} == {Plane.RAFT, Plane.REPLICATION}


def test_a_power_cut_is_not_noticed_by_anybody(lab: Lab) -> None:
    lab.cluster.power_cut(1)
    lab.poke(0, Send(1, TimeoutNow(3)))
    lab.run_ms(5)
    assert lab.toy(0).events(PeerRefused) == []


def test_sends_to_a_dead_process_are_refused_once_in_a_while(lab: Lab) -> None:
    lab.cluster.kill(1)
    lab.run_ms(5)
    before = len(lab.toy(0).events(PeerRefused))
    lab.poke(0, Send(1, TimeoutNow(3)), Send(1, TimeoutNow(4)))
    lab.run_ms(5)
    assert len(lab.toy(0).events(PeerRefused)) == before + 1
    lab.cluster.cut("f", [(1, 0)], mode=CutMode.DROP)  # the refusal does not get back
    lab.poke(0, Send(1, TimeoutNow(5)))
    lab.run_ms(5)
    assert len(lab.toy(0).events(PeerRefused)) == before + 1


def test_a_paused_process_does_nothing_and_then_everything(lab: Lab) -> None:
    lab.cluster.pause(1)
    seen = len(lab.toy(1).seen)
    lab.poke(0, Send(1, TimeoutNow(3)), Send(1, TimeoutNow(4)))
    lab.run_ms(1000)
    assert len(lab.toy(1).seen) == seen
    lab.cluster.resume(1)
    assert [event.message.term for event in lab.toy(1).events(FromPeer)] == [3, 4]  # type: ignore[attr-defined]  # FromPeer
    assert lab.toy(1).seen[-1][0] - lab.toy(1).started >= NS_PER_S


def test_an_fsync_error_is_told_and_nothing_after_it_is_durable(lab: Lab) -> None:
    lab.cluster.hosts[0].fail_next_sync = "raft"
    lab.poke(0, SaveRaft(1, HardState(1)))
    lab.run_ms(10)
    assert lab.toy(0).events(DiskFailed) == [DiskFailed(True, "fsync: Input/output error")]
    assert lab.toy(0).events(Flushed) == []


def test_a_client_call_is_answered_once_or_given_up(lab: Lab) -> None:
    network = lab.cluster.network
    toy = lab.toy(0)
    network.send(CLIENTS, 0, Plane.CLIENT, ClientCall("a", MetadataRequest()))
    lab.run_ms(5)
    (call,) = toy.events(FromClient)
    assert isinstance(call, FromClient)
    network.send(CLIENTS, 0, Plane.CLIENT, ClientCall("b", MetadataRequest()))
    lab.run_ms(5)
    network.send(CLIENTS, 0, Plane.CLIENT, ClientCancel("b"))
    lab.run_ms(5)
    assert toy.events(ClientGone) == [ClientGone(call.request_id + 1)]
    lab.poke(0, Reply(call.request_id, DoneResponse()), Reply(call.request_id + 1, DoneResponse()))
    lab.run_ms(5)
    assert lab.answers == [ClientAnswer("a", DoneResponse())]


def test_a_graceful_stop_flushes_and_leaves_the_mark(lab: Lab) -> None:
    toy = lab.toy(0)
    toy.react = lambda event: (
        [SaveRaft(1, HardState(7)), StopNode("shutdown", 42)] if isinstance(event, ShutdownRequested) else []
    )
    lab.cluster.terminate(0)
    assert not lab.cluster.hosts[0].running
    lab.cluster.start(0)
    assert lab.toy(0).recovered.clean_shutdown_epoch == 42
    assert lab.toy(0).recovered.hard_state == HardState(7)


def test_clocks_of_nodes_differ_and_may_run_at_another_rate(lab: Lab) -> None:
    one, two = lab.toy(0), lab.toy(1)
    assert one.started != two.started
    lab.cluster.set_drift(0, 20_000)
    lab.run_ms(1000)
    lab.poke(0)
    lab.poke(1)
    elapsed = [toy.seen[-1][0] - toy.started for toy in (one, two)]
    assert elapsed == [1_020_000_000, 1_000_000_000]


def test_a_wall_clock_jump_is_told(lab: Lab) -> None:
    before = lab.toy(0).events(WallClock)[-1]
    lab.cluster.jump_wall(0, -5 * NS_PER_S)
    after = lab.toy(0).events(WallClock)[-1]
    assert isinstance(before, WallClock)
    assert isinstance(after, WallClock)
    assert after.offset_ns - before.offset_ns == -5 * NS_PER_S
