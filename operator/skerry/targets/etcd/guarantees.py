"""What etcd owes: it is strictly serializable, however a put was asked for."""

from __future__ import annotations

from skerry.targets.guarantees import Guarantee, GuaranteeTable, Row

OWES = GuaranteeTable(
    rows=(Row("a put or get of one key", frozenset(Guarantee)),),
    copies=lambda spec: spec.cluster.brokers // 2 + 1,
    replicas=lambda spec: spec.cluster.brokers,
)
"""A put or get of one key takes effect once, at one instant, for ever. No member of it can lose its disk and come back,
so no row asks for how many did."""
