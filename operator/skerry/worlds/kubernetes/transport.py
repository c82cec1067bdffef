"""One HTTP call to the API server, and the sentence for why it failed. Nothing is tried twice in here: what may be
repeated is decided where it is known what repeating means."""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from skerry.schema.base import JsonObject

if TYPE_CHECKING:  # imported by the call: who only asks what this world can do waits for no HTTP client
    import aiohttp

TIMEOUT_S = 10.0
JSON = "application/json"
NO_ANSWER = 0
"""In place of a status."""


class KubeError(Exception):
    """A call that did not succeed. ``str()`` is one sentence: what was asked, why it failed, what to change."""

    def __init__(self, status: int, reason: str, message: str, sentence: str = "") -> None:
        super().__init__(sentence or message)
        self.status = status
        """HTTP status; 0: the server did not answer."""
        self.reason = reason
        """The server's own word (`AlreadyExists`), or `Unreachable`, `Timeout`, `NoConnection`."""
        self.message = message
        """The server's own sentence."""

    @property
    def not_found(self) -> bool:
        return self.status == 404

    @property
    def conflict(self) -> bool:
        return self.status == 409

    @property
    def expired(self) -> bool:
        """The version from which a watch was to begin is too old by now."""
        return self.status == 410

    @property
    def forbidden(self) -> bool:
        return self.status == 403

    @property
    def unanswered(self) -> bool:
        """The server did not answer, or not now: to ask again may help. Everything else it has refused."""
        return self.status in (NO_ANSWER, 429) or self.status >= 500


class Transport:
    """``asked`` says in words what a call asks (`create pods/a in namespace b`), for the sentence of its failure."""

    def __init__(self, configuration: Any) -> None:
        from kubernetes.aio import client  # when a cluster is asked: it takes longer than the rest of `skerry plan`

        self._configuration = configuration
        self._client: Any = client.ApiClient(configuration)

    @property
    def server(self) -> str:
        return str(self._configuration.host)

    async def close(self) -> None:
        await self._client.close()

    async def json(
        self,
        method: str,
        path: str,
        asked: str,
        query: Mapping[str, str] | None = None,
        *,
        body: JsonObject | None = None,
        content_type: str = JSON,
    ) -> JsonObject:
        """Raises KubeError."""
        content = await self.read(method, path, asked, query, body=body, content_type=content_type)
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            sentence = f"what answers at {self.server} is no API server; check the address"
            raise KubeError(NO_ANSWER, "Unreachable", "the answer is no JSON object", sentence)
        return answer

    async def read(
        self,
        method: str,
        path: str,
        asked: str,
        query: Mapping[str, str] | None = None,
        *,
        body: JsonObject | None = None,
        content_type: str = JSON,
        timeout_s: float = TIMEOUT_S,
    ) -> bytes:
        """The whole answer. Raises KubeError."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            response = await self._send(method, path, asked, query, body, content_type, timeout)
            return await response.read()
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise self._silence(error, asked) from None

    async def lines(self, path: str, asked: str, query: Mapping[str, str], lasts_s: float) -> AsyncIterator[bytes]:
        """Yield the lines as the server sends them, until it ends; what breaks off is no line. Raises KubeError."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=lasts_s, sock_connect=TIMEOUT_S)
        response = None
        try:
            response = await self._send("GET", path, asked, query, None, JSON, timeout)
            rest = b""
            async for piece in response.content.iter_any():  # `readline` refuses lines above 128 KiB
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield line
        except (aiohttp.ClientError, OSError) as error:
            raise self._silence(error, asked) from None
        finally:
            if response is not None:
                response.close()

    async def _send(
        self,
        method: str,
        path: str,
        asked: str,
        query: Mapping[str, str] | None,
        body: JsonObject | None,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": JSON, "Content-Type": content_type, "User-Agent": USER_AGENT}
        # Asked for at every call: a pod's token is renewed under way.
        token = await self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token:
            headers["Authorization"] = token
        url = self.server + quote(path, safe="/:@?&=") + (f"?{urlencode(query)}" if query else "")
        rest = self._client.rest_client
        answer = await rest.request(method, url, headers=headers, body=body, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        if response.status >= 400:
            raise refusal(response.status, _status_object(await response.read()), asked)
        return response

    def _silence(self, error: Exception, asked: str) -> KubeError:
        if isinstance(error, TimeoutError):
            sentence = f"the API server at {self.server} was asked to {asked} and did not answer in time; try again"
            return KubeError(NO_ANSWER, "Timeout", "no answer in time", sentence)
        why = str(error) or type(error).__name__
        sentence = f"the API server at {self.server} cannot be reached: {why}; check the address, and that it runs"
        return KubeError(NO_ANSWER, "Unreachable", why, sentence)


RBAC_DENIES = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"'
)
"""Other refusals have the same status: admission, quota."""
USER_AGENT = f"skerry/{importlib.metadata.version('skerry')}"


def refusal(status: int, answer: JsonObject, asked: str) -> KubeError:
    """``answer``: the server's `Status` object."""
    reason = str(answer.get("reason") or "")
    message = " ".join(str(answer.get("message") or reason or "no reason was given").split())
    denied = RBAC_DENIES.search(message) if status == 403 else None
    if denied is not None:
        group = f" ({denied['group']})" if denied["group"] else ""
        why = f"{denied['user']} may not; grant `{denied['verb']}` on {denied['resource']}{group}"
    else:
        why = f"{status} {reason}".strip() + f": {message}"
    if status == 401:
        why += "; log in again, or check the kubeconfig's user"
    elif status >= 500 or status == 429:
        why += "; try again when it is well"
    return KubeError(status, reason, message, f"the API server refused to {asked}: {why}")


def _status_object(content: bytes) -> JsonObject:
    """What a refusal says; a proxy on the way writes text instead."""
    try:
        status = json.loads(content)
    except ValueError:
        status = None
    return status if isinstance(status, dict) else {"message": content.decode(errors="replace")}
