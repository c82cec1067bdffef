"""What a proof may read: what brokers and kernels said of themselves and of each other, and when they were asked."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from skerry.history.records import BrokerSample


class ProcessState(StrEnum):
    RUNNING = "Running"
    STOPPED = "Stopped"
    """Kernel state T: SIGSTOP."""
    GONE = "Gone"
    UNKNOWN = "Unknown"
    """This world cannot see processes at the moment."""


class BrokerView(msgspec.Struct, frozen=True):
    """The last sample of one broker. Unreachable: the fields below ``reachable`` are of the last answer, or unset."""

    ordinal: int
    sampled_ns: int
    """When the sample was asked. Its age is now - sampled_ns."""
    reachable: bool
    """The sample asked at ``sampled_ns`` was answered."""
    process: ProcessState = ProcessState.UNKNOWN
    process_sampled_ns: int = -1
    process_told_late: bool = False
    """What is said of the process is the word of somebody who hears of it later (a kubelet), not the kernel's."""
    broker_epoch: int = -1
    """The epoch of its registration; -1: not registered."""
    incarnation: str = ""
    directory_id: str = ""
    registered_clean: bool | None = None
    """Whether its last registration followed a clean shutdown; None: unknown."""
    group_role: str = ""
    """What it says of itself in its group: `Leader` of the one that leads."""
    term: int = -1
    controller: int = -1
    """Who it believes is the controller; -1: nobody."""
    fenced: bool = True
    timing: str = ""
    """The preset it runs with, when it says so."""
    partitions: tuple[BrokerSample, ...] = ()
    log_offline: bool = False
    """Its disk has failed."""
    fsync_ns: int = -1
    """How long its last fsync took; -1: not measured."""
    clock_offset_ns: int | None = None
    """Its wall clock minus the runner's; None: not measured."""
    clock_error_ns: int = 0
    """How far the true offset may be from that."""
    exited: str = ""
    """How its process ended, and its last words, when no fault and nobody of ours ended it."""


class LinkKind(StrEnum):
    KEPT = "kept"
    NEW = "new"


class LinkView(msgspec.Struct, frozen=True):
    """What ``source`` says of its connection to ``target`` on one plane. Only the last sample of each
    (source, target, plane, kind) is shown."""

    source: int
    target: int
    plane: str
    kind: LinkKind
    sampled_ns: int
    """When the world asked the source for it."""
    ok: bool
    """Kept: a ping was answered within the last 300 ms. New: a connection was opened, and a ping on it answered, within
    300 ms of the request."""
    silent_ns: int = 0
    """For how long no ping was answered on a kept connection."""
    rtt_ns: int = -1
    """Median of the last pings; -1: none."""
    lost_percent: int = -1
    """How many of the last pings were lost; -1: not measured."""
    rate_kbps: int = -1
    """Measured throughput; -1: not measured."""
    received_one_way: int = -1
    """Numbered datagrams from ``target`` that reached ``source`` since the last sample; -1: not measured. It proves
    one-way cuts, which a round trip cannot."""
    answered_ns: int = -1
    """When the answer was here: what it says was so at some moment between ``sampled_ns`` and now; -1: not known."""
    unanswered_ns: int = -1
    """How long ago the first ping without an answer was sent on a kept connection; -1: not known, or there is none."""

    @property
    def settles_ns(self) -> int:
        """How long after it was asked the answer may still have been made up."""
        return max(0, self.answered_ns - self.sampled_ns)


class Samples(msgspec.Struct, frozen=True):
    """The latest of everybody. ``brokers`` holds every ordinal of the experiment, in order, from the start on."""

    brokers: tuple[BrokerView, ...] = ()
    links: tuple[LinkView, ...] = ()

    def broker(self, ordinal: int) -> BrokerView | None:
        return next((view for view in self.brokers if view.ordinal == ordinal), None)
