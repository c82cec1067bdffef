"""An API server in this process: a generic store behind the real paths, with just enough of the real one's habits.

What it has: get, list, create, delete (preconditions, propagation, cascades by owner reference), update with optimistic
locking, merge and strategic patches, `status` and `ephemeralcontainers`, label selectors, dry run, watch,
access reviews from a table, refusals on demand, and pods that serve HTTP through `pods/proxy`.

What it has not: admission, defaults, schemas, graceful deletion, controllers. `on` lets a test play those.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
from collections.abc import Callable
from typing import NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestServer
from api_requests import Object, field_selector, label_selector, merge, path_parts

Key = tuple[str, str, str, str]
"""Group, plural, namespace (empty: cluster-scoped), name."""
PROXIED = ("pods", "proxy")
CLUSTER_SCOPED = frozenset({"namespaces", "customresourcedefinitions", "nodes", "clusterroles", "clusterrolebindings"})
KINDS = {
    "pods": "Pod",
    "configmaps": "ConfigMap",
    "events": "Event",
    "limitranges": "LimitRange",
    "services": "Service",
    "namespaces": "Namespace",
    "statefulsets": "StatefulSet",
    "deployments": "Deployment",
    "jobs": "Job",
    "networkpolicies": "NetworkPolicy",
    "leases": "Lease",
    "roles": "Role",
    "rolebindings": "RoleBinding",
    "chaosexperiments": "ChaosExperiment",
    "customresourcedefinitions": "CustomResourceDefinition",
}
WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Seen(NamedTuple):
    """One request."""

    verb: str
    resource: str
    """`pods`, `chaosexperiments/status`."""
    name: str
    body: Object | None
    dry_run: bool


class Refused(Exception):
    """Answered as a `Status`. A callback of `on` may raise it too."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


class FakeApi:
    """Start with ``async with FakeApi() as api``; ``api.url`` is its address."""

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.seen: list[Seen] = []
        self.denied: set[tuple[str, str]] = set()
        """(verb, resource), as in `("patch", "pods/ephemeralcontainers")`: refused, and access reviews say so."""
        self.account_denied: set[tuple[str, str]] = set()
        """The same for the account that a SubjectAccessReview asks about."""
        self.unknown: set[str] = set()
        """Plurals that this server has no such resource for (no CRD)."""
        self.pods_serve: dict[tuple[str, int], Callable[[str], tuple[int, bytes]]] = {}
        """(pod, port) -> what answers a path; a pod that is not in here refuses the connection."""
        self.silent: set[tuple[str, str]] = set()
        """(verb, resource) that is never answered."""
        self.git_version = "v1.34.4"
        self.openapi: Object | None = None
        """What it publishes of the schemas of experiments; None: nothing."""
        self._callbacks: list[tuple[str, str, Callable[[Object], None]]] = []
        self.deletes_slowly: list[Callable[[Object], bool]] = []
        """Asked before an object is deleted: True: it stays until somebody removes it."""
        self._refusals: list[tuple[str, str, Refused]] = []
        self._versions = itertools.count(1)
        self._oldest = 0
        self._uids = itertools.count(1)
        self._events: list[tuple[int, str, Key, Object]] = []
        self._watchers: list[tuple[Callable[[Key, Object], bool], asyncio.Queue[tuple[str, Object] | None]]] = []
        application = web.Application(client_max_size=16 * 2**20)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._server = TestServer(application, host="127.0.0.1")

    async def __aenter__(self) -> FakeApi:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.end_watches()
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    # --- what a test sets up and looks at -------------------------------------------------------------------------

    def put(self, manifest: Object, namespace: str = "skerry") -> Object:
        """Store an object as it is, without asking any callback; its ``kind`` says where. The stored object."""
        plural = next(plural for plural, kind in KINDS.items() if kind == manifest["kind"])
        group = manifest["apiVersion"].rpartition("/")[0]
        where = "" if plural in CLUSTER_SCOPED else manifest["metadata"].get("namespace", namespace)
        key = (group, plural, where, manifest["metadata"]["name"])
        return self._store(key, copy.deepcopy(manifest), "MODIFIED" if key in self.objects else "ADDED")

    def find(self, plural: str, name: str) -> Object | None:
        return next((item for key, item in self.objects.items() if key[1] == plural and key[3] == name), None)

    def names(self, plural: str) -> list[str]:
        return sorted(key[3] for key in self.objects if key[1] == plural)

    def remove(self, plural: str, name: str) -> None:
        """As if somebody else had deleted it, dependents included."""
        for key in [key for key in self.objects if key[1] == plural and key[3] == name]:
            self._remove(key, orphan=False)

    def collect_garbage(self) -> None:
        """What the garbage collector does with objects whose owners are all gone."""
        uids = {item["metadata"]["uid"] for item in self.objects.values()}
        for key, item in list(self.objects.items()):
            owners = item["metadata"].get("ownerReferences") or []
            if owners and not any(owner["uid"] in uids for owner in owners):
                self._remove(key, orphan=False)

    def on(self, verb: str, resource: str, callback: Callable[[Object], None]) -> None:
        """Call it with the stored object before the answer goes out (create, update, patch), with the removed one
        (delete), with the answer (list); not for dry runs. It may raise Refused. With the verb `admit` it is asked
        first, dry runs included, with the object that would be stored."""
        self._callbacks.append((verb, resource, callback))

    def refuse(self, verb: str, resource: str, status: int, reason: str, message: str) -> None:
        """Answer this from now on."""
        self._refusals.append((verb, resource, Refused(status, reason, message)))

    def expire_versions(self) -> None:
        """A watch may begin at the newest one only."""
        self._oldest = next(self._versions)

    def end_watches(self) -> None:
        for _, queue in self._watchers:
            queue.put_nowait(None)

    @property
    def writes(self) -> list[str]:
        """What was changed by requests, in order: `create pods/a`. Dry runs and access reviews change nothing."""
        return [
            f"{each.verb} {each.resource}/{each.name}"
            for each in self.seen
            if each.verb in WRITES.values() and not each.dry_run and "accessreviews" not in each.resource
        ]

    # --- requests --------------------------------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._serve(request)
        except Refused as refused:
            status = {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "code": refused.status,
                "reason": refused.reason,
                "message": refused.message,
            }
            return web.json_response(status, status=refused.status)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if path == "version":
            return web.json_response({"gitVersion": self.git_version})
        if path.startswith("openapi/"):
            if self.openapi is None:
                raise Refused(404, "NotFound", "the server could not find the requested resource")
            return web.json_response(self.openapi)
        group, version, namespace, plural, name, subresource, rest = path_parts(path)
        body = json.loads(await request.read()) if request.can_read_body else None
        dry_run = request.query.get("dryRun") == "All"
        verb = WRITES.get(request.method) or ("get" if name else "watch" if "watch" in request.query else "list")
        resource = f"{plural}/{subresource}" if subresource else plural
        wanted = name or ((body or {}).get("metadata") or {}).get("name", "")
        self.seen.append(Seen(verb, resource, wanted, body, dry_run))
        if (verb, resource) in self.silent:
            await asyncio.Event().wait()
        if plural in self.unknown or (plural not in KINDS and "accessreviews" not in plural):
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        for refused_verb, refused_resource, refused in self._refusals:
            if (refused_verb, refused_resource) == (verb, resource):
                raise refused
        if plural in ("selfsubjectaccessreviews", "subjectaccessreviews"):
            return web.json_response(self._review(plural, body or {}), status=201)
        if (verb, resource) in self.denied:
            raise Refused(
                403,
                "Forbidden",
                f'{plural}{"." if group else ""}{group} is forbidden: User "somebody" cannot {verb} resource '
                f'"{resource}" in API group "{group}" in the namespace "{namespace}"',
            )
        key = (group, plural, namespace, name)
        if (plural, subresource) == PROXIED:
            return self._proxy(name, rest)
        match verb:
            case "list":
                answer = self._list(group, version, namespace, plural, request)
                self._call("list", plural, answer)
                return web.json_response(answer)
            case "watch":
                return await self._watch(request, group, namespace, plural)
            case "get":
                return web.json_response(self._existing(key))
            case "create":
                assert body is not None
                return web.json_response(self._create(key, body, dry_run), status=201)
            case "update":
                assert body is not None
                return web.json_response(self._update(key, body, dry_run))
            case "patch":
                assert body is not None
                strategic = "strategic" in request.content_type
                return web.json_response(self._patch(key, body, subresource, strategic, dry_run))
            case _:
                return web.json_response(self._delete(key, body or {}, dry_run))

    def _existing(self, key: Key) -> Object:
        if key not in self.objects:
            group, plural, _, name = key
            raise Refused(404, "NotFound", f'{plural}{"." if group else ""}{group} "{name}" not found')
        return self.objects[key]

    def _list(self, group: str, version: str, namespace: str, plural: str, request: web.Request) -> Object:
        takes, fields = label_selector(request), field_selector(request)
        items = [
            {field: value for field, value in item.items() if field not in ("kind", "apiVersion")}
            for key, item in sorted(self.objects.items())
            if key[:3] == (group, plural, namespace) and takes(item) and fields(item)
        ]
        return {
            "kind": f"{KINDS[plural]}List",
            "apiVersion": f"{group}/{version}" if group else version,
            "metadata": {"resourceVersion": str(next(self._versions))},
            "items": items,
        }

    async def _watch(self, request: web.Request, group: str, namespace: str, plural: str) -> web.StreamResponse:
        takes = label_selector(request)

        def concerns(key: Key, item: Object) -> bool:
            return key[:3] == (group, plural, namespace) and takes(item)

        queue: asyncio.Queue[tuple[str, Object] | None] = asyncio.Queue()
        since = int(request.query["resourceVersion"])
        if since < self._oldest:
            raise Refused(410, "Expired", "too old resource version")
        for version, event, key, item in self._events:
            if version > since and concerns(key, item):
                queue.put_nowait((event, item))
        self._watchers.append((concerns, queue))
        response = web.StreamResponse()
        await response.prepare(request)
        while (change := await queue.get()) is not None:
            line = json.dumps({"type": change[0], "object": change[1]})
            await response.write(line.encode() + b"\n")
        return response

    def _create(self, key: Key, body: Object, dry_run: bool) -> Object:
        group, plural, namespace, _ = key
        item = copy.deepcopy(body)
        metadata = item.setdefault("metadata", {})
        if "name" not in metadata:
            metadata["name"] = f"{metadata['generateName']}{next(self._uids):05}"
        key = (group, plural, namespace, metadata["name"])
        if key in self.objects:
            raise Refused(409, "AlreadyExists", f'{plural} "{key[3]}" already exists')
        self._call("admit", plural, item)
        if dry_run:
            return item
        stored = self._store(key, item, "ADDED")
        self._call("create", plural, stored)
        return stored

    def _update(self, key: Key, body: Object, dry_run: bool) -> Object:
        before = self._existing(key)
        asked = body.get("metadata", {}).get("resourceVersion")
        if asked is not None and asked != before["metadata"]["resourceVersion"]:
            raise Refused(409, "Conflict", f'Operation cannot be fulfilled on {key[1]} "{key[3]}": it was modified')
        return self._change(key, copy.deepcopy(body), "update", key[1], dry_run)

    def _patch(self, key: Key, body: Object, subresource: str, strategic: bool, dry_run: bool) -> Object:
        before = self._existing(key)
        after = merge(before, body, strategic)
        if subresource == "status":
            after = before | {"status": after.get("status", {})}
        elif subresource == "ephemeralcontainers":
            added = after.get("spec", {}).get("ephemeralContainers", [])
            after = before | {"spec": before.get("spec", {}) | {"ephemeralContainers": added}}
        elif key[1] == "chaosexperiments":  # whose status is a subresource of its own
            after = {field: value for field, value in after.items() if field != "status"}
            after |= {"status": before["status"]} if "status" in before else {}
        return self._change(key, after, "patch", f"{key[1]}/{subresource}".rstrip("/"), dry_run)

    def _change(self, key: Key, after: Object, verb: str, resource: str, dry_run: bool) -> Object:
        self._call("admit", resource, after)
        if dry_run:
            return after
        stored = self._store(key, after, "MODIFIED")
        self._call(verb, resource, stored)
        return stored

    def _delete(self, key: Key, options: Object, dry_run: bool) -> Object:
        item = self._existing(key)
        uid = (options.get("preconditions") or {}).get("uid")
        if uid is not None and uid != item["metadata"]["uid"]:
            raise Refused(409, "Conflict", f"the UID in the precondition ({uid}) does not match")
        if not dry_run:
            # Jobs are the kind whose dependents stay behind unless somebody asks for them to go.
            policy = options.get("propagationPolicy") or ("Orphan" if key[1] == "jobs" else "Background")
            if any(takes_time(item) for takes_time in self.deletes_slowly):
                return item
            self._remove(key, orphan=policy == "Orphan")
            self._call("delete", key[1], item)
        return item

    def _review(self, plural: str, body: Object) -> Object:
        attributes = body["spec"]["resourceAttributes"]
        resource = "/".join(filter(None, (attributes["resource"], attributes.get("subresource"))))
        denied = self.denied if plural.startswith("self") else self.account_denied
        return body | {"status": {"allowed": (attributes["verb"], resource) not in denied}}

    def _proxy(self, name: str, path: str) -> web.Response:
        pod, _, port = name.partition(":")
        serves = self.pods_serve.get((pod, int(port)))
        if serves is None:
            raise Refused(503, "ServiceUnavailable", f"error trying to reach service: dial tcp: {pod}:{port} refused")
        status, content = serves(f"/{path}")
        return web.Response(status=status, body=content)

    # --- the store -------------------------------------------------------------------------------------------------

    def _store(self, key: Key, item: Object, event: str) -> Object:
        version = next(self._versions)
        metadata = item["metadata"]
        before = self.objects.get(key, {}).get("metadata", {})
        metadata["uid"] = before.get("uid") or metadata.get("uid") or f"uid-{next(self._uids)}"
        metadata["resourceVersion"] = str(version)
        metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        if key[2]:
            metadata["namespace"] = key[2]
        self.objects[key] = item
        self._tell(version, event, key, item)
        return item

    def _remove(self, key: Key, *, orphan: bool) -> None:
        item = self.objects.pop(key)
        self._tell(next(self._versions), "DELETED", key, item)
        uid = item["metadata"]["uid"]
        for other, dependent in list(self.objects.items()):
            owners = dependent["metadata"].get("ownerReferences") or []
            left = [owner for owner in owners if owner["uid"] != uid]
            if len(left) == len(owners) or other not in self.objects:
                continue
            dependent["metadata"]["ownerReferences"] = left
            if not left and not orphan:
                self._remove(other, orphan=False)

    def _tell(self, version: int, event: str, key: Key, item: Object) -> None:
        self._events.append((version, event, key, copy.deepcopy(item)))
        for concerns, queue in self._watchers:
            if concerns(key, item):
                queue.put_nowait((event, copy.deepcopy(item)))

    def _call(self, verb: str, resource: str, item: Object) -> None:
        for wanted_verb, wanted_resource, callback in self._callbacks:
            if (wanted_verb, wanted_resource) == (verb, resource):
                callback(item)
