"""Where results are kept, and how they are named: by a hash of everything that went into them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from . import versions
from .console import Failure

SCRIPTS = Path(__file__).resolve().parent
FILES = SCRIPTS / "files"
LOGS_KEPT = 20


def default_root(env: Mapping[str, str]) -> Path:
    """The cache folder: SKERRY_CACHE, else `skerry/kind` in the user's cache folder."""
    if env.get("SKERRY_CACHE"):
        return Path(env["SKERRY_CACHE"]).expanduser().absolute()
    base = env.get("XDG_CACHE_HOME") or os.path.join(env.get("HOME", "/root"), ".cache")
    return Path(base) / "skerry" / "kind"


def digest(*inputs: str | bytes) -> str:
    """Twelve hex digits that change when any input, or where one ends and the next begins, changes."""
    state = hashlib.sha256()
    for item in inputs:
        data = item.encode() if isinstance(item, str) else item
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()[:12]


def tree(*paths: Path) -> list[str | bytes]:
    """Names, modes and contents of files and of every file below folders, sorted; a link counts as its text."""
    inputs: list[str | bytes] = []
    for path in paths:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_symlink() or p.is_file())
        for file in files:
            if "__pycache__" in file.parts:
                continue
            name = file.name if file == path else str(file.relative_to(path))
            inputs.append(name)
            if file.is_symlink():
                inputs.append(os.readlink(file))
            else:
                inputs += ["x" if os.access(file, os.X_OK) else "-", file.read_bytes()]
    return inputs


class Cache:
    """A folder of finished results. `built/NAME-KEY` exists only once it is complete."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.built = root / "built"
        self.bin = root / "bin"
        self.kubeconfig = root / f"kubeconfig-{versions.CLUSTER}"
        for folder in (self.built, self.bin, root / "logs"):
            folder.mkdir(parents=True, exist_ok=True)

    def new_log(self, name: str) -> Path:
        """Where a run writes its log; the oldest logs beyond `LOGS_KEPT` are removed."""
        logs = self.root / "logs"
        for old in sorted(logs.glob("*.log"))[: -LOGS_KEPT + 1]:
            old.unlink(missing_ok=True)
        return logs / f"{name}.log"

    def file(self, name: str, key: str) -> Path:
        return self.built / f"{name}-{key}"

    def make(self, name: str, key: str, build: Callable[[Path], None]) -> Path:
        """The result's path; `build(path)` writes it if it is not there yet. An interrupted build does not count."""
        finished = self.file(name, key)
        if not finished.exists():
            unfinished = self.root / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            build(unfinished / name)
            os.replace(unfinished / name, finished)
        return finished

    def link(self, name: str, target: Path) -> Path:
        """`bin/NAME` -> target, for the terminal's PATH."""
        link = self.bin / name
        if not link.is_symlink() or os.readlink(link) != str(target):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        return link

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One run at a time: two would build the same things and fight over one cluster.

        Raises Failure: another run holds the lock.
        """
        with (self.root / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise Failure(
                    f"Another run ({lock.read().strip() or 'unknown'}) works on {self.root}: wait for it to end."
                ) from None
            lock.truncate(0)
            lock.write(f"process {os.getpid()}")
            lock.flush()
            yield
