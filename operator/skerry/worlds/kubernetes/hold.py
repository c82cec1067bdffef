"""`downFor`: the brokers' init container waits until the second that a ConfigMap names for its pod.

There is one ConfigMap for a StatefulSet; its keys are pod names, its values wall-clock seconds. It ends by itself
twice: the second comes, and the fuse that owns it goes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from skerry.experiment.base import JsonObject
from skerry.worlds.kubernetes.api import CONFIG_MAPS, PODS, Kube, KubeError
from skerry.worlds.kubernetes.cluster import HOLD_CONTAINER, BrokerSet
from skerry.worlds.kubernetes.names import EXPERIMENT_LABEL, Artefact, hold_name, labels, owner_reference
from skerry.worlds.kubernetes.pods import Pods

NEARLY_OVER_S = 1.5
"""A hold that ends within this is waited for: deleting the pod once more would take longer."""


class Hold:
    def __init__(self, kube: Kube, brokers: BrokerSet, pods: Pods) -> None:
        self._kube = kube
        self._brokers = brokers
        self._pods = pods

    async def set(self, ordinals: Iterable[int], until_s: float, fuse: JsonObject) -> None:
        """Their next pods wait until then. Raises KubeError."""
        name = hold_name(self._brokers.name)
        data = {self._brokers.pod_name(ordinal): f"{until_s:.3f}" for ordinal in ordinals}
        owner = owner_reference(fuse)
        known = await self._kube.get(CONFIG_MAPS, name)
        if known is None:
            own = labels(str(fuse["metadata"]["labels"][EXPERIMENT_LABEL]), Artefact.HOLD)
            metadata = {"name": name, "labels": own, "ownerReferences": [owner]}
            await self._kube.create(
                CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            )
        else:
            # An object goes when its last owner does: the hold lives as long as the last fault that needs it.
            owners = [*(known["metadata"].get("ownerReferences") or []), owner]
            await self._kube.patch(CONFIG_MAPS, name, {"metadata": {"ownerReferences": owners}, "data": data})

    async def extend(self, ordinals: Iterable[int], until_s: float) -> None:
        """The hold is there, and this is its end. To be said before the replacements exist. Raises KubeError."""
        data = {self._brokers.pod_name(ordinal): f"{until_s:.3f}" for ordinal in ordinals}
        await self._kube.patch(CONFIG_MAPS, hold_name(self._brokers.name), {"data": data})

    async def release(self, ordinals: Iterable[int]) -> None:
        """Nobody waits any more, in a second or two. Idempotent. Raises KubeError."""
        name = hold_name(self._brokers.name)
        known = await self._kube.get(CONFIG_MAPS, name)
        data: dict[str, str] = (known or {}).get("data") or {}
        held = {ordinal: data[pod] for ordinal in ordinals if (pod := self._brokers.pod_name(ordinal)) in data}
        if not held:
            return
        try:
            removed: dict[str, None] = {self._brokers.pod_name(ordinal): None for ordinal in held}
            await self._kube.patch(CONFIG_MAPS, name, {"data": removed})
        except KubeError as error:
            if not error.not_found:  # its owner went meanwhile, and it with it
                raise
        for ordinal, until in held.items():
            if _seconds(until) - time.time() > NEARLY_OVER_S:
                await self._restart_held(ordinal)

    async def _restart_held(self, ordinal: int) -> None:
        """What a running init container reads of a ConfigMap is up to a minute old: its successor starts unheld."""
        pod = self._pods.latest(ordinal)
        if pod is not None and is_held(pod):
            await self._kube.delete(PODS, str(pod["metadata"]["name"]), uid=str(pod["metadata"]["uid"]), grace_s=0)


def is_held(pod: JsonObject) -> bool:
    """Its init container has not ended."""
    return any(
        each["name"] == HOLD_CONTAINER and "terminated" not in (each.get("state") or {})
        for each in (pod.get("status") or {}).get("initContainerStatuses") or []
    )


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
