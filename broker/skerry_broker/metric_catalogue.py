"""Every metric of the broker in one table: name, kind, source, help, labels, label values that exist from the start.

Base units, ``_total`` for counters, prefix ``broker_``. `docs/metrics.md` is tested against this table.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from skerry_broker.core.api import ErrorCode


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Source(StrEnum):
    FACT = "fact"
    STATE = "state"
    PROCESS = "process"


class Metric(NamedTuple):
    name: str
    kind: Kind
    source: Source
    help: str
    labels: tuple[str, ...] = ()
    values: tuple[tuple[str, ...], ...] = ()
    """Label values that exist from the start, at 0."""
    buckets: tuple[float, ...] = ()


LONG_SECONDS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0)
"""Failovers and recoveries: 50 ms to 60 s."""
SHORT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Requests, fsyncs, loop lag."""

ELECTION_REASONS = (
    "created",
    "crash",
    "isolation",
    "shutdown",
    "preferred",
    "elr",
    "data_plane",
    "disk",
    "unclean",
    "registered",
)
APIS = ("produce", "fetch", "offsets", "metadata", "create", "delete", "initproducer", "elect", "transfer")


def _each(*values: str) -> tuple[tuple[str, ...], ...]:
    return tuple((value,) for value in values)


def _counter(
    name: str,
    text: str,
    labels: tuple[str, ...] = (),
    values: tuple[tuple[str, ...], ...] = (),
    source: Source = Source.FACT,
) -> Metric:
    return Metric(name, Kind.COUNTER, source, text, labels, values)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, Source.STATE, text, labels)


def _seconds(
    name: str,
    text: str,
    labels: tuple[str, ...] = (),
    values: tuple[tuple[str, ...], ...] = (),
    buckets: tuple[float, ...] = LONG_SECONDS,
    source: Source = Source.FACT,
) -> Metric:
    return Metric(name, Kind.HISTOGRAM, source, text, labels, values, buckets)


CATALOGUE: tuple[Metric, ...] = (
    # The cluster, exported by the controller only.
    _gauge("broker_offline_partitions", "Partitions without a leader."),
    _gauge("broker_under_replicated_partitions", "Partitions whose ISR is smaller than their replica set."),
    _gauge("broker_under_min_isr_partitions", "Partitions whose ISR is below min.insync.replicas: no acks=All."),
    _gauge("broker_at_min_isr_partitions", "Partitions that one more lost replica would make unwritable."),
    _gauge("broker_fenced_brokers", "Registered brokers that may not lead."),
    _gauge("broker_active_brokers", "Registered brokers that are not fenced."),
    _counter(
        "broker_partition_elections_total",
        "Partition leaders elected by this controller.",
        ("reason",),
        _each(*ELECTION_REASONS),
    ),
    _counter("broker_unclean_elections_total", "Leaders elected outside ISR and ELR: records may be lost."),
    _counter("broker_fence_events_total", "Brokers that this controller fenced."),
    _seconds(
        "broker_failover_seconds",
        "Last contact with the old leader to the commit of the new one, as the controller saw it.",
        ("cause",),
        _each(*ELECTION_REASONS),
    ),
    # The metadata quorum, per node.
    _gauge("broker_active_controller", "1 on the controller, 0 elsewhere."),
    _gauge("broker_raft_term", "Current Raft term."),
    _gauge("broker_raft_role", "1 for the role that this node has.", "role"),
    _gauge("broker_raft_leader_id", "The Raft leader that this node knows, -1 for none."),
    _gauge("broker_raft_commit_index", "Last committed metadata entry."),
    _gauge("broker_raft_applied_index", "Last applied metadata entry."),
    _gauge("broker_raft_last_index", "Last metadata entry in this node's log."),
    _counter("broker_raft_elections_total", "Elections of this node.", ("outcome",), _each("started", "won")),
    _counter("broker_raft_prevotes_total", "Pre-votes that this node began.", ("outcome",), _each("started")),
    _counter("broker_raft_quorum_lost_total", "Times this leader stepped down for want of a quorum."),
    _counter("broker_raft_terms_refused_total", "Messages ignored because their term is impossibly far ahead."),
    _seconds(
        "broker_raft_fsync_seconds",
        "A write of the metadata log, from being queued to being durable.",
        buckets=SHORT_SECONDS,
        source=Source.PROCESS,
    ),
    _seconds(
        "broker_raft_commit_seconds",
        "From proposing a metadata entry to its commit, on the leader.",
        buckets=SHORT_SECONDS,
    ),
    _seconds(
        "broker_raft_election_seconds",
        "From the last contact with the old leader to this node's first commit as leader.",
    ),
    _gauge("broker_raft_peer_rtt_seconds", "Last pinged round trip on the raft plane.", "peer"),
    _gauge("broker_raft_peer_last_contact_seconds", "Since the last answered ping on the raft plane.", "peer"),
    # One partition, exported by its leader only.
    _gauge("broker_partition_isr_size", "In-sync replicas.", "topic", "partition"),
    _gauge("broker_partition_elr_size", "Eligible leader replicas outside the ISR.", "topic", "partition"),
    _gauge("broker_partition_replicas", "Assigned replicas.", "topic", "partition"),
    _gauge("broker_partition_leader_epoch", "Leader epoch.", "topic", "partition"),
    _gauge("broker_partition_high_watermark", "Offset below which everything is committed.", "topic", "partition"),
    _gauge("broker_partition_log_end_offset", "Next offset of the leader's log.", "topic", "partition"),
    _gauge("broker_replica_lag_records", "Records a follower is behind.", "topic", "partition", "replica"),
    _gauge("broker_replica_lag_seconds", "Since when a follower is behind.", "topic", "partition", "replica"),
    _counter("broker_isr_shrinks_total", "Replicas removed from an ISR.", ("reason",), _each("lag", "fenced")),
    _counter("broker_isr_expands_total", "Replicas added to an ISR."),
    _counter(
        "broker_isr_updates_failed_total",
        "ISR changes that the controller refused.",
        ("error",),
        _each(
            "NotController",
            "FencedLeaderEpoch",
            "InvalidUpdateVersion",
            "InvalidRequest",
            "IneligibleReplica",
            "UnknownPartition",
        ),
    ),
    _seconds("broker_isr_recovery_seconds", "A replica's removal from the ISR to its return."),
    _seconds("broker_leader_ready_seconds", "Leadership applied to the first advance of the high watermark."),
    # Timestamps from the metadata log, exported by every broker (independent of the scrape interval).
    _gauge(
        "broker_partition_leader_elected_timestamp_seconds",
        "When the leader of this epoch was elected (wall clock of the controller; the last 8 epochs).",
        "topic",
        "partition",
        "leader_epoch",
    ),
    _gauge(
        "broker_partition_isr_full_timestamp_seconds",
        "When the ISR last became all assigned replicas (wall clock of the controller).",
        "topic",
        "partition",
    ),
    _gauge(
        "broker_partition_isr_changed_timestamp_seconds",
        "When the ISR last changed (wall clock of the controller).",
        "topic",
        "partition",
    ),
    # One replica.
    _gauge("broker_log_start_offset", "First offset that is kept.", "topic", "partition"),
    _gauge("broker_log_end_offset", "Next offset of this replica's log.", "topic", "partition"),
    _gauge("broker_log_durable_end_offset", "Next offset to become durable.", "topic", "partition"),
    _counter(
        "broker_log_truncations_total",
        "Times this replica cut its log.",
        ("reason",),
        _each("epoch", "start_offset"),
    ),
    _counter("broker_log_truncated_records_total", "Records cut off by truncation."),
    _seconds("broker_catchup_seconds", "First fetch to membership of the ISR."),
    _seconds("broker_log_recovery_seconds", "Opening and checking the data directory.", source=Source.PROCESS),
    # Fencing of oneself.
    _gauge("broker_lease_remaining_seconds", "How long this broker may still answer; 0 when it may not."),
    _gauge("broker_self_fenced", "1 when this broker answers no produce and no fetch."),
    _counter(
        "broker_fenced_produce_rejections_total",
        "Produce requests refused for want of a lease.",
        ("acks",),
        _each("None", "Leader", "All"),
    ),
    # Requests.
    _seconds(
        "broker_request_seconds",
        "Client requests, from admission to the answer.",
        ("api", "error"),
        tuple((api, ErrorCode.NONE.value) for api in APIS),
        SHORT_SECONDS,
        Source.PROCESS,
    ),
    _gauge("broker_produce_pending", "Produce requests that wait for replication."),
    _counter("broker_duplicate_batches_total", "Batches recognised as retries of ones already in the log."),
    _counter("broker_out_of_order_sequences_total", "Batches refused because the producer's sequence had a gap."),
    # Health.
    _seconds(
        "broker_event_loop_lag_seconds",
        "How late the event loop ran a timer.",
        buckets=SHORT_SECONDS,
        source=Source.PROCESS,
    ),
    _counter(
        "broker_event_loop_stalls_total", "Times the event loop stood still for over 200 ms.", source=Source.PROCESS
    ),
    _seconds(
        "broker_disk_fsync_seconds",
        "A write of records, from being queued to being durable (group commit).",
        buckets=SHORT_SECONDS,
        source=Source.PROCESS,
    ),
    _gauge("broker_log_dir_offline", "1 after a disk error: this broker leads nothing."),
    _gauge("broker_client_requests_in_flight", "Client requests not yet answered."),
    # Connections between brokers.
    _gauge("broker_peer_silent_seconds", "Since the last answered ping.", "peer", "plane"),
    _counter(
        "broker_peer_messages_dropped_total",
        "Messages to a peer given up: not connected, or its queue was full.",
        ("plane",),
        _each("Raft", "Replication"),
        Source.PROCESS,
    ),
    _counter(
        "broker_connections_refused_total",
        "Incoming connections closed for what they sent.",
        ("plane", "reason"),
        tuple(
            (plane, reason)
            for plane in ("Client", "Raft", "Replication", "Admin")
            for reason in ("garbage", "handshake", "limit")
        ),
        Source.PROCESS,
    ),
)
