"""What can be wrong with a recording."""

from __future__ import annotations


class HistoryError(ValueError):
    """This is not a history, or not one that this version can judge. ``line`` counts from 1; 0: the whole file."""

    def __init__(self, line: int, problem: str) -> None:
        self.line = line
        self.problem = problem
        super().__init__(f"history, line {line}: {problem}" if line else f"history: {problem}")
