"""A bug of ours is not a Fail of the cluster."""

from __future__ import annotations

import pytest

from skerry.cli import inspect, run_command_line


def test_a_bug_shows_its_place_and_exits_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> int:
        raise KeyError("a bug")

    monkeypatch.setattr(inspect, "show_schema", broken)
    assert run_command_line(["schema"]) == 2
    told = capsys.readouterr().err
    assert "KeyError: 'a bug'" in told
    assert "inconclusive" in told
