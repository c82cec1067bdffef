"""Write dist/skerry.yaml for people without Helm: namespace, CRD, operator, brokers, as the chart renders them.

Arguments are passed on to `helm template`: `make manifests HELM_ARGS='--set injector.enabled=true'`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "helm" / "skerry"
NAMESPACE = "skerry"
KUBERNETES_MIN = "1.29.0"
HELMS_OWN_LABELS = re.compile(r" *(app\.kubernetes\.io/managed-by: Helm|helm\.sh/chart: .*)\n")


class ManifestError(Exception):
    """One sentence: what, where, what to change."""


def find_helm(environment: Mapping[str, str]) -> str:
    """``SKERRY_HELM``, else the first on PATH, else the one that `make kind-up` built. Raises ManifestError."""
    if told := environment.get("SKERRY_HELM"):
        if not shutil.which(told):
            raise ManifestError(f"SKERRY_HELM names {told}, which is no program; correct it")
        return told
    cache = environment.get("XDG_CACHE_HOME") or os.path.join(environment.get("HOME", "/"), ".cache")
    built = Path(environment.get("SKERRY_CACHE") or Path(cache, "skerry", "kind"), "bin", "helm")
    found = shutil.which("helm", path=environment.get("PATH")) or shutil.which(str(built))
    if not found:
        raise ManifestError(
            f"helm is neither on PATH nor at {built}; install it, or run make kind-up, or set SKERRY_HELM"
        )
    return found


def helm(environment: Mapping[str, str], arguments: Sequence[str]) -> str:
    """What it prints. Raises ManifestError with what it says when it fails."""
    done = subprocess.run([find_helm(environment), *arguments], capture_output=True, text=True, env=dict(environment))
    if done.returncode != 0:
        raise ManifestError(f"helm {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def template_arguments(extra: Sequence[str] = (), chart: Path = CHART) -> list[str]:
    return ["template", "skerry", str(chart), "--namespace", NAMESPACE, "--kube-version", KUBERNETES_MIN, *extra]


def manifests(environment: Mapping[str, str], extra: Sequence[str]) -> str:
    """The whole file. The namespace is not opted in: `kubectl label` is a step of its own on purpose."""
    # Hooks are Helm's: its test, and what it runs when it uninstalls.
    rendered = helm(environment, template_arguments(["--include-crds", "--no-hooks", *extra]))
    head = (
        "# Skerry without Helm: kubectl apply --server-side -f skerry.yaml\n"
        f"# Then say yes:        kubectl label namespace {NAMESPACE} skerry.dev/enabled=true\n"
        f"---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n"
    )
    return head + HELMS_OWN_LABELS.sub("", rendered)


def main(arguments: Sequence[str]) -> int:
    target = ROOT / "dist" / "skerry.yaml"
    try:
        text = manifests(os.environ, arguments)
    except ManifestError as error:
        print(f"manifests: {error}", file=sys.stderr)
        return 3
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)
    print(f"wrote {target.relative_to(ROOT)}: {text.count(chr(10) + 'kind: ')} objects")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
