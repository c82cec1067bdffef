"""`skerry report --kube`: fetch what the operator kept of a run, and the history from its workload pod while that
still serves."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from rich.console import Console

from skerry.cli.errors import CommandError, output_error
from skerry.cli.kube import ask_cluster
from skerry.report.model import RunReport
from skerry.report.terminal import print_report
from skerry.schema.base import JsonObject

if TYPE_CHECKING:
    from skerry.worlds.kubernetes.api import Kube

REPORT = "report.json"
FILES = (REPORT, "junit.xml", "report.html")
"""As `skerry report` writes them; the page for people last."""
HISTORY = "history.jsonl"
UNPACKED_BYTES_MAX = 256 << 20
HISTORY_TIMEOUT_S = 120.0


class Options(NamedTuple):
    experiment: str
    namespace: str | None
    context: str | None
    out: Path


class Fetched(NamedTuple):
    files: dict[str, bytes]
    notes: list[str]
    """What is missing, and why."""


def fetch_report(options: Options, console: Console) -> int:
    """The exit code of the verdict. Raises CommandError."""
    return fetch_files(options, console).verdict.exit_code


def fetch_files(options: Options, console: Console) -> RunReport:
    """Write and show what there is of a run; the report of it. Raises CommandError, OSError."""
    files, notes = ask_cluster(options.namespace, options.context, lambda kube: _fetch(kube, options.experiment))
    try:
        report = msgspec.json.decode(files[REPORT], type=RunReport)
    except (KeyError, msgspec.DecodeError) as error:
        raise CommandError(
            f"the report of {options.experiment} was written by another version of skerry and cannot be read "
            f"({error}); use the version that the operator has"
        ) from None
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (options.out / name).write_bytes(content)
    except OSError as error:
        raise output_error(error, options.out) or error from None
    print_report(console, report, [options.out / name for name in (HISTORY, *FILES) if name in files])
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    return report


async def _fetch(kube: Kube, experiment: str) -> Fetched:
    from skerry.worlds.kubernetes.api import CONFIG_MAPS
    from skerry.worlds.kubernetes.names import report_name

    name = report_name(experiment)
    kept = await kube.get(CONFIG_MAPS, name)
    if kept is None:
        raise CommandError(await _why_there_is_none(kube, experiment))
    packed = kept.get("binaryData") or {}
    files = {
        file: _unpacked(packed[f"{file}.gz"], f"{file} in ConfigMap {name}") for file in FILES if f"{file}.gz" in packed
    }
    notes = [(kept.get("data") or {}).get("note") or "", *_missing(files)]
    history, note = await _history(kube, experiment)
    if history is not None:
        files[HISTORY] = history
    return Fetched(files, [each for each in (*notes, note) if each])


def _missing(files: Mapping[str, bytes]) -> list[str]:
    return [f"there is no {file} in it" for file in FILES if file not in files]


async def _history(kube: Kube, experiment: str) -> tuple[bytes | None, str]:
    """The recording, or why it cannot be had."""
    from skerry.runner.messages import PORT
    from skerry.worlds.kubernetes.api import PODS, KubeError
    from skerry.worlds.kubernetes.names import Artefact, selector

    gone = "the history is gone: the workload pod has ended (`spec.retain` says how long it serves)"
    try:
        for pod in await kube.list(PODS, selector(experiment, Artefact.WORKLOAD)):
            if (pod.get("status") or {}).get("phase") == "Running":
                return await kube.pod_get(pod["metadata"]["name"], PORT, "/history", HISTORY_TIMEOUT_S), ""
    except KubeError as error:
        return None, f"the history could not be fetched: {error}"
    return None, gone


async def _why_there_is_none(kube: Kube, experiment: str) -> str:
    from skerry.worlds.kubernetes.api import EXPERIMENTS

    where = f"in namespace {kube.namespace}"
    found = await kube.get(EXPERIMENTS, experiment)
    if found is None:
        return f"there is no ChaosExperiment {experiment} {where}, and no report of one; see `kubectl get skx -A`"
    return f"experiment {experiment} {where} has no report: {_state(found, experiment, kube.namespace)}"


def _state(found: JsonObject, experiment: str, namespace: str) -> str:
    status = found.get("status") or {}
    phase = status.get("phase")
    if phase == "Complete":
        return f"it ended without one ({status.get('message') or status.get('verdict') or 'no reason is known'})"
    wait = f"wait for it with `kubectl wait --for=condition=Complete skx/{experiment} -n {namespace} --timeout=10m`"
    if phase is None:
        return f"no operator has seen it yet; see `skerry doctor -n {namespace}`"
    return f"it is in phase {phase}; {wait}"


def _unpacked(packed: str, what: str) -> bytes:
    """Raises CommandError."""
    try:
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # gzip
        content = unpacker.decompress(base64.b64decode(packed, validate=True), UNPACKED_BYTES_MAX)
    except (zlib.error, ValueError) as error:
        raise CommandError(f"{what} is damaged: {error}; run the experiment again") from None
    if not unpacker.eof:
        raise CommandError(f"{what} is incomplete or larger than {UNPACKED_BYTES_MAX >> 20} MiB; run it again")
    return content
