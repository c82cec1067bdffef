"""The rules of a system whose nodes form one group: one leader, elected by a majority of all of them.

A target of this kind takes `GroupRules` as it is. It reads of every node what it takes for the leader
(`BrokerView.controller`), in which term, and whether it says that it leads itself (`BrokerView.group_role`).

The group goes on while some node is alive and can talk, both ways and on every plane, to enough live nodes to make a
majority with itself. That is the worst of what can be: a cut on a plane that the group does not need counts, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

import msgspec

from skerry.engine.observation import BrokerView, Observation
from skerry.experiment.document import Spec
from skerry.faults.port import Effect
from skerry.schema.vocabulary import QUORUM_LOSS
from skerry.targets.port import Holders, RoleKind

LEADS = "Leader"
"""What a node says of itself that leads the group."""


class GroupView(msgspec.Struct, frozen=True):
    nodes: int
    """How many there are, whether they answer or not."""
    leader: int
    """Its ordinal; -1: nobody, as far as anyone reachable knows."""
    term: int
    strays: tuple[int, ...]
    """Those who answer and take nobody, or somebody else, for the leader."""
    sampled_ns: int

    def holders(self, kind: RoleKind, unit: int) -> Holders:
        """Followers are all others, in ascending order, whether they answer or not."""
        if self.leader < 0:
            return Holders((), vacant="there is no leader")
        if kind is RoleKind.LEADER:
            return Holders((self.leader,), f"term {self.term}")
        if kind is RoleKind.FOLLOWER:
            return Holders(tuple(o for o in range(self.nodes) if o != self.leader), f"term {self.term}")
        return Holders(())


def group_view_of(observation: Observation, nodes: int, oldest_ns: int = -1) -> GroupView:
    """Merge the samples that were asked at ``oldest_ns`` or later: a node that says that it leads, in the highest term;
    else what those of the highest term believe."""
    views = [view for view in observation.brokers if view.reachable and view.sampled_ns >= oldest_ns]
    leading = [(view.term, view.ordinal) for view in views if view.group_role == LEADS]
    believed = [(view.term, view.controller) for view in views if view.controller >= 0]
    term, leader = max(leading or believed, default=(max((view.term for view in views), default=-1), -1))
    return GroupView(
        nodes,
        leader,
        term,
        tuple(view.ordinal for view in views if _follows(view) != leader),
        max((view.sampled_ns for view in views), default=-1),
    )


def _follows(view: BrokerView) -> int:
    return view.ordinal if view.group_role == LEADS else view.controller


class GroupPrediction(msgspec.Struct, frozen=True):
    connected: int
    """The most nodes that can make a majority together."""
    majority: int

    @property
    def holds(self) -> bool:
        return self.connected >= self.majority

    @property
    def sentence(self) -> str:
        holds = "holds" if self.holds else "is lost"
        return f"quorum {holds} ({self.connected} connected, {self.majority} needed)"


class GroupRules:
    """One group of all nodes of the document."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._nodes = spec.cluster.brokers

    @property
    def units(self) -> Mapping[int, str]:
        return {0: self._spec.target}

    def roles(self, observation: Observation, oldest_ns: int = -1) -> GroupView:
        return group_view_of(observation, self._nodes, oldest_ns)

    def assumed(self, observation: Observation | None = None) -> GroupView:
        """Led by who leads now, or by node 0."""
        return GroupView(self._nodes, 0, 0, (), 0) if observation is None else self.roles(observation)

    @property
    def places(self) -> bool:
        return False

    @property
    def certain(self) -> bool:
        """Every node counts the same."""
        return True

    def missing(self, roles: GroupView) -> str:
        """Everybody who answers follows one leader."""
        if roles.leader < 0:
            return "there is no leader"
        if roles.leader in roles.strays:
            return f"broker {roles.leader} is taken for the leader and does not lead"
        if roles.strays:
            return f"broker {roles.strays[0]} does not follow broker {roles.leader}, which leads"
        return ""

    def misplaced(self, roles: GroupView) -> str:
        return ""

    def predict(self, effect: Effect, roles: GroupView) -> GroupPrediction:
        apart = {frozenset(pair[:2]) for pair in effect.cut}
        alive = [node for node in range(self._nodes) if node not in effect.down]
        reached = dict.fromkeys(alive, 1)
        for node, peer in permutations(alive, 2):
            reached[node] += frozenset((node, peer)) not in apart
        return GroupPrediction(max(reached.values(), default=0), self._nodes // 2 + 1)

    def refusals(self, predictions: Sequence[GroupPrediction]) -> list[str]:
        lost = next((each for each in predictions if not each.holds), None)
        if lost is None or QUORUM_LOSS in self._spec.allow:
            return []
        return [
            f"it would take the quorum ({lost.connected} brokers connected, {lost.majority} needed); "
            "if that is meant, add `QuorumLoss` to `allow`"
        ]
