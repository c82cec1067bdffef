"""The expectations of the vocabulary: one file each, all of one shape, and a line in this registry.

These models only say what is expected; `skerry.checker.expectations` evaluates them from the history. Attributes
ending in ``_ns`` are as written; `Experiment.limit_ns` scales them by `cluster.timing`.
"""

from __future__ import annotations

from skerry.experiment.expectations.available import Available, When
from skerry.experiment.expectations.base import Comparison, ExpectationBody, Windowed
from skerry.experiment.expectations.epochs_grow_at_most import EpochsGrowAtMost
from skerry.experiment.expectations.failover import Failover
from skerry.experiment.expectations.in_sync_replicas import InSyncReplicas
from skerry.experiment.expectations.isr_recovery import IsrRecovery
from skerry.experiment.expectations.leader_change import LeaderChange
from skerry.experiment.expectations.max_write_gap import MaxWriteGap
from skerry.experiment.expectations.metric import MetricExpectation
from skerry.experiment.expectations.no_leader_change import NoLeaderChange
from skerry.experiment.expectations.promql import PromqlExpectation
from skerry.experiment.expectations.steps_down import StepsDown
from skerry.experiment.expectations.throughput import Throughput
from skerry.experiment.expectations.topic_create_refused import TopicCreateRefused
from skerry.experiment.expectations.unavailable import Unavailable
from skerry.experiment.expectations.writes_accepted import WritesAccepted
from skerry.experiment.expectations.writes_refused import WritesRefused

EXPECTATIONS: dict[str, type[ExpectationBody]] = {
    "leaderChange": LeaderChange,
    "noLeaderChange": NoLeaderChange,
    "failover": Failover,
    "isrRecovery": IsrRecovery,
    "writesRefused": WritesRefused,
    "writesAccepted": WritesAccepted,
    "topicCreateRefused": TopicCreateRefused,
    "maxWriteGap": MaxWriteGap,
    "throughput": Throughput,
    "inSyncReplicas": InSyncReplicas,
    "epochsGrowAtMost": EpochsGrowAtMost,
    "stepsDown": StepsDown,
    "available": Available,
    "unavailable": Unavailable,
    "metric": MetricExpectation,
    "promql": PromqlExpectation,
}
"""The field of the document -> its model, in the order of the reference page."""

__all__ = [
    "EXPECTATIONS",
    "Available",
    "Comparison",
    "EpochsGrowAtMost",
    "ExpectationBody",
    "Failover",
    "InSyncReplicas",
    "IsrRecovery",
    "LeaderChange",
    "MaxWriteGap",
    "MetricExpectation",
    "NoLeaderChange",
    "PromqlExpectation",
    "StepsDown",
    "Throughput",
    "TopicCreateRefused",
    "Unavailable",
    "When",
    "Windowed",
    "WritesAccepted",
    "WritesRefused",
]
