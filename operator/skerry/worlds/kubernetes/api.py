"""The API server, as far as Skerry needs it: one namespace, plain dicts in and out, one sentence when it refuses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.connection import NoConnection, find_connection
from skerry.worlds.kubernetes.kinds import (
    CONFIG_MAPS,
    DEFINITIONS,
    DEPLOYMENTS,
    EVENTS,
    EXPERIMENTS,
    JOBS,
    LEASES,
    NAMESPACES,
    NETWORK_POLICIES,
    OWN_REVIEWS,
    PODS,
    REVIEWS,
    ROLE_BINDINGS,
    ROLES,
    SERVICES,
    STATEFUL_SETS,
    Kind,
)
from skerry.worlds.kubernetes.transport import JSON, NO_ANSWER, TIMEOUT_S, KubeError, Transport, refusal

WATCH_S = 270
"""How long the server is asked to keep a watch open."""
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
DRY_RUN = {"dryRun": "All"}
Objects = list[JsonObject]


class Kube:
    """One namespace of a cluster. Every call raises KubeError, and ends within its timeout."""

    def __init__(self, namespace: str = "", *, context: str = "", configuration: Any = None) -> None:
        """``namespace`` empty: the pod's own, or the context's. ``configuration``: instead of looking for one."""
        self.namespace = namespace
        self._context = context
        self._configuration = configuration
        self._open: Transport | None = None

    async def __aenter__(self) -> Self:
        if self._configuration is None:
            try:
                self._configuration, found = await find_connection(self._context)
            except NoConnection as error:
                raise KubeError(NO_ANSWER, "NoConnection", str(error)) from None
            self.namespace = self.namespace or found
        self._open = Transport(self._configuration)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    @property
    def _transport(self) -> Transport:
        assert self._open is not None, "used outside of `async with`"
        return self._open

    def within(self, namespace: str) -> Kube:
        """Another namespace of the same cluster, by the same connection. Usable as long as this one is open."""
        other = Kube(namespace, configuration=self._configuration)
        other._open = self._transport
        return other

    @property
    def server(self) -> str:
        """Its address."""
        return self._transport.server

    async def version(self) -> str:
        """The version of the server: `v1.34.4`."""
        return str((await self._transport.json("GET", "/version", "tell its version")).get("gitVersion", "unknown"))

    async def openapi(self, group: str, version: str) -> JsonObject:
        """What the server publishes of the schemas of a group's version. Every account may ask."""
        asked = f"tell the schemas of {group}/{version}"
        return await self._transport.json("GET", f"/openapi/v3/apis/{group}/{version}", asked)

    async def get(self, kind: Kind, name: str) -> JsonObject | None:
        """None: there is none."""
        try:
            return await self._transport.json("GET", self._path(kind, name), self._asked("get", kind, name))
        except KubeError as error:
            if error.not_found:
                return None
            raise

    async def list(self, kind: Kind, labels: str = "", *, fields: str = "") -> Objects:
        """All of them, or those that the label selector ``labels`` and the field selector ``fields`` take. Each says
        what kind it is."""
        items, _ = await self.listed(kind, labels, fields=fields)
        return items

    async def listed(self, kind: Kind, labels: str = "", *, fields: str = "") -> tuple[Objects, str]:
        """The same, and the version at which it was so: where a watch may begin."""
        asked, query = self._asked("list", kind, ""), _selection(labels, fields)
        answer = await self._transport.json("GET", self._path(kind), asked, query)
        # Items of a list do not say what they are; owner references need it.
        says = {"apiVersion": answer["apiVersion"], "kind": str(answer["kind"]).removesuffix("List")}
        return [says | item for item in answer.get("items") or []], str(answer["metadata"]["resourceVersion"])

    async def create(self, kind: Kind, manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        """``dry_run``: the server only says whether it would."""
        name = str(manifest.get("metadata", {}).get("name", ""))
        asked = self._asked("create", kind, name)
        return await self._transport.json("POST", self._path(kind), asked, DRY_RUN if dry_run else {}, body=manifest)

    async def delete(self, kind: Kind, name: str, *, uid: str = "", grace_s: int | None = None) -> bool:
        """False: it was absent already, or has another uid than ``uid``. Whatever it owns goes too, whatever its kind:
        what the API does by default with a Job would leave its dependents for ever."""
        options: JsonObject = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        asked = self._asked("delete", kind, name)
        try:
            await self._transport.json("DELETE", self._path(kind, name), asked, body=options)
        except KubeError as error:
            if error.not_found or (uid and error.conflict):
                return False
            raise
        return True

    async def patch(
        self,
        kind: Kind,
        name: str,
        patch: JsonObject,
        *,
        subresource: str = "",
        strategic: bool = False,
        dry_run: bool = False,
    ) -> JsonObject:
        """A merge patch, or a strategic one (lists of named things are merged by name)."""
        return await self._transport.json(
            "PATCH",
            self._path(kind, name, subresource),
            self._asked("patch", kind, name, subresource),
            DRY_RUN if dry_run else {},
            body=patch,
            content_type=STRATEGIC_PATCH if strategic else MERGE_PATCH,
        )

    async def replace(self, kind: Kind, name: str, manifest: JsonObject) -> JsonObject:
        """Only if nobody changed it since ``manifest`` was read: else KubeError.conflict."""
        asked = self._asked("update", kind, name)
        return await self._transport.json("PUT", self._path(kind, name), asked, body=manifest, content_type=JSON)

    async def allowed(self, verb: str, kind: Kind, *, subresource: str = "", name: str = "") -> bool:
        """Whether the account that asks may do that here."""
        spec = {"resourceAttributes": self._attributes(verb, kind, subresource, name)}
        return await self._reviewed(OWN_REVIEWS, "SelfSubjectAccessReview", spec)

    async def allows(self, account: str, verb: str, kind: Kind, *, subresource: str = "", name: str = "") -> bool:
        """The same of a service account, `NAMESPACE:NAME`. Needs `create` on subjectaccessreviews."""
        home = account.partition(":")[0]
        spec = {
            "user": f"system:serviceaccount:{account}",
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{home}", "system:authenticated"],
            "resourceAttributes": self._attributes(verb, kind, subresource, name),
        }
        return await self._reviewed(REVIEWS, "SubjectAccessReview", spec)

    async def watch(self, kind: Kind, labels: str, since: str) -> AsyncIterator[tuple[str, JsonObject]]:
        """(ADDED | MODIFIED | DELETED, object): what happened after the version ``since``, in order and without a gap.
        Ends when the server ends it. Raises KubeError; it is `expired` when that version is too old by now."""
        query = {"watch": "1", "resourceVersion": since, "timeoutSeconds": str(WATCH_S), **_selection(labels)}
        asked = self._asked("watch", kind, "")
        async for line in self._transport.lines(self._path(kind), asked, query, WATCH_S + TIMEOUT_S):
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise refusal(int(event["object"].get("code", 500)), event["object"], asked)
            yield event["type"], event["object"]

    async def pod_get(self, pod: str, port: int, path: str, timeout_s: float = TIMEOUT_S) -> bytes:
        """What a pod serves, fetched by the API server: for a laptop outside the cluster's network."""
        route = f"{self._path(PODS, f'{pod}:{port}', 'proxy')}/{path.lstrip('/')}"
        asked = f"get {path} from pod {pod}, port {port}, in namespace {self.namespace}"
        return await self._transport.read("GET", route, asked, timeout_s=timeout_s)

    async def _reviewed(self, kind: Kind, word: str, spec: JsonObject) -> bool:
        answer = await self.create(kind, {"apiVersion": kind.api_version, "kind": word, "spec": spec})
        return bool(answer.get("status", {}).get("allowed"))

    def _attributes(self, verb: str, kind: Kind, subresource: str, name: str) -> JsonObject:
        # A Role may grant reading its own namespace: for RBAC that object lies inside of itself.
        where = {"namespace": self.namespace} if kind.namespaced or kind == NAMESPACES else {}
        parts = {"verb": verb, "group": kind.group, "resource": kind.plural, "subresource": subresource, "name": name}
        return where | {part: value for part, value in parts.items() if value}

    def _path(self, kind: Kind, name: str = "", subresource: str = "") -> str:
        return kind.path(self.namespace, name, subresource)

    def _asked(self, verb: str, kind: Kind, name: str, subresource: str = "") -> str:
        what = "/".join(part for part in (kind.plural, name, subresource) if part)
        return f"{verb} {what}" + (f" in namespace {self.namespace}" if kind.namespaced else "")


def _selection(labels: str, fields: str = "") -> dict[str, str]:
    chosen = {"labelSelector": labels, "fieldSelector": fields}
    return {key: value for key, value in chosen.items() if value}


__all__ = [
    "CONFIG_MAPS",
    "DEFINITIONS",
    "DEPLOYMENTS",
    "EVENTS",
    "EXPERIMENTS",
    "JOBS",
    "LEASES",
    "NAMESPACES",
    "NETWORK_POLICIES",
    "PODS",
    "ROLES",
    "ROLE_BINDINGS",
    "SERVICES",
    "STATEFUL_SETS",
    "Kind",
    "Kube",
    "KubeError",
]
