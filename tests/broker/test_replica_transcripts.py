"""The replication protocol, to be read: ``testdata/replica/*.txt``. Rewrite them with ``SKERRY_REWRITE=1``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from replica_transcripts import play, transcripts

FOLDER = Path(__file__).parent / "testdata" / "replica"


@pytest.mark.parametrize("path", transcripts(FOLDER), ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    expected = path.read_text()
    printed = play(expected)
    if os.environ.get("SKERRY_REWRITE"):
        path.write_text(printed)
        return
    assert printed == expected
