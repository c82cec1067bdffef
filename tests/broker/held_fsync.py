"""A broker whose fdatasync does not return while a file exists: ``python held_fsync.py FILE [broker flags]``."""

from __future__ import annotations

import os
import sys
import time

held = sys.argv[1]
fdatasync = os.fdatasync


def hold(descriptor: int) -> None:
    while os.path.exists(held):
        time.sleep(0.01)
    fdatasync(descriptor)


os.fdatasync = hold  # before the storage takes it for its default

from skerry_broker.__main__ import main  # noqa: E402

main(sys.argv[2:])
