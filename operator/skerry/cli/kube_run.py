"""`skerry run --world kubernetes`: apply the document, follow the experiment to its verdict, fetch the report.

The operator in the cluster does the work. Ctrl-C asks it to break the run off (and to heal); a second one only stops
looking.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import yaml
from rich.console import Console

from skerry.cli.documents import Document
from skerry.cli.errors import CommandError
from skerry.cli.kube import ask_cluster
from skerry.cli.kube_report import Options as ReportOptions
from skerry.cli.kube_report import fetch_files
from skerry.history.run import History
from skerry.report.model import RunReport, make_report
from skerry.report.terminal import print_report
from skerry.schema.base import JsonObject
from skerry.schema.verdict import Finding, FindingKind, Verdict

if TYPE_CHECKING:
    from skerry.worlds.kubernetes.api import Kube

MADE_BY_ANNOTATION = "skerry.dev/made-by"
MADE_BY = "skerry-run"
"""Only a record that this command made may be replaced by it."""
UNSEEN_S = 15.0
"""An operator that runs has seen an experiment long before."""
POLL_S = 0.5


class Options(NamedTuple):
    namespace: str | None
    context: str | None
    directory: Path
    """Gets the report's files."""


class Followed(NamedTuple):
    """What the resource says in the end."""

    name: str
    verdict: Verdict
    reason: str
    message: str
    has_report: bool


def run_on_cluster(options: Options, document: Document, seed: int, console: Console) -> RunReport:
    """One run, to its end. Raises CommandError, OSError."""
    followed = ask_cluster(
        options.namespace, options.context, lambda kube: _apply_and_follow(kube, document, seed, console)
    )
    if followed.has_report:
        return fetch_files(ReportOptions(followed.name, options.namespace, options.context, options.directory), console)
    report = _unrecorded(document, seed, followed)
    print_report(console, report, [])
    return report


def _unrecorded(document: Document, seed: int, followed: Followed) -> RunReport:
    """What the operator refused, or could not record: the resource's own sentence is all there is."""
    finding = Finding(FindingKind.RUN, "run", followed.verdict, followed.message, reason=followed.reason)
    replay = document.replay("kubernetes", seed)
    report = make_report(document.experiment, History([]), [finding], replay, followed.reason)
    return msgspec.structs.replace(report, world="kubernetes", seed=seed)


async def _apply_and_follow(kube: Kube, document: Document, seed: int, console: Console) -> Followed:
    name = document.experiment.name
    await _apply(kube, resource_of(document, seed))
    console.print(f"{name}: applied in namespace {kube.namespace}; following", markup=False, highlight=False)
    seen = ""
    async with _abort_on_interrupt(kube, name, console):
        async for status in _statuses(kube, name):
            line = _line(status)
            if line and line != seen:
                seen = line
                console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
            if status.get("phase") == "Complete":
                return _followed(name, status)
    raise AssertionError("the watch of an experiment ends only with an answer")


def resource_of(document: Document, seed: int) -> JsonObject:
    """What is applied: the document as it was written, under our mark."""
    resource: JsonObject = yaml.safe_load(document.text)
    metadata = resource.setdefault("metadata", {})
    metadata.setdefault("annotations", {})[MADE_BY_ANNOTATION] = MADE_BY
    metadata.pop("namespace", None)
    resource.pop("status", None)
    resource["spec"]["seed"] = seed
    return resource


async def _apply(kube: Kube, resource: JsonObject) -> None:
    """Create it; one of ours that is complete makes room. Raises CommandError, KubeError."""
    from skerry.worlds.kubernetes.api import EXPERIMENTS

    name = str(resource["metadata"]["name"])
    known = await kube.get(EXPERIMENTS, name)
    if known is not None:
        complete = (known.get("status") or {}).get("phase") == "Complete"
        ours = (known["metadata"].get("annotations") or {}).get(MADE_BY_ANNOTATION) == MADE_BY
        if not (complete and ours):
            why = "is still running" if not complete else "was not made by `skerry run`"
            raise CommandError(
                f"chaosexperiment {name} exists in namespace {kube.namespace} and {why}; an experiment is a record: "
                f"delete it first (kubectl delete skx {name} -n {kube.namespace}), or give the document another name"
            )
        await kube.delete(EXPERIMENTS, name, uid=str(known["metadata"]["uid"]))
        await _gone(kube, name, str(known["metadata"]["uid"]))
    await kube.create(EXPERIMENTS, resource)


async def _gone(kube: Kube, name: str, uid: str) -> None:
    """Until the old record's report, which has the same name, is collected too."""
    from skerry.worlds.kubernetes.api import CONFIG_MAPS, JOBS
    from skerry.worlds.kubernetes.names import report_name, workload_name

    for kind, dependent in ((CONFIG_MAPS, report_name(name)), (JOBS, workload_name(name))):
        while (found := await kube.get(kind, dependent)) is not None:
            owners = found["metadata"].get("ownerReferences") or []
            if all(owner["uid"] != uid for owner in owners):
                break
            await asyncio.sleep(POLL_S)


async def _statuses(kube: Kube, name: str) -> AsyncIterator[JsonObject]:
    """The status whenever it changes. Raises CommandError when nobody works on it, or it is deleted."""
    from skerry.worlds.kubernetes.api import EXPERIMENTS

    waited_s = 0.0
    last: JsonObject | None = None
    while True:
        found = await kube.get(EXPERIMENTS, name)
        if found is None:
            raise CommandError(f"chaosexperiment {name} was deleted while it ran; its faults are healed by its fuses")
        status: JsonObject = found.get("status") or {}
        if not status and waited_s >= UNSEEN_S:
            raise CommandError(
                f"no operator has taken up chaosexperiment {name} in {UNSEEN_S:g} s; see `skerry doctor -n "
                f"{kube.namespace}` (the experiment is left as it is)"
            )
        if status != last:
            yield status
            last = status
        await asyncio.sleep(POLL_S)
        waited_s += POLL_S


def _line(status: JsonObject) -> str:
    """Phase, and the message of what was decided last."""
    phase = status.get("phase", "")
    if phase in ("", "Complete"):
        return ""
    conditions = status.get("conditions") or []
    message = next((each["message"] for each in conditions if each["type"] == "Accepted" and phase == "Pending"), "")
    targets = ", ".join(status.get("targets") or []) if phase in ("Verifying", "Holding") else ""
    return " ".join(filter(None, [phase, message, f"({targets})" if targets else ""]))


def _followed(name: str, status: JsonObject) -> Followed:
    reason = next((each["reason"] for each in status.get("conditions") or [] if each["type"] == "Succeeded"), "")
    verdict = Verdict(status.get("verdict") or Verdict.INCONCLUSIVE)
    return Followed(name, verdict, reason, str(status.get("message") or ""), bool(status.get("report")))


@contextlib.asynccontextmanager
async def _abort_on_interrupt(kube: Kube, name: str, console: Console) -> AsyncIterator[None]:
    from skerry.worlds.kubernetes.api import EXPERIMENTS
    from skerry.worlds.kubernetes.names import ABORT_ANNOTATION

    loop, asked = asyncio.get_running_loop(), set[asyncio.Task[object]]()
    current = asyncio.current_task()

    def interrupt() -> None:
        if asked and current is not None:
            current.cancel()
            return
        console.print("interrupted: the operator is asked to heal and stop; again: only stop looking", style="yellow")
        patch: JsonObject = {"metadata": {"annotations": {ABORT_ANNOTATION: "interrupted by skerry run"}}}
        asked.add(asyncio.ensure_future(kube.patch(EXPERIMENTS, name, patch)))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
