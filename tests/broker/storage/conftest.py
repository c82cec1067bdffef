"""A file system in memory that can lose power at any call, and shows what a disk may then hold."""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from storage_owner import Owner


class PowerCut(BaseException):
    """Not an Exception: nothing in the storage may catch it."""


class Inode:
    """A file: what is durable, and the changes since, in order."""

    def __init__(self, content: bytes = b"") -> None:
        self.durable = content
        self.changes: list[bytes | int] = []  # bytes: appended; int: cut to this size
        self.content = bytearray(content)

    def after(self, kept_bytes: int) -> bytes:
        """The content if of all appended bytes since the last sync this many reached the disk."""
        content = bytearray(self.durable)
        for change in self.changes:
            if isinstance(change, int):
                del content[change:]
            elif len(change) <= kept_bytes:
                content += change
                kept_bytes -= len(change)
            else:
                content += change[:kept_bytes]
                break
        return bytes(content)

    def copy(self) -> Inode:
        other = Inode(self.durable)
        other.changes, other.content = list(self.changes), bytearray(self.content)
        return other

    def unsynced_bytes(self) -> int:
        return sum(len(change) for change in self.changes if isinstance(change, bytes))


class MemoryDisk:
    """Strict: a new name survives a power cut for sure only after its *directory* was synced, and syncing one
    directory says nothing about another. ``calls_left``: how many changing calls work before the power goes."""

    def __init__(self, names: dict[str, Inode | None] | None = None, calls_left: int = 10**9) -> None:
        self.names: dict[str, Inode | None] = dict(names or {})  # None: a directory
        self.durable = dict(self.names)
        self.pending: list[tuple[str, str, object]] = []
        self.calls_left = calls_left
        self.calls = 0
        self.locked: set[str] = set()

    # --- power ------------------------------------------------------------------------------------------

    def _change(self) -> None:
        if self.calls_left == 0:
            raise PowerCut
        self.calls_left -= 1
        self.calls += 1

    def power_cut(self, rng: random.Random, keep: str) -> MemoryDisk:
        """What the disk holds afterwards; of what was not synced: nothing, all (a killed process), or some prefix."""
        if keep == "all":
            return self._killed()
        names = dict(self.durable)
        count = 0 if keep == "nothing" else rng.randint(0, len(self.pending))
        for operation in self.pending[:count]:
            apply(names, operation)
        after: dict[str, Inode | None] = {}
        for path, inode in names.items():
            if inode is None:
                after[path] = None
                continue
            unsynced = inode.unsynced_bytes()
            after[path] = Inode(inode.durable if keep == "nothing" else inode.after(rng.randint(0, unsynced)))
        return MemoryDisk(after)

    def _killed(self) -> MemoryDisk:
        """Only the process died: everything is there, and still not durable."""
        copies = {id(inode): inode.copy() for inode in self._inodes() if inode is not None}
        disk = MemoryDisk()
        disk.names = {path: copies.get(id(inode)) for path, inode in self.names.items()}
        disk.durable = {path: copies.get(id(inode)) for path, inode in self.durable.items()}
        disk.pending = [(kind, path, copies.get(id(argument), argument)) for kind, path, argument in self.pending]
        disk.calls = self.calls
        return disk

    def _inodes(self) -> Iterator[Inode | None]:
        yield from self.names.values()
        yield from self.durable.values()
        yield from (argument for _, _, argument in self.pending if isinstance(argument, Inode))

    # --- FileSystem -------------------------------------------------------------------------------------

    def _record(self, kind: str, path: str, argument: object = None) -> None:
        operation = (kind, path, argument)
        apply(self.names, operation)
        self.pending.append(operation)

    def open(self, path: str) -> MemoryFile:
        if path not in self.names:
            assert path.rpartition("/")[0] in self.names, f"no directory for {path}"
            self._change()
            self._record("create", path, Inode())
        inode = self.names[path]
        assert inode is not None
        return MemoryFile(self, inode)

    def exists(self, path: str) -> bool:
        return path in self.names

    def list(self, path: str) -> list[str]:
        inside = path + "/"
        below = [name[len(inside) :] for name in self.names if name.startswith(inside)]
        return sorted(name for name in below if "/" not in name)

    def make_directory(self, path: str) -> None:
        if path not in self.names:
            self._change()
            self._record("create", path, None)

    def rename(self, source: str, target: str) -> None:
        assert source in self.names
        self._change()
        self._record("rename", source, target)

    def unlink(self, path: str) -> None:
        assert self.names[path] is not None
        self._change()
        self._record("remove", path)

    def remove_directory(self, path: str) -> None:
        assert self.names[path] is None
        assert not self.list(path), f"{path} is not empty"
        self._change()
        self._record("remove", path)

    def sync_directory(self, path: str) -> None:
        assert path in self.names
        self._change()
        left: list[tuple[str, str, object]] = []
        for operation in self.pending:
            if path in parents(operation):
                if operation[0] == "rename":  # what happened inside a renamed directory goes with it
                    inside = [other for other in left if other[1].startswith(operation[1] + "/")]
                    left = [other for other in left if other not in inside]
                    for other in inside:
                        apply(self.durable, other)
                apply(self.durable, operation)
            else:
                left.append(operation)
        self.pending = left

    def lock(self, path: str) -> Callable[[], None] | None:
        if path in self.locked:
            return None
        self.locked.add(path)
        return lambda: self.locked.discard(path)


def parents(operation: tuple[str, str, object]) -> tuple[str, ...]:
    kind, path, argument = operation
    return (parent(path), parent(str(argument))) if kind == "rename" else (parent(path),)


@functools.cache
def parent(path: str) -> str:
    """The same few paths, again and again."""
    return path.rpartition("/")[0]


def apply(names: dict[str, Inode | None], operation: tuple[str, str, object]) -> None:
    kind, path, argument = operation
    if kind == "create":
        names.setdefault(path, argument)
    elif kind == "remove":
        names.pop(path, None)
    else:
        inside = path + "/"
        moved = [path] if names.get(path) is not None else [n for n in names if n == path or n.startswith(inside)]
        for name in moved:
            names[str(argument) + name[len(path) :]] = names.pop(name)


class MemoryFile:
    def __init__(self, disk: MemoryDisk, inode: Inode) -> None:
        self._disk = disk
        self._inode = inode

    def size(self) -> int:
        return len(self._inode.content)

    def append(self, parts: Sequence[bytes]) -> None:
        content = b"".join(parts)
        self._inode.changes.append(content)  # even if the power goes in the middle of it: a prefix may stay
        self._inode.content += content
        self._disk._change()

    def read_at(self, position: int, size: int) -> bytes:
        return bytes(self._inode.content[position : position + size])

    def truncate(self, size: int) -> None:
        self._disk._change()
        self._inode.changes.append(size)
        del self._inode.content[size:]

    def sync(self) -> None:
        self._disk._change()
        self._inode.durable, self._inode.changes = bytes(self._inode.content), []

    def close(self) -> None:
        pass


@pytest.fixture(scope="session")
def memory_disk() -> type[MemoryDisk]:
    return MemoryDisk


@pytest.fixture(scope="session")
def power_cut() -> type[PowerCut]:
    return PowerCut


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner(tmp_path / "data")
