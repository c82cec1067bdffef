"""What Skerry's broker owes to a write: the weaker the request, the less."""

from __future__ import annotations

from skerry.targets.guarantees import Guarantee, GuaranteeTable, Row

_ALL = frozenset(Guarantee)
_PLACED = frozenset({Guarantee.DURABLE, Guarantee.LINEARIZABLE})
_ONCE = frozenset({Guarantee.ONCE})
_NOTHING: frozenset[Guarantee] = frozenset()

OWES = GuaranteeTable(
    rows=(
        Row("acks=All, idempotent, disks within budget", _ALL, "All", True, True),
        Row("acks=All, disks within budget", _PLACED, "All", False, True),
        Row("acks=All, idempotent, disks lost beyond budget", _NOTHING, "All", True, False),
        Row("acks=All, disks lost beyond budget", _NOTHING, "All", False, False),
        Row("acks=Leader, idempotent, disks within budget", _ONCE, "Leader", True, True),
        Row("acks=Leader, disks within budget", _NOTHING, "Leader", False, True),
        Row("acks=Leader, disks lost beyond budget", _NOTHING, "Leader", None, False),
        Row("acks=None", _NOTHING, "None", None, True),
        Row("acks=None, disks lost beyond budget", _NOTHING, "None", None, False),
    ),
    copies=lambda spec: spec.topic.min_in_sync_replicas,
    replicas=lambda spec: spec.topic.replication_factor,
    budget="fewer disks were lost than the topic has minimum in-sync replicas",
)
