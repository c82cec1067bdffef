"""The worlds by name. Each is imported when it is asked for: `check` and `plan` need neither brokers nor event loop."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from skerry.cli.errors import CommandError
from skerry.cli.names import WorldName
from skerry.schema.verdict import Verdict

if TYPE_CHECKING:
    from skerry.cli.documents import Document
    from skerry.engine.actions import Finish
    from skerry.engine.capabilities import Capabilities
    from skerry.experiment import Experiment
    from skerry.history.run import History
    from skerry.report.live import LiveView


class Outcome(NamedTuple):
    """What a world leaves of a run."""

    finish: Finish
    history: History
    history_path: Path


def capabilities_of(world: str, experiment: Experiment, *, prometheus: bool = False) -> Capabilities:
    """What a world can do to the system under test as it is installed, without a switch that somebody has to throw. No
    cluster is asked."""
    if world == WorldName.SIM:
        from skerry.worlds.sim.world import CAPABILITIES as simulated

        return simulated
    if world == WorldName.KUBERNETES:
        from skerry.worlds.kubernetes.capabilities import capabilities
        from skerry.worlds.kubernetes.opt_ins import OptIns

        return capabilities(OptIns(grant=False, label=False, hold=True, prometheus=prometheus))
    from skerry.engine.capabilities import capabilities_for
    from skerry.worlds.local.capabilities import CAPABILITIES

    return capabilities_for(CAPABILITIES, experiment.target)


def capabilities_with_everything(world: str, experiment: Experiment, *, prometheus: bool = False) -> Capabilities:
    """What a world can do at most, with every switch thrown."""
    if world != WorldName.KUBERNETES:
        return capabilities_of(world, experiment)
    from skerry.worlds.kubernetes.capabilities import capabilities
    from skerry.worlds.kubernetes.opt_ins import OptIns

    return capabilities(OptIns(grant=True, label=True, hold=True, prometheus=prometheus))


def switches() -> str:
    """What is off in a cluster until somebody who may switches it on."""
    from skerry.worlds.kubernetes.opt_ins import OptIns

    return OptIns(grant=False, label=False).missing


def run_in(world: str, document: Document, seed: int, directory: Path, version: str, live: LiveView) -> Outcome:
    """One run, to its end. Raises CommandError when it could not be carried out at all."""
    if world == WorldName.SIM:
        from skerry.worlds.sim.world import run_simulated

        return Outcome(*run_simulated(document.experiment, document.text, seed, directory, version, live.on_turn))
    return _run_local(document, seed, directory, version, live)


def _run_local(document: Document, seed: int, directory: Path, version: str, live: LiveView) -> Outcome:
    import uvloop

    from skerry.engine.conductor import Conductor
    from skerry.worlds.local.world import LocalWorld, refuse

    asked = (document.experiment, document.text, seed, directory, version, live.on_turn)
    try:
        refused = refuse(*asked)
        if refused is not None:
            return Outcome(*refused)
        world = LocalWorld(*asked)
    except OSError as error:
        raise CommandError(f"the run could not begin: {error}") from None

    def interrupt() -> None:
        if world.aborted:
            live.say("interrupted again: killing every process that was started")
            live.__exit__(None, None, None)  # the terminal as it was: nothing else runs after this
            world.kill_now()
            os._exit(Verdict.INCONCLUSIVE.exit_code)
        world.abort("interrupted")
        live.say("interrupted: healing, draining, stopping every process that was started; again: kill them at once")

    async def drive() -> Outcome:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
        return Outcome(*await world.run(Conductor(document.experiment, seed, world.capabilities)))

    return uvloop.run(drive())
