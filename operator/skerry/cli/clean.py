"""`skerry clean`: remove what experiments left behind in a namespace, whether or not an operator runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console

from skerry.cli.errors import CommandError
from skerry.cli.kube import ask_cluster

if TYPE_CHECKING:
    from skerry.worlds.kubernetes.api import Kube

COMPLETE = "Complete"


class Options(NamedTuple):
    experiment: str | None
    """None: of all of them."""
    namespace: str | None
    context: str | None
    reports: bool


def clean(options: Options, console: Console) -> int:
    """0, also when there was nothing. Raises CommandError when something could not be removed."""
    return ask_cluster(options.namespace, options.context, lambda kube: _clean(kube, options, console))


async def _clean(kube: Kube, options: Options, console: Console) -> int:
    from skerry.worlds.kubernetes.sweep import SweepIncomplete, sweep

    try:
        removed = await sweep(kube, options.experiment, reports=options.reports)
    except SweepIncomplete as incomplete:
        for sentence in incomplete.removed:
            _say(console, sentence)
        raise CommandError(str(incomplete)) from None
    for sentence in removed:
        _say(console, sentence)
    if not removed:
        of = f" of experiment {options.experiment}" if options.experiment else ""
        _say(console, f"nothing{of} to clean in namespace {kube.namespace}")
    for sentence in await _still_running(kube, options.experiment):
        _say(console, sentence)
    return 0


async def _still_running(kube: Kube, experiment: str | None) -> list[str]:
    """Experiments that are not over: an operator that runs may go on with them."""
    from skerry.worlds.kubernetes.api import EXPERIMENTS, KubeError

    try:
        found = await kube.list(EXPERIMENTS)
    except KubeError:  # no such resource any more, or not to be seen: nothing to warn of
        return []
    running = []
    for each in found:
        name, phase = each["metadata"]["name"], (each.get("status") or {}).get("phase") or "Pending"
        if phase != COMPLETE and experiment in (None, name):
            running.append(
                f"experiment {name} is still {phase}: if an operator runs, it may go on; to end it, "
                f"kubectl delete skx {name} -n {kube.namespace}"
            )
    return running


def _say(console: Console, sentence: str) -> None:
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)
