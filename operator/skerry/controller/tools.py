"""What an experiment's task works with: whatever is not decided by the resource itself. Tests give their own."""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from skerry.controller.admission_queue import AdmissionQueue
from skerry.controller.lease import TargetLease
from skerry.controller.metrics import Metrics
from skerry.engine.loop import TURN_NS
from skerry.engine.observation import Observation
from skerry.experiment.document import Experiment
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import Kube
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.drive import ClusterWorld
from skerry.worlds.kubernetes.preflight import Accepted, Refusal
from skerry.worlds.kubernetes.world import Settings

DRAWN_SEED_MAX = 2**31
TOKEN_BYTES = 24


def draw_seed() -> int:
    return random.randrange(DRAWN_SEED_MAX)


def draw_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


@dataclass(frozen=True)
class Tools:
    settings: Callable[[str], Settings]
    """The settings of a namespace."""
    make_world: Callable[..., ClusterWorld]
    """The arguments of `KubernetesWorld`."""
    preflight: Callable[[Kube, Experiment, Settings], Awaitable[Accepted | Refusal]]
    look: Callable[[Experiment, BrokerSet], Awaitable[Observation]]
    """Asks every broker for its status, for a dry run."""
    identity: str = field(default_factory=socket.gethostname)
    """The identity of this operator, among others of its namespace: in a cluster the name of its pod."""
    metrics: Metrics = field(default_factory=Metrics)
    admission_queue: AdmissionQueue = field(default_factory=AdmissionQueue)
    now: Callable[[], float] = time.time
    """The wall clock, seconds since 1970."""
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    turn_s: float = TURN_NS / 1_000_000_000
    """Between two turns of a run."""
    draw_seed: Callable[[], int] = draw_seed
    draw_token: Callable[[], str] = draw_token

    def lease(self, kube: Kube, stateful_set: str, experiment: JsonObject) -> TargetLease:
        """The Lease of the brokers, for this experiment (the resource) and this operator."""
        return TargetLease(kube, stateful_set, experiment, self.identity, self.now, self.sleep)
