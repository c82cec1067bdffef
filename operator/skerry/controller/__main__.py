"""`skerry-operator`: the process of the operator's pod. `environment` has its settings, ``docs/operator.md`` the rest.

Exit 0 after a signal, 3 for wrong settings or no cluster.
"""

from __future__ import annotations

import logging
import os
import sys

import uvloop

from skerry.controller.environment import Environment, WrongEnvironment, read_environment
from skerry.controller.logs import configure
from skerry.controller.operator import Operator
from skerry.worlds.kubernetes.api import KubeError

CANNOT_RUN = 3

log = logging.getLogger(__name__)


def main() -> None:
    """The console script."""
    configure(sys.stdout)
    try:
        environment = read_environment(os.environ)
        uvloop.run(_run(environment))
    except (WrongEnvironment, KubeError, OSError) as error:
        log.error("the operator cannot run: %s", error)
        sys.exit(CANNOT_RUN)


async def _run(environment: Environment) -> None:
    await Operator(environment).run()


if __name__ == "__main__":
    main()
