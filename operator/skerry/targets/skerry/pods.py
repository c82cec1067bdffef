"""The pods of Skerry's brokers, as their chart makes them."""

from __future__ import annotations

from skerry.targets.pod_shape import PodShape, RestartHold
from skerry.targets.skerry.admin import parse_status
from skerry.targets.skerry.planes import ADMIN, Plane

PODS = PodShape(
    container="broker",
    ports={Plane.CLIENT: "client", Plane.RAFT: "raft", Plane.REPLICATION: "replication", ADMIN: "admin"},
    usual_ports={Plane.CLIENT: 9092, Plane.RAFT: 9093, Plane.REPLICATION: 9094, ADMIN: 9095},
    client=Plane.CLIENT,
    admin=ADMIN,
    status_path="/status",
    read_status=parse_status,
    hold="hold",
    restart_hold=RestartHold("hold-restart", "/run/skerry", "/run/skerry/hold"),
)
