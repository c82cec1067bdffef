"""Which way is chosen, and what is said where there is none."""

from __future__ import annotations

import shutil

import pytest
from kind import dockerd, host
from kind.console import Failure


@pytest.mark.parametrize(
    ("airgap", "probe_error", "reachable", "why"),
    [
        ("", None, True, "answers"),
        ("", "timed out", False, "does not answer: timed out"),
        ("0", "timed out", True, "AIRGAP=0"),
        ("1", None, False, "AIRGAP=1"),
    ],
)
def test_images_are_pulled_or_built(airgap: str, probe_error: str | None, reachable: bool, why: str) -> None:
    choice = host.choose_registries(airgap, probe_error)
    assert choice.reachable is reachable
    assert choice.why.endswith(why)


def test_another_word_for_airgap_is_refused() -> None:
    with pytest.raises(Failure, match="AIRGAP is 'yes': set it to 0"):
        host.choose_registries("yes", None)


@pytest.mark.parametrize(
    ("text", "version"), [("go1.24.3", (1, 24)), ("go1.26rc1", (1, 26)), ("devel +abc", None), ("", None)]
)
def test_go_versions(text: str, version: tuple[int, int] | None) -> None:
    assert host.parse_go_version(text) == version


def test_packages_of_missing_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    present = {"docker"}
    monkeypatch.setattr(shutil, "which", lambda program: program if program in present else None)
    wanted = {"dockerd": "docker.io", "docker": "docker.io", "gcc": "gcc libc6-dev"}
    assert host.missing_packages(wanted) == ["docker.io", "gcc", "libc6-dev"]


@pytest.mark.parametrize(
    ("root", "cgroups", "socket_denied", "docker_host", "sentence"),
    [
        (False, True, True, "", "Docker runs, but this user may not use it"),
        (False, True, False, "", "only root can start one"),
        (True, False, False, "", "/sys/fs/cgroup is not mounted"),
        (True, True, False, "tcp://elsewhere:2375", "DOCKER_HOST=tcp://elsewhere:2375: start it"),
    ],
)
def test_no_daemon_can_be_started(
    root: bool, cgroups: bool, socket_denied: bool, docker_host: str, sentence: str
) -> None:
    said = dockerd.refusal(root=root, cgroups=cgroups, socket_denied=socket_denied, docker_host=docker_host)
    assert said is not None
    assert sentence in said
    assert said.count(". ") == 0


def test_a_daemon_can_be_tried() -> None:
    assert dockerd.refusal(root=True, cgroups=True, socket_denied=False) is None


@pytest.mark.parametrize(
    ("bounding", "lacks"),
    [("000001ffffffffff", False), ("000001fffeffffff", True), ("0000003fffffffff", True), ("ffffffffffffffff", False)],
)
def test_a_machine_that_lacks_capabilities(bounding: str, lacks: bool) -> None:
    status = f"CapInh:\t0000000000000000\nCapBnd:\t{bounding}\n"
    assert dockerd.lacks_capabilities(status, "40\n") is lacks
