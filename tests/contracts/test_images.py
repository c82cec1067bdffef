"""What the images promise, as far as the Dockerfile and the lock can show it; the rest shows on a cluster."""

import importlib.metadata
import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
PYPROJECT = (ROOT / "pyproject.toml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def lock_subset() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lock_subset", ROOT / "hack" / "lock_subset.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- the part of the lock that an image gets

SMALL_PYPROJECT = """
[build-system]
requires = ["hatchling>=1"]
[project]
dependencies = ["Web_Thing>=2"]
optional-dependencies.operator = ["cluster"]
"""
SMALL_LOCK = """\
cluster==1 \\
    --hash=sha256:aa
    # via skerry (pyproject.toml)
hatchling==3 \\
    --hash=sha256:bb
    # via skerry (pyproject.toml)
deep==4 \\
    --hash=sha256:cc
    # via shared
shared==5 \\
    --hash=sha256:dd
    # via
    #   cluster
    #   web-thing
only-cluster==6 \\
    --hash=sha256:ee
    # via cluster
web-thing==2 \\
    --hash=sha256:ff
    # via skerry (pyproject.toml)
"""


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("broker", ["deep", "shared", "web-thing"]),
        ("operator", ["cluster", "only-cluster"]),  # what it shares with the broker is there already
        ("build", ["hatchling"]),
    ],
)
def test_a_part_is_a_closure(lock_subset: ModuleType, part: str, names: list[str]) -> None:
    text = lock_subset.subset(SMALL_LOCK, SMALL_PYPROJECT, part)
    assert re.findall(r"^([a-z-]+)==", text, re.MULTILINE) == names
    assert text.count("--hash=") == len(names)


def test_a_part_that_there_is_not(lock_subset: ModuleType) -> None:
    with pytest.raises(SystemExit, match="'brokers' is none of broker, operator, build"):
        lock_subset.subset(SMALL_LOCK, SMALL_PYPROJECT, "brokers")
    with pytest.raises(SystemExit, match="lacks web-thing; compile it again"):
        lock_subset.subset(SMALL_LOCK.replace("web-thing==2", "other==2"), SMALL_PYPROJECT, "broker")


def installed_closure(roots: list[str]) -> set[str]:
    """The same from the metadata of what is installed here: an answer that does not read the lock."""
    found: set[str] = set()
    todo = [Requirement(root) for root in roots]
    while todo:
        requirement = todo.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        environments = [{"extra": extra} for extra in ("", *requirement.extras)]
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        new = name not in found
        found.add(name)
        if new or requirement.extras:
            for text in importlib.metadata.requires(name) or ():
                inner = Requirement(text)
                if inner.marker is None or any(inner.marker.evaluate(environment) for environment in environments):
                    inner.marker = None
                    todo.append(inner)
    return found


def test_the_parts_hold_what_the_packages_ask_for(lock_subset: ModuleType) -> None:
    project = tomllib.loads(PYPROJECT)["project"]
    lock = lock_subset.entries(LOCK)
    broker = lock_subset.closure(lock, project["dependencies"])
    operator = broker | lock_subset.closure(lock, project["optional-dependencies"]["operator"])
    not_here = {name for name in operator if "sys_platform == 'win32'" in lock[name]}
    assert broker - not_here == installed_closure(project["dependencies"])
    both = [*project["dependencies"], *project["optional-dependencies"]["operator"]]
    assert operator - not_here == installed_closure(both)
    assert not operator & {"pytest", "mypy", "ruff", "hypothesis"}


# --- the Dockerfile


def stage(name: str) -> list[str]:
    """The instructions of one stage, those of the stages that it is built on first."""
    lines = DOCKERFILE.replace("\\\n", " ").splitlines()
    start = next(number for number, line in enumerate(lines) if re.fullmatch(rf"FROM (\S+) AS {name}", line))
    parent = lines[start].split()[1]
    own = []
    for line in lines[start + 1 :]:
        if line.startswith("FROM "):
            break
        own.append(line)
    return [*(stage(parent) if not parent.startswith("$") else []), *own]


@pytest.mark.parametrize("target", ["broker", "operator", "injector"])
def test_an_image_is_not_root_and_starts_without_a_shell(target: str) -> None:
    instructions = stage(target)
    assert [line for line in instructions if line.startswith("USER ")][-1] == "USER 10001:10001"
    entry = [line for line in instructions if line.startswith(("ENTRYPOINT", "CMD"))]
    assert len(entry) == 1
    assert re.fullmatch(r'ENTRYPOINT \["/[^]]+"\]', entry[0])
    assert '"sh"' not in entry[0]
    assert any("PYTHONSAFEPATH=1" in line for line in instructions)


def test_the_broker_runs_under_an_init() -> None:
    assert 'ENTRYPOINT ["/usr/bin/tini", "--", "/opt/venv/bin/skerry-broker"]' in stage("broker")


def test_the_broker_comes_without_the_laboratory() -> None:
    """Neither what breaks it nor a client of the API server; and changing those leaves its image as it is."""
    copied = [line.split()[-2] for line in stage("broker") if line.startswith("COPY")]
    assert copied == ["/opt/venv", "/build/layers/broker/opt/venv", "/build/layers/skerry_broker"]


def test_the_legacy_builder_understands_it() -> None:
    assert "BASE_IMAGE" in DOCKERFILE
    only_buildkit = r"^# *syntax=|^RUN --|^(COPY|ADD) .*--(chmod|link|parents|exclude)|<<"
    assert not re.search(only_buildkit, DOCKERFILE, re.MULTILINE)
