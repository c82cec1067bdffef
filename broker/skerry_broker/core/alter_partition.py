"""AlterPartition: is this leader's wish for a new ISR to be granted? (KIP-497, KIP-841, KIP-903)

Judged against the state that includes our own proposals in flight, so that two accepted changes never carry the same
``partition_epoch``. The order of the checks is Kafka's ``validateAlterPartitionData``: each answer means something else
to the leader (retry elsewhere; you are deposed; wait for metadata; revert).
"""

from __future__ import annotations

from skerry_broker.core.election import eligible_after
from skerry_broker.core.metadata import ClusterMetadata, PartitionState
from skerry_broker.core.peer_messages import AlterPartition, AlterResult
from skerry_broker.core.records import PartitionChanged


def judge(view: ClusterMetadata, sender: int, request: AlterPartition) -> AlterResult:
    """ACCEPTED, or the first rule that the request breaks. ``view``: applied metadata plus proposals in flight."""
    state = view.partitions.get(request.partition)
    if state is None:
        return AlterResult.UNKNOWN_PARTITION
    if request.leader_epoch > state.leader_epoch or request.partition_epoch > state.partition_epoch:
        # The leader has seen more of the log than we: we are the stale one (KAFKA-14154).
        return AlterResult.NOT_CONTROLLER
    if request.leader_epoch < state.leader_epoch:
        return AlterResult.FENCED_LEADER_EPOCH
    leader = view.brokers.get(sender)
    if sender != state.leader or leader is None or request.broker_epoch != leader.broker_epoch:
        return AlterResult.INVALID_REQUEST
    if request.partition_epoch < state.partition_epoch:
        return AlterResult.INVALID_UPDATE_VERSION
    members = [broker_id for broker_id, _ in request.isr]
    if len(set(members)) != len(members) or not set(members) <= set(state.replicas) or sender not in members:
        return AlterResult.INVALID_REQUEST
    if state.recovering and not request.recovered and len(members) > 1:
        return AlterResult.INVALID_REQUEST
    if not all(_eligible(view, state, broker_id, epoch) for broker_id, epoch in request.isr):
        return AlterResult.INELIGIBLE_REPLICA
    return AlterResult.ACCEPTED


def _eligible(view: ClusterMetadata, state: PartitionState, broker_id: int, broker_epoch: int) -> bool:
    """A member must be unfenced and must have fetched under its present registration: the fetch of an incarnation
    that has died says nothing about the log of the next (KAFKA-15221, KIP-903). A leaving broker may stay (the ISR may
    need it) but not join (KIP-841)."""
    broker = view.brokers.get(broker_id)
    if broker is None or broker.fenced or broker.broker_epoch != broker_epoch:
        return False
    return not broker.leaving or broker_id in state.isr


def granted(state: PartitionState, request: AlterPartition, wall_ns: int) -> PartitionChanged:
    """The record of an accepted request."""
    members = {broker_id for broker_id, _ in request.isr}
    isr = tuple(replica for replica in state.replicas if replica in members)
    shrinks = len(isr) < len(state.isr)
    return PartitionChanged(
        request.partition,
        state.leader,
        state.leader_epoch,
        state.partition_epoch + 1,
        isr,
        eligible_after(state, isr),
        "shrink" if shrinks else "expand",
        wall_ns,
        recovering=state.recovering and not request.recovered,
    )
