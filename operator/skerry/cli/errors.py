"""What a user can mend, as one sentence: what, where, what to change."""

from __future__ import annotations

import errno
from pathlib import Path


class CommandError(Exception):
    """A wrong document or command: one clear sentence or a few. Exit code 3."""


_MENDED_BY = {
    errno.EACCES: "choose another --out, or change who may write there",
    errno.EPERM: "choose another --out, or change who may write there",
    errno.EROFS: "choose another --out",
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


def read_error(path: Path, what: str, error: OSError) -> CommandError:
    """A file that was named and cannot be read."""
    return CommandError(f"{path}: cannot be read as {what}: {error.strerror or error}")
