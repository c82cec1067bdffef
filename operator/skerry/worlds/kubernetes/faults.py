"""Faults carried out through the API server. Each carries its own end: a fuse that outlives whoever lit it.

A cut is NetworkPolicies that a fuse owns, and (`connections: All`) one reset of the flows that were open. A crash is a
SIGKILL from an ephemeral container, then at once the deletion of the pod, so that its replacement knows no crash
back-off and can be held. Making a fault absent is the same whether it was ever there: policies first, then the fuse.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, NamedTuple, Protocol

from skerry.engine.world import (
    ActionReport,
    Cut,
    Heal,
    HealAll,
    Inject,
    Kill,
    OccurrenceId,
    ReportState,
    ResolvedFault,
    fault_kind,
    victims,
)
from skerry.experiment.base import JsonObject
from skerry.experiment.vocabulary import Connections, KillHow
from skerry.worlds.kubernetes import policy
from skerry.worlds.kubernetes.api import JOBS, NAMESPACES, NETWORK_POLICIES, PODS, Kube, KubeError
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.fuse import fuse_manifest
from skerry.worlds.kubernetes.hold import Hold
from skerry.worlds.kubernetes.injector import (
    InjectorEnd,
    ended,
    injector_name,
    kill_container,
    patch_of,
    reset_container,
)
from skerry.worlds.kubernetes.names import Artefact, digest, fuse_name, policy_name, selector
from skerry.worlds.kubernetes.pods import Pods
from skerry.worlds.kubernetes.tripwire import Tripwire

NS = 1_000_000_000
INJECTOR_TIMEOUT_S = 15.0
GONE_TIMEOUT_S = 15.0


class FaultError(Exception):
    """A fault could not be injected or healed; one sentence."""


class Times(Protocol):
    """The run's clock as seen from here: it is certainly not before lower, nor after upper."""

    def lower_ns(self) -> int: ...

    def upper_ns(self) -> int: ...

    def now_ns(self) -> int: ...


class Images(NamedTuple):
    injector: str
    pull_policy: str


class Faults:
    """Invariant: of one occurrence, an injection and a heal are never under way at once."""

    def __init__(
        self,
        kube: Kube,
        experiment: JsonObject,
        brokers: BrokerSet,
        pods: Pods,
        images: Images,
        times: Times,
        report: Callable[[ActionReport], None],
        note: Callable[[str, int], None],
    ) -> None:
        """``experiment``: the resource; it owns the fuses. ``note``: a line for the history, and of which broker."""
        self._kube = kube
        self._experiment = experiment
        self._name = str(experiment["metadata"]["name"])
        self._brokers = brokers
        self._pods = pods
        self._images = images
        self._times = times
        self._report = report
        self._note = note
        self._hold = Hold(kube, brokers, pods)
        self._injections: dict[OccurrenceId, asyncio.Task[None]] = {}
        self.touched: set[int] = set()
        """Whose process a fault of ours may have ended, until another pod of theirs runs."""
        self._killed_uids: dict[int, str] = {}
        self._returning: set[int] = set()
        self._alive_ns: dict[int, int] = {}
        """Action -> until when all its victims certainly lived."""
        self._background: set[asyncio.Task[None]] = set()

    def seen_running(self, ordinal: int, uid: str) -> None:
        """This pod of a broker's runs. After the heal of its kill, what happens to it is not ours any more."""
        if ordinal in self._returning and self._killed_uids.get(ordinal) != uid:
            self._returning.discard(ordinal)
            self.touched.discard(ordinal)

    # --- actions ----------------------------------------------------------------------------------------

    async def inject(self, action: Inject) -> None:
        applying = asyncio.create_task(self._apply(action))
        self._injections[action.occurrence] = applying
        await self._bracket(action.id, lambda: _unless_broken_off(applying))
        self._injections.pop(action.occurrence, None)

    async def heal(self, action: Heal) -> None:
        await self._bracket(action.id, lambda: self._lift(action.occurrence, action.fault))

    async def heal_all(self, action: HealAll) -> None:
        await self._bracket(action.id, self.lift_everything)

    async def close(self) -> None:
        """Break off whatever is under way; heals nothing."""
        under_way = [*self._injections.values(), *self._background]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def lift_everything(self) -> None:
        """No policy, no fuse, nobody held; whatever was injected, by whomever. Raises FaultError, KubeError."""
        for occurrence in list(self._injections):
            await self._break_off(occurrence)
        for kind, artefact in ((NETWORK_POLICIES, Artefact.POLICY), (JOBS, Artefact.FUSE)):
            for each in await self._kube.list(kind, selector(self._name, artefact)):
                await self._kube.delete(kind, str(each["metadata"]["name"]))
        await self._hold.release(self._brokers.ordinals)

    async def _bracket(self, action_id: int, act: Callable[[], Awaitable[None]]) -> None:
        before_ns, wall_ns = self._times.lower_ns(), time.time_ns()
        self._report(ActionReport(action_id, ReportState.STARTED, before_ns, before_wall_ns=wall_ns))
        try:
            await act()
        except (FaultError, KubeError, TimeoutError, OSError) as failure:
            error = str(failure) or "timed out"
            self._report(ActionReport(action_id, ReportState.FAILED, before_ns, self._times.upper_ns(), wall_ns, error))
        else:
            early_ns = self._alive_ns.get(action_id, before_ns)
            early_wall_ns = wall_ns + early_ns - before_ns
            self._report(ActionReport(action_id, ReportState.DONE, early_ns, self._times.upper_ns(), early_wall_ns))

    async def _apply(self, action: Inject) -> None:
        match action.fault:
            case Cut():
                await self._cut(action, action.fault)
            case Kill(how=KillHow.PROCESS):
                await self._kill(action, action.fault, self._crash)
            case Kill():
                await self._kill(action, action.fault, self._delete)
            case fault:
                raise FaultError(f"the kubernetes world cannot do `{fault_kind(fault)}`")

    async def _lift(self, occurrence: OccurrenceId, fault: ResolvedFault) -> None:
        await self._break_off(occurrence)
        if isinstance(fault, Cut):
            names = [self._brokers.pod_name(each) for each in policy.guards_of(policy.cut_pairs(fault))]
            standing = await self._kube.list(NETWORK_POLICIES, selector(self._name, Artefact.POLICY))
            for name in {policy_name(self._name, occurrence, each) for each in names} | _of_fuse(
                standing, fuse_name(self._name, occurrence)
            ):
                await self._kube.delete(NETWORK_POLICIES, name)
        else:
            await self._hold.release(victims(fault))
            self._returning |= victims(fault)
        await self._kube.delete(JOBS, fuse_name(self._name, occurrence))

    async def _break_off(self, occurrence: OccurrenceId) -> None:
        injection = self._injections.pop(occurrence, None)
        if injection is not None:
            injection.cancel()
            await asyncio.wait([injection])

    async def _fuse(self, action: Inject) -> JsonObject:
        """The Job that ends this occurrence at its deadline, whatever becomes of us."""
        lasts_s = (action.deadline_ns - self._times.now_ns()) / NS
        name = fuse_name(self._name, action.occurrence)
        manifest = fuse_manifest(name, self._name, owner=self._experiment, lasts_s=lasts_s)
        return await self._kube.create(JOBS, manifest)

    # --- cuts -------------------------------------------------------------------------------------------

    async def _cut(self, action: Inject, cut: Cut) -> None:
        pairs = policy.cut_pairs(cut)
        guards = policy.guards_of(pairs)
        await self._refuse_void(cut, pairs, guards)
        fuse = await self._fuse(action)
        made = policy.policies_for(cut, self._brokers, experiment=self._name, occurrence=action.occurrence, owner=fuse)
        steps = [self._create_policy(each) for each in made]
        if cut.connections is Connections.ALL:
            # Started together: the injector closes again whatever comes back before the policy is in force.
            steps += [self._reset(action, cut, pairs, guard) for guard in guards]
        await asyncio.gather(*steps)

    async def _create_policy(self, manifest: JsonObject) -> None:
        await self._kube.create(NETWORK_POLICIES, manifest)

    async def _refuse_void(self, cut: Cut, pairs: Iterable[tuple[int, int]], guards: Iterable[int]) -> None:
        """Policies add up: one that allows what is to be denied makes the cut a fiction."""
        standing, namespace = await asyncio.gather(
            self._kube.list(NETWORK_POLICIES), self._kube.get(NAMESPACES, self._kube.namespace)
        )
        pod_name = self._brokers.pod_name
        found = policy.voiding(
            standing,
            self._pods.all(),
            ((namespace or {}).get("metadata") or {}).get("labels") or {},
            [(pod_name(one), pod_name(other)) for one, other in pairs],
            {plane: self._brokers.ports[plane] for plane in cut.planes},
            [pod_name(each) for each in guards],
        )
        if found:
            raise FaultError(found[0].sentence)

    async def _reset(self, action: Inject, cut: Cut, pairs: Iterable[tuple[int, int]], guard: int) -> None:
        """Close the established flows between one selected pod and whom it is cut from."""
        others = sorted({end for pair in pairs if guard in pair for end in pair} - {guard})
        peers = [ip for other in others if (ip := self._pods.ip(other))]
        if len(peers) < len(others):
            raise FaultError(f"not every peer of {self._brokers.pod_name(guard)} has an address: their flows stay")
        container = reset_container(
            self._injector_name(action),
            self._images.injector,
            peers,
            sorted(self._brokers.ports[plane] for plane in cut.planes),
            pull_policy=self._images.pull_policy,
        )
        end, _ = await self._run_injector(guard, container)
        closed = end.message.get("closed", 0)
        if end.error:
            raise FaultError(f"the open flows of {self._brokers.pod_name(guard)} were not reset: {end.error}")
        names = ", ".join(self._brokers.pod_name(other) for other in others)
        self._note(f"{closed} established connections with {names} were reset, after the policy was created", guard)

    def _injector_name(self, action: Inject) -> str:
        """Ephemeral containers can never be removed: each attempt of each run needs a name of its own."""
        return injector_name(action.occurrence, digest(str(self._experiment["metadata"]["uid"]), str(action.id)))

    async def _run_injector(self, ordinal: int, container: JsonObject) -> tuple[InjectorEnd, str]:
        """Start it in the pod and wait for its end; also the uid of the pod. Raises FaultError, KubeError."""
        uid = await self._start_injector(ordinal, container)
        name = str(container["name"])
        if not await self._pods.until(lambda: self._injector_end(uid, name) is not None, INJECTOR_TIMEOUT_S):
            raise FaultError(f"the injector in {self._brokers.pod_name(ordinal)} did not end in {INJECTOR_TIMEOUT_S} s")
        end = self._injector_end(uid, name)
        assert end is not None
        return end, uid

    async def _start_injector(self, ordinal: int, container: JsonObject) -> str:
        pod = self._pods.latest(ordinal)
        if pod is None:
            raise FaultError(f"pod {self._brokers.pod_name(ordinal)} is not there")
        name = str(pod["metadata"]["name"])
        await self._kube.patch(PODS, name, patch_of(container), subresource="ephemeralcontainers", strategic=True)
        return str(pod["metadata"]["uid"])

    def _injector_end(self, uid: str, name: str) -> InjectorEnd | None:
        pod = self._pods.by_uid(uid)
        return ended(pod, name) if pod is not None else None

    # --- kills ------------------------------------------------------------------------------------------

    async def _kill(self, action: Inject, kill: Kill, one: Callable[[Inject, Kill, int], Awaitable[None]]) -> None:
        if kill.down_for_ns:
            fuse = await self._fuse(action)
            # Long enough for now; the moment it is gone, `_gone` says how long it really is.
            await self._hold.set(kill.ordinals, time.time() + (kill.grace_ns + kill.down_for_ns) / NS, fuse)
        self.touched |= set(kill.ordinals)
        self._returning -= set(kill.ordinals)
        await asyncio.gather(*(one(action, kill, ordinal) for ordinal in kill.ordinals))

    async def _crash(self, action: Inject, kill: Kill, ordinal: int) -> None:
        """SIGKILL; the moment the kernel closes the process's sockets, delete the pod: before the kubelet restarts the
        container in place, and slowly enough (grace 1 s) that its last words are still told."""
        container = kill_container(
            self._injector_name(action),
            self._images.injector,
            self._brokers.container,
            self._brokers.run_as_user,
            pull_policy=self._images.pull_policy,
        )
        name = str(container["name"])
        async with self._wire(ordinal) as wire:
            uid = self._killed_uids[ordinal] = await self._start_injector(ordinal, container)
            failed = asyncio.create_task(self._pods.until(lambda: self._injector_failed(uid, name), INJECTOR_TIMEOUT_S))
            fell = asyncio.create_task(wire.fell(INJECTOR_TIMEOUT_S))
            await asyncio.wait([failed, fell], return_when=asyncio.FIRST_COMPLETED)
            at_ns = self._times.upper_ns()
            self._lived_until(action.id, wire.alive_ns)
            for task in (failed, fell):
                task.cancel()
            if not wire.has_fallen:
                end = self._injector_end(uid, name)
                why = end.error if end is not None else f"nothing happened within {INJECTOR_TIMEOUT_S:g} s"
                raise FaultError(f"the process of {self._brokers.pod_name(ordinal)} was not killed: {why}")
        await self._kube.delete(PODS, self._brokers.pod_name(ordinal), uid=uid, grace_s=1)
        await self._gone(kill, ordinal, uid, f"its connections were closed at {at_ns / NS:.3f} s", name)

    def _wire(self, ordinal: int) -> Tripwire:
        return Tripwire(self._pods.ip(ordinal), self._brokers.admin_port, "/healthz", self._times.lower_ns)

    def _lived_until(self, action_id: int, alive_ns: int) -> None:
        """The victims' last signs of life are a later edge than the order to kill; the earliest of them counts."""
        if alive_ns >= 0:
            self._alive_ns[action_id] = min(alive_ns, self._alive_ns.get(action_id, alive_ns))

    def _injector_failed(self, uid: str, name: str) -> bool:
        end = self._injector_end(uid, name)
        return end is not None and bool(end.error)

    async def _delete(self, action: Inject, kill: Kill, ordinal: int) -> None:
        """SIGTERM, and SIGKILL when the grace period is over: what deleting a pod does."""
        pod = self._pods.latest(ordinal)
        if pod is None:
            raise FaultError(f"pod {self._brokers.pod_name(ordinal)} is not there")
        uid = self._killed_uids[ordinal] = str(pod["metadata"]["uid"])
        grace_s = -(-kill.grace_ns // NS)
        asked_ns = self._times.lower_ns()
        async with self._wire(ordinal) as wire:
            await self._kube.delete(PODS, self._brokers.pod_name(ordinal), uid=uid, grace_s=grace_s)
            fell = await wire.fell(grace_s + GONE_TIMEOUT_S)
            at_ns = self._times.upper_ns()
        if not fell:
            raise FaultError(
                f"the process of {self._brokers.pod_name(ordinal)} was still there {GONE_TIMEOUT_S:g} s after its grace"
            )
        said = f"SIGTERM was asked for at {asked_ns / NS:.3f} s (grace {grace_s} s)"
        await self._gone(kill, ordinal, uid, f"{said}, its connections were closed at {at_ns / NS:.3f} s", "")

    async def _gone(self, kill: Kill, ordinal: int, uid: str, said: str, injector: str) -> None:
        """Its process is no more; from now on it is kept away. What the kubelet has to say of it comes later."""
        if kill.down_for_ns:
            await self._hold.extend([ordinal], time.time() + kill.down_for_ns / NS)
        self._spawn(self._tell_last_words(ordinal, uid, said, injector))

    async def _tell_last_words(self, ordinal: int, uid: str, said: str, injector: str) -> None:
        await self._pods.until(lambda: self._pods.gone(uid), GONE_TIMEOUT_S)
        pod = self._pods.by_uid(uid)
        end = ended(pod, injector) if pod is not None and injector else None
        if end is not None and end.message.get("sent_wall_ns"):
            said = f"SIGKILL was sent to process {end.message.get('pid')} ({end.message.get('command')}), {said}"
        self._note(f"{said}; {_last_words(pod, self._brokers.container)}", ordinal)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _last_words(pod: JsonObject | None, container: str) -> str:
    for each in ((pod or {}).get("status") or {}).get("containerStatuses") or []:
        done = (each.get("state") or {}).get("terminated")
        if each["name"] == container and done:
            return f"its container ended with exit code {done.get('exitCode')} ({done.get('reason', 'no reason')})"
    return "how its container ended was not told"


def _of_fuse(policies: Iterable[JsonObject], fuse: str) -> set[str]:
    return {
        str(each["metadata"]["name"])
        for each in policies
        if any(owner["name"] == fuse for owner in each["metadata"].get("ownerReferences") or [])
    }


async def _unless_broken_off(injection: asyncio.Task[None]) -> None:
    """The injection's end, whichever; raises FaultError when a heal broke it off."""
    await asyncio.wait([injection])
    if injection.cancelled():
        raise FaultError("it was healed before it was in force")
    with contextlib.suppress(asyncio.CancelledError):
        injection.result()
