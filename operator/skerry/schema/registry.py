"""Registries: what is known by a word, built in or brought by another distribution.

A registry is a line for each thing that is built in, and a group of entry points, each of which names one more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from typing import TypeVar

T = TypeVar("T")


class WordTaken(ValueError):
    """Two things of one registry claim the same word."""


def by_word(group: str, built_in: Iterable[T], word: Callable[[T], str]) -> dict[str, T]:
    """What is built in, in its order, then what is installed in this group, by name.

    Raises WordTaken: a word is taken twice.
    """
    found: dict[str, T] = {}
    installed: list[T] = [point.load() for point in sorted(entry_points(group=group), key=lambda point: point.name)]
    for each in (*built_in, *installed):
        name = word(each)
        if name in found:
            raise WordTaken(f"`{name}` is taken twice in the group `{group}`; uninstall one of those that bring it")
        found[name] = each
    return found
