"""Random changes to experiments: some stay right, most become wrong, in every way that a person may get it wrong."""

from __future__ import annotations

import copy
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

DURATIONS = ("0s", "1ms", "500ms", "1s", "2s", "5s", "59s", "1m", "2m", "4m", "1h", "24h", "25h")

Path = tuple[str | int, ...]


class Mutations:
    """Draws from what the given documents hold, so that the changes look like experiments."""

    def __init__(self, documents: list[dict[str, Any]], seed: int) -> None:
        self._documents = documents
        self._random = random.Random(seed)
        self._values: dict[tuple[str, type], list[Any]] = defaultdict(list)
        """(field, type) -> what stands there somewhere."""
        self._beside: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        """Field -> the fields (and values) that stand beside it somewhere."""
        for document in documents:
            for path, value in _places(document["spec"]):
                self._values[_field(path), type(value)].append(value)
                if isinstance(value, dict):
                    for field in value:
                        self._beside[field].extend(value.items())

    def draw(self, name: str) -> dict[str, Any]:
        """One of the documents with one to three changes, called ``name``."""
        document = copy.deepcopy(self._random.choice(self._documents))
        document["metadata"] = {"name": name}
        for _ in range(self._random.choice((1, 1, 1, 2, 3))):
            self._change(document["spec"])
        return document

    def _change(self, spec: dict[str, Any]) -> None:
        places = list(_places(spec))
        path, value = self._random.choice(places)
        inside: Any = spec
        for part in path[:-1]:
            inside = inside[part]
        change = self._random.choice(("remove", "replace", "replace", "replace", "add", "again"))
        if change == "remove":
            del inside[path[-1]]
        elif change == "replace":
            inside[path[-1]] = self._another(path, value)
        elif change == "add" and isinstance(value, dict) and value:
            field, new = self._random.choice(self._beside[self._random.choice(list(value))])
            value[field] = copy.deepcopy(new)
        elif change == "again" and isinstance(value, list) and value:
            again = copy.deepcopy(self._random.choice(value))
            if isinstance(again, dict) and "name" in again and self._random.random() < 0.9:
                again["name"] += str(self._random.randrange(10))
            value.append(again)

    def _another(self, path: Path, value: Any) -> Any:
        if isinstance(value, bool):
            return not value
        if isinstance(value, int):
            return self._random.choice((0, 1, 2, 3, 4, 5, value + 1, max(0, value - 1)))
        if isinstance(value, str) and value[:1].isdigit():
            return self._random.choice(DURATIONS)
        return copy.deepcopy(self._random.choice(self._values[_field(path), type(value)]))


def _places(node: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Everything inside, with its path."""
    if path:
        yield path, node
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in entries:
        yield from _places(child, (*path, key))


def _field(path: Path) -> str:
    return next(part for part in reversed(path) if isinstance(part, str))
