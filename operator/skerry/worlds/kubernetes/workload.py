"""The workload pod: its Job, and the conductor's side of the conversation with it.

The pod needs no API token and serves plain HTTP in the namespace; what changes something needs the token that stands in
its template (who may read Jobs here may see it: docs/security.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

import aiohttp
import msgspec

from skerry.runner.messages import PORT, REPORT_FILES, TOKEN_VARIABLE, Answer, Begin, Events, View
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.names import Artefact, labels, owner_reference

CONTAINER = "runner"
COMMAND = "skerry-runner"
DIRECTORY = "/work"
DISK_LIMIT = "2Gi"
NO_ROOM = "; workload pods of finished experiments keep their place for `spec.retain`: delete those experiments"
VIEW_TIMEOUT_S = 1.0
POST_TIMEOUT_S = 3.0
FILE_TIMEOUT_S = 20.0
NS = 1_000_000_000

Body = TypeVar("Body", View, Answer)

_view_decoder = msgspec.json.Decoder(View)
_answer_decoder = msgspec.json.Decoder(Answer)


class WorkloadError(Exception):
    """The workload pod did not answer, or refused; one sentence."""


class WorkloadRefused(WorkloadError):
    """It did not take what it was sent, and will not take the same again."""


class PulledImage(NamedTuple):
    name: str
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    """Names of secrets in the namespace; without any, those of its default account."""


def job_manifest(name: str, experiment: JsonObject, image: PulledImage, token: str, deadline_ns: int) -> JsonObject:
    """The Job of one run. It never starts a second pod: a lost recorder is a lost recording.

    ``experiment``: the resource, as the API server returned it; it owns the Job.
    ``deadline_ns``: the pod is stopped then, whatever became of the conductor.
    """
    own = labels(str(experiment["metadata"]["name"]), Artefact.WORKLOAD)
    container: JsonObject = {
        "name": CONTAINER,
        "image": image.name,
        "imagePullPolicy": image.pull_policy,
        "command": ["/usr/bin/tini", "--", COMMAND],
        "env": [
            {"name": TOKEN_VARIABLE, "value": token},
            {"name": "SKERRY_RUNNER_DIRECTORY", "value": DIRECTORY},
            {"name": "TMPDIR", "value": DIRECTORY},
        ],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
        # As much as a broker: who records must not starve beside those that are recorded, or it stalls.
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "work", "mountPath": DIRECTORY}],
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "imagePullSecrets": [{"name": secret} for secret in image.pull_secrets],
        "containers": [container],
        "volumes": [{"name": "work", "emptyDir": {"sizeLimit": DISK_LIMIT}}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": own, "ownerReferences": [owner_reference(experiment)]},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": -(-deadline_ns // NS),
            "ttlSecondsAfterFinished": 60,
            "template": {"metadata": {"labels": own}, "spec": pod},
        },
    }


def port_of(job: JsonObject) -> int:
    """Where the pod of a Job that exists serves."""
    return int(job["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"])


def token_of(job: JsonObject) -> str:
    """The token in the pod template of a Job that exists; empty: it is no Job of ours."""
    for container in job["spec"]["template"]["spec"]["containers"]:
        for variable in container.get("env") or []:
            if variable["name"] == TOKEN_VARIABLE:
                return str(variable.get("value", ""))
    return ""


class Trouble(NamedTuple):
    """Why a workload pod does not come up, or has ended."""

    sentence: str = ""
    """Empty: nothing is wrong, or not yet."""
    for_good: bool = False
    """Waiting does not help."""

    def __bool__(self) -> bool:
        return bool(self.sentence)


def trouble(pod: JsonObject) -> Trouble:
    status, name = pod.get("status") or {}, pod["metadata"]["name"]
    if status.get("phase") in ("Failed", "Succeeded") or pod["metadata"].get("deletionTimestamp"):
        why = status.get("message") or _terminated(status) or "it was deleted"
        said = " ".join(filter(None, [status.get("reason"), why]))
        return Trouble(f"the workload pod {name} has ended: {said}", for_good=True)
    for each in status.get("containerStatuses") or []:
        waiting = (each.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"):
            return Trouble(
                f"the image `{each['image']}` of the workload pod cannot be had ({waiting['reason']}): "
                "load or push it, or set the chart's image values",
                for_good=True,
            )
        if waiting.get("reason") in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
            why = f"({waiting['reason']}): {waiting.get('message', '')}"
            return Trouble(f"the workload pod cannot start {why}", for_good=True)
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            why = str(condition.get("message") or "no reason was given").rstrip(".")
            return Trouble(f"the workload pod cannot be scheduled: {why}{NO_ROOM if 'Insufficient' in why else ''}")
    return Trouble()


def cpu_limit(pod: JsonObject) -> str:
    """The CPU limit of the workload's container; empty: none. We ask for none: a LimitRange or a webhook has set it."""
    for container in (pod.get("spec") or {}).get("containers") or []:
        if container.get("name") == CONTAINER:
            return str(((container.get("resources") or {}).get("limits") or {}).get("cpu") or "")
    return ""


def creation_trouble(events: Iterable[JsonObject]) -> Trouble:
    """Why a Job has no pod, from the Events about it: a quota, a range of user ids, a policy. Waiting may help: others
    may give back what they use."""
    refused = [each for each in events if each.get("reason") == "FailedCreate"]
    if not refused:
        return Trouble()
    newest = max(refused, key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or ""))
    message = str(newest.get("message") or "no reason was given").removeprefix("Error creating: ").rstrip(".")
    return Trouble(f"the cluster refuses to create the workload pod: {message}")


def _terminated(status: JsonObject) -> str:
    for each in status.get("containerStatuses") or []:
        ended = (each.get("state") or {}).get("terminated")
        if ended:
            return f"its container ended with exit code {ended.get('exitCode')} ({ended.get('reason', '')})"
    return ""


class WorkloadPod:
    """HTTP to one workload pod. Use it as an async context manager."""

    def __init__(self, host: str, port: int, token: str) -> None:
        """``host``: the pod's IP address, or what else reaches it."""
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers=self._headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def view(self) -> View:
        """Raises WorkloadError."""
        return _decoded(_view_decoder, await self._ask("GET", "/view", b"", VIEW_TIMEOUT_S))

    async def begin(self, begin: Begin) -> Answer:
        """Raises WorkloadError."""
        return await self._post("/begin", msgspec.json.encode(begin))

    async def events(self, path: str, events: Events) -> Answer:
        """``path``: /events, /drain, /check or /finish. Raises WorkloadError, and WorkloadRefused."""
        return await self._post(path, msgspec.json.encode(events))

    async def report_files(self) -> dict[str, bytes]:
        """Raises WorkloadError."""
        return {name: await self._ask("GET", f"/report/{name}", b"", FILE_TIMEOUT_S) for name in REPORT_FILES}

    async def _post(self, path: str, body: bytes) -> Answer:
        answer = _decoded(_answer_decoder, await self._ask("POST", path, body, POST_TIMEOUT_S))
        if answer.error:
            raise WorkloadError(f"the workload pod refused: {answer.error}")
        return answer

    async def _ask(self, method: str, path: str, body: bytes, timeout_s: float) -> bytes:
        assert self._session is not None
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._session.request(method, self.url + path, data=body or None, timeout=timeout) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise WorkloadError(f"the workload pod does not answer: {reason}") from None
        if response.status != 200:
            kind = WorkloadRefused if 400 <= response.status < 500 else WorkloadError
            raise kind(f"the workload pod refused {path}: {_said(content) or response.status}")
        return content


def _decoded(decoder: msgspec.json.Decoder[Body], content: bytes) -> Body:
    try:
        return decoder.decode(content)
    except msgspec.DecodeError as error:
        raise WorkloadError(
            f"what the workload pod answers is not understood ({error}); is its image as new?"
        ) from None


def _said(content: bytes) -> str:
    """The sentence of a refusal."""
    try:
        return _answer_decoder.decode(content).error
    except msgspec.DecodeError:
        return content[:300].decode(errors="replace").strip()
