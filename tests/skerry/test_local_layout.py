"""Who listens where, and what the local world cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest

from skerry.engine.needs import needed_features
from skerry.experiment import load_document
from skerry.targets import registry
from skerry.worlds.local.capabilities import CAPABILITIES
from skerry.worlds.local.layout import ANYBODY, lay_out, ports_needed

SKERRY, ETCD = registry.target("skerry"), registry.target("etcd")


@pytest.mark.parametrize(("brokers", "ports"), [(1, 4), (3, 24), (5, 60)])
def test_every_ordered_pair_has_its_own_way_through_the_proxy(brokers: int, ports: int) -> None:
    assert ports_needed(SKERRY, brokers) == ports
    layout = lay_out(SKERRY, brokers, list(range(10_000, 10_000 + ports)))
    listening = [port for own in layout.nodes for port in own.values()] + [link.listen_port for link in layout.links]
    assert len(set(listening)) == ports
    assert {(link.source, link.target) for link in layout.links} == {
        (a, b) for a in range(brokers) for b in range(brokers) if a != b
    }


def test_a_broker_is_told_the_proxy_instead_of_its_peers() -> None:
    layout = lay_out(SKERRY, 3, list(range(10_000, 10_024)))
    place = layout.place(0, Path("data"), "Default")
    assert place.ports == {"Client": 10000, "Raft": 10001, "Replication": 10002, "Admin": 10003}
    # client and admin are reached directly, raft and replication through ports that belong to the proxy
    assert place.peers == {
        1: {"Client": 10004, "Raft": 10012, "Replication": 10013, "Admin": 10007},
        2: {"Client": 10008, "Raft": 10014, "Replication": 10015, "Admin": 10011},
    }
    assert SKERRY.launch is not None
    arguments = SKERRY.launch().command(place)
    assert arguments[arguments.index("--listen") + 1] == "127.0.0.1:10000,10001,10002,10003"
    peers = [arguments[i + 1] for i, flag in enumerate(arguments) if flag == "--peer"]
    assert peers == ["1=127.0.0.1:10004,10012,10013,10007", "2=127.0.0.1:10008,10014,10015,10011"]


def test_nodes_with_one_address_share_a_way_through_the_proxy() -> None:
    assert ports_needed(ETCD, 3) == 9
    layout = lay_out(ETCD, 3, list(range(10_000, 10_009)))
    assert [(link.source, link.target, link.listen_port, link.target_port) for link in layout.links] == [
        (ANYBODY, 0, 10006, 10001),
        (ANYBODY, 1, 10007, 10003),
        (ANYBODY, 2, 10008, 10005),
    ]
    places = [layout.place(ordinal, Path("data"), "Default") for ordinal in range(3)]
    assert places[0].ports == {"Client": 10000, "Peer": 10001}
    assert all(place.peers == places[0].peers for place in places)
    assert [ports["Peer"] for ports in places[0].peers.values()] == [10006, 10007, 10008]


DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: slow}
spec:
  hypothesis: It is slow.
  faults:
  - {name: slow, startAfter: 1s, duration: 5s, slow: {between: [[{role: All}]], FIELDS}}
  expect: [{name: no storm, epochsGrowAtMost: {by: 1, during: slow}}]
"""


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ("latency: 100ms", ""),
        ("latency: 100ms, lossPercent: 1, rateKbps: 3000", ""),
        ("latency: 100ms, lossPercent: 10", "a loss shows only as a delay"),
        ("lossPercent: 1", "a loss shows only as a delay"),
        ("rateKbps: 3000", "too small to measure a rate"),
    ],
)
def test_what_no_ping_can_show_is_refused(fields: str, missing: str) -> None:
    lacking = " ".join(
        CAPABILITIES.lacking(needed_features(load_document(DOCUMENT.replace("FIELDS", fields), "x").spec))
    )
    assert missing in lacking
    assert bool(missing) == bool(lacking)
