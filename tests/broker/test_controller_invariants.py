"""Whatever happens, in whatever order: the invariants of `core.metadata` and of the lease (see `control_world`).

Two drivers of the same world: hypothesis (it shrinks what it finds) and a seeded walk (fast; it also has to find bugs
that are planted here one by one, so that we know that the invariants can fail).
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from control_world import BROKERS, World
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from skerry_broker.core import alter_partition, contacts, decisions, election, session, vacancies
from skerry_broker.core.contacts import Contact
from skerry_broker.core.controller import Controller
from skerry_broker.core.peer_messages import AlterResult
from skerry_broker.core.types import FlushMode

brokers = st.sampled_from(BROKERS)
few = st.integers(0, 3)


class Walk(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        for broker in BROKERS:
            self.world.start(broker, clean=False, intact=True, wipe=False)
        self.world.flow(300)
        self.world.create(2, 2)
        self.world.flow(100)

    @rule(ms=st.sampled_from([25, 100, 300, 700]))
    def advance(self, ms: int) -> None:
        self.world.advance(ms)

    @rule(ms=st.sampled_from([200, 1_000, 5_000]))
    def stall(self, ms: int) -> None:
        self.world.stall(ms)

    @rule(position=st.integers(0, 20), copy=st.booleans())
    def deliver(self, position: int, copy: bool) -> None:
        self.world.deliver(position, copy)

    @rule(position=st.integers(0, 20))
    def drop(self, position: int) -> None:
        self.world.drop(position)

    @rule(entries=few)
    def commit(self, entries: int) -> None:
        self.world.commit(entries)

    @rule()
    def confirm(self) -> None:
        self.world.confirm()

    @rule(broker=brokers, entries=few)
    def replicate(self, broker: int, entries: int) -> None:
        self.world.replicate(broker, entries)

    @rule(ms=st.sampled_from([100, 500, 1_200]), cut=st.sets(brokers, max_size=2))
    def flow(self, ms: int, cut: set[int]) -> None:
        self.world.flow(ms, *sorted(cut))

    @rule(keep=few)
    def fail_over(self, keep: int) -> None:
        self.world.fail_over(keep)

    @rule(broker=brokers, clean=st.booleans(), intact=st.booleans(), wipe=st.booleans())
    def restart(self, broker: int, clean: bool, intact: bool, wipe: bool) -> None:
        self.world.start(broker, clean, intact, wipe)

    @rule(broker=brokers)
    def shut_down(self, broker: int) -> None:
        self.world.shut_down(broker)

    @rule(broker=brokers, missing=st.booleans())
    def miss_leaders(self, broker: int, missing: bool) -> None:
        self.world.miss_leaders(broker, missing)

    @rule(broker=brokers, partition=st.integers(0, 1), members=st.integers(0, 7))
    def alter(self, broker: int, partition: int, members: int) -> None:
        self.world.alter(broker, partition, members)

    @rule(partition=st.integers(0, 1), broker=brokers)
    def elect(self, partition: int, broker: int) -> None:
        self.world.elect(partition, broker)

    @rule()
    def recreate(self) -> None:
        self.world.delete()
        self.world.create(2, 2)


Walk.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestWalk = Walk.TestCase


def walk(seed: int, steps: int = 120, flush: FlushMode = FlushMode.GROUP) -> None:
    """A life with more failures than a real one, but mostly working in between."""
    rng = random.Random(seed)
    world = World(flush)
    for broker in BROKERS:
        world.start(broker, clean=False, intact=True, wipe=False)
    world.flow(300)
    world.create(2, rng.choice([1, 2, 2, 3]))
    world.flow(100)
    actions: list[tuple[int, Callable[[], None]]] = [
        (10, lambda: world.flow(rng.choice([50, 100, 300, 1_000]))),
        (8, lambda: world.flow(rng.choice([300, 800, 1_200]), rng.choice(BROKERS))),
        (6, lambda: world.advance(rng.choice([25, 100, 300]))),
        (10, lambda: world.deliver(rng.randrange(20), rng.random() < 0.2)),
        (4, lambda: world.drop(rng.randrange(20))),
        (6, lambda: world.commit(rng.randrange(3))),
        (4, world.confirm),
        (6, lambda: world.replicate(rng.choice(BROKERS), rng.randrange(4))),
        (3, lambda: world.fail_over(rng.randrange(3))),
        (1, lambda: world.stall(rng.choice([200, 1_000, 5_000]))),
        (3, lambda: world.start(rng.choice(BROKERS), rng.random() < 0.3, rng.random() < 0.8, rng.random() < 0.1)),
        (1, lambda: world.shut_down(rng.choice(BROKERS))),
        (4, lambda: world.miss_leaders(rng.choice(BROKERS), rng.random() < 0.6)),
        (12, lambda: world.alter(rng.choice(BROKERS), rng.randrange(2), rng.randrange(8))),
        (6, lambda: world.elect(rng.randrange(2), rng.choice(BROKERS))),
    ]
    chosen = rng.choices([action for _, action in actions], [weight for weight, _ in actions], k=steps)
    for action in chosen:
        action()


@pytest.mark.parametrize("seed", range(60))
def test_a_seeded_walk_breaks_nothing(seed: int) -> None:
    walk(seed, flush=FlushMode.GROUP if seed % 3 else FlushMode.NONE)


@pytest.mark.parametrize("seed", range(8))
def test_after_the_storm_every_partition_has_a_leader_and_a_lease(seed: int) -> None:
    """Liveness: whatever happened (no disk lost), when all works again for 3 s, each partition is led and answered."""
    rng = random.Random(seed)
    world = World()
    for broker in BROKERS:
        world.start(broker, clean=False, intact=True, wipe=False)
    world.flow(300)
    world.create(2, 2)
    world.flow(100)
    for _ in range(60):
        rng.choice(
            [
                lambda: world.flow(rng.choice([100, 700, 1_200]), *rng.sample(BROKERS, rng.randrange(3))),
                lambda: world.start(rng.choice(BROKERS), rng.random() < 0.3, True, False),
                lambda: world.fail_over(rng.randrange(3)),
                lambda: world.alter(rng.choice(BROKERS), rng.randrange(2), rng.randrange(8)),
                lambda: world.elect(rng.randrange(2), rng.choice(BROKERS)),
                lambda: world.drop(0),
                lambda: world.stall(1_500),
            ]
        )()
    world.flow(3_000)
    for partition, state in world.metadata.partitions.items():
        assert state.leader != -1, f"seed {seed}: {partition} has no leader: {state}"
        assert world.brokers[state.leader].leads(partition, world.now), f"seed {seed}: {partition} is not answered"


# --- planted bugs: each breaks one rule; the walk must notice -------------------------------------------


def _lease_never_withheld(self: Contact, now: int, timing: object) -> bool:
    return True


def _any_living_replica(*args: object, **kwargs: object) -> int:
    state, _, _, electable = args[:4]
    return next((r for r in state.replicas if electable(r)), -1)  # type: ignore[attr-defined,operator]  # test double


def _everybody_is_eligible(state: object, isr: tuple[int, ...], lost: object = ()) -> tuple[int, ...]:
    return tuple(r for r in state.replicas if r not in isr)  # type: ignore[attr-defined]  # test double


def _always(*args: object, **kwargs: object) -> bool:
    return True


def _lease_from_the_answer(self: session.BrokerSession, now: int, reply: object) -> None:
    sent = dict(self._sent_ns)
    _ORIGINAL_REPLY(self, now, reply)  # type: ignore[arg-type]  # test double
    if not self.fenced and reply.sequence in sent:  # type: ignore[attr-defined]  # test double
        self.lease_until = now + self._lease_ns


_ORIGINAL_REPLY = session.BrokerSession.on_heartbeat_reply


PLANTED: dict[str, tuple[object, str, object]] = {
    "a leader is elected from any living replica": (election, "choose_leader", _any_living_replica),
    "a lost or late replica counts as eligible": (election, "eligible_after", _everybody_is_eligible),
    "any ISR is granted": (alter_partition, "_eligible", _always),
    "the compare-and-set is not judged": (
        alter_partition,
        "judge",
        lambda view, sender, request: (
            AlterResult.ACCEPTED if request.partition in view.partitions else AlterResult.UNKNOWN_PARTITION
        ),
    ),
    "the successor does not wait for the old leader": (vacancies.Vacancies, "released", _always),
    "a deposed leader's lease is renewed for ever": (contacts.Contact, "may_be_granted", _lease_never_withheld),
    "the session is shorter than the lease": (
        contacts.Contact,
        "silent",
        lambda self, now, timing: now - self.contact_ns >= 300_000_000,
    ),
    "the lease counts from the answer": (session.BrokerSession, "on_heartbeat_reply", _lease_from_the_answer),
}


@pytest.mark.parametrize("bug", sorted(PLANTED))
def test_a_planted_bug_is_noticed(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, name, replacement = PLANTED[bug]
    monkeypatch.setattr(target, name, replacement)
    for seed in range(400):
        try:
            walk(seed)
        except AssertionError:
            return
    pytest.fail(f"no walk noticed that {bug}")


def test_the_world_runs_the_real_objects() -> None:
    world = World()
    assert type(world.controller) is Controller
    assert decisions.without.__module__ == "skerry_broker.core.decisions"
