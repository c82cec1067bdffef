"""Pods as a real kubelet reported them, in the order in which they came, and what they say of the broker's process."""

from __future__ import annotations

import pytest

from skerry.engine.observation import ProcessState
from skerry.targets.skerry.planes import Plane
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.process import (
    Processes,
    ProcessView,
    ended_by_itself,
    process_view,
)

PORTS = {Plane.CLIENT: 9092, Plane.RAFT: 9093, Plane.REPLICATION: 9094}
BROKERS = BrokerSet("broker", "skerry", "broker", 3, PORTS, 9095, container="broker", hold="hold")
RUNNING, GONE, UNKNOWN = ProcessState.RUNNING, ProcessState.GONE, ProcessState.UNKNOWN
AT_NS = 1_795_791_268_000_000_000
"""The second that this is: 14:54:28Z."""


def ended(container="c-1", code=0, reason="Completed", at="2026-11-27T14:54:28Z", **more):
    facts = {"containerID": container, "exitCode": code, "reason": reason, "startedAt": at, "finishedAt": at}
    return {"terminated": facts | more}


def runs():
    return {"running": {"startedAt": "2026-11-27T14:50:00Z"}}


def waits(reason="ContainerCreating", **more):
    return {"waiting": {"reason": reason, **more}}


def pod(uid="u-1", state=None, container="", last=None, restarts=0, grace=None, held=False, **status):
    """``state`` None: the kubelet has said nothing of the container yet. ``grace``: it is being deleted."""
    metadata = {"name": "broker-0", "uid": uid}
    if grace is not None:
        metadata |= {"deletionTimestamp": f"2026-11-27T14:54:{28 + grace}Z", "deletionGracePeriodSeconds": grace}
    facts = {"phase": "Running", **status}
    if state is not None:
        broker = {"name": "broker", "state": state, "lastState": last or {}, "restartCount": restarts}
        facts["containerStatuses"] = [
            {"name": "sidecar", "state": runs(), "containerID": "other", "restartCount": 9},
            broker | ({"containerID": container} if container else {}),
        ]
    if held:
        facts["initContainerStatuses"] = [{"name": "hold", "state": runs()}]
    return {"metadata": metadata, "status": facts}


UP = pod(state=runs(), container="c-1")
DELETED_GRACEFULLY = [
    UP,
    pod(state=runs(), container="c-1", grace=5),
    pod(state=ended(), container="c-1", grace=5),
    pod(state=ended(), container="c-1", grace=0),  # the kubelet's own deletion
    None,
    pod("u-2"),
    pod("u-2", waits()),
    pod("u-2", runs(), "c-2"),
]
DELETED_AT_ONCE = [UP, pod(state=runs(), container="c-1", grace=0), None, pod("u-2"), pod("u-2", runs(), "c-2")]
CRASHED_IN_PLACE = [
    UP,
    pod(state=ended(code=139, reason="Error"), container="c-1"),
    pod(state=waits("CrashLoopBackOff"), container="c-1", last=ended(code=139, reason="Error"), restarts=1),
    pod(state=runs(), container="c-2", last=ended(code=139, reason="Error"), restarts=1),
]


def views(pods, known=None):
    found = []
    for each in pods:
        known = process_view(each, BROKERS, known)
        found.append(known)
    return found


# --- is there a process? --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pods", "states"),
    [
        (DELETED_GRACEFULLY, [RUNNING, RUNNING, GONE, GONE, GONE, GONE, GONE, RUNNING]),
        # the object goes at once and proves nothing: the process lives on for seconds
        (DELETED_AT_ONCE, [RUNNING, RUNNING, UNKNOWN, UNKNOWN, RUNNING]),
        (CRASHED_IN_PLACE, [RUNNING, GONE, GONE, RUNNING]),
        # nobody saw the end of its container, and the kubelet confirmed it by letting the pod go
        ([UP, pod(state=runs(), container="c-1", grace=5), None], [RUNNING, RUNNING, GONE]),
        ([UP, pod(state=runs(), container="c-1", grace=5), pod("u-2")], [RUNNING, RUNNING, GONE]),
        # it was gone between two looks; nobody knows how
        ([UP, None], [RUNNING, UNKNOWN]),
        ([UP, pod("u-2")], [RUNNING, UNKNOWN]),
        # held down
        (
            [UP, pod(state=ended(), container="c-1", grace=1), None, pod("u-2", waits(), held=True)],
            [RUNNING] + [GONE] * 3,
        ),
        ([UP, pod(state=waits(), restarts=1)], [RUNNING, GONE]),
        ([UP, pod()], [RUNNING, UNKNOWN]),
        ([None], [UNKNOWN]),
        ([pod(), pod(state=waits())], [UNKNOWN, UNKNOWN]),
        ([UP, pod(phase="Failed", reason="Evicted")], [RUNNING, GONE]),
        ([UP, pod(state=runs(), container="c-1", reason="NodeLost")], [RUNNING, UNKNOWN]),
        ([{"metadata": {"name": "broker-0", "uid": "u-1"}}], [UNKNOWN]),
    ],
)
def test_whether_there_is_a_process(pods, states):
    assert [view.state for view in views(pods)] == states


def test_what_is_known_while_it_goes():
    up, leaving, over, letting_go, absent, pending, _, back = views(DELETED_GRACEFULLY)
    assert (up.uid, up.container_id, up.waiting, up.end, up.deletion_wall_ns) == ("u-1", "c-1", "", None, 0)
    assert (leaving.deletion_wall_ns, leaving.grace_s) == (AT_NS, 5)
    assert str(over.end) == "container ended with exit code 0 (Completed) at 14:54:28Z"
    assert (letting_go.deletion_wall_ns, letting_go.grace_s) == (AT_NS, 5)
    assert (absent.present, absent.uid, absent.waiting) == (False, "u-1", "there is no pod")
    assert (pending.present, pending.uid, pending.deletion_wall_ns) == (True, "u-2", 0)
    assert pending.waiting == "its container was not started yet"
    assert (back.container_id, back.waiting, back.end) == ("c-2", "", over.end)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (ended(code=0), "container ended with exit code 0 (Completed) at 14:54:28Z"),
        (ended(code=137, reason="Error"), "container ended with exit code 137 (SIGKILL, Error) at 14:54:28Z"),
        (ended(code=137, reason="OOMKilled"), "container ended with exit code 137 (SIGKILL, OOMKilled) at 14:54:28Z"),
        (ended(code=143, reason="Error"), "container ended with exit code 143 (SIGTERM, Error) at 14:54:28Z"),
        (ended(code=1, reason="Error", message=" disk full\n"), "exit code 1 (Error) at 14:54:28Z: disk full"),
        (ended(code=255, reason=""), "container ended with exit code 255 at 14:54:28Z"),
        (
            ended("", 137, "ContainerStatusUnknown", None, message="The container could not be located"),
            "exit code 137 (ContainerStatusUnknown): The container could not be located",
        ),
        (ended(code=128, reason="StartError", at=None), "container ended with exit code 128 (StartError)"),
    ],
)
def test_how_it_ended_in_words(state, sentence):
    view = process_view(pod(state=state, container="c-1"), BROKERS, None)
    assert str(view.end).endswith(sentence)


@pytest.mark.parametrize(
    ("each", "waiting"),
    [
        (pod(state=waits("PodInitializing"), held=True), "its init container `hold` keeps it down"),
        (pod(state=waits("PodInitializing")), "its container was not started yet"),
        (pod(state=waits("ErrImagePull", message="not found")), "its container waits: ErrImagePull: not found"),
        (pod(state=waits("CrashLoopBackOff"), last=ended()), "its container waits: CrashLoopBackOff"),
        (pod(state=ended(), container="c-1"), ""),
        (UP, ""),
    ],
)
def test_what_it_waits_for(each, waiting):
    assert process_view(each, BROKERS, None).waiting == waiting


# --- did it end by itself? ------------------------------------------------------------------------------

MEMORY = "The node was low on resource: memory."
DRAINED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "a drain"}
CASES = {
    "nothing happened": (UP, UP, ""),
    "it crashed": (
        UP,
        pod(state=ended(code=139, reason="Error"), container="c-1"),
        "its container ended with exit code 139 (SIGSEGV, Error) at 14:54:28Z",
    ),
    "it was restarted before anybody looked": (
        UP,
        pod(state=runs(), container="c-2", last=ended(code=137, reason="OOMKilled"), restarts=1),
        "its container ended with exit code 137 (SIGKILL, OOMKilled) at 14:54:28Z, and was started again",
    ),
    "its pod is being deleted": (
        UP,
        pod(state=runs(), container="c-1", grace=5),
        "its pod is being deleted, and not by us",
    ),
    "it is drained": (
        UP,
        pod(state=runs(), container="c-1", grace=5, conditions=[DRAINED]),
        "its pod is being deleted (EvictionByEvictionAPI: a drain)",
    ),
    "it was evicted": (
        UP,
        pod(state=ended(code=137, reason="Error"), phase="Failed", reason="Evicted", message=MEMORY),
        f"its pod was taken away (Evicted: {MEMORY}); its container ended with exit code 137 (SIGKILL, Error) at "
        "14:54:28Z",
    ),
    "its pod vanished": (UP, None, "its pod was deleted, and not by us"),
    "its pod was replaced": (UP, pod("u-2", runs(), "c-2"), "its pod was replaced, and not by us"),
    "nobody knows how": (UP, pod(state=waits(), restarts=0), "its container ended, and nobody says how"),
    "what was gone came back": (pod(), pod(state=runs(), container="c-1"), ""),
    "what came back crashed": (
        pod(state=ended("c-1", 137), container="c-1"),
        pod(state=ended("c-2", 1, "Error"), container="c-2", restarts=1),
        "its container ended with exit code 1 (Error) at 14:54:28Z",
    ),
    "late news of what was gone": (
        pod(state=ended("c-1", 137), container="c-1"),
        pod(state=waits("CrashLoopBackOff"), last=ended("c-1", 137, message="words"), container="c-1", restarts=1),
        "",
    ),
    "a pod that never started went away": (
        pod(state=waits(), grace=5),
        pod(state=ended("", 137, "ContainerStatusUnknown", None), grace=5),
        "",
    ),
    "its node is lost": (UP, pod(state=runs(), container="c-1", reason="NodeLost"), ""),
}


@pytest.mark.parametrize("case", CASES)
def test_how_it_ended_by_itself(case):
    before, after, sentence = CASES[case]
    earlier, now = views([before, after])
    assert ended_by_itself(earlier, now) == sentence


def looks(pods, taken=(), since_ns=0, ordinal=0):
    """What each look says. ``taken``: uid of a pod -> the look from which a fault of ours has taken it."""
    processes = Processes(BROKERS)
    from_look = dict(taken)
    return [
        processes.look(ordinal, each, {uid for uid, first in from_look.items() if number >= first}, since_ns)
        for number, each in enumerate(pods)
    ]


def said(pods, taken=()):
    return [each.ended_by_itself for each in looks(pods, taken)]


def test_what_was_seen_first_stands():
    first = "its pod is being deleted, and not by us"
    assert said(DELETED_GRACEFULLY) == ["", *[first] * 7]


@pytest.mark.parametrize("pods", [DELETED_GRACEFULLY, DELETED_AT_ONCE, CRASHED_IN_PLACE])
def test_what_we_did_is_not_held_against_the_broker(pods):
    assert not any(said(pods, {"u-1": 1}))
    assert any(said(pods))


def test_a_process_that_ends_after_our_fault_is_over_has_ended_by_itself():
    how = "its container ended with exit code 1 (Error) at 14:54:28Z"
    crashed = pod("u-2", ended("c-2", 1, "Error"), "c-2")
    assert said([*DELETED_GRACEFULLY, crashed], {"u-1": 1}) == [""] * 8 + [how]
    # One that crashes before anybody saw it run is not ours either: the planted bug excused it until it was back.
    never_seen = DELETED_GRACEFULLY[:-1]
    assert said([*never_seen, crashed], {"u-1": 1}) == [""] * 7 + [how]
    assert ends([*never_seen, crashed], {"u-1": 1}, AT_NS) == [(7, 1, "", "Error")]


def test_brokers_are_told_apart():
    processes = Processes(BROKERS)
    for ordinal in (0, 1):
        assert processes.look(ordinal, UP, set(), 0).state is RUNNING
    gone = processes.look(1, pod(state=ended(code=1, reason="Error"), container="c-1"), {"u-0"}, 0)
    assert (gone.state, gone.view.container_id) == (GONE, "c-1")
    assert gone.ended_by_itself
    assert processes.look(0, UP, {"u-0"}, 0).ended_by_itself == ""


def test_the_first_look_blames_nobody():
    crashed = pod(state=runs(), container="c-2", last=ended(code=137), restarts=4)
    assert said([crashed]) == [""]


def test_a_view_of_nothing():
    assert ended_by_itself(ProcessView(), ProcessView()) == ""


# --- how did it end? ------------------------------------------------------------------------------------


def ends(pods, taken=(), since_ns=0):
    """(number of the look, code, words, the kubelet's word) of every end that is told."""
    return [
        (number, end.code, end.message, end.reason)
        for number, known in enumerate(looks(pods, taken, since_ns))
        for end in known.ends
    ]


TRACEBACK = "Traceback\n  AssertionError: end_offset went back"


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (ended(code=1, reason="Error", message=TRACEBACK), 1),
        (ended(code=134, reason="Error"), -6),
        (ended(code=139, reason="Error"), -11),
        (ended(code=137, reason="Error"), -9),
        (ended(code=143, reason="Error"), -15),
        (ended(code=0), 0),
        (ended(code=1, reason="OOMKilled"), -9),  # a child was killed, and its init said that in its own way
        (ended(code=255, reason="Error"), 255),
        (ended(code=1, reason="Error", signal=9), -9),  # a runtime that tells the signal
        (ended(code=0, reason="Error", signal=6), -6),
    ],
)
def test_how_the_process_itself_ended(end, code):
    back = pod(state=runs(), container="c-2", last=end, restarts=1)
    facts = end["terminated"]
    told = (code, facts.get("message", ""), facts["reason"])
    assert ends([UP, pod(state=end, container="c-1"), back, back]) == [(1, *told)]
    assert ends([UP, back, back]) == [(1, *told)], "also when nobody saw it gone"


def test_an_end_is_told_when_the_kubelet_comes_to_it():
    last = ended(code=1, reason="Error")
    pods = [UP, pod(state=waits(), restarts=1), pod(state=waits("CrashLoopBackOff"), last=last, restarts=1)]
    assert ends(pods) == [(2, 1, "", "Error")]


@pytest.mark.parametrize(
    "pods",
    [
        [pod(state=runs(), container="c-2", last=ended(code=1), restarts=4)] * 2,  # before the run
        DELETED_GRACEFULLY,
        [UP, pod(state=ended(code=137), container="c-1", phase="Failed", reason="Evicted")],
        [pod(state=waits()), pod(state=waits("CrashLoopBackOff"), last=ended("c-0", 1, "Error"))],
        [UP, pod(state=ended(code=137, reason="ContainerStatusUnknown"), container="c-1")],
        [UP, pod(state=ended(code=255, reason="Unknown"), container="c-1")],
        [UP, pod(state=ended(code=128, reason="StartError"), container="c-1")],
    ],
    ids=[
        "before the run",
        "deleted",
        "evicted",
        "told late of before",
        "nobody knows",
        "a reboot",
        "never started",
    ],
)
def test_what_says_nothing_of_how_the_process_ended_is_not_told(pods):
    assert ends(pods) == []


def test_how_the_victim_of_our_fault_ended_is_not_told():
    assert ends(CRASHED_IN_PLACE, {"u-1": 1}) == []


def test_every_end_is_told_once():
    """The planted bug: of a broker that somebody killed, and that then ended by itself, only the first was told."""
    killed, failed = ended("c-1", 137, "Error"), ended("c-2", 1, "Error")
    pods = [
        UP,
        pod(state=killed, container="c-1"),
        pod(state=runs(), container="c-2", last=killed, restarts=1),
        pod(state=failed, container="c-2", last=killed, restarts=1),
        pod(state=waits("CrashLoopBackOff"), container="c-2", last=failed, restarts=1),
        pod(state=runs(), container="c-3", last=failed, restarts=2),
    ]
    both = [(1, -9, "", "Error"), (3, 1, "", "Error")]
    assert ends(pods) == both
    # Both ends in one look, when nobody looked in between.
    assert ends([UP, pods[3]], since_ns=AT_NS) == [(1, -9, "", "Error"), (1, 1, "", "Error")]


@pytest.mark.parametrize(("since_ns", "told"), [(0, 0), (AT_NS + 1, 0), (AT_NS, 1)])
def test_an_end_of_a_process_that_nobody_saw_is_of_this_run_if_it_was_started_in_it(since_ns, told):
    back = pod(state=waits("CrashLoopBackOff"), container="c-1", last=ended("c-1", 1, "Error"), restarts=1)
    assert len(ends([pod(state=waits()), back], since_ns=since_ns)) == told


def test_the_last_lines_of_a_long_log_are_kept():
    (told,) = ends([UP, pod(state=ended(code=1, reason="Error", message="x" * 4000 + TRACEBACK), container="c-1")])
    assert told[2].endswith(TRACEBACK)
    assert len(told[2]) == 300
