"""Kills: a SIGKILL from an ephemeral container, or the deletion of the pod.

After a crash the pod is deleted at once, so that its replacement knows no crash back-off and can be held. What counts
as its moment is when the kernel closed the victim's connections; what the kubelet tells of the end comes seconds later,
as a note, and when it says that something else ended the process, that is a disproof: it was not our fault.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator

from skerry.engine.world import Inject, OccurrenceId
from skerry.faults.kill import FAULT, Kill, KillHow
from skerry.faults.kill.fault import DOWN_FOR, PROCESS
from skerry.faults.port import Feature
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import PODS
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.faults.handler import Carrier, Handler, Tools
from skerry.worlds.kubernetes.injector import InjectorEnd, kill_container
from skerry.worlds.kubernetes.liveness_probe import LivenessProbe
from skerry.worlds.kubernetes.opt_ins import OptIns
from skerry.worlds.kubernetes.steps import NS, FaultError, either, together, whole

RESTART_HOLD_S = 30.0
"""How long a container that the kubelet restarts in place waits: until its pod is gone, and with it this."""
KILLED = 137
"""The exit code of a container whose process, under its init, was ended by SIGKILL."""


class Kills(Carrier):
    def __init__(self, tools: Tools) -> None:
        self._kube = tools.kube
        self._brokers = tools.brokers
        self._pods = tools.pods
        self._images = tools.images
        self._injectors = tools.injectors
        self._hold = tools.hold
        self._times = tools.times
        self._fuse = tools.fuse
        self._note = tools.note
        self._objects = tools.objects
        self._waits = tools.waits
        self._taken: set[str] = set()
        self._restarts: dict[int, int] = {}
        """The restart count of each victim's container, when it was chosen."""
        self._brackets_ns: dict[int, tuple[int, int]] = {}
        """Action -> until when all its victims certainly lived, and when all were gone; -1: not known of one."""
        self._background: list[asyncio.Task[None]] = []

    @property
    def taken(self) -> set[str]:
        return self._taken

    def bracket_ns(self, action_id: int) -> tuple[int, int]:
        return self._brackets_ns.get(action_id, (-1, -1))

    async def inject(self, action: Inject, fault: Kill) -> None:
        """Raises FaultError, KubeError."""
        kill = fault
        if kill.down_for_ns:
            fuse = await self._fuse(action)
            # Long enough for now; the moment it is gone, `_gone` says how long it really is.
            await self._hold.set(kill.ordinals, time.time() + (kill.grace_ns + kill.down_for_ns) / NS, fuse)
        one = self._crash if kill.how is KillHow.PROCESS else self._delete
        await together(*(one(action, kill, ordinal) for ordinal in kill.ordinals))

    async def lift(self, occurrence: OccurrenceId, fault: Kill) -> None:
        """Nobody is kept down any more. Raises KubeError."""
        await self._hold.release(fault.ordinals)

    def raise_failure(self) -> None:
        """The task that waits for exit statuses has died: what they say might void the kill."""
        for task in self._background:
            if task.done() and not task.cancelled() and (failure := task.exception()) is not None:
                raise failure

    async def wait_for_exit_statuses(self) -> None:
        """Wait for the exit statuses of all victims. Bounded: it ends soon after `Waits.gone_s`."""
        if self._background:
            await asyncio.wait(self._background)

    async def close(self) -> None:
        """Wait for nobody's last words any more."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _crash(self, action: Inject, kill: Kill, ordinal: int) -> None:
        """SIGKILL; the moment the kernel closes the process's sockets, delete the pod, slowly enough (grace 1 s) that
        its last words are still told. Should the kubelet be faster, what it restarts in place is kept from starting."""
        where, uid = self._brokers.pod_name(ordinal), self._victim(ordinal)
        names = self._brokers.restart_hold
        container = kill_container(
            self._injectors.name(action),
            self._images.injector,
            self._brokers.container,
            self._brokers.run_as_user,
            not_after_s=math.ceil(time.time() + self._injectors.timeout_s),
            hold=(names, time.time() + RESTART_HOLD_S) if names is not None else None,
            pull_policy=self._images.pull_policy,
        )
        name = str(container["name"])
        async with self._wire(ordinal) as wire:
            self._taken.add(uid)
            await self._injectors.start(ordinal, uid, container)
            timeout_s = self._injectors.timeout_s
            await either(
                wire.fell(timeout_s), self._pods.until(lambda: self._told(uid, name, not wire.stands), timeout_s)
            )
            if wire.stands and self._pods.gone(uid):
                await wire.fell(timeout_s)
        self._bracketed(action.id, wire)
        if not wire.has_fallen:
            end = self._injectors.end(uid, name)
            why = self._injectors.overdue(uid, name) if end is None else end.error
            if not why and wire.stands:
                why = "the injector says that it sent the signal, and it still answers"
            if why:
                raise FaultError(f"the process of {where} was not killed: {why}")
        await whole(self._kube.delete(PODS, where, uid=uid, grace_s=1))
        said = f"its connections were closed at {wire.fell_ns / NS:.3f} s" if wire.has_fallen else ""
        await self._gone(kill, ordinal, uid, said, name)

    async def _delete(self, action: Inject, kill: Kill, ordinal: int) -> None:
        """SIGTERM, and SIGKILL when the grace period is over: what deleting a pod does. A deletion without any grace
        is forgotten by the API server before it is done, so that nobody would know when the process ended."""
        where, uid = self._brokers.pod_name(ordinal), self._victim(ordinal)
        grace_s = max(1, -(-kill.grace_ns // NS))
        timeout_s = grace_s + self._waits.gone_s
        asked_ns = self._times.lower_ns()
        async with self._wire(ordinal) as wire:
            self._taken.add(uid)
            if not await whole(self._kube.delete(PODS, where, uid=uid, grace_s=grace_s)):
                raise FaultError(f"pod {where} was deleted by somebody else just before")
            await either(wire.fell(timeout_s), self._pods.until(lambda: self._pods.gone(uid), timeout_s))
            if wire.stands:  # a deletion by force makes the API server forget it before its end
                await wire.fell(timeout_s)
        if wire.stands or not (wire.has_fallen or self._pods.gone(uid)):
            raise FaultError(f"the process of {where} was still there {self._waits.gone_s:g} s after its grace")
        said = f"SIGTERM was asked for at {asked_ns / NS:.3f} s (grace {grace_s} s)"
        said += f", its connections were closed at {wire.fell_ns / NS:.3f} s" if wire.has_fallen else ""
        await self._gone(kill, ordinal, uid, said, "")

    def _told(self, uid: str, injector: str, by_word: bool) -> bool:
        """Nothing more is to come: it failed, or its pod is gone. ``by_word``: it says that it succeeded, and there is
        no wire that could say so."""
        end = self._injectors.end(uid, injector)
        return self._pods.gone(uid) or (end is not None and (by_word or bool(end.error)))

    def _victim(self, ordinal: int) -> str:
        """The uid of the pod whose process runs. Who is dead, or dying, cannot be killed: that would prove nothing."""
        where, pod = self._brokers.pod_name(ordinal), self._pods.latest(ordinal)
        if pod is None:
            raise FaultError(f"pod {where} is not there")
        if pod["metadata"].get("deletionTimestamp"):
            raise FaultError(f"pod {where} is being deleted already, by somebody else")
        if "running" not in _state(pod, self._brokers.container):
            raise FaultError(f"the process of {where} does not run, so it cannot be killed")
        self._restarts[ordinal] = int(_status(pod, self._brokers.container).get("restartCount") or 0)
        return str(pod["metadata"]["uid"])

    def _wire(self, ordinal: int) -> LivenessProbe:
        host, port = self._pods.ip(ordinal), self._brokers.admin_port
        return LivenessProbe(host, port, "/healthz", self._times.lower_ns, self._times.upper_ns)

    def _bracketed(self, action_id: int, wire: LivenessProbe) -> None:
        """The victims' last signs of life are a later edge than the order to kill, and the ends of their connections an
        earlier one than what is done with their pods afterwards. The earliest and the latest of them count."""
        alive_ns, gone_ns = self._brackets_ns.get(action_id, (wire.alive_ns, wire.fell_ns))
        known = min(gone_ns, wire.fell_ns) >= 0
        self._brackets_ns[action_id] = min(alive_ns, wire.alive_ns), max(gone_ns, wire.fell_ns) if known else -1

    async def _gone(self, kill: Kill, ordinal: int, uid: str, said: str, injector: str) -> None:
        """Its process is no more; from now on it is kept away. What the kubelet has to say of it comes later."""
        if kill.down_for_ns:
            await self._hold.extend([ordinal], time.time() + kill.down_for_ns / NS)
        self._background.append(asyncio.create_task(self._exit_status(ordinal, uid, said, injector)))

    async def _exit_status(self, ordinal: int, uid: str, said: str, injector: str) -> None:
        await self._pods.until(lambda: self._pods.gone(uid), self._waits.gone_s)
        await self._pods.until(lambda: bool(self._end_of(ordinal, uid)), self._waits.words_s)
        done = self._end_of(ordinal, uid)
        told = f"its container ended with exit code {done.get('exitCode')} ({done.get('reason', 'no reason')})"
        words = [said, told if done else "how its container ended was not told"]
        if injector:
            end = self._injectors.end(uid, injector)
            if end is not None and end.message.get("sent_wall_ns"):
                words.insert(0, f"SIGKILL was sent to process {end.message.get('pid')} ({end.message.get('command')})")
            if why := disproof(end, done):
                words.append(f"but it was not our signal that ended it: {why}")
                self._objects(f"broker {ordinal} ended while it was to be killed, and not by that: {why}")
        self._note("; ".join(filter(None, words)), ordinal)

    def _end_of(self, ordinal: int, uid: str) -> JsonObject:
        return last_end(self._pods.by_uid(uid), self._brokers.container, self._restarts.get(ordinal, 0))


def disproof(end: InjectorEnd | None, done: JsonObject) -> str:
    """Why a process that is gone was not killed by the injector; empty: it was, or nobody says otherwise.

    ``done``: the `terminated` state of its container; empty: it was not told.
    """
    if end is not None and end.exit_code is not None:  # else nobody saw it run, which says nothing
        return end.error
    if done and done.get("exitCode") != KILLED:
        return f"its container ended with exit code {done.get('exitCode')}, and not with {KILLED}"
    return ""


def last_end(pod: JsonObject | None, container: str, restarts_before: int) -> JsonObject:
    """How the process ended that was killed; empty: it was not told.

    ``restarts_before``: of its container when it was chosen. If there was one more since, the end of what was
        restarted in place is its own, and that of the victim is the one before.
    """
    status = _status(pod, container)
    restarted = int(status.get("restartCount") or 0) > restarts_before
    return dict((status.get("lastState" if restarted else "state") or {}).get("terminated") or {})


def _state(pod: JsonObject | None, container: str) -> JsonObject:
    """The state of the broker's container; empty: nobody has said."""
    return dict(_status(pod, container).get("state") or {})


def _status(pod: JsonObject | None, container: str) -> JsonObject:
    for each in ((pod or {}).get("status") or {}).get("containerStatuses") or []:
        if each["name"] == container:
            return dict(each)
    return {}


def _cannot(opt_ins: OptIns) -> dict[Feature, str]:
    reasons: dict[Feature, str] = {}
    if not opt_ins.injector:
        reasons[PROCESS] = (
            "a process can only be killed from inside of its pod, by an ephemeral container; use `how: PodDelete`, or "
            f"switch on {opt_ins.missing}."
        )
    if not opt_ins.hold:
        reasons[DOWN_FOR] = (
            "the brokers' pods have no init container `hold` that could keep them down; install the brokers with the "
            "chart's value `brokers.hold.enabled=true`, or remove `downFor`."
        )
    return reasons


def _containers(brokers: BrokerSet, needed: frozenset[Feature], name: str, image: str) -> Iterator[JsonObject]:
    if PROCESS in needed:
        yield kill_container(name, image, target_container=brokers.container, run_as_user=brokers.run_as_user)


HANDLER = Handler(FAULT, _cannot, Kills, injected=frozenset({PROCESS}), containers=_containers)
