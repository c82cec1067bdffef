"""One way of writing docstrings: plain sentences, which name a parameter in double backticks."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from statements import statements

ROOT = Path(__file__).parents[2]

FOLDERS = ("bench", "broker", "hack", "injector", "operator", "tests")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path != Path(__file__))

SMALL = ("kopf", "kubectl", "kubeadm", "kind", "skerry", "acks", "msgpack", "etcd", "uvloop", "pip")
"""Names that are written small, and may begin a sentence."""
BEGINNING = re.compile(rf"[A-Z0-9`\"'({{/*$]|-\d|(?:{'|'.join(SMALL)})\b")
END = re.compile(r"[.:!?)`\"'|}\]/>]$")
FIELDS = re.compile(r":(?:param|raises|returns?|rtype|type)\b|^ *(?:Args|Returns|Raises|Parameters):", re.M)
FRAGMENT = re.compile(r"Of\b|(?:Or|And|But)\b(?!.*\b(?:is|are|was|were|has|have|may|must|can|comes?)\b)")
STILTED = re.compile(r"\b(?:whoever|whom|whomever)\b", re.IGNORECASE)
WORDS_MIN = 2


def strings(module: ast.Module) -> Iterator[tuple[ast.AST | None, int, str]]:
    """(what it describes, line, text): of modules, classes and functions, and (None) of fields."""
    for node in (module, *statements(module)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for number, statement in enumerate(node.body):
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield (node if number == 0 else None), statement.lineno, text


def problems(owner: ast.AST | None, text: str) -> Iterator[str]:
    text = text.strip()
    first = re.split(r"(?<=[.:!?])\s", text, maxsplit=1)[0]
    if FIELDS.search(text):
        yield "name a parameter in double backticks, in a sentence"
    if STILTED.search(text):
        yield "say who is meant, without whom or whoever"
    if not BEGINNING.match(text):
        yield "begin with a capital letter"
    if not END.search(text) and not inspect.cleandoc(text).rsplit("\n", 1)[-1].startswith(" "):  # a drawing
        yield "end with a full stop"
    if FRAGMENT.match(first):
        yield "a fragment: say what it is, or does"
    public = isinstance(owner, ast.Module | ast.ClassDef) or not getattr(owner, "name", "_").startswith("_")
    if public and len(text.split()) < WORDS_MIN:
        yield f"a sentence has {WORDS_MIN} words or more"


def test_docstrings_are_sentences() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {problem}: {text.strip()[:80]!r}"
        for path in FILES
        for owner, line, text in strings(ast.parse(path.read_text()))
        for problem in problems(owner, text)
    ]
    assert found == [], "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Of one condition.", "a fragment"),
        ("And not the other one.", "a fragment"),
        ("... and after its last.", "begin with"),
        ("kept | new", "begin with"),
        ("Every offset has one record", "full stop"),
        ("Find it.\n\n:param name: of the topic.", "double backticks"),
        ("Tell whoever waits.", "who is meant"),
        ("Records.", "2 words"),
    ],
)
def test_what_is_no_sentence_is_found(text: str, problem: str) -> None:
    function = ast.parse("def f(): ...").body[0]
    assert problem in "; ".join(problems(function, text))


def test_sentences_are_left_alone() -> None:
    for text in (
        "The broker's own id; -1: it is a client.",
        "-1 until it is registered.",
        "`read` gives whole batches.",
        "acks=All writes are linearizable.",
        "Raises KubeError: the API server did not answer.",
        "By this time the lease must have ended, and nobody may answer.",
    ):
        assert list(problems(ast.parse("def f(): ...").body[0], text)) == [], text
