"""What the target `etcd` is, as data: a store of registers whose members form one Raft group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, Strict

from skerry.schema.base import Model
from skerry.schema.vocabulary import QUORUM_LOSS
from skerry.targets.etcd.guarantees import OWES
from skerry.targets.etcd.planes import CLIENT, PEER
from skerry.targets.port import Addresses, AnyRules, DataModel, Launch, PlanePort, RoleKind, System, Target

if TYPE_CHECKING:
    from skerry.experiment.document import Experiment, Spec


class Etcd(Model):
    """What only etcd understands."""

    keys: Annotated[int, Strict(), Field(ge=1, le=100)] = 5
    """How many registers the clients put to and get from."""


def _rules(spec: Spec) -> AnyRules:
    from skerry.targets.group import GroupRules

    return GroupRules(spec)


def _connect(addresses: Addresses, experiment: Experiment) -> System:
    from skerry.targets.etcd.system import EtcdSystem

    return EtcdSystem(addresses)


def _launch() -> Launch:
    from skerry.targets.etcd.launch import EtcdLaunch

    return EtcdLaunch()


TARGET = Target(
    name="etcd",
    title="etcd 3.5, a strictly serializable key-value store",
    model=DataModel.REGISTER,
    planes=(PlanePort(CLIENT, between_nodes=False), PlanePort(PEER, between_nodes=True, replicates=True)),
    roles={
        "Leader": RoleKind.LEADER,
        "Follower": RoleKind.FOLLOWER,
        "Other": RoleKind.OTHER,
        "All": RoleKind.ALL,
    },
    allowances=(QUORUM_LOSS,),
    rules=_rules,
    connect=_connect,
    owes=OWES,
    part=Etcd,
    launch=_launch,
    one_address=True,
)
