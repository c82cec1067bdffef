"""Faults carried out through the API server. Each carries its own end: a fuse that outlives the process that lit it.

What each is made of is in `faults`, a handler each. Here they are begun, broken off and lifted, and reported
with the moments between which they lie. Making a fault absent is the same whether it was ever there: policies first,
then the fuse.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping

from skerry.engine.world import (
    ActionReport,
    Heal,
    HealAll,
    Inject,
    InjectorView,
    OccurrenceId,
    ReportState,
    ResolvedFault,
)
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import JOBS, NETWORK_POLICIES, Kind, Kube, KubeError
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.faults.handler import Carrier, Handler, Tools
from skerry.worlds.kubernetes.faults.registry import HANDLERS
from skerry.worlds.kubernetes.fuse import fuse_manifest
from skerry.worlds.kubernetes.hold import Hold
from skerry.worlds.kubernetes.injectors import Injectors
from skerry.worlds.kubernetes.names import Artefact, fuse_name, selector
from skerry.worlds.kubernetes.pods import Pods
from skerry.worlds.kubernetes.steps import NS, FaultError, Images, Times, Waits, whole

WAITS = Waits()
FUSE_SLACK_S = 1.0
"""A fuse may burn so much less than it was asked to."""


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
        objects: Callable[[str], None],
        waits: Waits = WAITS,
        handlers: Mapping[str, Handler] = HANDLERS,
    ) -> None:
        """``experiment``: the resource; it owns the fuses. ``note``: a line for the history, and of which broker.
        ``objects`` is told why a kill that was reported as done was not ours, when that is found out later.
        ``handlers``: by the kind of the fault."""
        self._kube = kube
        self._experiment = experiment
        self._name = str(experiment["metadata"]["name"])
        self._brokers = brokers
        self._times = times
        self._report = report
        self._hold = Hold(kube, self._name, brokers, pods)
        tools = Tools(
            kube,
            self._name,
            brokers,
            pods,
            images,
            Injectors(kube, experiment, brokers, pods, waits.injector_s),
            self._hold,
            times,
            self._fuse,
            note,
            objects,
            waits,
        )
        self.carriers = {kind: (handler.carrier or _Nobody)(tools) for kind, handler in handlers.items()}
        self._injections: dict[OccurrenceId, asyncio.Task[None]] = {}

    @property
    def taken(self) -> set[str]:
        """The uids of the pods whose process a fault of ours may have ended, or is about to."""
        return {uid for carrier in self.carriers.values() for uid in carrier.taken}

    @property
    def injector(self) -> InjectorView:
        """Whether what was injected is still there."""
        lost = next((carrier.lost for carrier in self.carriers.values() if carrier.lost), "")
        return InjectorView(alive=not lost, detail=lost)

    def raise_failure(self) -> None:
        """The task that looks after a fault that stands has died."""
        for carrier in self.carriers.values():
            carrier.raise_failure()

    # --- actions ----------------------------------------------------------------------------------------

    async def inject(self, action: Inject) -> None:
        applying = asyncio.create_task(self._apply(action))
        self._injections[action.occurrence] = applying
        await self._bracket(action.id, lambda: _unless_broken_off(applying))
        if self._injections.get(action.occurrence) is applying:
            del self._injections[action.occurrence]

    async def heal(self, action: Heal) -> None:
        await self._bracket(action.id, lambda: self._lift(action.occurrence, action.fault))

    async def heal_all(self, action: HealAll) -> None:
        await self._bracket(action.id, self.lift_everything)

    async def wait_for_exit_statuses(self) -> None:
        """Until it is known, or will not be told any more, how everybody ended who was killed."""
        for carrier in self.carriers.values():
            await carrier.wait_for_exit_statuses()

    async def close(self) -> None:
        """Break off whatever is under way; heals nothing."""
        for occurrence in list(self._injections):
            await self._break_off(occurrence)
        for carrier in self.carriers.values():
            await carrier.close()

    async def lift_everything(self) -> None:
        """No policy, no fuse, nobody held; whatever was injected, also by others. What cannot be removed does not keep
        the rest from being removed. Raises KubeError, the first there was."""
        for occurrence in list(self._injections):
            await self._break_off(occurrence)
        for carrier in self.carriers.values():
            await carrier.forget()
        problems: list[KubeError] = []
        for kind, artefact in ((NETWORK_POLICIES, Artefact.POLICY), (JOBS, Artefact.FUSE)):
            await self._remove_all(kind, artefact, problems)
        try:
            await self._hold.release(self._brokers.ordinals)
        except KubeError as error:
            problems.append(error)
        if problems:
            raise problems[0]

    async def _remove_all(self, kind: Kind, artefact: Artefact, problems: list[KubeError]) -> None:
        try:
            found = await self._kube.list(kind, selector(self._name, artefact))
        except KubeError as error:
            problems.append(error)
            return
        for each in found:
            try:
                await self._kube.delete(kind, str(each["metadata"]["name"]))
            except KubeError as error:
                problems.append(error)

    async def _bracket(self, action_id: int, act: Callable[[], Awaitable[None]]) -> None:
        before_ns, wall_ns = self._times.lower_ns(), time.time_ns()
        self._report(ActionReport(action_id, ReportState.STARTED, before_ns, before_wall_ns=wall_ns))
        try:
            await act()
        except (FaultError, KubeError, TimeoutError, OSError) as failure:
            error = str(failure) or "timed out"
            self._report(ActionReport(action_id, ReportState.FAILED, before_ns, self._times.upper_ns(), wall_ns, error))
        else:
            alive_ns, gone_ns = zip(*(each.bracket_ns(action_id) for each in self.carriers.values()), strict=True)
            early_ns, late_ns = max(before_ns, *alive_ns), self._times.upper_ns()
            early_wall_ns = wall_ns + early_ns - before_ns
            measured = max(alive_ns) >= 0 and max(gone_ns) >= 0
            late_ns = min(late_ns, max(gone_ns)) if measured else late_ns
            done = ActionReport(action_id, ReportState.DONE, early_ns, late_ns, early_wall_ns, measured=measured)
            self._report(done)

    async def _apply(self, action: Inject) -> None:
        await self.carriers[action.fault.kind].inject(action, action.fault)

    async def _lift(self, occurrence: OccurrenceId, fault: ResolvedFault) -> None:
        await self._break_off(occurrence)
        await self.carriers[fault.kind].lift(occurrence, fault)
        await self._kube.delete(JOBS, fuse_name(self._name, occurrence))

    async def _break_off(self, occurrence: OccurrenceId) -> None:
        injection = self._injections.pop(occurrence, None)
        if injection is not None:
            injection.cancel()
            await asyncio.wait([injection])

    async def _fuse(self, action: Inject) -> JsonObject:
        """The Job that ends this occurrence at its deadline, whatever becomes of us."""
        lasts_s = (action.deadline_ns - self._times.now_ns()) / NS
        if lasts_s <= 0:
            raise FaultError("its deadline had passed before it was begun")
        name = fuse_name(self._name, action.occurrence)
        manifest = fuse_manifest(name, self._name, owner=self._experiment, lasts_s=lasts_s + FUSE_SLACK_S)
        return await whole(self._kube.create(JOBS, manifest))


class _Nobody(Carrier):
    """The refusal of a fault that cannot be done here; preflight has refused it before."""

    def __init__(self, tools: Tools) -> None:
        del tools


async def _unless_broken_off(injection: asyncio.Task[None]) -> None:
    """The injection's end, whichever; raises FaultError when a heal broke it off."""
    await asyncio.wait([injection])
    if injection.cancelled():
        raise FaultError("it was healed before it was in force")
    with contextlib.suppress(asyncio.CancelledError):
        injection.result()
