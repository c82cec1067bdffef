"""The test cluster, and no other one: kubectl and helm as a user has them, and the API itself for looking closely.

Looking goes through one `kubectl proxy`: a process per look would take the processor from the brokers under test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

CONTEXT_DEFAULT = "kind-skerry"
COMMAND_TIMEOUT_S = 120
LOOK_TIMEOUT_S = 10
JsonObject = dict[str, Any]

KINDS = {
    "pods": "api/v1",
    "configmaps": "api/v1",
    "events": "api/v1",
    "jobs": "apis/batch/v1",
    "statefulsets": "apis/apps/v1",
    "deployments": "apis/apps/v1",
    "networkpolicies": "apis/networking.k8s.io/v1",
    "leases": "apis/coordination.k8s.io/v1",
    "chaosexperiments": "apis/skerry.dev/v1alpha1",
}


class Said(NamedTuple):
    """How a command ended."""

    code: int
    output: str
    """Both streams."""


class Seen(NamedTuple):
    """One event of a watch."""

    at_s: float
    """The time by this machine's wall clock, in seconds."""
    type: str
    object: JsonObject

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])


class Cluster:
    """Use it as a context manager. These tests break things: the current context has to be the test cluster's."""

    def __init__(self) -> None:
        """Raises RuntimeError: a program is missing, or the context is not the test cluster's."""
        self.context = os.environ.get("SKERRY_E2E_CONTEXT", CONTEXT_DEFAULT)
        self._kubectl, self._helm = _program("kubectl"), _program("helm")
        found = said(self._kubectl, "config", "current-context")
        if found.code or found.output.strip() != self.context:
            raise RuntimeError(
                f"the current context of kubectl must be {self.context}, and is {found.output.strip()!r}: "
                "run `make kind-up`, or name a cluster that may be broken in SKERRY_E2E_CONTEXT"
            )
        self._proxy: subprocess.Popen[str] | None = None
        self._url = ""

    def __enter__(self) -> Self:
        self._proxy = subprocess.Popen(
            [self._kubectl, "proxy", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._proxy.stdout is not None
        line = self._proxy.stdout.readline()
        address = line.rpartition(" ")[2].strip()
        assert address.startswith("127.0.0.1:"), f"kubectl proxy does not serve: {line}"
        self._url = f"http://{address}"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._proxy is not None
        assert self._proxy.stdout is not None
        self._proxy.terminate()
        self._proxy.wait(10)
        self._proxy.stdout.close()

    # --- commands -----------------------------------------------------------------------------------------

    def kubectl(self, *arguments: str, stdin: str = "", timeout_s: float = COMMAND_TIMEOUT_S) -> Said:
        return said(self._kubectl, *arguments, stdin=stdin, timeout_s=timeout_s)

    def must(self, *arguments: str, stdin: str = "", timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """The output of a kubectl that has to succeed."""
        done = self.kubectl(*arguments, stdin=stdin, timeout_s=timeout_s)
        assert done.code == 0, f"kubectl {' '.join(arguments)}: {done.output}"
        return done.output

    def helm(self, *arguments: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        done = said(self._helm, *arguments, timeout_s=timeout_s)
        assert done.code == 0, f"helm {' '.join(arguments)}: {done.output}"
        return done.output

    # --- looking ------------------------------------------------------------------------------------------

    def raw(self, path: str, query: Mapping[str, str] | None = None) -> bytes | None:
        """What the API server answers; None: there is no such thing."""
        url = f"{self._url}/{path.lstrip('/')}" + (f"?{urlencode(query)}" if query else "")
        try:
            with urllib.request.urlopen(url, timeout=LOOK_TIMEOUT_S) as response:
                content: bytes = response.read()
                return content
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise AssertionError(f"GET {path}: {error.code}: {error.read().decode(errors='replace')[:500]}") from None

    def look(self, path: str, query: Mapping[str, str] | None = None) -> JsonObject | None:
        content = self.raw(path, query)
        return None if content is None else json.loads(content)

    def get(self, kind: str, namespace: str, name: str) -> JsonObject | None:
        return self.look(f"{KINDS[kind]}/namespaces/{namespace}/{kind}/{name}")

    def items(self, kind: str, namespace: str, labels: str = "") -> list[JsonObject]:
        """Empty as well when the API server does not know the kind."""
        found = self.look(f"{KINDS[kind]}/namespaces/{namespace}/{kind}", {"labelSelector": labels} if labels else None)
        return [] if found is None else list(found["items"])

    def version(self, kind: str, namespace: str) -> str:
        """The version of the list of that kind, now: ``since`` tells what happened after it."""
        found = self.look(f"{KINDS[kind]}/namespaces/{namespace}/{kind}", {"limit": "1"})
        assert found is not None, kind
        return str(found["metadata"]["resourceVersion"])

    def since(self, kind: str, namespace: str, version: str) -> list[Seen]:
        """Every change since then, however short-lived what it made."""
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "1"}
        content = self.raw(f"{KINDS[kind]}/namespaces/{namespace}/{kind}", query) or b""
        return [_seen(line) for line in content.splitlines()]

    def watch(self, kind: str, namespace: str) -> Watch:
        """From now on, until it is closed."""
        query = {"watch": "1", "resourceVersion": self.version(kind, namespace), "timeoutSeconds": "600"}
        path = f"/{KINDS[kind]}/namespaces/{namespace}/{kind}?{urlencode(query)}"
        return Watch([self._kubectl, "get", "--raw", path])


class Watch:
    """What happens to the objects of one kind, each with the moment at which it was heard of."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._heard: list[Seen] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._thread.join(10)

    def first(self, type_: str, *, named: str = "") -> Seen | None:
        return next((each for each in self._heard if each.type == type_ and named in each.name), None)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._heard.append(_seen(line))


def until(what: str, within_s: float, answer: Any, *, every_s: float = 0.1) -> Any:
    """Ask ``answer()`` until it is true-ish, and return it; fail, naming ``what``, when the time is over."""
    deadline_s = time.monotonic() + within_s
    while not (found := answer()):
        assert time.monotonic() < deadline_s, f"not within {within_s:g} s: {what}"
        time.sleep(every_s)
    return found


def said(*command: str, stdin: str = "", timeout_s: float = COMMAND_TIMEOUT_S) -> Said:
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False, errors="replace"
        )
    except subprocess.TimeoutExpired as error:
        output = (error.stdout or b"").decode(errors="replace") + (error.stderr or b"").decode(errors="replace")
        raise AssertionError(f"{' '.join(command)}: not done after {timeout_s:g} s: {output[-2000:]}") from None
    return Said(done.returncode, done.stdout + done.stderr)


def _seen(line: str | bytes) -> Seen:
    event = json.loads(line)
    return Seen(time.time(), event["type"], event["object"])


def _program(name: str) -> str:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skerry" / "kind" / "bin" / name
    found = str(cache) if cache.exists() else shutil.which(name)
    if found is None:
        raise RuntimeError(f"no {name} was found: run `make kind-up`, or put one on the PATH")
    return found
