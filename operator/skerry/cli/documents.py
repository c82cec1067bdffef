"""Documents from disk or standard input: one file, or every file of a suite. All are read before anything runs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from skerry.cli.errors import CommandError, name_of_input, open_input, read_error
from skerry.cli.names import STANDARD_INPUT
from skerry.experiment import DocumentError, Experiment, load_document
from skerry.experiment.loader import DOCUMENT_BYTES_MAX
from skerry.report.model import replay_of

SUFFIXES = (".yaml", ".yml")


class Document(NamedTuple):
    path: Path
    text: str
    """As it was read: it goes into the history."""
    experiment: Experiment

    def replay(self, world: str, seed: int) -> str:
        """The command that runs it again; one that was read from standard input is in the report."""
        if self.path == STANDARD_INPUT:
            return replay_of(self.experiment.name, world, seed)
        return f"skerry run {shlex.quote(str(self.path))} --world {world} --seed {seed}"


def read_document(path: Path) -> Document:
    """One experiment; ``-`` is standard input. Raises CommandError."""
    name = name_of_input(path)
    try:
        if path != STANDARD_INPUT and path.is_dir():
            raise CommandError(f"{path}: is a directory; name one document in it")
        with open_input(path) as file:
            content = file.read(DOCUMENT_BYTES_MAX + 4)  # the loader says so when it is larger
    except OSError as error:
        raise read_error(path, "a document", error) from None
    try:
        text = content.decode("utf-8-sig", errors="strict" if len(content) <= DOCUMENT_BYTES_MAX else "replace")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise CommandError(
            f"{name}:{line}: holds the byte 0x{content[error.start]:02x}, which is not UTF-8; save it as UTF-8 text"
        ) from None
    try:
        return Document(path, text, load_document(text, source_name=name))
    except DocumentError as error:
        raise CommandError(str(error)) from None


def read_suite(target: Path) -> list[Document]:
    """The document, or all below the directory in the order of their paths; hidden files and directories belong to
    tools, and are left out. Raises CommandError, with the problems of all of them: a user who mends one file wants to
    know of the next."""
    if target == STANDARD_INPUT or not target.is_dir():
        return [read_document(target)]
    found = sorted(_documents_below(target))
    if not found:
        raise CommandError(f"{target}: holds no experiment document (*.yaml); name a file or another directory")
    documents: list[Document] = []
    problems: list[str] = []
    for path in found:
        try:
            documents.append(read_document(path))
        except CommandError as error:
            problems.append(str(error))
    problems += _names_used_twice(documents)
    if problems:
        raise CommandError("\n".join(problems))
    return documents


def _documents_below(directory: Path) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        raise read_error(Path(error.filename), "a directory of documents", error) from None

    for parent, directories, files in os.walk(directory, onerror=unreadable):
        directories[:] = [name for name in directories if not name.startswith(".")]
        for name in files:
            path = Path(parent, name)
            if path.suffix in SUFFIXES and not name.startswith(".") and path.is_file():
                yield path


def _names_used_twice(documents: list[Document]) -> list[str]:
    """In the table and in JUnit only the name tells one run from another."""
    first: dict[str, Path] = {}
    problems = []
    for path, _, experiment in documents:
        if experiment.name in first:
            problems.append(f"{path}: metadata.name: `{experiment.name}` is also the name in {first[experiment.name]}")
        first.setdefault(experiment.name, path)
    return problems
