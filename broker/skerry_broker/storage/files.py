"""The seam to the operating system: everything that the storage does to files goes through `FileSystem`.

The tests put a file system behind it that can be cut off at any call and then shows what a power cut leaves.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Sequence
from typing import Protocol

Fsync = Callable[[int], None]
"""Makes the data of a file descriptor durable; ``os.fdatasync`` unless a test blocks or fails it."""

_IOV_MAX = 512


class File(Protocol):
    """An open file that is only ever appended to, cut, and read."""

    def size(self) -> int: ...

    def append(self, parts: Sequence[bytes]) -> None:
        """All of it, or OSError with any prefix of it written."""

    def read_at(self, position: int, size: int) -> bytes:
        """Fewer bytes only at the end of the file."""

    def truncate(self, size: int) -> None: ...

    def sync(self) -> None:
        """Content and size are durable when this returns. The directory entry may not be (`sync_directory`)."""

    def close(self) -> None: ...


class FileSystem(Protocol):
    def open(self, path: str) -> File:
        """For reading and appending; created empty if missing."""

    def exists(self, path: str) -> bool: ...

    def list(self, path: str) -> list[str]:
        """The names in a directory, sorted; none if there is no such directory."""

    def make_directory(self, path: str) -> None: ...

    def rename(self, source: str, target: str) -> None: ...

    def unlink(self, path: str) -> None: ...

    def remove_directory(self, path: str) -> None:
        """It must be empty."""

    def sync_directory(self, path: str) -> None:
        """The creations, renames and removals in it are durable when this returns."""

    def lock(self, path: str) -> Callable[[], None] | None:
        """Take the lock file exclusively; the result releases it. None: somebody else holds it."""


class OsFile:
    """Closes its descriptor when the last reader lets go of it: the disk thread drops files that the loop may
    still be reading."""

    def __init__(self, path: str, fsync: Fsync) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._fsync = fsync

    def __del__(self) -> None:
        self.close()

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def append(self, parts: Sequence[bytes]) -> None:
        for start in range(0, len(parts), _IOV_MAX):
            some = parts[start : start + _IOV_MAX]
            left = sum(map(len, some))
            written = os.writev(self._descriptor, some)
            if written < left:
                rest = memoryview(b"".join(some))[written:]
                while rest:
                    written = os.write(self._descriptor, rest)
                    if written == 0:
                        raise OSError(errno.EIO, "the operating system wrote nothing")
                    rest = rest[written:]

    def read_at(self, position: int, size: int) -> bytes:
        data = os.pread(self._descriptor, size, position)
        while len(data) < size:
            more = os.pread(self._descriptor, size - len(data), position + len(data))
            if not more:
                break
            data += more
        return data

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        self._fsync(self._descriptor)

    def close(self) -> None:
        descriptor = getattr(self, "_descriptor", -1)
        if descriptor >= 0:
            self._descriptor = -1
            os.close(descriptor)


class OsFileSystem:
    def __init__(self, fsync: Fsync = os.fdatasync) -> None:
        self._fsync = fsync

    def open(self, path: str) -> File:
        return OsFile(path, self._fsync)

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def list(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(path))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def make_directory(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def rename(self, source: str, target: str) -> None:
        os.rename(source, target)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def remove_directory(self, path: str) -> None:
        os.rmdir(path)

    def sync_directory(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)  # not fdatasync: the entries of a directory are its metadata
        finally:
            os.close(descriptor)

    def lock(self, path: str) -> Callable[[], None] | None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return lambda: os.close(descriptor)


def read_whole(fs: FileSystem, path: str) -> bytes | None:
    """The content of a small file, None if there is none."""
    if not fs.exists(path):
        return None
    file = fs.open(path)
    try:
        return file.read_at(0, file.size())
    finally:
        file.close()


def replace(fs: FileSystem, path: str, content: bytes, *, durable: bool) -> None:
    """The file holds the old content or the new, whatever happens; ``durable``: the new when this returns.

    Not durable, a power cut may also leave a torn one: such files carry a checksum and can be done without.
    """
    temporary = path + ".tmp"
    if fs.exists(temporary):
        fs.unlink(temporary)
    file = fs.open(temporary)
    try:
        file.append([content])
        if durable:
            file.sync()
    finally:
        file.close()
    fs.rename(temporary, path)
    if durable:
        fs.sync_directory(path.rpartition("/")[0])


def remove_tree(fs: FileSystem, path: str) -> None:
    """A directory of files, and of directories of files."""
    for name in fs.list(path):
        entry = f"{path}/{name}"
        if fs.list(entry) or name.startswith("corrupt-"):
            remove_tree(fs, entry)
        else:
            fs.unlink(entry)
    fs.remove_directory(path)
