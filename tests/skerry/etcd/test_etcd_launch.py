"""How members are started: flags that fit together, and a sentence when there is nothing to start."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from skerry.targets.etcd import launch
from skerry.targets.etcd.launch import EtcdLaunch, ProgramMissing, member_arguments, program
from skerry.targets.port import NodePlace

PEERS = {ordinal: {"Peer": 7000 + ordinal} for ordinal in range(3)}


def flags(ordinal: int, timing: str = "Default") -> dict[str, str]:
    place = NodePlace(ordinal, {"Client": 2379, "Peer": 2380}, PEERS, Path("data"), timing)
    words = member_arguments(place)
    assert len(words) % 2 == 0
    return dict(zip(words[::2], words[1::2], strict=True))


def test_every_member_is_told_the_same_cluster() -> None:
    told = [flags(ordinal) for ordinal in PEERS]
    assert {each["--initial-cluster"] for each in told} == {
        "member-0=http://127.0.0.1:7000,member-1=http://127.0.0.1:7001,member-2=http://127.0.0.1:7002"
    }
    assert len({each["--initial-cluster-token"] for each in told}) == 1
    assert [each["--name"] for each in told] == ["member-0", "member-1", "member-2"]


def test_a_member_listens_at_its_own_port_and_is_reached_at_another() -> None:
    told = flags(1)
    assert told["--listen-peer-urls"] == "http://127.0.0.1:2380"
    assert told["--initial-advertise-peer-urls"] == "http://127.0.0.1:7001"
    assert told["--listen-client-urls"] == told["--advertise-client-urls"] == "http://127.0.0.1:2379"


def test_nothing_listens_but_on_loopback() -> None:
    assert all("127.0.0.1" in value for name, value in flags(0).items() if name.endswith("urls"))


def test_timings_scale_together() -> None:
    assert (flags(0)["--heartbeat-interval"], flags(0)["--election-timeout"]) == ("100", "1000")
    relaxed = flags(0, "Relaxed")
    assert (relaxed["--heartbeat-interval"], relaxed["--election-timeout"]) == ("300", "3000")


def test_without_a_program_a_sentence_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(launch.shutil, "which", lambda name: None)
    with pytest.raises(ProgramMissing, match=r"pip install 'skerry\[targets\]'"):
        program()
    assert EtcdLaunch().missing().startswith("there is no etcd to run: install it with")


def test_a_program_in_path_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(launch.shutil, "which", lambda name: f"/usr/local/bin/{name}")
    assert program() == Path("/usr/local/bin/etcd")
