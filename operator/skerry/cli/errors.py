"""What a user can mend, as one sentence: what, where, what to change; and the files that a user names."""

from __future__ import annotations

import contextlib
import errno
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from skerry.cli.names import STANDARD_INPUT


class CommandError(Exception):
    """A wrong document or command: one clear sentence or a few. Exit code 3."""


_MENDED_BY = {
    errno.EACCES: "choose another --out, or change who may write there",
    errno.EPERM: "choose another --out, or change who may write there",
    errno.EROFS: "choose another --out",
    errno.ENOENT: "choose another --out",
    errno.EISDIR: "choose another --out",
    errno.ELOOP: "choose another --out",
    errno.EIO: "choose another --out, and look at this disk",
    errno.EFBIG: "raise the limit of file sizes (`ulimit -f`), or choose another --out",
    errno.ENOTDIR: "choose another --out",
    errno.EEXIST: "choose another --out",
    errno.ENAMETOOLONG: "choose a shorter --out",
    errno.ENOSPC: "make room, or choose another --out",
    errno.EDQUOT: "make room, or choose another --out",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
    errno.ENFILE: "raise the system's limit of open files",
    errno.EAGAIN: "raise the limit of processes (`ulimit -u`)",
    errno.ENOMEM: "free some memory",
}


def output_error(error: OSError, out: Path) -> CommandError | None:
    """The sentence for what the machine refused while a run was written; None: that is for a developer to mend."""
    if error.errno not in _MENDED_BY:
        return None
    where = error.filename if isinstance(error.filename, str) else str(out)
    return CommandError(f"{where}: {error.strerror}; {_MENDED_BY[error.errno]}")


def name_of_input(path: Path) -> str:
    """What sentences call it."""
    return "standard input" if path == STANDARD_INPUT else str(path)


def open_input(path: Path) -> AbstractContextManager[BinaryIO]:
    """A file that was named, or standard input. Raises OSError."""
    if path == STANDARD_INPUT:
        return contextlib.nullcontext(sys.stdin.buffer)
    return path.open("rb")


def read_error(path: Path, what: str, error: OSError) -> CommandError:
    """A file that was named and cannot be read."""
    return CommandError(f"{name_of_input(path)}: cannot be read as {what}: {error.strerror or error}")
