"""What brokers say of themselves and of their links, in the words of the engine."""

from __future__ import annotations

import pytest

from skerry.engine.world import LinkKind
from skerry.targets.skerry.admin import parse_metrics
from skerry.targets.skerry.planes import Plane
from skerry.targets.skerry.status import kept_link, new_links
from skerry_broker.core.types import Plane as BrokerPlane
from skerry_broker.status_report import KeptConnection, PeerCheck, PeerCheckReport, Probe, Received

MS = 1_000_000


def check(silent_ms: int, heard_ms: int | None) -> PeerCheck:
    kept = KeptConnection(1, 1, silent_ms * MS, None, 2 * MS, 10, 10, "")
    return PeerCheck(2, BrokerPlane.RAFT, kept, Received(10, 10, None if heard_ms is None else heard_ms * MS))


@pytest.mark.parametrize(
    ("silent_ms", "heard_ms", "ok", "hears"),
    [
        (90, 90, True, 1),
        (299, 299, True, 1),
        (300, 90, False, 1),  # our pings or their answers are lost; theirs arrive
        (90, 300, True, 0),
        (5000, 5000, False, 0),
        (90, None, True, 0),  # none ever arrived
    ],
)
def test_a_kept_connection(silent_ms: int, heard_ms: int | None, ok: bool, hears: int) -> None:
    link = kept_link(1, check(silent_ms, heard_ms), sampled_ns=7)
    assert (link.source, link.target, link.plane, link.kind) == (1, 2, Plane.RAFT, LinkKind.KEPT)
    assert (link.ok, link.received_one_way, link.sampled_ns) == (ok, hears, 7)


def test_new_connections() -> None:
    probes = (Probe(0, BrokerPlane.RAFT, True, 3 * MS, ""), Probe(2, BrokerPlane.REPLICATION, False, None, "no answer"))
    links = new_links(1, PeerCheckReport(1, 0, 0, 0, probes), asked_ns=7)
    assert [(link.target, link.plane, link.kind, link.ok, link.rtt_ns) for link in links] == [
        (0, Plane.RAFT, LinkKind.NEW, True, 3 * MS),
        (2, Plane.REPLICATION, LinkKind.NEW, False, -1),
    ]


def test_only_the_metrics_that_were_asked_for_are_parsed() -> None:
    text = """\
# HELP broker_isr_size ISR
# TYPE broker_isr_size gauge
broker_isr_size{topic="a{b",partition="0"} 3
broker_isr_size_other 4
broker_up 1
garbage that no parser would take {{{
"""
    assert list(parse_metrics(text, frozenset({"broker_isr_size", "broker_up"}))) == [
        ("broker_isr_size", {"topic": "a{b", "partition": "0"}, 3.0),
        ("broker_up", {}, 1.0),
    ]
