"""Who listens where, and what the local world cannot do."""

from __future__ import annotations

import pytest

from skerry.engine.needs import needed_features
from skerry.experiment import load_document
from skerry.worlds.local.capabilities import CAPABILITIES
from skerry.worlds.local.layout import lay_out, ports_needed


@pytest.mark.parametrize(("brokers", "ports"), [(1, 4), (3, 24), (5, 60)])
def test_every_ordered_pair_has_its_own_way_through_the_proxy(brokers: int, ports: int) -> None:
    assert ports_needed(brokers) == ports
    layout = lay_out(brokers, list(range(10_000, 10_000 + ports)))
    listening = [port for own in layout.brokers for port in own] + [link.listen_port for link in layout.links]
    assert len(set(listening)) == ports
    assert {(link.source, link.target) for link in layout.links} == {
        (a, b) for a in range(brokers) for b in range(brokers) if a != b
    }


def test_a_broker_is_told_the_proxy_instead_of_its_peers() -> None:
    layout = lay_out(3, list(range(10_000, 10_024)))
    arguments = layout.arguments(0, "Default")
    assert arguments[arguments.index("--listen") + 1] == "127.0.0.1:10000,10001,10002,10003"
    peers = [arguments[i + 1] for i, flag in enumerate(arguments) if flag == "--peer"]
    # client and admin are reached directly, raft and replication through ports that belong to the proxy
    assert peers == ["1=127.0.0.1:10004,10012,10013,10007", "2=127.0.0.1:10008,10014,10015,10011"]


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
