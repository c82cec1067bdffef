"""Results are named by what went into them, and count only once they are complete."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kind.cache import Cache, default_root, digest, tree
from kind.console import Failure


def test_a_digest_changes_with_every_input_and_with_where_one_ends() -> None:
    names = {digest("a", "b"), digest("ab"), digest("a", "b", ""), digest("b", "a"), digest("a", "c")}
    assert len(names) == 5
    assert digest("a", b"b") == digest(b"a", "b")
    assert len(digest()) == 12


def test_a_tree_sees_names_contents_modes_and_links(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    file = tmp_path / "folder" / "file"
    file.write_text("one")
    seen = [digest(*tree(tmp_path))]

    file.write_text("two")
    seen.append(digest(*tree(tmp_path)))
    file.chmod(0o755)
    seen.append(digest(*tree(tmp_path)))
    file.rename(tmp_path / "folder" / "renamed")
    seen.append(digest(*tree(tmp_path)))
    (tmp_path / "link").symlink_to("folder")
    seen.append(digest(*tree(tmp_path)))

    assert len(set(seen)) == len(seen)


def test_a_tree_does_not_see_byte_code(tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text("pass")
    before = tree(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "file.pyc").write_bytes(b"\0")
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("env", "root"),
    [
        ({"HOME": "/home/a"}, "/home/a/.cache/skerry/kind"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": "/var/cache/a"}, "/var/cache/a/skerry/kind"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": "/var/cache/a", "SKERRY_CACHE": "/big/disk"}, "/big/disk"),
    ],
)
def test_where_the_cache_is(env: dict[str, str], root: str) -> None:
    assert default_root(env) == Path(root)


def test_a_result_is_made_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    made: list[Path] = []

    def build(path: Path) -> None:
        made.append(path)
        path.write_text("result")

    first = cache.make("part", "k1", build)
    assert cache.make("part", "k1", build) == first
    assert cache.make("part", "k2", build) != first
    assert first.read_text() == "result"
    assert len(made) == 2


def test_a_build_that_fails_half_way_is_made_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def half(path: Path) -> None:
        path.write_text("half")
        raise Failure("power cut")

    with pytest.raises(Failure, match="power cut"):
        cache.make("part", "k", half)
    assert not cache.file("part", "k").exists()

    def whole(path: Path) -> None:
        path.write_text("whole")

    assert cache.make("part", "k", whole).read_text() == "whole"


def test_a_link_follows_its_newest_target(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.link("tool", tmp_path / "old")
    cache.link("tool", tmp_path / "new")
    assert os.readlink(cache.bin / "tool") == str(tmp_path / "new")


def test_a_second_run_is_told_who_is_at_work(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with cache.locked(), pytest.raises(Failure, match=f"process {os.getpid()}"), Cache(tmp_path).locked():
        pass
    with cache.locked():
        pass


def test_old_logs_are_removed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for number in range(30):
        cache.new_log(f"{number:02d}").write_text("")
    left = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert left == [f"{number:02d}.log" for number in range(10, 30)]
