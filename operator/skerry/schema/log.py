"""The words of a document for a system that keeps logs: the topic that is written to, and who is to lead what.

A target of such a system declares them (`skerry.targets.word.Word`), as `TOPIC` and `PREPARE`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, Strict

from skerry.schema.base import Model, Ordinal, PartitionIndex
from skerry.schema.cel import SpecRule, or_default, rule
from skerry.targets.word import Word

if TYPE_CHECKING:
    from skerry.experiment.document import Spec

Path = tuple[str | int, ...]


class Topic(Model):
    """The topic that the workload writes to; created if it is absent."""

    name: Annotated[str, Strict(), Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", max_length=199)] = "orders"
    """The topic's name, in the brokers. In a `promql` query `$topic` stands for the topic that the run wrote to."""
    partitions: Annotated[int, Strict(), Field(ge=1, le=999)] = 3
    """How many; they are numbered from 0."""
    replication_factor: Annotated[int, Strict(), Field(ge=1, le=99)] = 3
    """How many brokers hold each partition; no more than there are brokers."""
    min_in_sync_replicas: Annotated[int, Strict(), Field(ge=1, le=99)] = 2
    """How many in-sync replicas a write with `acks: All` needs; no more than `replicationFactor`."""

    def problems(self, spec: Spec) -> Iterator[tuple[Path, str]]:
        replicas, brokers = self.replication_factor, spec.cluster.brokers
        if replicas > brokers:
            fit = "1 broker" if brokers == 1 else f"{brokers} brokers"
            sentence = f"{replicas} replicas do not fit on {fit}; lower `replicationFactor` or raise `cluster.brokers`"
            yield ("replicationFactor",), sentence
        if self.min_in_sync_replicas > replicas:
            yield (
                ("minInSyncReplicas",),
                f"{self.min_in_sync_replicas} in-sync replicas are more than the {replicas} of "
                "`replicationFactor`: no write could ever be acknowledged; lower it",
            )


class Place(Model):
    """A broker, by its ordinal."""

    ordinal: Ordinal
    """The broker's number, 0 is the first."""


class LeaderPlace(Model):
    """Which broker is to lead a partition."""

    partition: PartitionIndex
    """A partition of the topic; each at most once."""
    ordinal: Ordinal
    """The broker that is to lead it, by its number."""


class Placement(Model):
    """Where controller and leaders are to be before the first fault."""

    controller: Place | None = None
    leaders: Annotated[tuple[LeaderPlace, ...], Field(max_length=64)] = ()
    """Which broker is to lead which partition. Partitions that are not named stay where they are."""

    def problems(self, spec: Spec) -> Iterator[tuple[Path, str]]:
        seen: dict[int, int] = {}
        for index, leader in enumerate(self.leaders):
            if leader.partition in seen:
                first = seen[leader.partition]
                yield ("leaders", index), f"partition {leader.partition} already has a leader in leaders[{first}]"
            seen.setdefault(leader.partition, index)


_MIN_ISR = or_default(Topic, "min_in_sync_replicas", "self.?topic")
TOPIC = Word(
    Topic,
    always=True,
    patterns={"name": "letters, digits and `. _ -`, beginning with a letter, a digit or `_`"},
    in_spec=(
        SpecRule(
            "{replicas} <= {brokers}",
            "the replicas do not fit on the brokers; lower `replicationFactor` or raise `cluster.brokers`",
        ),
        SpecRule(
            f"{_MIN_ISR} <= {{replicas}}",
            "`minInSyncReplicas` is more than `replicationFactor`: no write could ever be acknowledged; lower it",
        ),
    ),
)
PREPARE = Word(
    Placement,
    meaning="Optional placement before the faults.",
    rules={
        "Placement": (
            rule(
                "!has(self.leaders) || self.leaders.all(p, self.leaders.exists_one(q, q.partition == p.partition))",
                "`leaders` names a partition that already has a leader; name each once",
            ),
        ),
    },
    documented=(("prepare.leaders[]", LeaderPlace),),
)
