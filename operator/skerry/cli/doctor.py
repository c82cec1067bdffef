"""`skerry doctor`: what is there, what is missing, and what to do, before anything is tried."""

from __future__ import annotations

import importlib.metadata
import secrets
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from skerry.cli.kube import ask_cluster

if TYPE_CHECKING:
    from skerry.worlds.kubernetes.api import Kube
    from skerry.worlds.kubernetes.diagnosis import Check

STYLE = {"OK": "green", "WARN": "yellow", "FAIL": "bold red", "UNKNOWN": "magenta"}
FAILED = 1


class Options(NamedTuple):
    namespace: str | None
    context: str | None
    operator_namespace: str | None
    stateful_set: str
    probe: bool | None
    """None: if the namespace allows experiments."""
    prometheus_url: str | None


def examine(options: Options, console: Console) -> int:
    """0, or 1 when a check failed. Raises CommandError."""
    return ask_cluster(options.namespace, options.context, lambda kube: _examine(kube, options, console))


async def _examine(kube: Kube, options: Options, console: Console) -> int:
    from skerry.worlds.kubernetes.doctor import Asked, Doctor

    asked = Asked(
        version=importlib.metadata.version("skerry"),
        suffix=secrets.token_hex(3),
        stateful_set=options.stateful_set,
        operator_namespace=options.operator_namespace or "",
        probe=options.probe,
        prometheus_url=options.prometheus_url or "",
    )
    with console.status("looking") as status:
        found = [check async for check in Doctor(kube, asked, status.update).checks()]
    console.print(_table(found, kube.namespace))
    for check in found:
        if check.todo:  # not in the table: a command must stay in one piece to be copied
            console.print(Text.assemble((f"{check.name}: ", STYLE[check.state]), check.todo), soft_wrap=True)
    failed = [check.name for check in found if check.state == "FAIL"]
    console.print(Text(_sentence(failed, found), STYLE["FAIL" if failed else "OK"]), soft_wrap=True)
    return FAILED if failed else 0


def _table(checks: list[Check], namespace: str) -> Table:
    """Nothing in it is taken for markup: names come from the cluster."""
    table = Table(title=f"namespace {namespace}", title_justify="left", pad_edge=False)
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("found", overflow="fold")
    for check in checks:
        table.add_row(Text(check.name), Text(check.state, STYLE[check.state]), Text(check.found))
    return table


def _sentence(failed: list[str], checks: list[Check]) -> str:
    if failed:
        return f"To be mended first: {', '.join(failed)}."
    unclear = [check.name for check in checks if check.state != "OK"]
    if unclear:
        return f"Nothing was found that keeps experiments from being carried out here; mind: {', '.join(unclear)}."
    return "Experiments can be carried out here."
