"""`downFor`: the brokers' init container waits until the second that a ConfigMap names for its pod.

There is one ConfigMap for a StatefulSet; its keys are pod names, its values wall-clock seconds. It ends by itself
twice: the second comes, and the fuse that owns it goes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable

from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import CONFIG_MAPS, PODS, Kube, KubeError
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.names import EXPERIMENT_LABEL, Artefact, hold_name, is_ours, labels, owner_reference
from skerry.worlds.kubernetes.pods import Pods
from skerry.worlds.kubernetes.steps import FaultError

NEARLY_OVER_S = 1.5
"""A hold that ends within this is waited for: deleting the pod once more would take longer."""
ATTEMPTS = 3
"""The garbage collector may remove what an earlier fault left between our look and our change."""


class Hold:
    """Invariant: of changes to the ConfigMap at most one is under way; two kills at once share it."""

    def __init__(
        self,
        kube: Kube,
        experiment_name: str,
        brokers: BrokerSet,
        pods: Pods,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """``now_s``: the wall clock."""
        self._kube = kube
        self._experiment = experiment_name
        self._brokers = brokers
        self._pods = pods
        self._now_s = now_s
        self._name = hold_name(brokers.name)
        self._lock = asyncio.Lock()
        self._until_s: dict[int, float] = {}
        """Until when a pod may be held that read the ConfigMap before we took its key out."""

    async def set(self, ordinals: Collection[int], until_s: float, fuse: JsonObject) -> None:
        """Their next pods wait until then. Raises FaultError, KubeError."""
        data = {self._brokers.pod_name(ordinal): f"{until_s:.3f}" for ordinal in ordinals}
        async with self._lock:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    await self._add(data, owner_reference(fuse))
                    break
                except KubeError as error:
                    if attempt == ATTEMPTS or not (error.not_found or error.conflict):
                        raise
            self._until_s |= dict.fromkeys(ordinals, until_s)

    async def extend(self, ordinals: Collection[int], until_s: float) -> None:
        """The hold is there, and this is its end. To be said before the replacements exist. Raises KubeError."""
        data = {self._brokers.pod_name(ordinal): f"{until_s:.3f}" for ordinal in ordinals}
        async with self._lock:
            await self._kube.patch(CONFIG_MAPS, self._name, {"data": data})
            self._until_s |= dict.fromkeys(ordinals, until_s)

    async def release(self, ordinals: Collection[int]) -> None:
        """Nobody waits any more for this experiment, in a second or two. Idempotent, also after a failure. Raises
        KubeError."""
        async with self._lock:
            known = await self._kube.get(CONFIG_MAPS, self._name)
            if known is not None and (known["metadata"].get("labels") or {}).get(EXPERIMENT_LABEL) == self._experiment:
                data: dict[str, str] = known.get("data") or {}
                keys = {ordinal: pod for ordinal in ordinals if (pod := self._brokers.pod_name(ordinal)) in data}
                self._until_s |= {ordinal: _seconds(data[pod]) for ordinal, pod in keys.items()}
                if keys:
                    await self._remove(keys.values())
            for ordinal in ordinals:
                if self._until_s.get(ordinal, 0.0) - self._now_s() > NEARLY_OVER_S:
                    await self._restart_held(ordinal)

    async def _add(self, data: dict[str, str], owner: JsonObject) -> None:
        own = labels(self._experiment, Artefact.HOLD)
        known = await self._kube.get(CONFIG_MAPS, self._name)
        if known is None:
            metadata = {"name": self._name, "labels": own, "ownerReferences": [owner]}
            manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            await self._kube.create(CONFIG_MAPS, manifest)
            return
        if not is_ours(known):
            raise FaultError(f"ConfigMap {self._name} is somebody else's: remove it, so that brokers can be kept down")
        # An object goes when its last owner does: the hold lives as long as the last fault that needs it.
        owners = [each for each in known["metadata"].get("ownerReferences") or [] if each["uid"] != owner["uid"]]
        metadata = {"labels": own, "ownerReferences": [*owners, owner]}
        await self._kube.patch(CONFIG_MAPS, self._name, {"metadata": metadata, "data": data})

    async def _remove(self, keys: Iterable[str]) -> None:
        try:
            await self._kube.patch(CONFIG_MAPS, self._name, {"data": dict.fromkeys(keys)})
        except KubeError as error:
            if not error.not_found:  # its owner went meanwhile, and it with it
                raise

    async def _restart_held(self, ordinal: int) -> None:
        """What a running init container reads of a ConfigMap is up to a minute old: its successor starts unheld."""
        pod = self._pods.latest(ordinal)
        if pod is not None and is_held(pod, self._brokers.hold):
            await self._kube.delete(PODS, str(pod["metadata"]["name"]), uid=str(pod["metadata"]["uid"]), grace_s=0)


def is_held(pod: JsonObject, init_container: str) -> bool:
    """Its init container of this name has not ended."""
    return any(
        each["name"] == init_container and "terminated" not in (each.get("state") or {})
        for each in (pod.get("status") or {}).get("initContainerStatuses") or []
    )


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
