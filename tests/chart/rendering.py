"""Runs helm over the chart, once for each set of values."""

import functools
import importlib.util
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "skerry"
Object = dict[str, Any]


def _program() -> Any:
    spec = importlib.util.spec_from_file_location("manifests", ROOT / "hack" / "manifests.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROGRAM = _program()
"""The program ``hack/manifests.py``, which knows where helm is."""


def run_helm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Raises ManifestError (one sentence) when there is no helm: a test that cannot run fails, it is not skipped."""
    helm = PROGRAM.find_helm(os.environ)
    return subprocess.run([helm, *arguments], capture_output=True, text=True, timeout=50)


@functools.cache
def rendered(*values: str) -> tuple[Object, ...]:
    """Every object, with ``--set`` for each of the values."""
    sets = [part for value in values for part in ("--set", value)]
    done = run_helm(*PROGRAM.template_arguments(sets))
    assert done.returncode == 0, done.stderr
    return tuple(document for document in yaml.safe_load_all(done.stdout) if document)


def refusal(*values: str) -> str:
    """What helm says when it refuses them."""
    done = run_helm(*PROGRAM.template_arguments([part for value in values for part in ("--set", value)]))
    assert done.returncode != 0, "these values were accepted"
    return done.stderr


def only(objects: tuple[Object, ...], kind: str, name: str = "") -> Object:
    found = [each for each in objects if each["kind"] == kind and name in ("", each["metadata"]["name"])]
    assert len(found) == 1, [(each["kind"], each["metadata"]["name"]) for each in objects]
    return found[0]


def pod_specs(objects: tuple[Object, ...]) -> dict[str, Object]:
    """``Kind/name`` -> the pod's spec, of everything that is or makes a pod."""
    found = {}
    for each in objects:
        name = f"{each['kind']}/{each['metadata']['name']}"
        spec = each.get("spec", {})
        if each["kind"] == "Pod":
            found[name] = spec
        elif "template" in spec:
            found[name] = spec["template"]["spec"]
    return found


def documented(name: str) -> dict[tuple[str, str], set[str]]:
    """(API group, resource) -> verbs, from the table of that name in docs/security.md."""
    text = (ROOT / "docs" / "security.md").read_text()
    table = text.split(f"<!-- rbac: {name} -->")[1].split("<!-- end -->")[0]
    rights = {}
    for line in table.strip().splitlines()[2:]:
        group, resource, verbs = [cell.strip() for cell in line.strip("|").split("|")[:3]]
        rights[group.strip("`"), resource.split("`")[1]] = {verb.strip() for verb in verbs.split(",")}
    return rights
