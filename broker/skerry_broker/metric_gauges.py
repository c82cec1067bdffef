"""Gauges, computed from the node's status at the moment of a scrape. Nothing is stored between two scrapes."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import ClassVar

from prometheus_client.core import GaugeMetricFamily

from skerry_broker.core.status import NodeStatus, PartitionStatus
from skerry_broker.core.types import NO_BROKER, Plane
from skerry_broker.metric_catalogue import CATALOGUE, Source
from skerry_broker.status_report import PeerCheck

SECOND_NS = 1e9


class _Families:
    """One family per gauge of the catalogue, made when its first sample comes. Those not ``wanted`` are not made."""

    _table: ClassVar = {metric.name: metric for metric in CATALOGUE if metric.source is Source.STATE}

    def __init__(self, wanted: Container[str] | None) -> None:
        self._wanted = wanted
        self._families: dict[str, GaugeMetricFamily] = {}

    def put(self, name: str, value: float, *labels: object) -> None:
        """Raises KeyError for a name that is not in the catalogue."""
        if self._wanted is not None and name not in self._wanted:
            return
        family = self._families.get(name)
        if family is None:
            metric = self._table[name]
            family = self._families[name] = GaugeMetricFamily(name, metric.help, labels=metric.labels)
        family.add_metric([str(label) for label in labels], value)

    def all(self) -> Iterable[GaugeMetricFamily]:
        return self._families.values()


def gauges(
    status: NodeStatus, checks: Iterable[PeerCheck], requests_in_flight: int, wanted: Container[str] | None = None
) -> Iterable[GaugeMetricFamily]:
    """Every gauge that this broker may show now, or those of them that are ``wanted``. A series that belongs to a role
    is absent without the role."""
    families = _Families(wanted)
    _node(families, status)
    if status.controller == status.broker_id:
        _cluster(families, status)
    for partition in status.partitions:
        _timestamps(families, partition)
        if partition.role is not None:
            _replica(families, partition)
        if partition.role == "Leader":
            _leader(families, partition)
    for check in checks:
        silent = check.kept.silent_ns / SECOND_NS
        families.put("broker_peer_silent_seconds", silent, check.broker_id, check.plane.value)
        if check.plane is Plane.RAFT:
            families.put("broker_raft_peer_last_contact_seconds", silent, check.broker_id)
            if check.kept.rtt_ns is not None:
                families.put("broker_raft_peer_rtt_seconds", check.kept.rtt_ns / SECOND_NS, check.broker_id)
    families.put("broker_client_requests_in_flight", requests_in_flight)
    return families.all()


def _node(families: _Families, status: NodeStatus) -> None:
    raft = status.raft
    families.put("broker_active_controller", status.controller == status.broker_id)
    families.put("broker_raft_term", raft.term)
    families.put("broker_raft_role", 1, raft.role)
    families.put("broker_raft_leader_id", raft.leader)
    families.put("broker_raft_commit_index", raft.commit_index)
    families.put("broker_raft_applied_index", raft.applied_index)
    families.put("broker_raft_last_index", raft.last_index)
    families.put("broker_lease_remaining_seconds", max(0, status.lease_remaining_ns) / SECOND_NS)
    families.put("broker_self_fenced", status.fenced or status.lease_remaining_ns <= 0)
    families.put("broker_produce_pending", status.produces_pending)
    families.put("broker_log_dir_offline", status.log_offline)


def _cluster(families: _Families, status: NodeStatus) -> None:
    partitions = status.partitions
    families.put("broker_offline_partitions", sum(one.leader == NO_BROKER for one in partitions))
    families.put("broker_under_replicated_partitions", sum(len(one.isr) < len(one.replicas) for one in partitions))
    families.put("broker_under_min_isr_partitions", sum(len(one.isr) < one.min_in_sync_replicas for one in partitions))
    families.put("broker_at_min_isr_partitions", sum(len(one.isr) == one.min_in_sync_replicas for one in partitions))
    families.put("broker_fenced_brokers", sum(one.fenced for one in status.brokers))
    families.put("broker_active_brokers", sum(not one.fenced for one in status.brokers))


def _timestamps(families: _Families, partition: PartitionStatus) -> None:
    """Export from the applied metadata, on every broker. An epoch without a leader is not a failover's end."""
    topic, number = partition.partition
    for election in partition.elections:
        if election.leader != NO_BROKER:
            families.put(
                "broker_partition_leader_elected_timestamp_seconds",
                election.wall_ns / SECOND_NS,
                topic,
                number,
                election.leader_epoch,
            )
    if partition.isr_full_wall_ns is not None:
        families.put(
            "broker_partition_isr_full_timestamp_seconds", partition.isr_full_wall_ns / SECOND_NS, topic, number
        )
    if partition.isr_changed_wall_ns is not None:
        families.put(
            "broker_partition_isr_changed_timestamp_seconds", partition.isr_changed_wall_ns / SECOND_NS, topic, number
        )


def _replica(families: _Families, partition: PartitionStatus) -> None:
    topic, number = partition.partition
    for name, value in (
        ("broker_log_start_offset", partition.log_start_offset),
        ("broker_log_end_offset", partition.log_end_offset),
        ("broker_log_durable_end_offset", partition.durable_end),
    ):
        if value is not None:
            families.put(name, value, topic, number)


def _leader(families: _Families, partition: PartitionStatus) -> None:
    topic, number = partition.partition
    families.put("broker_partition_isr_size", len(partition.isr), topic, number)
    families.put("broker_partition_elr_size", len(partition.elr), topic, number)
    families.put("broker_partition_replicas", len(partition.replicas), topic, number)
    families.put("broker_partition_leader_epoch", partition.leader_epoch, topic, number)
    if partition.high_watermark is not None:
        families.put("broker_partition_high_watermark", partition.high_watermark, topic, number)
    if partition.log_end_offset is not None:
        families.put("broker_partition_log_end_offset", partition.log_end_offset, topic, number)
        for follower in partition.followers:
            lag = max(0, partition.log_end_offset - follower.log_end_offset)
            families.put("broker_replica_lag_records", lag, topic, number, follower.broker_id)
            families.put(
                "broker_replica_lag_seconds", follower.behind_ns / SECOND_NS, topic, number, follower.broker_id
            )
