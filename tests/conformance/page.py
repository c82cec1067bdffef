"""The files that stand in a page: each is a code block under a line with nothing but its path in backticks."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", re.M | re.S)


def files(name: str) -> dict[str, str]:
    """Path -> content, of the page ``docs/<name>``, in the order of the page."""
    return dict(BLOCK.findall((ROOT / "docs" / name).read_text()))


def written(name: str, folder: Path, *beginnings: str) -> Path:
    """Write those files of the page whose paths begin so into ``folder``; returns it."""
    chosen = {path: text for path, text in files(name).items() if path.startswith(beginnings)}
    assert chosen, f"{name} has no file {beginnings}"
    for path, text in chosen.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def changed(text: str, diff: str) -> str:
    """``text`` with the added lines of ``diff``: each hunk is one line that is there, and what comes after it."""
    for hunk in diff.split("@@\n"):
        anchor, *added = hunk.splitlines()
        assert anchor.startswith(" "), anchor
        assert all(line.startswith("+") for line in added), added
        before, found, after = text.partition(f"{anchor[1:]}\n")
        assert found, f"there is no line {anchor[1:]!r}"
        text = before + found + "".join(f"{line[1:]}\n" for line in added) + after
    return text


def copy_with(name: str, folder: Path, *beginnings: str) -> Path:
    """Copy the laboratory into ``folder``, with the files and changes of the page; returns what to put on the path.

    The copies are as old as the originals, so that the bytecode beside them still counts."""
    shutil.copytree(ROOT / "operator", folder / "operator")
    for path, text in files(name).items():
        if not path.startswith(beginnings):
            continue
        target = folder / path
        target.write_text(changed(target.read_text(), text) if target.exists() else text)
    return folder / "operator"
