"""The layout's promises (docs/decisions/0001)."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("source_root", ["operator", "broker"])
def test_a_source_root_is_no_package(source_root: str) -> None:
    assert not (ROOT / source_root / "__init__.py").exists()


def test_the_standard_library_is_not_shadowed_in_the_checkout() -> None:
    command = [sys.executable, "-c", "import operator; operator.itemgetter; import collections"]
    subprocess.run(command, cwd=ROOT, check=True)


@pytest.mark.parametrize("package", ["operator/skerry", "broker/skerry_broker"])
def test_types_are_published(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()


def test_the_lock_has_hashes_and_names_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "--hash=sha256:" in lock
    assert "://" not in lock
