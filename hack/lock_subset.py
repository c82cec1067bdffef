"""Print the part of requirements.lock that an image needs, hashes included: `lock_subset.py broker`.

The lock holds everything, tests too, and pip cannot install a part of it. Each of its entries says who asked for it
(`# via`), so the closure of the packages that pyproject.toml names is found without asking anybody. Standard library
only: it runs while the images are built, before anything is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def canonical(requirement: str) -> str:
    """The normalised name at the start of a requirement: ``Jinja2>=3.1`` -> ``jinja2`` (PEP 503)."""
    match = NAME.match(requirement)
    if match is None:
        raise SystemExit(f"lock_subset.py: {requirement!r} does not begin with the name of a package")
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def entries(lock: str) -> dict[str, str]:
    """Package -> its lines in the lock. An entry begins in the first column and goes on in indented lines."""
    found: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        if line[:1].isalnum():
            name = canonical(line)
            found[name] = line
        elif name and line[:1].isspace():
            found[name] += line
    return found


def asked_by(entry: str) -> set[str]:
    """The packages that an entry's ``# via`` names, in either of its forms: behind it, or a line each."""
    notes = [line.strip().removeprefix("#").strip() for line in entry.splitlines() if line.lstrip().startswith("#")]
    names = [note.removeprefix("via").strip() for note in notes]
    return {canonical(name) for name in names if name and "(" not in name}


def closure(lock: dict[str, str], roots: Iterable[str]) -> set[str]:
    """The roots and all that they asked for. Raises SystemExit when the lock lacks a root."""
    needed = {canonical(root) for root in roots}
    if missing := sorted(needed - lock.keys()):
        raise SystemExit(f"lock_subset.py: requirements.lock lacks {', '.join(missing)}; compile it again")
    while more := {name for name, entry in lock.items() if asked_by(entry) & needed} - needed:
        needed |= more
    return needed


def subset(lock_text: str, pyproject_text: str, part: str) -> str:
    """``broker``: what the distribution needs; ``operator``: what its extra adds; ``build``: what builds it.

    Raises SystemExit with one sentence for another part.
    """
    project = tomllib.loads(pyproject_text)
    lock = entries(lock_text)
    base = closure(lock, project["project"]["dependencies"])
    if part == "broker":
        chosen = base
    elif part == "operator":
        chosen = closure(lock, project["project"]["optional-dependencies"]["operator"]) - base
    elif part == "build":
        chosen = closure(lock, project["build-system"]["requires"])
    else:
        raise SystemExit(f"lock_subset.py: {part!r} is none of broker, operator, build")
    return "".join(entry for name, entry in lock.items() if name in chosen)


if __name__ == "__main__":
    sys.stdout.write(
        subset((ROOT / "requirements.lock").read_text(), (ROOT / "pyproject.toml").read_text(), " ".join(sys.argv[1:]))
    )
