"""The command line: picks a world, runs a conductor in it, renders what came out.

Exit codes: 0 Pass, 1 Fail, 2 Inconclusive, 3 wrong document or command.
"""

from skerry.cli.main import main, run_command_line

__all__ = ["main", "run_command_line"]
