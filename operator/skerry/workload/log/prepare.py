"""The topic is made if it is absent; then controller and leaders are asked to where the document wants them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from skerry.experiment.document import Spec
from skerry.history.records import TopicCreate
from skerry.workload import PREPARER
from skerry.workload.log.clients import Record
from skerry.workload.log.operations import CreateTopic, MoveController, MoveLeader, Told
from skerry.workload.log.outgoing import Outgoing
from skerry.workload.operations import Answer, ClientSpec

TIMEOUT_MS = 5000


class Wanted(msgspec.Struct, frozen=True):
    """What the document wants to be there before anything is written."""

    topic: str
    partitions: int
    replication_factor: int
    min_in_sync_replicas: int
    controller: int = -1
    """The ordinal of the broker that is to be the controller; -1: that does not matter."""
    leaders: tuple[tuple[int, int], ...] = ()
    """(partition, ordinal) of the leaders that are to be."""

    @classmethod
    def of(cls, spec: Spec) -> Wanted:
        topic, prepare = spec.topic, spec.prepare
        return cls(
            topic.name,
            topic.partitions,
            topic.replication_factor,
            topic.min_in_sync_replicas,
            prepare.controller.ordinal if prepare and prepare.controller else -1,
            tuple((place.partition, place.ordinal) for place in prepare.leaders) if prepare else (),
        )


class Preparation:
    """One request after the other. Over when the last was answered: whether leaders moved is for others to see."""

    def __init__(
        self, name: str, wanted: Wanted, outgoing: Outgoing, record: Record, over: Callable[[int, str], None]
    ) -> None:
        """``name``: of the client, unlike any other's.
        ``over``: called once, with the time and why it failed; an empty text: it did not."""
        self._topic = wanted.topic
        self._client = ClientSpec(name)
        self._outgoing = outgoing
        self._record = record
        self._over = over
        self._moves: list[Any] = []
        if wanted.controller >= 0:
            self._moves.append(MoveController(wanted.controller, TIMEOUT_MS))
        self._moves += [MoveLeader(wanted.topic, *place, TIMEOUT_MS) for place in wanted.leaders]
        self._create = CreateTopic(
            wanted.topic, wanted.partitions, wanted.replication_factor, wanted.min_in_sync_replicas, TIMEOUT_MS
        )

    def start(self, now_ns: int) -> None:
        self._outgoing.send(now_ns, self._client, self._create, self._created)

    def _created(self, invoked_ns: int, answer: Answer) -> None:
        told: Told = answer.result
        now_ns = answer.completed_ns
        self._record(TopicCreate(PREPARER, self._topic, invoked_ns, now_ns, told.outcome, told.error))
        if told.error and not told.exists:
            self._over(now_ns, f"topic {self._topic} was not created ({told.outcome}): {told.error}")
        else:
            self._move(now_ns)

    def _move(self, now_ns: int) -> None:
        if self._moves:
            self._outgoing.send(now_ns, self._client, self._moves.pop(0), self._moved)
        else:
            self._over(now_ns, "")

    def _moved(self, invoked_ns: int, answer: Answer) -> None:
        self._move(answer.completed_ns)
