"""What is injected: faults with concrete broker ordinals, as the worlds carry them out."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from skerry.schema.vocabulary import Connections, CutAction, KillHow, Plane, RestartHow


class OccurrenceId(NamedTuple):
    """One happening of a fault; ``number`` is 0 for a fault that does not repeat. Names of objects carry both."""

    fault: str
    number: int

    def __str__(self) -> str:
        return f"{self.fault}#{self.number}"


class Cut(msgspec.Struct, frozen=True, tag="partition"):
    """No packet goes from source to target on these planes. A two-way cut holds both ordered pairs."""

    links: tuple[tuple[int, int], ...]
    """Ordered pairs (source, target) of broker ordinals, sorted."""
    planes: tuple[Plane, ...]
    connections: Connections
    action: CutAction
    groups: tuple[tuple[int, ...], ...] = ()
    """The sides, for reports; empty for one-way links."""

    @property
    def one_way(self) -> bool:
        """At least one pair is cut in one direction only."""
        pairs = set(self.links)
        return any((target, source) not in pairs for source, target in pairs)


class Slow(msgspec.Struct, frozen=True, tag="slow"):
    """Packets from source to target are late, lost, or paced. 0: that property is left alone."""

    links: tuple[tuple[int, int], ...]
    planes: tuple[Plane, ...]
    latency_ns: int = 0
    """Added one way, to each listed direction."""
    jitter_ns: int = 0
    """Uniform in [-jitter, +jitter] around the latency; packets of one connection keep their order."""
    loss_percent: int = 0
    rate_kbps: int = 0


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """The process ends and is kept down. The conductor's ``Heal`` starts it again; so does the deadline."""

    ordinals: tuple[int, ...]
    how: KillHow
    down_for_ns: int
    grace_ns: int = 0
    """PodDelete: between SIGTERM and SIGKILL."""


class Restart(msgspec.Struct, frozen=True, tag="restart"):
    """Stopped and started again, by the world; ``DONE`` is reported when the last one was started."""

    ordinals: tuple[int, ...]
    """In this order."""
    how: RestartHow
    together: bool
    pause_between_ns: int = 0
    """OneByOne: after a broker has registered again, before the next one stops."""


class Pause(msgspec.Struct, frozen=True, tag="pause"):
    """SIGSTOP; ``Heal`` is SIGCONT."""

    ordinals: tuple[int, ...]


class Wipe(msgspec.Struct, frozen=True, tag="wipe"):
    """The process is killed, its data directory emptied, and it is kept down until ``Heal``."""

    ordinals: tuple[int, ...]
    down_for_ns: int = 0


class Disk(msgspec.Struct, frozen=True, tag="disk"):
    """Damage of a disk. ``lose_unsynced``, ``torn_write`` and ``bit_flip`` are a power cut: the process dies too."""

    ordinals: tuple[int, ...]
    torn_write: bool = False
    lose_unsynced: bool = False
    fsync_error: bool = False
    bit_flip: bool = False
    slow_by_ns: int = 0
    down_for_ns: int = 0
    """Of a power cut."""

    @property
    def power_cut(self) -> bool:
        return self.torn_write or self.lose_unsynced or self.bit_flip


class ClockShift(msgspec.Struct, frozen=True, tag="clock"):
    """The broker's wall clock jumps once, or drifts."""

    ordinals: tuple[int, ...]
    jump_ns: int = 0
    drift_ppm: int = 0


ResolvedFault = Cut | Slow | Kill | Restart | Pause | Wipe | Disk | ClockShift


def fault_kind(fault: ResolvedFault) -> str:
    """The document's own word for it."""
    return str(fault.__struct_config__.tag)


def victims(fault: ResolvedFault) -> frozenset[int]:
    """Every ordinal whose behaviour the fault may explain (both ends of a cut)."""
    if isinstance(fault, Cut | Slow):
        return frozenset(ordinal for link in fault.links for ordinal in link)
    return frozenset(fault.ordinals)
