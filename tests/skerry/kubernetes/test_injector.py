"""Ephemeral containers of the injector: least rights, names that never collide, and how they ended."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from skerry.faults.port import OccurrenceId
from skerry.worlds.kubernetes.injector import (
    ended,
    injector_name,
    kill_container,
    overdue,
    patch_of,
    reset_container,
)

IMAGE = "skerry/injector:dev"
NAME = "injector-isolate-0-abcdef01"
ROOT = Path(__file__).resolve().parents[3]


def reset(**changes):
    wanted = {"peers": ["10.244.0.11", "10.244.0.12"], "ports": [9093, 9094], **changes}
    return reset_container(NAME, IMAGE, **wanted)


def kill(run_as_user=10001, **changes):
    return kill_container(NAME, IMAGE, "broker", run_as_user, **changes)


def test_a_reset_is_root_with_one_capability():
    container = reset()
    assert container["securityContext"] == {
        "runAsUser": 0,
        "runAsNonRoot": False,
        "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]},
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert "targetContainerName" not in container
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert reset(pull_policy="Never")["imagePullPolicy"] == "Never"


def test_a_kill_has_the_brokers_uid_and_no_capability():
    container = kill()
    assert container["securityContext"] == {
        "runAsUser": 10001,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["targetContainerName"] == "broker"
    assert container["args"] == ["kill", "--signal", "KILL"]


def test_the_uid_of_the_broker_may_be_root_or_unknown():
    assert kill(0)["securityContext"]["runAsNonRoot"] is False
    assert "runAsUser" not in kill(None)["securityContext"]
    assert kill(None)["securityContext"]["runAsNonRoot"] is True


@pytest.mark.parametrize("nothing", [{"peers": []}, {"ports": []}])
def test_a_reset_of_nothing_is_refused(nothing):
    with pytest.raises(ValueError, match="some peers, on some ports"):
        reset(**nothing)


@pytest.mark.parametrize("container", [reset(for_ms=3000), kill(signal="STOP")])
def test_the_program_understands_its_arguments(container):
    spec = importlib.util.spec_from_file_location("skerry_injector", ROOT / "injector/skerry_injector.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    options = vars(program.argument_parser().parse_args(container["args"]))
    if options["command"] == "reset":
        assert (options["peer"], options["port"]) == (["10.244.0.11", "10.244.0.12"], [9093, 9094])
        assert (options["for_ms"], options["quiet_ms"], options["at_least_ms"]) == (3000, 300, 500)
    else:
        assert options["signal"] == "STOP"


def test_the_patch_adds_one_container():
    container = reset()
    assert patch_of(container) == {"spec": {"ephemeralContainers": [container]}}


# --- names ----------------------------------------------------------------------------------------------


def test_every_attempt_has_a_name_of_its_own():
    made = [
        injector_name(OccurrenceId(fault, number), suffix)
        for fault in ("isolate", "isolated", "f" * 30)
        for number in (0, 1, 12)
        for suffix in ("1a2b3c4d", "5e6f7a8b")
    ]
    assert len(set(made)) == len(made)
    assert all(len(name) <= 63 for name in made)
    assert made[0] == "injector-isolate-0-1a2b3c4d"


def test_a_suffix_that_leaves_no_room_is_refused():
    with pytest.raises(ValueError, match="is too long"):
        injector_name(OccurrenceId("f" * 30, 0), "s" * 30)


# --- ends -----------------------------------------------------------------------------------------------


def pod_with(state, **status):
    statuses = [{"name": "injector-older-0-1", "state": {"terminated": {"exitCode": 9}}}]
    if state is not None:
        statuses.append({"name": NAME, "image": "sha256:1", "state": state})
    return {
        "metadata": {"name": "broker-1"},
        "spec": {"ephemeralContainers": [{"name": NAME, "image": IMAGE}]},
        "status": {"phase": "Running", "ephemeralContainerStatuses": statuses, **status},
    }


def terminated(exit_code, message, **more):
    shown = message if isinstance(message, str) else json.dumps(message)
    moments = {"startedAt": "2026-11-27T14:03:05Z", "finishedAt": "2026-11-27T14:03:06Z"}
    return {"terminated": {"exitCode": exit_code, "message": shown, **moments, **more}}


RESET = {"did": "reset", "closed": 4, "first_wall_ns": 1, "last_wall_ns": 2, "remaining": 0, "error": ""}
SENT = {"did": "kill", "signal": "KILL", "pid": 7, "command": "skerry-broker", "sent_wall_ns": 5}


@pytest.mark.parametrize(
    "state",
    [None, {}, {"waiting": {"reason": "ContainerCreating"}}, {"running": {"startedAt": "2026-11-27T14:03:05Z"}}],
)
def test_it_has_not_ended(state):
    assert ended(pod_with(state), NAME) is None


def test_nothing_is_known_of_a_pod_without_status():
    assert ended({"metadata": {"name": "broker-1"}}, NAME) is None


@pytest.mark.parametrize(
    ("exit_code", "report"),
    [
        (0, RESET),
        (0, {**SENT, "seen": "gone"}),
        # the init ended, and the PID namespace with it: before it could look, or after
        (137, SENT),
        (137, {**SENT, "seen": "gone"}),
    ],
)
def test_it_did_its_work(exit_code, report):
    end = ended(pod_with(terminated(exit_code, report)), NAME)
    assert (end.exit_code, end.message, end.error) == (exit_code, report, "")
    assert end.started_wall_ns == 1_795_788_185_000_000_000
    assert end.finished_wall_ns - end.started_wall_ns == 1_000_000_000


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (
            terminated(1, {**RESET, "remaining": 2, "error": "connections were still there"}),
            ": connections were still there",
        ),
        (terminated(1, {**SENT, "seen": ""}), "ended with exit code 1 (no reason): {"),
        (terminated(3, {**SENT, "sent_wall_ns": 0, "error": "process 1 is the program itself"}), ": process 1 is the"),
        (terminated(137, {**RESET, "remaining": 1}, reason="OOMKilled"), "ended with exit code 137 (OOMKilled): {"),
        (terminated(137, {**SENT, "sent_wall_ns": 0}), "ended with exit code 137"),
        (terminated(128, "exec: no such file", reason="StartError"), "exit code 128 (StartError): exec: no such file"),
        (terminated(2, ""), "ended with exit code 2 (no reason): without a word"),
        (terminated(0, ""), "ended without saying what it did: no message"),
        (terminated(0, "[1]"), "ended without saying what it did: [1]"),
    ],
)
def test_it_failed_and_says_how(state, sentence):
    end = ended(pod_with(state), NAME)
    assert end.error.startswith(f"injector `{NAME}`")
    assert sentence in end.error


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "ErrImageNeverPull", "ErrImagePull", "InvalidImageName"])
def test_a_missing_image_is_named(reason):
    end = ended(pod_with({"waiting": {"reason": reason, "message": "not found"}}), NAME)
    assert end.exit_code is None
    assert end.error == (
        f"injector `{NAME}` in pod broker-1 did not start: its image `{IMAGE}` cannot be had on that node "
        f"({reason}: not found); load it, or correct its name"
    )


def test_a_container_that_the_kubelet_refuses():
    waiting = {"reason": "CreateContainerConfigError", "message": "container has runAsNonRoot and image is root"}
    end = ended(pod_with({"waiting": waiting}), NAME)
    assert end.error.endswith(
        "did not start (CreateContainerConfigError: container has runAsNonRoot and image is root)"
    )


def test_a_pod_that_goes_away_never_starts_it():
    leaving = pod_with(None)
    leaving["metadata"]["deletionTimestamp"] = "2026-11-27T14:03:05Z"
    assert ended(leaving, NAME).error.endswith("did not start: the pod is being deleted")
    assert ended(pod_with(None, phase="Failed", reason="Evicted"), NAME).error.endswith("the pod has ended (Evicted)")
    # once it runs, its own end counts
    leaving = pod_with({"running": {}})
    leaving["metadata"]["deletionTimestamp"] = "2026-11-27T14:03:05Z"
    assert ended(leaving, NAME) is None


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (None, f"did not start within 15 s: see whether its image `{IMAGE}` is on that node, or can be had"),
        ({"waiting": {"reason": "ContainerCreating"}}, "did not start within 15 s"),
        ({"running": {"startedAt": "2026-11-27T14:03:05Z"}}, "was still running after 15 s"),
    ],
)
def test_one_that_takes_too_long(state, sentence):
    assert sentence in overdue(pod_with(state), NAME, 15.0)
