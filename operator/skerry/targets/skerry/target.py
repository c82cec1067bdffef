"""What the target `skerry` is, as data: the broker of this project."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from skerry.schema.log import PREPARE, TOPIC
from skerry.schema.vocabulary import QUORUM_LOSS, Role
from skerry.targets.port import Addresses, AnyRules, DataModel, Launch, Own, PlanePort, RoleKind, Stamps, System, Target
from skerry.targets.skerry.guarantees import OWES
from skerry.targets.skerry.guard import BELOW_MIN_ISR
from skerry.targets.skerry.placement import Placement
from skerry.targets.skerry.planes import ADMIN, Plane

if TYPE_CHECKING:
    from skerry.experiment.document import Experiment, Spec
    from skerry.targets.pod_shape import PodShape


def _rules(spec: Spec) -> AnyRules:
    from skerry.targets.skerry.rules import SkerryRules

    return SkerryRules(spec)


def _connect(addresses: Addresses, experiment: Experiment) -> System:
    from skerry.targets.skerry.system import SkerrySystem

    return SkerrySystem(addresses, experiment.spec.topic.name)


def _launch() -> Launch:
    from skerry.targets.skerry.process import SkerryLaunch

    return SkerryLaunch()


def _own() -> Own:
    from skerry.targets.skerry.own_topic import OWN

    return OWN


def _pods() -> PodShape:
    from skerry.targets.skerry.pods import PODS

    return PODS


TARGET = Target(
    name="skerry",
    title="the replicated log broker of this project",
    model=DataModel.LOG,
    planes=(
        PlanePort(Plane.CLIENT, between_nodes=False),
        PlanePort(Plane.RAFT, between_nodes=True),
        PlanePort(Plane.REPLICATION, between_nodes=True, replicates=True),
        PlanePort(ADMIN, between_nodes=False, off_limits=True),
    ),
    roles={
        "PartitionLeader": RoleKind.LEADER,
        "PartitionFollower": RoleKind.FOLLOWER,
        "InSyncFollower": RoleKind.IN_SYNC_FOLLOWER,
        "Controller": RoleKind.CONTROLLER,
        "NonController": RoleKind.NON_CONTROLLER,
        Role.OTHER: RoleKind.OTHER,
        Role.ALL: RoleKind.ALL,
    },
    allowances=(QUORUM_LOSS, BELOW_MIN_ISR),
    rules=_rules,
    connect=_connect,
    owes=OWES,
    partitions="topic.partitions",
    replicas="topic.replication_factor",
    words={"topic": TOPIC, "prepare": dataclasses.replace(PREPARE, model=Placement)},
    launch=_launch,
    pods=_pods,
    own=_own,
    simulated=True,
    rejoins_empty=True,
    reports_links=True,
    stamps=Stamps(
        leader_elected="broker_partition_leader_elected_timestamp_seconds",
        in_sync="broker_partition_isr_full_timestamp_seconds",
    ),
)
