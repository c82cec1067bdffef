"""Injectors at work: added to brokers' pods, and waited for."""

from __future__ import annotations

from skerry.engine.world import Inject
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import PODS, Kube
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.injector import InjectorEnd, ended, injector_name, overdue, patch_of
from skerry.worlds.kubernetes.names import digest
from skerry.worlds.kubernetes.pods import Pods
from skerry.worlds.kubernetes.steps import FaultError, whole


class Injectors:
    def __init__(self, kube: Kube, experiment: JsonObject, brokers: BrokerSet, pods: Pods, timeout_s: float) -> None:
        """``experiment``: the resource. ``timeout_s``: from an injector's creation to its end."""
        self._kube = kube
        self._uid = str(experiment["metadata"]["uid"])
        self._brokers = brokers
        self._pods = pods
        self.timeout_s = timeout_s

    def name(self, action: Inject) -> str:
        """Ephemeral containers can never be removed: each attempt of each run needs a name of its own."""
        return injector_name(action.occurrence, digest(self._uid, str(action.id)))

    async def start(self, ordinal: int, uid: str, container: JsonObject) -> None:
        """Add it to the pod ``uid`` of a broker. Raises FaultError, KubeError."""
        name = self._brokers.pod_name(ordinal)
        patch = patch_of(container)
        answer = await whole(self._kube.patch(PODS, name, patch, subresource="ephemeralcontainers", strategic=True))
        if answer["metadata"].get("uid") != uid:  # a patch knows no precondition but the name
            raise FaultError(f"pod {name} was replaced while the injector was added to it; this says nothing about it")

    def end(self, uid: str, name: str) -> InjectorEnd | None:
        """None: it is under way, as far as is known."""
        pod = self._pods.by_uid(uid)
        return ended(pod, name) if pod is not None else None

    async def over(self, uid: str, name: str) -> bool:
        """Wait for its end; False: it did not come in time, or it came with the pod's."""
        await self._pods.until(lambda: self.end(uid, name) is not None or self._pods.gone(uid), self.timeout_s)
        return self.end(uid, name) is not None

    def overdue(self, uid: str, name: str) -> str:
        """Why there is no end, as one sentence."""
        pod = self._pods.by_uid(uid)
        if pod is None or self._pods.gone(uid):
            return f"its pod went before injector `{name}` had told what it did"
        return overdue(pod, name, self.timeout_s)
