"""Topics that come and go under their old names while brokers do the same: random stories, judged at their end.

At the end everything is healed, and then: every record that was acknowledged by the present topic of a name, and was
written after that topic was known to exist, can be read once and in order; every disk holds the logs of its own
replicas and no other; and no invariant of the observer was broken on the way.
"""

from __future__ import annotations

import random

import pytest
from node_stories import MS, S, Story

from skerry.worlds.sim.liveness import statuses
from skerry_broker.core.api import CreateTopicRequest, DeleteTopicRequest, ProduceRequest, TransferControllerRequest
from skerry_broker.core.client import ClientConfig, Completed, Operation, Outcome
from skerry_broker.core.types import Acks, Batch, TopicPartition

NAMES = ("orders", "bills")
STEPS = 60


class Topics:
    """What the one client knows for certain."""

    def __init__(self, story: Story, seed: int) -> None:
        self.story = story
        self.rng = random.Random(seed)
        self.sure: dict[str, bool] = dict.fromkeys(NAMES, False)
        """The topic exists, and nothing that could change that is under way."""
        self.generation = dict.fromkeys(NAMES, 0)
        """Grows with everything that may make it another topic."""
        self.deletions = dict.fromkeys(NAMES, 0)
        """How many have an unknown outcome: they may still happen, and so nothing is sure of this name."""
        self.changing = dict.fromkeys(NAMES, False)
        """A creation or deletion is under way: one at a time, for answers may overtake each other."""
        self.acked: dict[str, list[bytes]] = {name: [] for name in NAMES}
        self.client = story.hub.client(ClientConfig(idempotent=True), "topics")
        self.written = 0

    def create(self, name: str) -> None:
        generation = self._changing(name)

        def done(result: Completed) -> None:
            self.changing[name] = False
            if result.outcome is Outcome.OK and self.generation[name] == generation and not self.deletions[name]:
                self.sure[name] = True
                self.acked[name] = []

        self.client.submit(Operation(CreateTopicRequest(name, 1, 3, 2), delivery_timeout_ms=3000), done)

    def delete(self, name: str) -> None:
        self._changing(name)

        def done(result: Completed) -> None:
            self.changing[name] = False
            self.deletions[name] += result.outcome is Outcome.UNKNOWN

        self.client.submit(Operation(DeleteTopicRequest(name), delivery_timeout_ms=3000), done)

    def _changing(self, name: str) -> int:
        self.sure[name] = False
        self.changing[name] = True
        self.generation[name] += 1
        self.acked[name] = []
        return self.generation[name]

    def write(self, name: str) -> None:
        generation = self.generation[name]
        self.written += 1
        data = str(self.written).encode()

        def done(result: Completed) -> None:
            if result.outcome is Outcome.OK and self.sure[name] and self.generation[name] == generation:
                self.acked[name].append(data)

        if self.sure[name]:
            request = ProduceRequest(name, 0, Batch(-1, -1, 1, data), Acks.ALL, 2000)
            self.client.submit(Operation(request), done)

    def break_something(self) -> None:
        cluster, rng = self.story.cluster, self.rng
        victim = rng.randrange(3)
        match rng.randrange(8):
            case 0:
                cluster.kill(victim, keep_all=rng.random() < 0.5)
            case 1:
                cluster.power_cut(victim, lose_all=rng.random() < 0.5)
            case 2:
                cluster.terminate(victim)
            case 3:
                others = [broker for broker in range(3) if broker != victim]
                cluster.cut("cut", [(a, b) for other in others for a, b in ((victim, other), (other, victim))])
            case 4:
                for broker_id in range(3):
                    cluster.kill(broker_id, keep_all=rng.random() < 0.5)
            case 5:
                request = TransferControllerRequest(victim, 1000)
                self.client.submit(Operation(request, delivery_timeout_ms=1000), lambda result: None)
            case _:
                cluster.heal()
                cluster.start_all()

    def step(self) -> None:
        name = self.rng.choice(NAMES)
        draw = self.rng.random()
        if draw < 0.2 and not self.changing[name]:
            self.delete(name) if self.sure[name] and draw < 0.08 else self.create(name)
        elif draw < 0.4:
            self.break_something()
        else:
            self.write(name)
        self.story.run(self.rng.choice((1, 20, 100, 400)) * MS)


def settle(story: Story) -> None:
    story.cluster.heal()
    for _ in range(8):  # who was asked to stop stops, and is started again
        story.cluster.start_all()
        story.run(S)
    story.until_registered()


# The later ones lost acknowledged records while a restarting broker acted on the metadata log that it replayed.
@pytest.mark.parametrize("seed", [*range(6), 31, 61, 100, 110, 141, 155, 158, 164, 185])
def test_topics_come_and_go(seed: int) -> None:
    story = Story(seed, entries_before_snapshot=(5, 15, 1000)[seed % 3])
    topics = Topics(story, seed)
    for _ in range(STEPS):
        topics.step()
    settle(story)
    story.run(5 * S)
    truth = story.invariants.truth
    for name in NAMES:
        if TopicPartition(name, 0) in truth.partitions:
            story.until_whole(name)
        if topics.sure[name]:
            assert TopicPartition(name, 0) in truth.partitions
            read = story.read(name)
            assert len(set(read)) == len(read)
            assert read == sorted(read, key=int)
            assert set(topics.acked[name]) <= set(read)
    for status, host in zip(statuses(story.cluster), story.cluster.hosts, strict=True):
        assigned = [part.partition for part in status.partitions if host.broker_id in part.replicas]
        assert sorted(host.disk.logs) == sorted(assigned), f"broker {host.broker_id}"
