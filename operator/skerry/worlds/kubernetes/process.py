"""What pod objects say of a broker's process: whether there is one, and how the last one ended.

Pods are the kubelet's reports, up to a second or two old. A process is gone when the kubelet says so of its container,
or when the API server has let go of a pod that was given time to end (the kubelet confirms that before). A pod that was
deleted with grace 0 proves nothing: its object goes at once, and its process lives on for seconds.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from skerry.engine.observation import ProcessState
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.process_end import TEXT_MAX, ProcessEnd, ends_of
from skerry.worlds.kubernetes.wall import NS, wall_ns

NO_POD = "there is no pod"
NOT_YET = "its container was not started yet"


class ProcessView(msgspec.Struct, frozen=True):
    """All that is known of one broker's process at some moment."""

    state: ProcessState = ProcessState.UNKNOWN
    uid: str = ""
    """The uid of its pod, or of the last one."""
    present: bool = False
    """The pod is there."""
    container_id: str = ""
    """The id of the container that runs, or of the last one that did."""
    restarts: int = 0
    """How often the container was restarted in this pod."""
    waiting: str = ""
    """What a container waits for that does not run; empty: it runs, or nobody says."""
    deletion_wall_ns: int = 0
    """When the pod's deletion was asked for, in whole seconds; 0: it was not."""
    grace_s: int = 0
    """What the deletion gave it."""
    disruption: str = ""
    """Who takes the pod away, when its conditions or status name somebody: an eviction, a preemption, a drain."""
    ends: tuple[ProcessEnd, ...] = ()
    """The ends of which its newest pod tells, of the last container and of the one before, the last first; without one:
    the last that was seen."""

    @property
    def end(self) -> ProcessEnd | None:
        """The last end that was seen."""
        return self.ends[0] if self.ends else None


def process_view(pod: JsonObject | None, brokers: BrokerSet, known: ProcessView | None) -> ProcessView:
    """What the newest object of a broker's pod says.

    ``pod``: None: there is none of that name.
    ``known``: the view before; None: there was none. What it knows of the last process is kept until there is
        another.
    """
    old = known or ProcessView()
    if pod is None:
        state = ProcessState.GONE if _gone_with_its_pod(old) else ProcessState.UNKNOWN
        waiting = NO_POD if old.uid else ""
        return msgspec.structs.replace(old, state=state, present=False, waiting=waiting)
    metadata, status = pod["metadata"], pod.get("status") or {}
    container = _status_of(brokers.container, status.get("containerStatuses"))
    now: JsonObject = container.get("state") or {}
    ends = ends_of(container)
    view = ProcessView(
        state=_state(status, now, bool(ends), old, str(metadata["uid"])),
        uid=str(metadata["uid"]),
        present=True,
        container_id=str(container.get("containerID") or (ends[0].container_id if ends else "") or old.container_id),
        restarts=int(container.get("restartCount") or 0),
        waiting="" if "running" in now else _waiting(status, now, brokers),
        deletion_wall_ns=_deletion_wall_ns(metadata),
        grace_s=int(metadata.get("deletionGracePeriodSeconds") or 0),
        disruption=_disruption(status),
        ends=ends or old.ends[:1],
    )
    if view.uid == old.uid and old.grace_s > view.grace_s:
        # The kubelet's own deletion, when all is over, has grace 0.
        return msgspec.structs.replace(view, grace_s=old.grace_s, deletion_wall_ns=old.deletion_wall_ns)
    return view


def _state(status: JsonObject, now: JsonObject, ended: bool, old: ProcessView, uid: str) -> ProcessState:
    if status.get("reason") == "NodeLost":
        return ProcessState.UNKNOWN  # nobody has looked for a while
    if "running" in now:
        return ProcessState.RUNNING
    if ended or status.get("phase") in ("Failed", "Succeeded"):
        return ProcessState.GONE
    if uid != old.uid:  # this pod has no process yet, and the one before may still have
        return ProcessState.GONE if _gone_with_its_pod(old) else ProcessState.UNKNOWN
    if old.state is ProcessState.RUNNING:
        return ProcessState.GONE if "waiting" in now else ProcessState.UNKNOWN
    return old.state


def ended_by_itself(before: ProcessView, now: ProcessView) -> str:
    """How the process ended that ran before, or one that came after it, or that it is about to; empty: it did not.

    It is for the caller to say that no fault of ours has taken its pod. Of a container that was restarted, or a pod
    that was replaced, so quickly that nobody saw it gone, this tells too.
    """
    if before.state is not ProcessState.RUNNING:
        # Late news of the process that was gone before is no news.
        fresh = now.end is not None and now.end != before.end
        known = now.end is None or now.end.container_id in ("", before.container_id)
        return f"its {now.end}" if fresh and not known else ""
    by_whom = f" ({now.disruption})" if now.disruption else ", and not by us"
    end = f"; its {now.end}" if now.end is not None and now.end != before.end else ""
    if now.uid != before.uid:
        return f"its pod was replaced{by_whom}{end}"
    if not now.present:
        return f"its pod was deleted{by_whom}{end}"
    if now.deletion_wall_ns:
        return f"its pod is being deleted{by_whom}{end}"
    if now.state is ProcessState.GONE and now.disruption:
        return f"its pod was taken away{by_whom}{end}"
    if now.restarts > before.restarts or now.container_id != before.container_id or now.state is ProcessState.GONE:
        again = ", and was started again" if now.state is ProcessState.RUNNING else ""
        return f"its {now.end or 'container ended, and nobody says how'}{again}"
    return ""


def _gone_with_its_pod(old: ProcessView) -> bool:
    """The object of its pod is no more; so is its process."""
    return old.state is ProcessState.GONE or (bool(old.deletion_wall_ns) and old.grace_s > 0)


def _deletion_wall_ns(metadata: JsonObject) -> int:
    """The timestamp is when the grace period will be over."""
    over_wall_ns = wall_ns(metadata.get("deletionTimestamp"))
    return over_wall_ns - int(metadata.get("deletionGracePeriodSeconds") or 0) * NS if over_wall_ns else 0


def _disruption(status: JsonObject) -> str:
    for condition in status.get("conditions") or []:
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return _words(condition)
    return _words(status) if status.get("reason") else ""


def _words(said: JsonObject) -> str:
    message = str(said.get("message") or "").strip()[:TEXT_MAX]
    return f"{said.get('reason') or 'no reason'}: {message}" if message else str(said.get("reason") or "no reason")


def _status_of(name: str, statuses: list[JsonObject] | None) -> JsonObject:
    return next((each for each in statuses or [] if each["name"] == name), {})


def _waiting(status: JsonObject, state: JsonObject, brokers: BrokerSet) -> str:
    hold = _status_of(brokers.hold, status.get("initContainerStatuses"))
    if "running" in (hold.get("state") or {}):
        return f"its init container `{brokers.hold}` keeps it down"
    waiting = state.get("waiting") or {}
    if waiting.get("reason") in (None, "ContainerCreating", "PodInitializing"):
        return "" if "terminated" in state else NOT_YET
    return f"its container waits: {_words(waiting)}"


class KnownProcess(msgspec.Struct, frozen=True):
    state: ProcessState
    view: ProcessView
    ended_by_itself: str = ""
    """How, from when it was first seen; see ``BrokerView.exited``."""
    ends: tuple[ProcessEnd, ...] = ()
    """How processes of it ended in this run that no fault of ours took: each said once, in the look in which that is
    known, the first first."""


class Processes:
    """The processes of all brokers, look by look.

    What a fault of ours takes is a pod: every process in it is ours to end from then on, and none of its replacement.
    """

    def __init__(self, brokers: BrokerSet) -> None:
        self._brokers = brokers
        self._views: dict[int, ProcessView] = {}
        self._ended: dict[int, str] = {}
        self._ran: set[str] = set()
        """The containers that were seen to run."""
        self._said: set[str] = set()
        """Those whose end is known."""

    def look(self, ordinal: int, pod: JsonObject | None, taken: Collection[str], since_wall_ns: int) -> KnownProcess:
        """Take in the newest object of a broker's pod.

        ``taken``: the uids of the pods whose process a fault of ours may have ended, or is about to.
        ``since_wall_ns``: when the run began. The end of a process that nobody saw run is of this run if it was started
            after that.
        """
        before = self._views.get(ordinal)
        view = process_view(pod, self._brokers, before)
        self._views[ordinal] = view
        if before is not None and (ended := ended_by_itself(before, view)):
            whose = before.uid if before.state is ProcessState.RUNNING else view.uid
            if whose not in taken:
                self._ended.setdefault(ordinal, ended)
        ours = view.uid in taken
        if ours:
            self._ended.pop(ordinal, None)
        elif view.state is ProcessState.RUNNING:
            self._ran.add(view.container_id)
        fresh = self._fresh(view, since_wall_ns)
        if ours or view.deletion_wall_ns or view.disruption:
            fresh = ()  # who takes a pod away takes its process with it: that is no end of its own
        return KnownProcess(view.state, view, self._ended.get(ordinal, ""), fresh)

    def _fresh(self, view: ProcessView, since_wall_ns: int) -> tuple[ProcessEnd, ...]:
        """What is known for the first time."""
        found = []
        for end in reversed(view.ends):
            in_this_run = end.container_id in self._ran or 0 < since_wall_ns <= end.started_wall_ns
            if in_this_run and end.code is not None and end.container_id not in self._said:
                self._said.add(end.container_id)
                found.append(end)
        return tuple(found)
