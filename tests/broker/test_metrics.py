"""Metrics: one table, fed by facts, shown from status; a leader's series goes when leadership does."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from skerry_broker.core.messages import Fact
from skerry_broker.core.status import (
    BrokerStatus,
    Election,
    FollowerStatus,
    NodeStatus,
    PartitionStatus,
    RaftStatus,
)
from skerry_broker.core.types import NO_BROKER, Plane, TopicPartition
from skerry_broker.metric_catalogue import CATALOGUE, Kind, Source
from skerry_broker.metric_gauges import gauges
from skerry_broker.metrics import Metrics, UnknownFact
from skerry_broker.status_report import KeptConnection, PeerCheck, Received

ROOT = Path(__file__).parents[2]
CORE = ROOT / "broker" / "skerry_broker" / "core"
T0 = TopicPartition("orders", 0)

LED = PartitionStatus(
    partition=T0, topic_id="t", replicas=(1, 2, 3), leader=1, leader_epoch=4, partition_epoch=9, isr=(1, 2), elr=(),
    min_in_sync_replicas=2, elections=(Election(3, NO_BROKER, 5_000_000_000, "crash"),
                                       Election(4, 1, 6_500_000_000, "crash")),
    isr_full_wall_ns=2_000_000_000, isr_changed_wall_ns=7_000_000_000, role="Leader", log_start_offset=0,
    log_end_offset=12, durable_end=11, high_watermark=10,
    followers=(FollowerStatus(2, 10, 10, 0), FollowerStatus(3, 5, 5, 2_500_000_000)),
)  # fmt: skip
NODE = NodeStatus(
    broker_id=1, directory_id="d", cluster_id="c", incarnation="i", broker_epoch=5, controller=1,
    lease_remaining_ns=400_000_000, fenced=False, shutting_down=False, log_offline=False,
    raft=RaftStatus("Leader", 7, 1, 20, 19, 21, 0, ((1, "d"),)),
    brokers=(BrokerStatus(1, 5, False, False), BrokerStatus(3, 8, True, False)),
    partitions=(LED,), produces_pending=3,
)  # fmt: skip


def samples(node: NodeStatus, checks: tuple[PeerCheck, ...] = ()) -> dict[str, float]:
    """``name{label=value,...}`` -> value."""
    metrics = Metrics()
    metrics.collect_from(lambda: gauges(node, checks, 2))
    found = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_of_all_gauges_only_those_that_are_wanted_can_be_made() -> None:
    every = {family.name: family.samples for family in gauges(NODE, (), 2)}
    for wanted in ({"broker_raft_term"}, set(list(every)[::3]), {"broker_fenced_produce_rejections_total"}, set()):
        some = {family.name: family.samples for family in gauges(NODE, (), 2, wanted)}
        assert some == {name: series for name, series in every.items() if name in wanted}


def test_names_are_in_base_units_and_unique() -> None:
    names = [metric.name for metric in CATALOGUE]
    assert len(set(names)) == len(names)
    for metric in CATALOGUE:
        assert re.fullmatch(r"broker_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER), metric.name
        assert metric.kind is not Kind.HISTOGRAM or metric.name.endswith("_seconds"), metric.name
        assert metric.help.endswith("."), metric.name


def test_every_fact_of_the_core_is_in_the_catalogue_and_the_other_way_round() -> None:
    fed = {name for path in CORE.glob("*.py") for name in re.findall(r'\bfact\(\s*"(\w+)"', path.read_text())}
    assert fed == {metric.name for metric in CATALOGUE if metric.source is Source.FACT}


def test_counters_exist_at_zero_before_the_first_event() -> None:
    found = samples(NODE)
    assert found["broker_partition_elections_total{reason=crash}"] == 0
    assert found["broker_isr_shrinks_total{reason=lag}"] == 0
    assert found["broker_fence_events_total"] == 0
    assert found["broker_failover_seconds_count{cause=crash}"] == 0


def test_facts_are_counted_and_observed() -> None:
    metrics = Metrics()
    metrics.record(Fact("broker_isr_shrinks_total", ("lag",)))
    metrics.record(Fact("broker_log_truncated_records_total", (), 5.0))
    metrics.record(Fact("broker_failover_seconds", ("isolation",), 1.75))
    text = metrics.render().decode()
    assert 'broker_isr_shrinks_total{reason="lag"} 1.0' in text
    assert "broker_log_truncated_records_total 5.0" in text
    assert 'broker_failover_seconds_bucket{cause="isolation",le="1.5"} 0.0' in text
    assert 'broker_failover_seconds_bucket{cause="isolation",le="2.0"} 1.0' in text
    assert not metrics.unknown_facts


@pytest.mark.parametrize(
    "fact", [Fact("broker_no_such_total"), Fact("broker_isr_shrinks_total"), Fact("broker_raft_term", (), 1.0)]
)  # fmt: skip
def test_an_unknown_fact_is_an_error_here_and_remembered_in_a_broker(fact: Fact) -> None:
    metrics = Metrics()
    with pytest.raises(UnknownFact):
        metrics.add(fact.name, *fact.labels, value=fact.value)
    metrics.record(fact)
    assert len(metrics.unknown_facts) == 1


def test_a_leader_shows_its_partition() -> None:
    found = samples(NODE)
    partition = "{partition=0,topic=orders}"
    assert found[f"broker_partition_isr_size{partition}"] == 2
    assert found[f"broker_partition_high_watermark{partition}"] == 10
    assert found["broker_replica_lag_records{partition=0,replica=3,topic=orders}"] == 7
    assert found["broker_replica_lag_seconds{partition=0,replica=3,topic=orders}"] == 2.5
    assert found["broker_under_replicated_partitions"] == 1
    assert found["broker_at_min_isr_partitions"] == 1
    assert found["broker_fenced_brokers"] == 1
    assert found["broker_lease_remaining_seconds"] == 0.4
    assert found["broker_client_requests_in_flight"] == 2
    assert found["broker_raft_role{role=Leader}"] == 1


def test_what_belongs_to_a_role_goes_with_it() -> None:
    follower = msgspec.structs.replace(LED, role="Follower", leader=2, leader_epoch=5, followers=())
    deposed = samples(msgspec.structs.replace(NODE, partitions=(follower,), controller=2))
    only_leaders = (
        "broker_partition_isr_size",
        "broker_partition_leader_epoch{",
        "broker_partition_high_watermark",
        "broker_replica_lag",
        "broker_under_replicated_partitions",
        "broker_offline_partitions",
        "broker_fenced_brokers",
    )
    assert [name for name in deposed if name.startswith(only_leaders)] == []
    assert deposed["broker_active_controller"] == 0
    assert deposed["broker_log_end_offset{partition=0,topic=orders}"] == 12


def test_every_broker_shows_when_leaders_were_elected() -> None:
    bystander = msgspec.structs.replace(LED, role=None, log_start_offset=None, log_end_offset=None, durable_end=None)
    found = samples(msgspec.structs.replace(NODE, partitions=(bystander,), controller=2))
    elected = {name: value for name, value in found.items() if name.startswith("broker_partition_leader_elected")}
    # the epoch in which nobody led is not the end of a failover
    assert elected == {
        "broker_partition_leader_elected_timestamp_seconds{leader_epoch=4,partition=0,topic=orders}": 6.5
    }
    assert found["broker_partition_isr_full_timestamp_seconds{partition=0,topic=orders}"] == 2.0
    assert "broker_log_end_offset{partition=0,topic=orders}" not in found


def test_pings_are_shown_per_peer() -> None:
    check = PeerCheck(
        2, Plane.RAFT, KeptConnection(None, 1, 250_000_000, None, None, 9, 7, "cut"), Received(0, 0, None)
    )
    found = samples(NODE, (check,))
    assert found["broker_peer_silent_seconds{peer=2,plane=Raft}"] == 0.25
    assert found["broker_raft_peer_last_contact_seconds{peer=2}"] == 0.25
    assert "broker_raft_peer_rtt_seconds{peer=2}" not in found


def test_the_document_lists_exactly_the_catalogue() -> None:
    rows = re.findall(
        r"^\| `(\w+)(?:\{([\w,]+)\})?` \| (\w+) \| (.+) \|$", (ROOT / "docs/metrics.md").read_text(), re.M
    )
    assert [(name, labels, kind, text) for name, labels, kind, text in rows] == [
        (metric.name, ",".join(metric.labels), metric.kind.value, metric.help) for metric in CATALOGUE
    ]
