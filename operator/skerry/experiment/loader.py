"""YAML text -> `Experiment`, or every problem in it as a sentence with its line.

The text is composed into nodes first, because only nodes know their lines and repeat a key that was written twice (a
plain `safe_load` silently keeps the last one). Anchors and aliases are refused: they are how small files
become huge ones.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec
import yaml
from pydantic import ValidationError
from yaml.composer import Composer
from yaml.resolver import Resolver

from skerry.experiment import crosschecks
from skerry.experiment.document import Experiment
from skerry.experiment.sentences import sentence_of

DOCUMENT_BYTES_MAX = 256 * 1024
DEPTH_MAX = 40
VALUES_MAX = 20_000
"""Keys and values of one document. The largest that the models allow, 16 faults of 128 targets, has some 15,000."""
PROBLEMS_MAX = 50
"""So many are told of one document; each takes time to word, and nobody reads more."""
TOO_DEEP = f"is nested more than {DEPTH_MAX} levels deep; an experiment is not"

_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "timestamp", "seq", "map")
)

_PLAIN_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_PLAIN_BOOLEAN = re.compile("[Tt]rue|[Ff]alse|TRUE|FALSE")
DIGITS_MAX = 100
_INT, _BOOL, _TEXT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:str"

Path = tuple[str | int, ...]


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong: ``str(problem)`` is ``file:line: path: sentence``."""

    source: str
    line: int
    """The first line is 1; 0: the document as a whole."""
    path: str
    sentence: str

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}" if self.line else self.source
        return f"{where}: {self.path}: {self.sentence}" if self.path else f"{where}: {self.sentence}"


class DocumentError(ValueError):
    """The document is wrong. ``problems`` holds what was found, in the order of the lines: never empty, at most
    `PROBLEMS_MAX` and one that says that there are more."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def load_document(text: str, source_name: str = "document") -> Experiment:
    """Read one document.

    ``text``: YAML, one ChaosExperiment.
    ``source_name``: shown in front of every problem, as `name:line`.
    Raises DocumentError: anything is wrong with it.
    """
    return _Loader(source_name).load(text)


class _Loader:
    def __init__(self, source: str) -> None:
        self.source = source

    def load(self, text: str) -> Experiment:
        root = self._compose(text)
        self._raise_if(self._duplicate_keys(root, ()))
        self._raise_if(self._ambiguous_values(root, ()))
        try:
            data = yaml.SafeLoader("").construct_document(root)
        except (yaml.YAMLError, ValueError, TypeError) as error:
            # For example a key that is itself a mapping, or 2026-13-45 as a date.
            self._fail(_line(root), f"cannot be read as plain values: {_first_line(error)}")
        if not isinstance(data, dict):
            self._fail(_line(root), f"must be a mapping with apiVersion, kind, metadata and spec; it is {_kind(data)}")
        try:
            experiment = Experiment.model_validate(data)
        except ValidationError as error:
            found = (self._problem(root, path, text) for path, text in sentence_of(error, data))
            raise self._error(found) from None
        self._raise_if(self._problem(root, path, text) for path, text in crosschecks.problems(experiment))
        return experiment

    def _compose(self, text: str) -> yaml.Node:
        if len(text.encode("utf-8", "replace")) > DOCUMENT_BYTES_MAX:
            self._fail(0, f"is larger than {DOCUMENT_BYTES_MAX // 1024} KiB; an experiment is a page of text")
        try:
            roots = _Composer(self._safe_events(text)).roots()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 0
            raise self._error([Problem(self.source, line, "", _yaml_sentence(error, text, line))]) from None
        except yaml.reader.ReaderError as error:
            line = text[: error.position].count("\n") + 1 if isinstance(error.position, int) else 0
            self._fail(line, f"holds the character U+{_code(error.character):04X}; save it as plain UTF-8 text")
        if not roots or (len(roots) == 1 and _is_null(roots[0])):
            self._fail(0, "is empty; it must hold one ChaosExperiment (apiVersion, kind, metadata, spec)")
        if len(roots) > 1:
            self._fail(
                _line(roots[1]),
                f"holds {len(roots)} documents; put each experiment in a file of its own (a suite is a directory)",
            )
        return roots[0]

    def _safe_events(self, text: str) -> list[yaml.Event]:
        """What the parser finds. Before any node is built are refused: anchors, own tags, too many values, and depth
        (the parser's time grows with its square)."""
        events: list[yaml.Event] = []
        depth = values = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            events.append(event)
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                self._fail(line, "uses a YAML anchor (`&name`, `*name`); write the value out")
            tag = getattr(event, "tag", None)
            if tag is not None and tag not in _PLAIN_TAGS:
                self._fail(line, f"has the YAML tag `{tag}`; write a plain value")
            if isinstance(event, yaml.ScalarEvent):
                values += 1
                if values > VALUES_MAX:
                    self._fail(line, f"holds more than {VALUES_MAX:,} keys and values; an experiment is a page of text")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEPTH_MAX:
                    self._fail(line, TOO_DEEP)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        return events

    def _duplicate_keys(self, node: yaml.Node, path: Path) -> Iterator[Problem]:
        if isinstance(node, yaml.MappingNode):
            first: dict[str, int] = {}
            for key, value in node.value:
                name = str(key.value)
                if name in first:
                    yield Problem(
                        self.source,
                        _line(key),
                        path_text((*path, name)),
                        f"is written twice (first on line {first[name]}); keep one",
                    )
                first.setdefault(name, _line(key))
                yield from self._duplicate_keys(value, (*path, name))
        elif isinstance(node, yaml.SequenceNode):
            for index, child in enumerate(node.value):
                yield from self._duplicate_keys(child, (*path, index))

    def _ambiguous_values(self, node: yaml.Node, path: Path) -> Iterator[Problem]:
        """What one reader of YAML takes for another value than the next, silently: `017` is 15 here and 17 elsewhere,
        `1:30` is 90 or text, `yes` is true or text."""
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != _TEXT:
                    what = f"has the key `{key.value}`, which not every reader of YAML takes for text; correct it"
                    yield Problem(self.source, _line(key), path_text(path), f"{what}, or put it in quotes")
                yield from self._ambiguous_values(value, (*path, str(key.value)))
        elif isinstance(node, yaml.SequenceNode):
            for index, child in enumerate(node.value):
                yield from self._ambiguous_values(child, (*path, index))
        elif isinstance(node, yaml.ScalarNode):
            if node.tag == _INT and len(node.value) > DIGITS_MAX:
                what = f"is a number of {len(node.value)} digits, and no number of an experiment is that long"
                yield Problem(self.source, _line(node), path_text(path), what)
                return
            if node.tag == _INT and not _PLAIN_NUMBER.fullmatch(node.value):
                what = "is another number to other readers of YAML; write it in decimal, without leading zeros"
            elif node.tag == _BOOL and not _PLAIN_BOOLEAN.fullmatch(node.value):
                what = "is `true` or `false` to some readers of YAML and text to others; write `true` or `false`"
            else:
                return
            yield Problem(self.source, _line(node), path_text(path), f"`{node.value}` {what}, or put text in quotes")

    def _problem(self, root: yaml.Node, path: Path, sentence: str) -> Problem:
        return Problem(self.source, line_of(root, path), path_text(path), sentence)

    def _error(self, found: Iterable[Problem]) -> DocumentError:
        """The error of the first `PROBLEMS_MAX` problems; the others are not even worded."""
        each = iter(found)
        unique = list(dict.fromkeys(islice(each, PROBLEMS_MAX)))
        problems = sorted(unique, key=lambda problem: problem.line)
        if next(each, None) is not None:
            problems.append(Problem(self.source, 0, "", f"has more problems than these {PROBLEMS_MAX}"))
        return DocumentError(problems)

    def _raise_if(self, found: Iterable[Problem]) -> None:
        error = self._error(found)
        if error.problems:
            raise error

    def _fail(self, line: int, sentence: str) -> Any:
        raise DocumentError([Problem(self.source, line, "", sentence)]) from None


class _Composer(Composer, Resolver):
    """Nodes of what was parsed. Parsing takes most of the time that a document takes, so it is done once."""

    def __init__(self, events: list[yaml.Event]) -> None:
        Composer.__init__(self)
        Resolver.__init__(self)
        self._coming = deque(events)

    def roots(self) -> list[yaml.Node]:
        found = []
        while self.check_node():
            root = self.get_node()
            assert root is not None
            found.append(root)
        return found

    def check_event(self, *kinds: type[yaml.Event]) -> bool:
        return bool(self._coming) and isinstance(self._coming[0], kinds)

    def peek_event(self) -> yaml.Event:
        return self._coming[0]

    def get_event(self) -> yaml.Event:
        return self._coming.popleft()


def path_text(path: Path) -> str:
    """A path as it is written, such as ``spec.faults[0].duration``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def line_of(root: yaml.Node, path: Path) -> int:
    """The line of the key (or list item) at ``path``, or of the nearest thing around it that exists."""
    node, line = root, _line(root)
    for part in path:
        if isinstance(node, yaml.MappingNode):
            entry = next(((key, value) for key, value in node.value if key.value == part), None)
            if entry is None:
                return line
            line, node = _line(entry[0]), entry[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = _line(node)
        else:
            return line
    return line


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "a single value"


def _code(character: object) -> int:
    return ord(character) if isinstance(character, str) else int(str(character))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _yaml_sentence(error: yaml.MarkedYAMLError, text: str, line: int) -> str:
    lines = text.splitlines()
    shown = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in shown[: len(shown) - len(shown.lstrip())] or "'\\t'" in str(error.problem):
        return "is indented with a tab, which YAML forbids; use spaces"
    if error.problem and "undefined alias" in error.problem:
        return f"{error.problem}; write the value out"
    if error.problem and "mapping values are not allowed" in error.problem:
        return "is not YAML: a second `: ` on this line; put a text that holds one in quotes"
    detail = ", ".join(part for part in (error.context, error.problem) if part)
    return f"is not YAML: {detail}"
