"""What an etcd member says of itself: ``POST /v3/maintenance/status``, and a few of its metrics. Pure.

A member leads when it names itself as the leader; that is its own belief, in its own term. The generation changes when
the process restarts: it is the kernel's start time of the process as the member's metrics tell it. (A step of the
machine's wall clock moves it, too.)
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from skerry.targets.etcd.gateway import AnswerHeader

STATUS_PATH = "/v3/maintenance/status"
METRICS_PATH = "/metrics"
START_METRIC = "process_start_time_seconds"


class Role(StrEnum):
    """The roles of a member, as documents name them."""

    LEADER = "Leader"
    FOLLOWER = "Follower"
    LEARNER = "Learner"
    """Gets the log and has no vote."""
    NONE = "None"
    """It knows of no leader: it may be a candidate, or alone."""


class _StatusAnswer(msgspec.Struct, frozen=True, rename="camel"):
    header: AnswerHeader
    version: str = ""
    leader: int = 0
    raft_term: int = 0
    raft_applied_index: int = 0
    is_learner: bool = False
    errors: tuple[str, ...] = ()


class MemberStatus(msgspec.Struct, frozen=True):
    """One member's own account of itself."""

    member_id: int
    leader_id: int
    """The member that it takes for the leader; 0: none."""
    term: int
    applied_index: int
    revision: int
    """The revision of its own store."""
    version: str
    learner: bool = False
    errors: tuple[str, ...] = ()
    generation: str = ""
    """The identity of its process; empty: not known."""

    @property
    def started_ms(self) -> int:
        """The start of its process, in milliseconds; -1: not known."""
        try:
            return int(float(self.generation) * 1000)
        except (ValueError, OverflowError):
            return -1

    @property
    def role(self) -> Role:
        if self.learner:
            return Role.LEARNER
        if self.leader_id == 0:
            return Role.NONE
        return Role.LEADER if self.leader_id == self.member_id else Role.FOLLOWER


def read_status(body: bytes, metrics: str = "") -> MemberStatus:
    """``metrics``: the exposition of the same member; empty: its generation is unknown. Raises msgspec.DecodeError."""
    answer = msgspec.json.decode(body, type=_StatusAnswer, strict=False)
    return MemberStatus(
        member_id=answer.header.member_id,
        leader_id=answer.leader,
        term=answer.raft_term,
        applied_index=answer.raft_applied_index,
        revision=answer.header.revision,
        version=answer.version,
        learner=answer.is_learner,
        errors=answer.errors,
        generation=generation_of(metrics),
    )


def generation_of(metrics: str) -> str:
    """The start of the process, as the exposition writes it; empty when it does not say."""
    for line in metrics.splitlines():
        name, _, value = line.partition(" ")
        if name == START_METRIC:
            return value.strip()
    return ""
