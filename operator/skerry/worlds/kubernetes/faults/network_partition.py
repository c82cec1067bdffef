"""Cuts: NetworkPolicies that a fuse owns, and (`connections: All`) one reset of the flows that were open.

A cut that stands is looked at every second: somebody may delete its policy, or allow what it denies, and the brokers'
pings say so only when they are asked at that moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence

from skerry.engine.world import Inject, OccurrenceId
from skerry.faults.network_partition import FAULT, Connections, Cut
from skerry.faults.network_partition.fault import ESTABLISHED, ONE_WAY, REJECT
from skerry.faults.port import Feature
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes import policy
from skerry.worlds.kubernetes.api import NAMESPACES, NETWORK_POLICIES, KubeError
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.faults.handler import LATER, Carrier, Handler, Tools
from skerry.worlds.kubernetes.injector import reset_container
from skerry.worlds.kubernetes.names import Artefact, fuse_name, policy_name, selector
from skerry.worlds.kubernetes.opt_ins import OptIns
from skerry.worlds.kubernetes.steps import FaultError, together, whole

log = logging.getLogger("skerry.kubernetes.cuts")


class Cuts(Carrier):
    """Invariant: ``_watchers`` has a task for every occurrence that is in force as far as we know."""

    def __init__(self, tools: Tools) -> None:
        self._kube = tools.kube
        self._name = tools.experiment_name
        self._brokers = tools.brokers
        self._pods = tools.pods
        self._images = tools.images
        self._injectors = tools.injectors
        self._fuse = tools.fuse
        self._note = tools.note
        self._look_every_s = tools.waits.look_s
        self._watchers: dict[OccurrenceId, asyncio.Task[None]] = {}
        self._lost: dict[OccurrenceId, str] = {}

    @property
    def lost(self) -> str:
        """Why a cut that should be in force is not, or may not be; empty: all are, as far as policies go."""
        return next(iter(self._lost.values()), "")

    async def inject(self, action: Inject, fault: Cut) -> None:
        """Raises FaultError, KubeError."""
        cut = fault
        try:
            pairs = policy.cut_pairs(cut)
            guards = policy.guards_of(pairs)
        except ValueError as error:
            raise FaultError(str(error)) from None
        missing = sorted({end for pair in pairs for end in pair if self._pods.latest(end) is None})
        if missing:
            raise FaultError(f"pod {self._brokers.pod_name(missing[0])} is not there, so nothing can be cut from it")
        if found := self._voided(cut, pairs, guards, *await self._standing()):
            raise FaultError(found)
        fuse = await self._fuse(action)
        made = policy.policies_for(cut, self._brokers, experiment=self._name, occurrence=action.occurrence, owner=fuse)
        stored: list[JsonObject] = []
        steps = [self._create(each, stored) for each in made]
        if cut.connections is Connections.ALL:
            # Started together: the injector closes again whatever comes back before the policy is in force.
            steps += [self._reset(action, cut, pairs, guard) for guard in guards]
        await together(*steps)
        self._watchers[action.occurrence] = asyncio.create_task(self._watch(action.occurrence, cut, stored))

    async def lift(self, occurrence: OccurrenceId, fault: Cut) -> None:
        """Its policies are no more, and what is not there is lifted already. Raises KubeError."""
        stood = occurrence in self._watchers
        await self._forget(occurrence)
        # By name first: that needs no list, which takes its time, and may be older than what was created a moment ago.
        names = {each: policy_name(self._name, occurrence, self._brokers.pod_name(each)) for each in _guards(fault)}
        await together(*(self._take_away(name, guard if stood else None) for guard, name in names.items()))
        fuse = fuse_name(self._name, occurrence)
        standing = await self._kube.list(NETWORK_POLICIES, selector(self._name, Artefact.POLICY))
        await together(*(self._delete(str(each["metadata"]["name"])) for each in standing if _owned_by(each, fuse)))

    def raise_failure(self) -> None:
        """The task that looks after a cut has died: that must not look like a cut that stands."""
        for watcher in self._watchers.values():
            if watcher.done() and not watcher.cancelled() and (failure := watcher.exception()) is not None:
                raise failure

    async def close(self) -> None:
        """Look after none of them any more; heals nothing."""
        for occurrence in list(self._watchers):
            await self._forget(occurrence)

    async def forget(self) -> None:
        await self.close()

    async def _create(self, manifest: JsonObject, stored: list[JsonObject]) -> None:
        stored.append(await whole(self._kube.create(NETWORK_POLICIES, manifest)))

    async def _delete(self, name: str) -> None:
        await whole(self._kube.delete(NETWORK_POLICIES, name))

    async def _take_away(self, name: str, guard: int | None) -> None:
        """``guard``: whose policy should still be there; what was gone before we took it away is told."""
        if not await whole(self._kube.delete(NETWORK_POLICIES, name)) and guard is not None:
            self._note(f"NetworkPolicy `{name}` was gone before it was lifted", guard)

    async def _standing(self) -> tuple[Sequence[JsonObject], JsonObject]:
        """All policies, and the labels of the namespace."""
        standing, namespace = await asyncio.gather(
            self._kube.list(NETWORK_POLICIES), self._kube.get(NAMESPACES, self._kube.namespace)
        )
        return standing, ((namespace or {}).get("metadata") or {}).get("labels") or {}

    def _voided(
        self,
        cut: Cut,
        pairs: Iterable[tuple[int, int]],
        guards: Iterable[int],
        standing: Iterable[JsonObject],
        namespace_labels: JsonObject,
    ) -> str:
        """Policies add up: one that allows what is to be denied makes the cut a fiction. Empty: none does."""
        name = self._brokers.pod_name
        there = [(one, other) for one, other in pairs if self._pods.latest(one) and self._pods.latest(other)]
        found = policy.voiding(
            standing,
            self._pods.all(),
            namespace_labels,
            [(name(one), name(other)) for one, other in there],
            {plane: self._brokers.ports[plane] for plane in cut.planes},
            [name(each) for each in guards],
        )
        return found[0].sentence if found else ""

    async def _reset(self, action: Inject, cut: Cut, pairs: Iterable[tuple[int, int]], guard: int) -> None:
        """Close the established flows between one selected pod and those that it is cut from."""
        where = self._brokers.pod_name(guard)
        others = sorted({end for pair in pairs if guard in pair for end in pair} - {guard})
        names = ", ".join(self._brokers.pod_name(other) for other in others)
        peers = [ip for other in others if (ip := self._pods.ip(other))]
        pod = self._pods.latest(guard)
        if pod is None or len(peers) < len(others):
            raise FaultError(f"not every pod of {where}, {names} has an address: their open flows would stay")
        container = reset_container(
            self._injectors.name(action),
            self._images.injector,
            peers,
            sorted(self._brokers.ports[plane] for plane in cut.planes),
            pull_policy=self._images.pull_policy,
        )
        uid, name = str(pod["metadata"]["uid"]), str(container["name"])
        await self._injectors.start(guard, uid, container)
        await self._injectors.over(uid, name)
        end = self._injectors.end(uid, name)
        error = self._injectors.overdue(uid, name) if end is None else end.error
        if end is None or error:
            raise FaultError(f"the open flows of {where} were not reset: {error}")
        self._note(f"{end.message.get('closed', 0)} established connections with {names} were reset", guard)

    # --- while it stands --------------------------------------------------------------------------------

    async def _watch(self, occurrence: OccurrenceId, cut: Cut, stored: Sequence[JsonObject]) -> None:
        own = {str(each["metadata"]["uid"]) for each in stored}
        while occurrence not in self._lost:
            await asyncio.sleep(self._look_every_s)
            try:
                standing, namespace_labels = await self._standing()
            except KubeError as error:
                log.warning("the policies of %s cannot be looked up: %s", occurrence, error)
                continue
            others = [each for each in standing if str(each["metadata"].get("uid")) not in own]
            found = _changed(stored, standing) or self._voided(
                cut, policy.cut_pairs(cut), _guards(cut), others, namespace_labels
            )
            if found:
                self._lost[occurrence] = found

    async def _forget(self, occurrence: OccurrenceId) -> None:
        watcher = self._watchers.pop(occurrence, None)
        if watcher is not None:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        self._lost.pop(occurrence, None)


def _changed(stored: Iterable[JsonObject], standing: Iterable[JsonObject]) -> str:
    """Which policy is not any more what was created; empty: none."""
    now = {str(each["metadata"].get("uid")): each for each in standing}
    for each in stored:
        name, found = each["metadata"]["name"], now.get(str(each["metadata"]["uid"]))
        if found is None:
            return f"NetworkPolicy `{name}` is gone, and nobody here deleted it"
        if found.get("spec") != each.get("spec"):
            return f"NetworkPolicy `{name}` was changed by somebody"
    return ""


def _guards(cut: Cut) -> tuple[int, ...]:
    """Whose pods its policies select; none when it could never be expressed."""
    try:
        return policy.guards_of(policy.cut_pairs(cut))
    except ValueError:
        return ()


def _owned_by(manifest: JsonObject, name: str) -> bool:
    return any(owner["name"] == name for owner in manifest["metadata"].get("ownerReferences") or [])


def _cannot(opt_ins: OptIns) -> dict[Feature, str]:
    reasons = {
        ONE_WAY: f"a NetworkPolicy refuses connections, not packets; {LATER}",
        REJECT: "whether a NetworkPolicy drops or rejects is up to the network plugin; use `action: Drop`.",
    }
    if not opt_ins.injector:
        reasons[ESTABLISHED] = (
            "a NetworkPolicy does not cut established TCP connections on Calico, kindnet or kube-router, so the "
            f"brokers' kept-open ones would survive; set `connections: New`, or switch on {opt_ins.missing}."
        )
    return reasons


def _containers(brokers: BrokerSet, needed: frozenset[Feature], name: str, image: str) -> Iterator[JsonObject]:
    if ESTABLISHED in needed:  # the address is one that documentation uses
        yield reset_container(name, image, peers=["192.0.2.1"], ports=sorted(brokers.ports.values()))


HANDLER = Handler(
    FAULT,
    _cannot,
    Cuts,
    injected=frozenset({ESTABLISHED}),
    containers=_containers,
    by_policy=True,
)
