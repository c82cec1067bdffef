"""The report in a ConfigMap of the experiment: what outlives the workload pod."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from skerry.report.files import report_json
from skerry.report.junit import junit_xml
from skerry.report.model import RunReport
from skerry.schema.base import JsonObject
from skerry.schema.verdict import Finding, FindingKind, Verdict
from skerry.worlds.kubernetes.api import CONFIG_MAPS, Kube, KubeError
from skerry.worlds.kubernetes.names import Artefact, is_ours, labels, owner_reference, report_name

BYTES_MAX = 900 * 1024
"""Most bytes of all files, compressed. A ConfigMap holds 1 MiB."""
JSON, JUNIT, HTML = "report.json", "junit.xml", "report.html"
NOTE = "note"
FAULTS_KEPT = 16
"""How many faults a report keeps that has to be shortened."""


class Packed(NamedTuple):
    files: dict[str, bytes]
    """``report.json.gz`` and so on."""
    note: str
    """What was left out, as a sentence; empty: nothing."""


def packed(files: Mapping[str, bytes], report: RunReport, limit: int = BYTES_MAX) -> Packed:
    """Pack the files into ``limit`` bytes: without the HTML page if need be, then with the worst findings only."""
    found = _compressed(files)
    if _size(found) <= limit:
        return Packed(found, "")
    note = f"The report is larger than {limit // 1024} KiB: {HTML} was left out."
    found = _compressed({name: content for name, content in files.items() if name != HTML})
    kept = len(report.findings)
    while _size(found) > limit:
        kept //= 2
        short = _shortened(report, kept)
        found = _compressed({JSON: report_json(short), JUNIT: junit_xml([short])})
        note = (
            f"The report is larger than {limit // 1024} KiB: {HTML} was left out, and {kept} of "
            f"{len(report.findings)} findings were kept, the worst."
        )
        if not kept:
            break
    return Packed(found, note)


def files_of(report: RunReport) -> dict[str, bytes]:
    """Make the files of a run whose workload pod has nothing to say."""
    return {JSON: report_json(report), JUNIT: junit_xml([report])}


def config_map(resource: JsonObject, content: Packed) -> JsonObject:
    """Owned by the experiment (``resource``)."""
    name = str(resource["metadata"]["name"])
    data: dict[str, Any] = {NOTE: content.note} if content.note else {}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": report_name(name),
            "labels": labels(name, Artefact.REPORT),
            "ownerReferences": [owner_reference(resource)],
        },
        "data": data,
        "binaryData": {key: base64.b64encode(value).decode() for key, value in sorted(content.files.items())},
    }


async def store(kube: Kube, resource: JsonObject, content: Packed) -> str:
    """The name of the ConfigMap. One of ours that stands under this name is replaced: it is of an earlier attempt, or
    of an experiment that had this name before. Raises KubeError, also when it is somebody else's."""
    manifest = config_map(resource, content)
    name = str(manifest["metadata"]["name"])
    standing = await kube.get(CONFIG_MAPS, name)
    if standing is not None:
        if not is_ours(standing):
            raise KubeError(409, "NotOurs", f"there is a ConfigMap {name} that is not Skerry's")
        await kube.delete(CONFIG_MAPS, name, uid=standing["metadata"]["uid"])
    await kube.create(CONFIG_MAPS, manifest)
    return name


def _shortened(report: RunReport, kept: int) -> RunReport:
    """The first ``kept`` findings, which are the worst."""
    findings = tuple(msgspec.structs.replace(finding, witness=(), offsets=()) for finding in report.findings[:kept])
    causes = tuple(
        msgspec.structs.replace(cause, findings=tuple(index for index in cause.findings if index < kept))
        for cause in report.causes
        if cause.findings[0] < kept
    )
    said = Finding(
        FindingKind.RUN,
        "run",
        Verdict.PASS,
        f"{len(report.findings) - kept} findings were left out: the report was too large to be stored",
        reason="ReportShortened",
    )
    return msgspec.structs.replace(
        report,
        findings=(*findings, said),
        faults=report.faults[:FAULTS_KEPT],
        causes=causes,
        measured=report.measured[:FAULTS_KEPT],
    )


def _compressed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}


def _size(files: Mapping[str, bytes]) -> int:
    return sum(map(len, files.values()))
