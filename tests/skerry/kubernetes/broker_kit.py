"""Three brokers as the API server knows them, and the experiment that is run on them: what the tests of the
side-effecting half share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from skerry.targets.skerry.planes import Plane
from skerry.worlds.kubernetes.cluster import BrokerSet

Object = dict[str, Any]
PORTS = {Plane.CLIENT: 9092, Plane.RAFT: 9093, Plane.REPLICATION: 9094}
BROKERS = BrokerSet(
    name="broker",
    namespace="skerry",
    service="broker",
    replicas=3,
    ports=PORTS,
    admin_port=9095,
    run_as_user=10001,
    selector="app=broker",
    hold="hold",
    container="broker",
)
RUNNING = {"running": {"startedAt": "2026-11-27T14:50:00Z"}}


def terminated(exit_code: int = 137, reason: str = "Error", **more: Any) -> Object:
    return {"terminated": {"exitCode": exit_code, "reason": reason, "finishedAt": "2026-11-27T14:54:28Z", **more}}


def broker_pod(
    ordinal: int, uid: str = "", *, ip: str = "", state: Object | None = None, held: bool = False, **metadata: Any
) -> Object:
    """``state``: of its container; None: it runs. ``held``: its init container is at work."""
    name = f"broker-{ordinal}"
    status: Object = {
        "phase": "Running",
        "podIP": ip or f"10.0.0.{ordinal + 10}",
        "containerStatuses": [
            {"name": "broker", "state": state or RUNNING, "containerID": f"c-{uid or ordinal}", "restartCount": 0}
        ],
    }
    if held:
        status["initContainerStatuses"] = [{"name": "hold", "state": RUNNING}]
        status["containerStatuses"][0] = {"name": "broker", "state": {"waiting": {"reason": "PodInitializing"}}}
    labels = {"app": "broker", "statefulset.kubernetes.io/pod-name": name}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "uid": uid or f"uid-of-{name}", "labels": labels, **metadata},
        "spec": {"containers": [{"name": "broker"}]},
        "status": status,
    }


async def until(condition: Callable[[], object], what: str = "", timeout_s: float = 5.0) -> None:
    """Let everything else run until it is so. The time limit only says which test hangs."""
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 (conditions of every kind; nobody sets an event for them)
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(f"it never came to be: {what or condition}") from None
