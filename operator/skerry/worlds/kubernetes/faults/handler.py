"""What the Kubernetes world does with one fault: what of it can be done here, what it takes, and who carries it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from skerry.engine.world import Inject
from skerry.faults.port import AnyFaultType, Feature, OccurrenceId
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import Kube
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.hold import Hold
from skerry.worlds.kubernetes.injectors import Injectors
from skerry.worlds.kubernetes.opt_ins import OptIns
from skerry.worlds.kubernetes.pods import Pods
from skerry.worlds.kubernetes.steps import FaultError, Images, Times, Waits


class Tools(NamedTuple):
    """What the carriers of one run may use."""

    kube: Kube
    experiment_name: str
    brokers: BrokerSet
    pods: Pods
    images: Images
    injectors: Injectors
    hold: Hold
    times: Times
    fuse: Callable[[Inject], Awaitable[JsonObject]]
    """Lights the one of an injection."""
    note: Callable[[str, int], None]
    """A line for the history, and of which broker."""
    objects: Callable[[str], None]
    """Is told why a fault that was reported as done was not ours."""
    waits: Waits


class Carrier:
    """Carries one kind of fault out in one run. Faults that need no looking after leave the rest as it is."""

    async def inject(self, action: Inject, fault: Any) -> None:
        """Over when it is in force. Raises FaultError, KubeError."""
        raise FaultError(f"the kubernetes world cannot do `{action.fault.kind}`")

    async def lift(self, occurrence: OccurrenceId, fault: Any) -> None:
        """Make it absent, whether it was ever there or not; its fuse is removed afterwards. Raises KubeError."""

    @property
    def taken(self) -> set[str]:
        """The uids of the pods whose process a fault of ours may have ended, or is about to."""
        return set()

    @property
    def lost(self) -> str:
        """Why one that should be in force is not, or may not be; empty: all are, as far as is known here."""
        return ""

    def bracket_ns(self, action_id: int) -> tuple[int, int]:
        """When all victims of an injection certainly lived yet, and when all were certainly gone; -1: not known."""
        return -1, -1

    def raise_failure(self) -> None:
        """Raise what killed a task that looks after a fault which stands."""

    async def wait_for_exit_statuses(self) -> None:
        """Until it is known, or will not be told any more, how everybody ended who was killed."""

    async def forget(self) -> None:
        """Everything that stands is about to be removed: it is not lost by that."""

    async def close(self) -> None:
        """Look after nothing any more; heals nothing."""


def _no_containers(brokers: BrokerSet, needed: frozenset[Feature], name: str, image: str) -> Iterator[JsonObject]:
    yield from ()


@dataclass(frozen=True)
class Handler:
    fault: AnyFaultType
    cannot: Callable[[OptIns], Mapping[Feature, str]]
    """What of the fault cannot be done with these switches, why, and what would help."""
    carrier: Callable[[Tools], Carrier] | None = None
    """None: nobody, because nothing of it can be done."""
    injected: frozenset[Feature] = frozenset()
    """What takes an ephemeral container."""
    containers: Callable[[BrokerSet, frozenset[Feature], str, str], Iterator[JsonObject]] = _no_containers
    """(brokers, what a document needs, name, image) -> the ephemeral containers, for a dry run."""
    by_policy: bool = False
    """It puts NetworkPolicies, which other policies could void, on the planes that it names."""

    @property
    def carries(self) -> bool:
        """Something of it can be done, given the right switches."""
        return self.carrier is not None

    def can(self, opt_ins: OptIns) -> frozenset[Feature]:
        return frozenset(self.fault.features) - frozenset(self.cannot(opt_ins))


LATER = "it needs the packet method, which comes with a later version; use `--world local`."
