"""The process: its settings, its logs, its one kopf handler, its Events."""

from __future__ import annotations

import asyncio
import json
import logging

import kopf
import pytest

from skerry.controller.environment import WrongEnvironment, read_environment
from skerry.controller.events import EVENTS_MAX, EventReason, EventRecorder, event_manifest
from skerry.controller.handlers import registry_of, settings
from skerry.controller.logs import JsonLines, about
from skerry.worlds.kubernetes.api import KubeError

ENVIRONMENT = {"SKERRY_NAMESPACE": "skerry", "SKERRY_RUNNER_IMAGE": "skerry/operator:1"}


# --- settings -----------------------------------------------------------------------------------------------


def test_settings():
    variables = ENVIRONMENT | {"SKERRY_NAMESPACE": "a, b,a", "SKERRY_INJECTOR_IMAGE": "skerry/injector:1"}
    variables["SKERRY_IMAGE_PULL_SECRETS"] = "one, two"
    environment = read_environment(variables)
    assert environment.namespaces == ("a", "b")
    assert environment.port == 8080
    found = environment.settings("b")
    assert (found.namespace, found.runner_image, found.injector_image, found.image_pull_policy) == (
        "b",
        "skerry/operator:1",
        "skerry/injector:1",
        "IfNotPresent",
    )
    assert found.image_pull_secrets == ("one", "two")
    assert read_environment(ENVIRONMENT).settings("b").image_pull_secrets == ()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"SKERRY_RUNNER_IMAGE": ""}, "SKERRY_RUNNER_IMAGE is missing"),
        ({"SKERRY_NAMESPACE": "a,B"}, "SKERRY_NAMESPACE names `B`"),
        ({"SKERRY_IMAGE_PULL_POLICY": "Sometimes"}, "SKERRY_IMAGE_PULL_POLICY is `Sometimes`: set one of IfNotPresent"),
        ({"SKERRY_PORT": "http"}, "SKERRY_PORT is `http`"),
        ({"SKERRY_PORT": "65536"}, "SKERRY_PORT is `65536`"),
    ],
)
def test_wrong_settings(change, sentence):
    with pytest.raises(WrongEnvironment, match=sentence):
        read_environment(ENVIRONMENT | change)


def test_without_a_namespace_it_is_the_pods_own():
    assert read_environment(ENVIRONMENT | {"SKERRY_NAMESPACE": ""}).namespaces == ()


# --- kopf ---------------------------------------------------------------------------------------------------


def kinds_of_handlers(registry: kopf.OperatorRegistry) -> dict[str, int]:
    parts = ("_watching", "_changing", "_spawning", "_indexing", "_webhooks")
    return {part: len(list(getattr(registry, part).get_all_handlers())) for part in parts}


def test_there_is_one_handler_and_none_that_would_add_a_finalizer():
    registry = registry_of(lambda event, resource: None)
    assert kinds_of_handlers(registry) == {
        "_watching": 1,
        "_changing": 0,
        "_spawning": 0,
        "_indexing": 0,
        "_webhooks": 0,
    }


@pytest.mark.parametrize("decorator", [kopf.on.delete, kopf.on.create, kopf.daemon])
def test_that_check_finds_a_handler_of_another_kind(decorator):
    registry = registry_of(lambda event, resource: None)

    @decorator("chaosexperiments", registry=registry)
    async def planted(**_: object) -> None: ...

    found = kinds_of_handlers(registry)
    assert found["_changing"] + found["_spawning"] == 1


async def test_the_handler_hands_the_object_over_as_it_is():
    seen = []
    registry = registry_of(lambda event, resource: seen.append((event, resource)))
    (handler,) = registry._watching.get_all_handlers()
    resource = {"metadata": {"name": "story"}, "spec": {"a": [1]}}
    await handler.fn(event={"type": None, "object": resource}, name="story", logger=logging.getLogger())
    assert seen == [(None, resource)]


def test_kopf_looks_for_nothing_and_writes_nothing():
    chosen = settings()
    assert chosen.scanning.disabled
    assert not chosen.posting.enabled
    assert chosen.peering.standalone


# --- logs ---------------------------------------------------------------------------------------------------


def line(level: int = logging.INFO, error: Exception | None = None) -> dict[str, str]:
    record = logging.LogRecord("skerry.x", level, "f", 1, "it is %s", ("so\nsaid",), None)
    record.created = 1_800_000_000.25
    if error is not None:
        try:
            raise error
        except type(error) as raised:
            record.exc_info = (type(raised), raised, raised.__traceback__)
    text = JsonLines().format(record)
    assert "\n" not in text
    return json.loads(text)


def test_a_line_is_one_object():
    assert line() == {
        "time": "2027-01-15T08:00:00.250Z",
        "level": "info",
        "logger": "skerry.x",
        "message": "it is so\nsaid",
    }


def test_it_says_whom_it_is_about_and_what_was_raised():
    with about("lab", "story"):
        found = line(logging.ERROR, ValueError("planted"))
    assert (found["namespace"], found["experiment"]) == ("lab", "story")
    assert "ValueError: planted" in found["traceback"]
    assert "experiment" not in line()


# --- Events -------------------------------------------------------------------------------------------------


def test_an_event_is_named_after_what_it_says(lab):
    resource = lab.resource()
    names = {
        event_manifest(resource, reason, message, now_s)["metadata"]["name"]
        for reason in (EventReason.HEALED, EventReason.COMPLETE)
        for message in ("a", "b")
        for now_s in (1.0, 2.0)
    }
    assert len(names) == 4
    assert event_manifest(resource, EventReason.FAULT_UNVERIFIED, "x" * 2000, 1.0)["type"] == "Warning"


async def test_there_are_at_most_twenty_and_the_last_one_always_comes(lab):
    event_recorder = EventRecorder(lab.kube, lab.resource())
    for number in range(100):
        event_recorder.tell(EventReason.HEALED, f"cut#{number}", 1.0)
    event_recorder.tell(EventReason.COMPLETE, "It is over.", 1.0)
    posting = asyncio.ensure_future(event_recorder.run())
    await event_recorder.settle()
    posting.cancel()
    assert len(lab.events) <= EVENTS_MAX
    assert lab.events[-1] == "Complete"


@pytest.mark.parametrize(
    "error", [KubeError(403, "Forbidden", "no"), KubeError(409, "AlreadyExists", "there"), ValueError("planted")]
)
async def test_an_event_that_is_not_taken_harms_nobody(lab, error):
    lab.kube.refuse["create", "events"] = error
    assert (await lab.story())["verdict"] == "Pass"
