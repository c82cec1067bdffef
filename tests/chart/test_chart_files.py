"""What the chart's files can show without helm."""

import http.server
import importlib.util
import json
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import yaml
from rendering import CHART, PROGRAM, ROOT, documented

from skerry.worlds.kubernetes.grants import GRANTS, INJECTOR_GRANT, Grant

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
FREE_MAPS = {"annotations", "nodeSelector", "affinity", "podAnnotations", "podLabels", "resources"}
"""Whose keys are the user's."""


def paths(values: dict[str, Any], before: str = "") -> set[str]:
    """``brokers.persistence.size`` and so on."""
    found = set()
    for key, value in values.items():
        inner = isinstance(value, dict) and key not in FREE_MAPS
        found |= paths(value, f"{before}{key}.") if inner else {f"{before}{key}"}
    return found


def schema_paths(schema: dict[str, Any], before: str = "") -> set[str]:
    found = set()
    for key, inner in schema["properties"].items():
        if "properties" in inner:
            assert inner["additionalProperties"] is False, f"{before}{key} takes whatever is misspelt"
            found |= schema_paths(inner, f"{before}{key}.")
        else:
            found.add(f"{before}{key}")
    return found


def test_the_schema_knows_every_value_and_no_other() -> None:
    assert SCHEMA["additionalProperties"] is False
    assert schema_paths(SCHEMA) == paths(VALUES) | {"global"}


def test_every_block_of_values_says_what_it_is_for() -> None:
    text = (CHART / "values.yaml").read_text()
    bare = [line for line in text.splitlines() if line.endswith((": true", ": false")) and "enabled" in line]
    assert bare == [], "a switch without a comment"


def test_the_version_is_that_of_the_project() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert f'version = "{chart["appVersion"]}"' in (ROOT / "pyproject.toml").read_text()


def test_the_crd_is_the_generated_one() -> None:
    generated = (ROOT / "crds" / "chaosexperiments.yaml").read_text()
    assert (CHART / "crds" / "chaosexperiments.yaml").read_text() == generated


def test_nothing_of_the_chart_is_left_out_of_a_package() -> None:
    """A pattern too wide in .helmignore would drop a template without a word."""
    patterns = [line for line in (CHART / ".helmignore").read_text().splitlines() if line]
    assert not [path for path in CHART.rglob("*") for pattern in patterns if path.match(pattern)]


# --- rights


def asked_for(*grants: Grant) -> dict[tuple[str, str], set[str]]:
    """What preflight and doctor ask for, in the shape of the table."""
    return {
        (grant.kind.group, grant.kind.plural + (f"/{grant.subresource}" if grant.subresource else "")): set(grant.verbs)
        for grant in grants
    }


def test_the_operator_asks_for_what_is_documented() -> None:
    """The same table is compared with what the chart grants in ``test_chart.py``."""
    assert documented("operator") == asked_for(*GRANTS)
    assert documented("injector") == asked_for(INJECTOR_GRANT)


# --- where helm is looked for


def test_a_missing_helm_is_one_sentence() -> None:
    with pytest.raises(PROGRAM.ManifestError, match="helm is neither on PATH nor at /nowhere/skerry/kind/bin/helm"):
        PROGRAM.find_helm({"PATH": "/nowhere", "XDG_CACHE_HOME": "/nowhere"})
    with pytest.raises(PROGRAM.ManifestError, match="SKERRY_HELM names /no/helm, which is no program"):
        PROGRAM.find_helm({"SKERRY_HELM": "/no/helm"})


# --- the program that `helm test` runs


@pytest.fixture
def smoke(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("smoke", CHART / "files" / "smoke.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TIMEOUT_S", 0.0)
    return module


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/good" else 503)
        self.end_headers()
        self.wfile.write(b'{"ready": false, "reason": "no quorum"}')

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_the_smoke_test_passes_when_all_answer(
    smoke: ModuleType, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smoke.main([f"{server}/good"]) == 0
    assert capsys.readouterr().out == f"ok    {server}/good\n"


def test_the_smoke_test_fails_and_says_what_was_answered(
    smoke: ModuleType, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smoke.main([f"{server}/good", f"{server}/bad", "http://127.0.0.1:9/"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"ok    {server}/good"
    assert lines[1] == f'FAIL  {server}/bad  answered 503: {{"ready": false, "reason": "no quorum"}}'
    assert lines[2].startswith("FAIL  http://127.0.0.1:9/  no answer (")


def test_nothing_to_ask_is_no_success(smoke: ModuleType) -> None:
    assert smoke.main([]) == 1


def test_the_smoke_program_survives_the_way_it_is_passed() -> None:
    """Kubernetes expands `$(NAME)` in arguments, and helm `{{ }}` in templates."""
    text = (CHART / "files" / "smoke.py").read_text()
    assert "$" not in text
    assert "{{" not in text
