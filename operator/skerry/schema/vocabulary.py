"""The words of the document that several faults, targets or expectations use: enums, CamelCase as in the YAML."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """The words for brokers that every target has; all others are those of the target."""

    OTHER = "Other"
    """Every broker that no other target of the same fault names."""
    ALL = "All"


class Acks(StrEnum):
    NONE = "None"
    LEADER = "Leader"
    ALL = "All"


class TimingPreset(StrEnum):
    DEFAULT = "Default"
    RELAXED = "Relaxed"
    """Every broker timing and every duration limit of an expectation times three, for busy machines."""

    @property
    def factor(self) -> int:
        return 3 if self is TimingPreset.RELAXED else 1


QUORUM_LOSS = "QuorumLoss"
"""The word of `allow` for a plan that takes the quorum away, in every target that has one."""


class MetricSource(StrEnum):
    BROKERS = "Brokers"
    OPERATOR = "Operator"


class Aggregate(StrEnum):
    MAX = "Max"
    MIN = "Min"
    SUM = "Sum"
    LAST = "Last"
    DELTA = "Delta"
