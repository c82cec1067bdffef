"""The topic is made if it is absent; then controller and leaders are asked to where the document wants them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skerry.engine.actions import Prepare
from skerry.history.records import TopicCreate
from skerry.workload import PREPARER
from skerry.workload.log.clients import Record
from skerry.workload.log.operations import CreateTopic, MoveController, MoveLeader, Told
from skerry.workload.log.outgoing import Outgoing
from skerry.workload.operations import Answer, ClientSpec

TIMEOUT_MS = 5000


class Preparation:
    """One request after the other. Over when the last was answered: whether leaders moved is for others to see."""

    def __init__(self, action: Prepare, outgoing: Outgoing, record: Record, over: Callable[[int, str], None]) -> None:
        """``over``: called once, with the time and why it failed; an empty text: it did not."""
        self._topic = action.topic
        self._client = ClientSpec(f"prepare {action.id}")
        self._outgoing = outgoing
        self._record = record
        self._over = over
        self._moves: list[Any] = []
        if action.controller >= 0:
            self._moves.append(MoveController(action.controller, TIMEOUT_MS))
        self._moves += [MoveLeader(action.topic, *place, TIMEOUT_MS) for place in action.leaders]
        self._create = CreateTopic(
            action.topic, action.partitions, action.replication_factor, action.min_in_sync_replicas, TIMEOUT_MS
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
