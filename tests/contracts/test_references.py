"""No reference leads nowhere: what code, tests and documents cite by number, path or name is here to be read.

In docstrings, a name in single backticks is a name of the code; what stands in double backticks is a literal.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from statements import statements

ROOT = Path(__file__).parents[2]
PROGRAMS = ("broker", "operator", "injector", "hack", "bench")
PAGE = ROOT / "docs" / "invariants.md"
GENERATED = ("docs/experiment-reference.md",)

NUMBERED = re.compile(r"\bI-(SAF|LIV)-(\d+(?:(?:, |-)\d+)*)")
BUG = re.compile(r"\bB(\d{1,2})\b(?:-B(\d{1,2})\b)?")
MISTAKE = re.compile(r"\b([RKP][1-9]\d?)\b")
PATH = re.compile(r"\b(?:docs|tests|bench|hack|experiments|operator|broker)/[\w./-]*\w\.(?:md|py|txt|yaml|sh)\b")
MADE = re.compile(r"^`[\w./-]+`$(?=\n\n```)", re.M)
"""The heading of a code block: a file that the page shows how to make."""
DECISION = re.compile(r"\bdecisions?[/ ](?:record )?(\d{1,4})\b", re.IGNORECASE)
PAGE_SECTION = re.compile(r"([\w-]+\.md)`?\)? (?:section )?(\d+(?:\.\d+)*)")
ELSEWHERE = re.compile(
    r"\b(?:the )?design(?: document)?,? (?:section |§ ?)?\d|\(design\)|reference/\w+\.md", re.IGNORECASE
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CHECK = re.compile(r"`([^`]+)`")


@cache
def texts() -> dict[str, str]:
    """Everything that people read or run, by its path; this file plants dangling references, so not this file."""
    found = [path for folder in PROGRAMS for path in (ROOT / folder).rglob("*.py")]
    found += [path for kind in ("*.py", "*.txt") for path in (ROOT / "tests").rglob(kind)]
    found += [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "experiments").rglob("*.yaml")]
    found += [path for path in (ROOT / "helm").rglob("*") if path.suffix in (".yaml", ".txt", ".tpl", ".md")]
    found += [ROOT / "Makefile", ROOT / "Dockerfile"]
    return {str(path.relative_to(ROOT)): path.read_text() for path in sorted(found) if path != Path(__file__)}


@cache
def names() -> frozenset[str]:
    """Every identifier, and every part of a module's path, in the programs and their tests."""
    found: set[str] = set()
    for path, text in texts().items():
        if path.endswith(".py"):
            found.update(re.split(r"[/.]", path))
            found.update(re.findall(r"\w+", _PROSE.sub("", text)))
    return frozenset(found)


_PROSE = re.compile(r'"""[\s\S]*?"""|(?<=\s)#[^\n]*')
"""Docstrings and comments: what they mention is what is to be checked."""


def docstrings(text: str) -> Iterator[tuple[int, str]]:
    """(line, text) of every string that stands as a statement: docstrings, and those below a field."""
    for node in statements(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


@cache
def defined_numbers() -> frozenset[str]:
    text = PAGE.read_text()
    rows = {number for row in re.findall(r"^\| ([BRKP]\d[^|]*) \|", text, re.M) for number in row.split(", ")}
    return frozenset(rows | set(re.findall(r"^### (I-\w+-\d+):", text, re.M)))


def cited_numbers(path: str, text: str) -> Iterator[str]:
    for kind, numbers in NUMBERED.findall(text):
        yield from (f"I-{kind}-{number}" for number in re.findall(r"\d+", numbers))
    if path.endswith((".py", ".txt", ".md")):
        for one, last in BUG.findall(text):
            yield from (f"B{number}" for number in range(int(one), int(last or one) + 1))
    if path == "tests/simulation/test_mutants.py":
        yield from MISTAKE.findall(text)


def dangling(path: str, text: str) -> Iterator[str]:
    """What ``text`` cites that is not here, in a sentence each."""
    for number in cited_numbers(path, text):
        if number not in defined_numbers():
            yield f"{number} is not in docs/invariants.md"
    for cited in PATH.findall(MADE.sub("", text)):
        if not (ROOT / cited).exists() and cited not in GENERATED:
            yield f"there is no {cited}"
    for number in DECISION.findall(text):
        if not list((ROOT / "docs" / "decisions").glob(f"{int(number):04}-*.md")):
            yield f"there is no decision {number}"
    for page, section in PAGE_SECTION.findall(text):
        found = [other for other in texts() if other.rsplit("/", 1)[-1] == page]
        if not any(re.search(rf"^#+ {re.escape(section)}\b", texts()[other], re.M) for other in found):
            yield f"{page} has no section {section}"
    for match in ELSEWHERE.findall(text):
        yield f"'{match}' is a document that is not in this repository"


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-") for heading in headings}


def broken_links(path: str, text: str) -> Iterator[str]:
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        where = ((ROOT / path).parent / target).resolve() if target else ROOT / path
        if not where.exists():
            yield f"the link to {link} leads nowhere"
        elif anchor and anchor not in anchors(where.read_text()):
            yield f"{target or path} has no heading for #{anchor}"


def unknown_names(text: str) -> Iterator[tuple[int, str]]:
    """(line, name) of what docstrings name in single backticks and no code has."""
    for line, docstring in docstrings(text):
        for name in re.findall(r"(?<!`)`([A-Za-z_][\w.]*)`(?!`)", docstring):
            if not set(name.removesuffix(".py").split(".")) - {"py"} <= names():
                yield line, name


def test_every_cited_number_page_and_decision_is_here() -> None:
    found = [f"{path}: {wrong}" for path, text in texts().items() for wrong in dangling(path, text)]
    assert found == [], "\n" + "\n".join(found)


def test_every_link_leads_somewhere() -> None:
    pages = {path: text for path, text in texts().items() if path.endswith(".md")}
    found = [f"{path}: {wrong}" for path, text in pages.items() for wrong in broken_links(path, text)]
    assert found == [], "\n" + "\n".join(found)


def test_every_page_is_on_the_reading_list() -> None:
    listed = (ROOT / "docs" / "README.md").read_text()
    pages = sorted(page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md")
    assert [page for page in pages if f"({page})" not in listed] == []


def test_names_in_single_backticks_are_names_of_the_code() -> None:
    found = [
        f"{path}:{line}: `{name}` is no name of the code (a literal stands in double backticks)"
        for path, text in texts().items()
        if path.endswith(".py")
        for line, name in unknown_names(text)
    ]
    assert found == [], "\n" + "\n".join(found)


def test_an_attribute_that_a_page_names_is_one() -> None:
    """``ControllerState.next_expiry`` in a page: both parts are names of the code."""
    found = [
        f"{path}: `{name}` is no name of the code"
        for path, text in texts().items()
        if path.endswith(".md")
        for name in re.findall(r"`([A-Z]\w+\.[a-z_]\w*)`", text)
        if not set(name.split(".")) <= names()
    ]
    assert found == [], "\n" + "\n".join(found)


def test_a_module_list_names_modules() -> None:
    """A package's docstring lists its modules in bullets that begin with their names."""
    found = []
    for path, text in texts().items():
        if not path.endswith("/__init__.py") or path.startswith("tests/"):
            continue
        folder = (ROOT / path).parent
        for bullet in re.findall(
            r"^\* ((?:`{1,2}\w+`{1,2}(?:, | and )?)+)", ast.get_docstring(ast.parse(text)) or "", re.M
        ):
            for name in re.findall(r"\w+", bullet.replace(" and ", " ")):
                if not (folder / f"{name}.py").exists() and not (folder / name).is_dir():
                    found.append(f"{path}: there is no module {name}")
    assert found == [], "\n" + "\n".join(found)


def test_an_invariant_that_a_docstring_cites_by_its_place_is_there() -> None:
    """ "`Partitions` invariant 3": the file that defines it says "Invariant 3"."""
    found = []
    for path, text in texts().items():
        for name, number in re.findall(r"`(\w+)` invariant (\d+)", text) if path.endswith(".py") else ():
            homes = [
                other
                for other, code in texts().items()
                if other.endswith(f"/{name}.py") or re.search(rf"^class {name}\b", code, re.M)
            ]
            if not any(f"Invariant {number}:" in texts()[home] for home in homes):
                found.append(f"{path}: {name} has no invariant {number}")
    assert found == [], "\n" + "\n".join(found)


# --- the page itself ---------------------------------------------------------------------------------------------


@cache
def _observer_and_properties() -> frozenset[str]:
    observer = "".join(text for path, text in texts().items() if path.startswith("operator/skerry/worlds/sim/"))
    properties = re.findall(r"^### ([\w-]+)$", (ROOT / "docs" / "properties.md").read_text(), re.M)
    return frozenset(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', observer)) | frozenset(properties)


@cache
def mutants() -> frozenset[str]:
    table = re.search(r"^MUTANTS.*?^}", texts()["tests/simulation/test_mutants.py"], re.M | re.S)
    assert table is not None
    return frozenset(re.findall(r"^    (\w+): Killed\(", table[0], re.M))


def missing_check(check: str) -> str:
    """Why ``check``, as the page names it, is none; empty when it is one."""
    path, _, name = check.partition("::")
    if "/" in path:
        if not (ROOT / path).exists():
            return f"there is no {path}"
        return "" if not name or re.search(rf"\bdef {name}\b", texts()[path]) else f"{path} has no {name}"
    if "-" in check:
        return "" if check in _observer_and_properties() else f"neither the observer nor the checker has {check}"
    if check.islower() and "_" in check:
        return "" if check in mutants() or check in names() else f"nothing plants {check}"
    return ""


def test_every_check_that_the_page_names_exists() -> None:
    assert [wrong for check in CHECK.findall(PAGE.read_text()) if (wrong := missing_check(check))] == []


def test_every_rule_has_a_source_and_a_check() -> None:
    rules = re.split(r"^### ", PAGE.read_text().split("\n## Bugs of others")[0], flags=re.M)[1:]
    assert len(rules) == 17
    for rule in rules:
        title = rule.split("\n", 1)[0]
        assert "\n- From: " in rule, f"{title}: where does it come from?"
        assert re.search(r"\n- Checked: (?:properties |property )?`", rule), f"{title}: where is it checked?"


def test_every_planted_bug_is_on_the_page() -> None:
    assert sorted(mutants() - set(CHECK.findall(PAGE.read_text()))) == []


def test_the_observers_table_names_its_rules() -> None:
    """In both directions: the docstring of the observer against the rules that it can find broken."""
    package = "operator/skerry/worlds/sim/invariants/"
    code = "".join(text for path, text in texts().items() if path.startswith(package))
    used = set(re.findall(r'violate\(\s*"([\w-]+)"', code))
    table = ast.get_docstring(ast.parse(texts()[package + "__init__.py"])) or ""
    assert sorted(rule for rule in used if not re.search(rf"(?<![\w-]){rule}(?![\w-])", table)) == []


# --- the checks find what they are for ------------------------------------------------------------------------------


def test_a_dangling_reference_is_found() -> None:
    for text, wrong in (
        ("as I-SAF-99 says", "I-SAF-99 is not in docs/invariants.md"),
        ("(I-LIV-1, 7)", "I-LIV-7 is not in docs/invariants.md"),
        ("B2-B3 and B16-B18", "B18 is not in docs/invariants.md"),
        ("see docs/nothing.md", "there is no docs/nothing.md"),
        ("decisions/0099 has the reasons", "there is no decision 0099"),
        ("`docs/decisions/0003-timing.md` 9", "0003-timing.md has no section 9"),
        ("as design 4 wants it", "'design 4' is a document that is not in this repository"),
        ("(replication.md 2.4)", "replication.md has no section 2.4"),
    ):
        assert wrong in list(dangling("planted.py", text)), text
    assert list(dangling("planted.py", "I-SAF-2, 3; B11-B13; `docs/decisions/0003-timing.md` 2; decision 1")) == []


def test_a_broken_link_is_found() -> None:
    assert list(broken_links("docs/cli.md", "[a](nowhere.md) [b](glossary.md#nowhere)")) == [
        "the link to nowhere.md leads nowhere",
        "glossary.md has no heading for #nowhere",
    ]
    assert list(broken_links("docs/cli.md", "[a](glossary.md#the-laboratory) [b](https://skerry.dev)")) == []


def test_an_unknown_name_is_found() -> None:
    assert list(unknown_names('"""Done by `NoSuchThing`, ``a literal``, `Path`."""')) == [(1, "NoSuchThing")]


def test_a_missing_check_is_found() -> None:
    for check in ("no-such-rule", "no_such_mutant", "tests/no/such.py", "tests/broker/test_election.py::test_no_such"):
        assert missing_check(check), check
