"""One experiment at a time per StatefulSet, and one operator at a time for each: a Lease that the experiment owns while
it may break something.

The Lease says who holds the brokers (`kubectl get lease`), and which operator conducts, to people and to a second
operator. It is owned by its experiment, so that it goes when that is deleted; it lapses when nobody renews it. One
that lapsed is still not taken from another experiment that has no verdict: its faults may still stand, and its own task
heals them first. Another operator takes it for the same experiment when it has lapsed, or was handed over.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import EXPERIMENTS, LEASES, Kube, KubeError
from skerry.worlds.kubernetes.names import Artefact, labels, lease_name, owner_reference

DURATION_S = 15
RENEW_S = 5.0
SOMEBODY = "another experiment"

log = logging.getLogger(__name__)


class AnotherOperator(Exception):
    """The Lease is held for this very experiment, by an operator that is not us. Its name is the text."""


class Holder(NamedTuple):
    """An experiment and who conducts it, as a Lease's `holderIdentity` writes them: ``name/uid/operator``."""

    name: str
    uid: str
    operator: str = ""
    """Empty: nobody does at the moment; the next one may go on."""

    def __str__(self) -> str:
        return f"{self.name}/{self.uid}/{self.operator}"

    def same_experiment(self, other: Holder) -> bool:
        return (self.name, self.uid) == (other.name, other.uid)


NOBODY = Holder("", "")


def holder_of(lease: JsonObject | None) -> Holder:
    """Who is written in it, lapsed or not."""
    name, uid, operator, *_ = (str(((lease or {}).get("spec") or {}).get("holderIdentity") or "") + "//").split("/", 3)
    return Holder(name, uid, operator)


def may_take(lease: JsonObject | None, holder: Holder, now_s: float) -> bool:
    """It is free, or ours, or lapsed. A Lease without a readable time is taken for lapsed: it could never end.

    ``now_s``: the wall clock; `renewTime` was written by one, too.
    """
    held_by = holder_of(lease)
    if held_by in (NOBODY, holder, holder._replace(operator="")):
        return True
    spec = (lease or {}).get("spec") or {}
    renewed_s = _seconds(spec.get("renewTime"))
    return renewed_s is None or now_s >= renewed_s + int(spec.get("leaseDurationSeconds") or DURATION_S)


def lease_manifest(stateful_set: str, experiment: JsonObject, operator: str, now_s: float) -> JsonObject:
    """Held by ``operator`` for ``experiment`` (the resource) from now on."""
    name = str(experiment["metadata"]["name"])
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": lease_name(stateful_set),
            "labels": labels(name, Artefact.LEASE),
            "ownerReferences": [owner_reference(experiment)],
        },
        "spec": {
            "holderIdentity": str(Holder(name, str(experiment["metadata"]["uid"]), operator)),
            "leaseDurationSeconds": DURATION_S,
            "acquireTime": micro_time(now_s),
            "renewTime": micro_time(now_s),
        },
    }


def micro_time(seconds: float) -> str:
    """A moment as the API writes a MicroTime."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(text: object) -> float | None:
    try:
        return datetime.datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


class TargetLease:
    """The Lease of one StatefulSet, for one experiment and one operator. ``held_by_another`` and ``take`` raise
    AnotherOperator, and KubeError; the others do not."""

    def __init__(
        self,
        kube: Kube,
        stateful_set: str,
        experiment: JsonObject,
        operator: str,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._kube = kube
        self._stateful_set = stateful_set
        self._experiment = experiment
        self._operator = operator
        self._holder = Holder(str(experiment["metadata"]["name"]), str(experiment["metadata"]["uid"]), operator)
        self._now = now
        self._sleep = sleep

    async def held_by_another(self) -> str:
        """The name of the experiment that has the brokers; empty: nobody else. Touches nothing."""
        return await self._in_the_way(await self._read())

    async def take(self) -> str:
        """Take it, unless somebody else has it: then the name of that experiment."""
        lease = await self._read()
        other = await self._in_the_way(lease)
        if other:
            return other
        manifest = lease_manifest(self._stateful_set, self._experiment, self._operator, self._now())
        try:
            if lease is None:
                await self._kube.create(LEASES, manifest)
            else:
                manifest["metadata"]["resourceVersion"] = lease["metadata"]["resourceVersion"]
                await self._kube.replace(LEASES, manifest["metadata"]["name"], manifest)
        except KubeError as error:
            if not (error.conflict or error.not_found):
                raise
            return await self._in_the_way(await self._read()) or SOMEBODY  # it was quicker
        return ""

    async def keep(self, lost: Callable[[str], None]) -> None:
        """Renew it until cancelled. ``lost`` is told, once, when somebody else has it now.

        A server that does not answer changes nothing: nobody else can take the Lease from it either.
        """
        while True:
            await self._sleep(RENEW_S)
            try:
                other = await self.take()
            except KubeError as error:
                log.warning("the Lease could not be renewed: %s", error)
                continue
            except AnotherOperator as error:
                lost(f"the Lease {lease_name(self._stateful_set)} was taken by another operator, `{error}`")
                return
            if other and other != SOMEBODY:
                lost(f"the Lease {lease_name(self._stateful_set)} was taken by the experiment `{other}`")
                return

    async def hand_over(self) -> None:
        """Keep it for the experiment, and let the next operator go on at once. If that fails it lapses."""
        try:
            lease = await self._read()
            if lease is None or holder_of(lease) != self._holder:
                return
            manifest = lease_manifest(self._stateful_set, self._experiment, "", self._now())
            manifest["metadata"]["resourceVersion"] = lease["metadata"]["resourceVersion"]
            await self._kube.replace(LEASES, manifest["metadata"]["name"], manifest)
        except KubeError as error:
            log.warning("the Lease could not be handed over and will lapse: %s", error)

    async def is_ours(self) -> bool:
        """Whether the API server has it as ours now; False when it does not say."""
        try:
            return holder_of(await self._read()) == self._holder
        except KubeError:
            return False

    async def release(self) -> None:
        """Make it absent if it is ours. If that fails it lapses, and goes with its experiment."""
        try:
            lease = await self._read()
            if lease is not None and holder_of(lease) == self._holder:
                await self._kube.delete(LEASES, lease_name(self._stateful_set), uid=lease["metadata"]["uid"])
        except KubeError as error:
            log.warning("the Lease could not be released and will lapse: %s", error)

    async def _read(self) -> JsonObject | None:
        return await self._kube.get(LEASES, lease_name(self._stateful_set))

    async def _in_the_way(self, lease: JsonObject | None) -> str:
        other = holder_of(lease)
        if other in (NOBODY, self._holder):
            return ""
        if other.same_experiment(self._holder):
            if may_take(lease, self._holder, self._now()):
                return ""
            raise AnotherOperator(other.operator)
        if not may_take(lease, self._holder, self._now()) or await self._has_no_verdict(other):
            return other.name
        return ""

    async def _has_no_verdict(self, holder: Holder) -> bool:
        found = await self._kube.get(EXPERIMENTS, holder.name) if holder.name else None
        if found is None or found["metadata"].get("uid") != holder.uid:
            return False
        return not (found.get("status") or {}).get("completionTime")
