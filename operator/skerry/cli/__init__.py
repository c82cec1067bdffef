"""The command line: picks a world, runs a conductor in it, renders what came out.

Exit codes: 0 Pass, 1 Fail, 2 Inconclusive, 3 wrong document or command.

Nothing is imported before it is needed: `skerry --help` reads neither documents nor worlds.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from skerry.cli.exit_codes import INTERRUPTED


def main() -> None:
    """The console script."""
    sys.exit(run_command_line(sys.argv[1:]))


def run_command_line(arguments: Sequence[str]) -> int:
    """The exit code. Ctrl-C while the program is still being loaded ends it as any other Ctrl-C does."""
    try:
        from skerry.cli import commands

        return commands.run_command_line(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
