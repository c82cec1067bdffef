"""The rules of a system whose nodes form one group: who leads, when it is whole, what it loses."""

from __future__ import annotations

import pytest

from skerry.engine.observation import BrokerView, Observation
from skerry.experiment import load_document
from skerry.faults.port import Effect
from skerry.targets.group import GroupRules
from skerry.targets.port import Holders, RoleKind
from skerry.targets.skerry.planes import Plane

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: group}
spec:
  hypothesis: It goes on.
  target: etcd
  ALLOW
  faults:
  - {name: stop, startAfter: 1s, duration: 1s, pause: {target: {ordinal: 0}}}
"""


def rules(allow: str = "") -> GroupRules:
    return GroupRules(load_document(DOCUMENT.replace("ALLOW", allow), "test").spec)


def nodes(*believed: tuple[str, int, int]) -> Observation:
    """(what it says that it is, its term, its idea of the leader), node by node."""
    return Observation(
        brokers=tuple(
            BrokerView(ordinal, 90, reachable=role != "silent", group_role=role, term=term, controller=leader)
            for ordinal, (role, term, leader) in enumerate(believed)
        )
    )


WHOLE = nodes(("Follower", 4, 1), ("Leader", 4, 1), ("Follower", 4, 1))


@pytest.mark.parametrize(
    ("seen", "leader", "missing"),
    [
        (WHOLE, 1, ""),
        # who says that it leads is believed before those who only heard of it
        (nodes(("Follower", 5, 2), ("Leader", 5, 1), ("Follower", 5, 1)), 1, "broker 0 does not follow broker 1"),
        # of two who say so the one of the higher term
        (nodes(("Leader", 4, 0), ("Leader", 5, 1), ("Follower", 5, 1)), 1, "broker 0 does not follow broker 1"),
        # nobody says so: what those of the highest term believe; the one that they mean was asked before it led
        (nodes(("Follower", 4, 2), ("Follower", 5, 0), ("Follower", 5, 0)), 0, "broker 0 is taken for the leader"),
        (nodes(("None", 4, -1), ("Leader", 4, 1), ("Follower", 4, 1)), 1, "broker 0 does not follow broker 1"),
        (nodes(("Leader", 9, 0), ("None", 9, -1), ("None", 9, -1)), 0, "broker 1 does not follow broker 0"),
        (nodes(("silent", 9, 0), ("None", 9, -1), ("None", 9, -1)), -1, "there is no leader"),
    ],
)
def test_who_leads_and_whether_it_is_whole(seen: Observation, leader: int, missing: str) -> None:
    found = rules().roles(seen)
    assert found.leader == leader
    assert rules().missing(found).startswith(missing)
    assert bool(missing) == bool(rules().missing(found))


def test_who_has_which_role() -> None:
    whole, nobody = rules().roles(WHOLE), rules().roles(nodes(("None", 4, -1)))
    assert whole.holders(RoleKind.LEADER, 0) == Holders((1,), "term 4")
    assert whole.holders(RoleKind.FOLLOWER, 0) == Holders((0, 2), "term 4")
    assert whole.holders(RoleKind.CONTROLLER, 0).ordinals == ()
    assert nobody.holders(RoleKind.LEADER, 0) == Holders((), vacant="there is no leader")


@pytest.mark.parametrize(
    ("effect", "connected"),
    [
        (Effect(), 3),
        (Effect(down=frozenset({0})), 2),
        (Effect(down=frozenset({0, 2})), 1),
        # node 2 still talks to both
        (Effect(cut=frozenset({(0, 1, Plane.RAFT)})), 3),
        (Effect(cut=frozenset({(0, 1, Plane.RAFT), (2, 1, Plane.REPLICATION)})), 2),
        (Effect(down=frozenset({2}), cut=frozenset({(0, 1, Plane.RAFT)})), 1),
    ],
)
def test_what_is_left(effect: Effect, connected: int) -> None:
    found = rules().predict(effect, rules().assumed())
    assert (found.connected, found.majority, found.holds) == (connected, 2, connected >= 2)


def test_a_lost_quorum_is_refused_until_it_is_allowed() -> None:
    lost = rules().predict(Effect(down=frozenset({0, 2})), rules().assumed())
    (refused,) = rules().refusals([lost])
    assert refused.startswith("it would take the quorum (1 brokers connected, 2 needed)")
    assert rules("allow: [QuorumLoss]").refusals([lost]) == []
