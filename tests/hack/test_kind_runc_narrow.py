"""What the wrapper takes out of a container's specification, and when it keeps its hands off."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from kind.files import runc_narrow

WITHOUT_RESOURCE = "Name:\tx\nCapBnd:\t000001fffeffffff\n"


def test_numbers_are_those_of_the_kernel() -> None:
    numbers = {name: number for number, name in enumerate(runc_narrow.CAPABILITIES)}
    assert numbers["NET_ADMIN"] == 12
    assert numbers["SYS_ADMIN"] == 21
    assert numbers["SYS_RESOURCE"] == 24
    assert numbers["CHECKPOINT_RESTORE"] == 40


def test_the_bounding_set() -> None:
    held = runc_narrow.bounding_set(WITHOUT_RESOURCE)
    assert "CAP_SYS_ADMIN" in held
    assert "CAP_SYS_RESOURCE" not in held
    assert len(held) == 40


def test_only_what_the_host_lacks_is_taken() -> None:
    process = {"oomScoreAdj": -500, "capabilities": {"bounding": ["CAP_KILL", "CAP_SYS_RESOURCE"], "effective": []}}
    runc_narrow.narrow(process, runc_narrow.bounding_set(WITHOUT_RESOURCE))
    assert process == {"capabilities": {"bounding": ["CAP_KILL"], "effective": []}}


def test_a_raised_oom_score_stays() -> None:
    process = {"oomScoreAdj": 900}
    runc_narrow.narrow(process, set())
    assert process == {"oomScoreAdj": 900}


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--root", "/r", "create", "--bundle", "/b", "id"], ("/b/config.json", True)),
        (["run", "-b", "/b", "id"], ("/b/config.json", True)),
        (["exec", "--process", "/p.json", "id"], ("/p.json", False)),
        (["state", "id"], None),
    ],
)
def test_which_file_is_rewritten(arguments: list[str], found: tuple[str, bool] | None) -> None:
    assert runc_narrow.specification(arguments) == found


def test_the_specification_is_rewritten_before_runc_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"process": {"capabilities": {"bounding": ["CAP_NO_SUCH"]}}, "root": {}}))
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execvp", lambda _file, argv: started.append(argv))
    runc_narrow.main(["create", "--bundle", str(tmp_path), "id"])
    assert json.loads(config.read_text()) == {"process": {"capabilities": {"bounding": []}}, "root": {}}
    assert started == [[runc_narrow.RUNC, "create", "--bundle", str(tmp_path), "id"]]
