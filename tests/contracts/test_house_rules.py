"""House rules that a machine can check."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("broker/**/*.py"), *ROOT.glob("operator/**/*.py")])
LINES_MAX = 450


def test_there_are_sources() -> None:
    assert len(SOURCES) > 50


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_explains_itself_and_stays_small(path: Path) -> None:
    text = path.read_text()
    lines = text.count("\n")
    limit = 600 if path.name == "messages.py" else LINES_MAX  # every event and effect in one place
    assert lines <= limit, f"{lines} lines: split it"
    assert text.startswith('"""'), "a module opens with what it is for"


def test_nothing_is_left_to_do_later() -> None:
    pattern = re.compile(r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
