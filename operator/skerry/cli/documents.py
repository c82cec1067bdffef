"""Documents from disk: one file, or every file of a suite. Everything is read before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from skerry.cli.errors import CommandError, read_error
from skerry.experiment import DocumentError, Experiment, load_document
from skerry.experiment.loader import DOCUMENT_BYTES_MAX

SUFFIXES = (".yaml", ".yml")


class Document(NamedTuple):
    path: Path
    text: str
    """As it was read: it goes into the history."""
    experiment: Experiment


def read_document(path: Path) -> Document:
    """One experiment. Raises CommandError."""
    if path.is_dir():
        raise CommandError(f"{path}: is a directory; name one document in it")
    try:
        with path.open("rb") as file:
            content = file.read(DOCUMENT_BYTES_MAX + 4)  # the loader says so when it is larger
    except OSError as error:
        raise read_error(path, "a document", error) from None
    try:
        text = content.decode("utf-8-sig", errors="strict" if len(content) <= DOCUMENT_BYTES_MAX else "replace")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise CommandError(
            f"{path}:{line}: holds the byte 0x{content[error.start]:02x}, which is not UTF-8; save it as UTF-8 text"
        ) from None
    try:
        return Document(path, text, load_document(text, source_name=str(path)))
    except DocumentError as error:
        raise CommandError(str(error)) from None


def read_suite(target: Path) -> list[Document]:
    """The document, or all below the directory in the order of their paths. Raises CommandError, with the problems of
    all of them: whoever mends one file wants to know of the next."""
    if not target.is_dir():
        return [read_document(target)]
    found = sorted(path for path in target.rglob("*") if path.suffix in SUFFIXES and path.is_file())
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


def _names_used_twice(documents: list[Document]) -> list[str]:
    """In the table and in JUnit only the name tells one run from another."""
    first: dict[str, Path] = {}
    problems = []
    for path, _, experiment in documents:
        if experiment.name in first:
            problems.append(f"{path}: metadata.name: `{experiment.name}` is also the name in {first[experiment.name]}")
        first.setdefault(experiment.name, path)
    return problems
