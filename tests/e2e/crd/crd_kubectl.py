"""kubectl against the test cluster, and against no other one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

CONTEXT_DEFAULT = "kind-skerry"


class Said(NamedTuple):
    """How a command ended."""

    code: int
    output: str
    """Both streams."""


class Kubectl:
    """Commands in one namespace. The context is checked once: these tests change the CRD of a cluster."""

    def __init__(self) -> None:
        """Raises RuntimeError: there is no kubectl, or its context is not the test cluster's."""
        self.program = find_kubectl()
        self.namespace = "default"
        wanted = os.environ.get("SKERRY_E2E_CONTEXT", CONTEXT_DEFAULT)
        found = self("config", "current-context")
        if found.code or found.output.strip() != wanted:
            raise RuntimeError(
                f"the current context of kubectl must be {wanted}, and is {found.output.strip()!r}: "
                "run `make kind-up`, or name a cluster that may be changed in SKERRY_E2E_CONTEXT"
            )

    def __call__(self, *arguments: str, stdin: str = "") -> Said:
        command = [self.program, "--namespace", self.namespace, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=50, check=False)
        return Said(done.returncode, done.stdout + done.stderr)

    def must(self, *arguments: str, stdin: str = "") -> str:
        """The output of a command that has to succeed."""
        said = self(*arguments, stdin=stdin)
        assert said.code == 0, f"kubectl {' '.join(arguments)}: {said.output}"
        return said.output

    def get(self, *arguments: str) -> dict[str, Any]:
        found = json.loads(self.must("get", *arguments))
        assert isinstance(found, dict)
        return found


def find_kubectl() -> str:
    """$SKERRY_KUBECTL, that of `make kind-up`, or the one on the PATH.

    Raises RuntimeError: there is none.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skerry" / "kind" / "bin" / "kubectl"
    found = os.environ.get("SKERRY_KUBECTL") or (str(cache) if cache.exists() else shutil.which("kubectl"))
    if found is None:
        raise RuntimeError("no kubectl was found: run `make kind-up`, or name one in SKERRY_KUBECTL")
    return found
