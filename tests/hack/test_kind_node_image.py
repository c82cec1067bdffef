"""The text that is made for Go, Docker and Kubernetes, and the names of what comes out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from kind import base_image, gomodules, node_image, parts, versions
from kind.console import Failure
from kind.rootfs import RootFileSystem, debian_mirror

UPSTREAM = """module k8s.io/kubernetes

go 1.24.0

require k8s.io/api v0.0.0

replace github.com/x/single => github.com/y/single v1.0.0

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	github.com/x/old v1.2.3 => github.com/y/new v1.2.4 // a reason
)
"""


def test_replacements_of_a_go_mod() -> None:
    assert gomodules.replacements(UPSTREAM) == {
        "k8s.io/api": "./staging/src/k8s.io/api",
        "github.com/x/old v1.2.3": "github.com/y/new v1.2.4",
        "github.com/x/single": "github.com/y/single v1.0.0",
    }


def test_staging_folders_become_published_modules() -> None:
    assert gomodules.staging(UPSTREAM, "v0.34.4") == {"k8s.io/api": "k8s.io/api v0.34.4"}


def test_a_go_mod_is_written() -> None:
    text = gomodules.go_mod(
        "skerry.dev/x", "1.24.0", {"a.b/c": "v1.0.0"}, {"d": "d v2.0.0"}, ["godebug default=go1.24"]
    )
    assert text == (
        "module skerry.dev/x\n\ngo 1.24.0\n\ngodebug default=go1.24\n\nrequire a.b/c v1.0.0\n\n"
        "replace (\n\td => d v2.0.0\n)\n"
    )


def test_what_is_written_can_be_read() -> None:
    replaces = {"a": "b v1", "c v2": "d v3"}
    assert gomodules.replacements(gomodules.go_mod("m", "1.24.0", {"x": "v1"}, replaces)) == replaces


def test_a_program_has_another_name_when_anything_about_it_changes() -> None:
    program = next(p for p in parts.NODE_PROGRAMS if p.name == "coredns")
    others = [
        dataclasses.replace(program, version="v0.0.1"),
        dataclasses.replace(program, package="./other"),
        dataclasses.replace(program, variables={"main.version": "2"}),
        dataclasses.replace(program, main=None),
        dataclasses.replace(program, module=parts.ETCD),
    ]
    assert len({program.key(), *(other.key() for other in others)}) == 1 + len(others)


def test_every_program_of_the_node_has_its_own_name() -> None:
    names = [program.name for program in parts.NODE_PROGRAMS]
    assert len(set(names)) == len(names)
    assert {"kubelet", "kubeadm", "kubectl", "calico"} < set(names)


def test_the_node_image_is_named_by_what_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = node_image.image_name()
    assert before.startswith(f"skerry/node:v{versions.KUBERNETES}-")
    assert node_image.image_name() == before
    changed = [dataclasses.replace(parts.NODE_PROGRAMS[0], version="v9.9.9"), *parts.NODE_PROGRAMS[1:]]
    monkeypatch.setattr(parts, "NODE_PROGRAMS", changed)
    after_program = node_image.image_name()
    monkeypatch.setattr(versions, "PAUSE", "9.9")
    assert len({before, after_program, node_image.image_name()}) == 3


STORAGE = """package nodeimage

const storageProvisionerImage = "docker.io/a/provisioner:v1"
const storageHelperImage = "docker.io/a/helper:v2"

const defaultStorageManifest = `
image: ` + storageProvisionerImage + `
args: [--helper-image, ` + storageHelperImage + `]
`
"""


def test_the_storage_manifest_is_read_out_of_kind() -> None:
    assert node_image.storage(STORAGE) == (
        "docker.io/a/provisioner:v1",
        "docker.io/a/helper:v2",
        "image: docker.io/a/provisioner:v1\nargs: [--helper-image, docker.io/a/helper:v2]\n",
    )


@pytest.mark.parametrize("missing", ["storageHelperImage = ", "defaultStorageManifest"])
def test_a_kind_of_another_shape_is_refused(missing: str) -> None:
    with pytest.raises(Failure, match="another shape"):
        node_image.storage(STORAGE.replace(missing, "renamed"))


def test_dockerfiles_of_static_and_other_programs() -> None:
    assert node_image.dockerfile("scratch", "kube-apiserver") == (
        'FROM scratch\nCOPY . /usr/local/bin/\nENV PATH=/usr/local/bin\nENTRYPOINT ["/usr/local/bin/kube-apiserver"]\n'
    )
    assert node_image.dockerfile("skerry/node-rootfs:1", "") == "FROM skerry/node-rootfs:1\nCOPY . /usr/local/bin/\n"


BOOKWORM = 'ID=debian\nVERSION_CODENAME=bookworm\nNAME="Debian"\n'


@pytest.mark.parametrize(
    ("os_release", "targets", "mirror"),
    [
        (BOOKWORM, "http://mirror.example/debian bookworm main\n", "http://mirror.example/debian"),
        (
            BOOKWORM,
            "http://sec.example/x bookworm-security main\nhttp://b.example/y bookworm contrib\n",
            versions.DEBIAN_MIRROR,
        ),
        (BOOKWORM, "", versions.DEBIAN_MIRROR),
        ("ID=ubuntu\nVERSION_CODENAME=noble\n", "http://mirror.example/ubuntu noble main\n", versions.DEBIAN_MIRROR),
    ],
)
def test_the_mirror_is_this_machines_when_it_has_the_release(os_release: str, targets: str, mirror: str) -> None:
    assert debian_mirror(os_release, targets) == mirror


def test_a_root_file_system_is_named_by_packages_files_and_environment() -> None:
    plain = RootFileSystem("skerry/x", "a,b")
    others = [
        RootFileSystem("skerry/x", "a,b,c"),
        RootFileSystem("skerry/x", "a,b", {"etc/f": b"1"}),
        RootFileSystem("skerry/x", "a,b", {"etc/f": b"2"}),
        RootFileSystem("skerry/x", "a,b", {}, {"PIP_CERT": "/x"}),
    ]
    assert len({plain.image(), *(other.image() for other in others)}) == 1 + len(others)
    assert plain.image() == RootFileSystem("skerry/x", "a,b").image()


def test_the_base_takes_over_how_this_machine_reaches_its_packages(tmp_path: Path) -> None:
    root, home = tmp_path / "root", tmp_path / "home"
    for file, text in {
        root / "usr/local/share/ca-certificates/own.crt": "own",
        root / "etc/ssl/certs/ca-certificates.crt": "bundle",
        root / "etc/pip.conf": "machine",
        home / ".config/pip/pip.conf": "user",
        root / "etc/shadow": "secret",
    }.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    files = base_image.host_files(root, home, "http://mirror.example/debian")
    assert files == {
        "usr/local/share/ca-certificates/own.crt": b"own",
        "etc/ssl/certs/ca-certificates.crt": b"bundle",
        "etc/pip.conf": b"user",
        "etc/apt/sources.list": b"deb http://mirror.example/debian bookworm main\n",
    }
    assert base_image.root_file_system(files).environment["PIP_CERT"] == "/etc/ssl/certs/ca-certificates.crt"


def test_a_plain_machine_adds_nothing(tmp_path: Path) -> None:
    files = base_image.host_files(tmp_path, tmp_path, versions.DEBIAN_MIRROR)
    assert files == {}
    assert base_image.root_file_system(files).environment == {}
