"""Whole runs by a scripted conductor: what is left behind, whatever ends them, and what the conductor is shown."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from pathlib import Path

import msgspec
import pytest
from broker_kit import BROKERS, broker_pod, terminated, until
from fake_api import FakeApi
from fault_stage import CUT, EXPERIMENT, cut_of
from scripted_pod import WORKLOAD, ScriptedPod

from skerry.engine.world import (
    Action,
    ActionReport,
    BrokerView,
    Check,
    CheckLinks,
    Drain,
    Finish,
    Heal,
    HealAll,
    Inject,
    Observation,
    ProcessState,
    Record,
    ReportState,
    StartWorkload,
)
from skerry.experiment import load_document
from skerry.history.records import Note, Stall
from skerry.schema.verdict import Verdict
from skerry.worlds.kubernetes.api import Kube, KubeError
from skerry.worlds.kubernetes.capabilities import capabilities
from skerry.worlds.kubernetes.drive import RunEnd, drive
from skerry.worlds.kubernetes.opt_ins import OptIns
from skerry.worlds.kubernetes.recording import Pace
from skerry.worlds.kubernetes.world import KubernetesWorld, Settings

DOCUMENT = (Path(__file__).parents[3] / "experiments" / "04b-leader-pod-deletion.yaml").read_text()
PATIENT = Pace(look_every_s=0.002, silent_s=60, pod_timeout_s=60, pod_poll_s=0.002, finish_poll_s=0.002)
IMPATIENT = PATIENT._replace(silent_s=0.1, pod_timeout_s=0.2)
LEADER_OFF = cut_of((0,), (1, 2))
NS = 1_000_000_000
FINISH = Finish(90, Verdict.PASS, "Passed", "All is well.")
INJECT = Inject(2, CUT, LEADER_OFF, 3600 * NS, 3600 * NS)

Plot = Generator[list[Action], Observation, None]


class Script:
    """A conductor that does what a generator says: it is sent every picture, with all reports so far, and yields what
    is to be done."""

    def __init__(self, plot: Callable[[], Plot]) -> None:
        self._plot = plot()
        self._begun = False
        self.finished = False
        self.seen: list[Observation] = []
        self.reports: dict[int, ActionReport] = {}

    def step(self, now_ns: int, observation: Observation) -> list[Action]:
        self.seen.append(observation)
        self.reports |= {each.id: each for each in observation.reports}
        if not self._begun:
            self._begun = True
            actions = next(self._plot)
        else:
            actions = self._plot.send(msgspec.structs.replace(observation, reports=tuple(self.reports.values())))
        self.finished = any(isinstance(each, Finish) for each in actions)
        return actions


def until_reported(action_id: int) -> Generator[list[Action], Observation, ActionReport]:
    """Wait for the last word on an action."""
    while True:
        observation = yield []
        for report in observation.reports:
            if report.id == action_id and report.state is not ReportState.STARTED:
                return report


class Theatre:
    def __init__(self, api: FakeApi, kube: Kube, pod: ScriptedPod) -> None:
        self.api = api
        self.kube = kube
        self.pod = pod
        self.pace = PATIENT
        self.journal: list[int] = []
        self.journal_error: KubeError | None = None
        self.world: KubernetesWorld
        self.script: Script

    async def write(self, actions: Sequence[Action]) -> None:
        if self.journal_error is not None:
            raise self.journal_error
        self.journal += [each.id for each in actions]

    def open(self, plot: Callable[[], Plot], status: dict | None = None) -> asyncio.Task[RunEnd]:
        experiment = load_document(DOCUMENT, "04b")
        self.world = KubernetesWorld(
            self.kube,
            EXPERIMENT | ({"status": status} if status else {}),
            experiment,
            DOCUMENT,
            7,
            BROKERS,
            capabilities(OptIns(grant=True, label=True, hold=True, namespace="skerry")),
            Settings("skerry", "skerry/operator:dev", "skerry/injector:dev"),
            "a-token-of-sixteen",
            pace=self.pace,
        )
        self.script = Script(plot)
        return asyncio.create_task(drive(self.script, self.world, self.write, turn_s=0.001))

    @property
    def asked(self) -> list[Action]:
        """What the conductor asked of the pod; the world itself asks for links while a cut stands."""
        return [each for each in self.pod.actions if not isinstance(each, CheckLinks)]

    @property
    def left(self) -> list[str]:
        """What of faults is in the namespace."""
        return [*self.api.names("networkpolicies"), *(name for name in self.api.names("jobs") if name != WORKLOAD)]


@pytest.fixture
async def theatre(api: FakeApi, kube: Kube) -> AsyncIterator[Theatre]:
    api.put(EXPERIMENT)
    for ordinal in BROKERS.ordinals:
        api.put(broker_pod(ordinal))
    async with ScriptedPod(api) as pod:
        yield Theatre(api, kube, pod)


def a_run_with_a_cut() -> Plot:
    yield [StartWorkload(1)]
    yield [INJECT]
    yield from until_reported(2)
    yield [Heal(3, CUT, LEADER_OFF)]
    yield from until_reported(3)
    yield [Drain(4)]
    yield from until_reported(4)
    yield [Check(5)]
    yield from until_reported(5)
    yield [FINISH]


def an_endless_cut() -> Plot:
    yield [INJECT]
    while True:
        yield []


def nothing() -> Plot:
    yield [FINISH]


def watching() -> Plot:
    while True:
        yield []


# --- runs that end as they should ------------------------------------------------------------------------------


async def test_a_run_from_the_first_action_to_its_report(theatre: Theatre) -> None:
    end = await theatre.open(a_run_with_a_cut)
    assert end.finish == FINISH
    assert set(end.files) == {"report.json", "report.html", "junit.xml"}
    assert theatre.asked == [StartWorkload(1), Drain(4), Check(5), FINISH]
    assert list(dict.fromkeys(theatre.pod.paths)) == ["/events", "/drain", "/check", "/finish"]
    assert theatre.journal == [1, 2, 3, 4, 5, 90]
    assert {number: report.state.value for number, report in theatre.script.reports.items()} == dict.fromkeys(
        (2, 3, 4, 5), "done"
    )
    assert theatre.left == []
    assert theatre.api.find("jobs", WORKLOAD) is not None, "its report is served for a while"


async def test_the_journal_is_written_before_anything_is_done(theatre: Theatre) -> None:
    made: list[str] = []

    async def write(actions: Sequence[Action]) -> None:
        await asyncio.sleep(0.005)
        made.extend(theatre.left)
        theatre.journal += [each.id for each in actions]

    theatre.write = write
    await theatre.open(a_run_with_a_cut)
    assert made == made[:2], "only the heal finds something"
    assert theatre.journal[:2] == [1, 2]


async def test_what_is_not_in_the_journal_is_not_injected(theatre: Theatre) -> None:
    def plot() -> Plot:
        yield [INJECT, Heal(3, CUT, LEADER_OFF)]
        yield from until_reported(3)
        yield [FINISH]

    theatre.journal_error = KubeError(404, "NotFound", "the experiment is gone")
    await theatre.open(plot)
    report = theatre.script.reports[2]
    assert report.state is ReportState.FAILED
    assert report.error == "the experiment is gone"
    assert theatre.script.reports[3].state is ReportState.DONE, "to heal needs no permission"
    assert not [each for each in theatre.api.writes if each.startswith("create") and WORKLOAD not in each]


async def test_answers_that_are_lost_do_nothing_twice(theatre: Theatre) -> None:
    theatre.pod.drops_answers = 3
    await theatre.open(a_run_with_a_cut)
    assert [each.id for each in theatre.asked] == [1, 4, 5, 90]
    assert len(theatre.pod.paths) == 7


async def test_an_abort_reaches_the_conductor_and_the_pod(theatre: Theatre) -> None:
    def plot() -> Plot:
        observation = yield []
        while not observation.abort:
            observation = yield []
        yield [Drain(4)]
        yield from until_reported(4)
        yield [FINISH]

    running = theatre.open(plot)
    await until(lambda: theatre.pod.began)
    theatre.world.abort("the user asked for it")
    theatre.world.abort("and asked again")
    await running
    assert theatre.script.seen[-1].abort == "the user asked for it"
    assert set(theatre.pod.aborts) == {"the user asked for it"}


async def test_nothing_is_judged_before_it_is_known_how_the_victims_ended(theatre: Theatre) -> None:
    """The planted bug: a kubelet that takes its time lets another's deed pass as our kill."""
    heard = asyncio.Event()

    async def wait_for_exit_statuses() -> None:
        await heard.wait()
        theatre.world._object("broker 1 ended while it was to be killed, and not by that")
        theatre.world._object("and so did broker 2")

    def plot() -> Plot:
        yield [Drain(4)]
        yield from until_reported(4)
        observation = yield [Check(5)]
        for _ in range(5):
            observation = yield []
        assert not observation.disproof
        assert "/check" not in theatre.pod.paths
        heard.set()
        yield from until_reported(5)
        yield [FINISH]

    running = theatre.open(plot)
    theatre.world._faults.wait_for_exit_statuses = wait_for_exit_statuses
    await running
    assert theatre.script.seen[-1].disproof == "broker 1 ended while it was to be killed, and not by that"
    assert "/check" in theatre.pod.paths


async def test_records_of_our_own_never_meet_those_of_a_later_operator(theatre: Theatre) -> None:
    """The pod passes over ids that it has seen, of any sender."""
    ids: list[int] = []
    for status in (None, {"workload": WORKLOAD}):
        running = theatre.open(watching, status)
        await until(lambda: len(theatre.script.seen) > 2)
        theatre.world._note("it happened", 0)
        taken = len(theatre.pod.actions)
        await until(lambda taken=taken: len(theatre.pod.actions) > taken)
        ids.append(theatre.pod.actions[-1].id)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert ids[1] < ids[0] < 0
    assert [each.record.text for each in theatre.pod.actions] == ["it happened"] * 2
    assert all(isinstance(each, Record) and isinstance(each.record, Note) for each in theatre.pod.actions)


# --- runs that end otherwise ------------------------------------------------------------------------------------


async def test_a_run_that_is_cancelled_in_the_middle_of_a_cut_leaves_nothing(theatre: Theatre) -> None:
    running = theatre.open(an_endless_cut)
    await until(lambda: theatre.api.names("networkpolicies"))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert theatre.left == []


async def test_to_cancel_it_again_does_not_keep_it_from_healing(theatre: Theatre) -> None:
    """The planted bug: the second one leaves the cut where it is."""
    running = theatre.open(an_endless_cut)
    await until(lambda: theatre.api.names("networkpolicies"))
    while not running.done():
        running.cancel()
        await asyncio.sleep(0)
    assert running.cancelled()
    assert theatre.left == []


async def test_an_exception_of_a_task_ends_the_run_and_leaves_nothing(theatre: Theatre) -> None:
    running = theatre.open(an_endless_cut)
    await until(lambda: theatre.api.names("networkpolicies"))

    async def broken() -> None:
        raise ZeroDivisionError("a bug")

    theatre.world._spawn(broken())
    with pytest.raises(ZeroDivisionError):
        await running
    assert theatre.left == []


@pytest.mark.parametrize("part", ["_pods", "_outbox", "_recording", "_faults"])
async def test_a_part_that_died_ends_the_run(theatre: Theatre, part: str) -> None:
    """None of them may look like a cluster in which nothing happens."""

    def dead() -> None:
        raise ZeroDivisionError(part)

    running = theatre.open(an_endless_cut)
    await until(lambda: theatre.api.names("networkpolicies"))
    getattr(theatre.world, part).raise_failure = dead
    with pytest.raises(ZeroDivisionError, match=part):
        await running
    assert theatre.left == []


async def test_a_bug_in_the_conductor_leaves_nothing(theatre: Theatre) -> None:
    def plot() -> Plot:
        yield [INJECT]
        yield from until_reported(2)
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        await theatre.open(plot)
    assert theatre.left == []


async def test_a_workload_that_never_comes_up_is_inconclusive(api: FakeApi, kube: Kube) -> None:
    api.put(EXPERIMENT)
    async with ScriptedPod(api, comes_up=False) as pod:
        theatre = Theatre(api, kube, pod)
        theatre.pace = IMPATIENT
        end = await theatre.open(watching)
    assert end.finish.verdict is Verdict.INCONCLUSIVE
    assert end.finish.reason == "WorkloadNotStarted"
    assert end.finish.message == f"the workload pod of Job {WORKLOAD} was not ready within 0.2 s; see its events"
    assert end.report is None
    assert theatre.script.seen == [], "the conductor was never asked"


async def test_a_run_that_was_found_begun_without_its_recorder_is_inconclusive(theatre: Theatre) -> None:
    end = await theatre.open(watching, {"workload": WORKLOAD})
    assert (end.finish.verdict, end.finish.reason) == (Verdict.INCONCLUSIVE, "WorkloadLost")
    assert theatre.pod.began == []


async def test_without_an_api_server_it_does_not_begin(theatre: Theatre) -> None:
    theatre.api.refuse("list", "pods", 503, "ServiceUnavailable", "no etcd")
    with pytest.raises(KubeError, match="no etcd"):
        await theatre.open(watching)


async def test_a_pod_that_is_lost_fails_everything_that_waits_for_it(theatre: Theatre, monkeypatch) -> None:
    def plot() -> Plot:
        observation = yield [INJECT]
        while not observation.workload.lost:
            observation = yield []
        yield [Heal(3, CUT, LEADER_OFF)]
        yield from until_reported(3)
        yield [Drain(4), Check(5)]
        yield from until_reported(4)
        yield [FINISH]

    running = theatre.open(plot)
    await until(lambda: theatre.api.names("networkpolicies"))
    for name in ("VIEW_TIMEOUT_S", "POST_TIMEOUT_S"):
        monkeypatch.setattr(f"skerry.worlds.kubernetes.workload.{name}", 0.02)
    theatre.pod.silent = True
    theatre.pod.deleted()
    end = await running
    assert end == RunEnd(FINISH, None, {})
    assert theatre.script.seen[-1].workload.lost == "its pod was deleted"
    assert theatre.script.reports[3].state is ReportState.DONE
    assert theatre.script.reports[4] == msgspec.structs.replace(
        theatre.script.reports[4], state=ReportState.FAILED, error="its pod was deleted"
    )
    assert theatre.left == []


async def test_a_pod_that_refuses_for_good_is_lost_in_its_own_words(theatre: Theatre) -> None:
    def plot() -> Plot:
        observation = yield [StartWorkload(1)]
        while not observation.workload.lost:
            observation = yield []
        yield [FINISH]

    running = theatre.open(plot)
    await until(lambda: theatre.pod.began)
    theatre.pod.refuses = (401, "this needs the token of the workload pod")
    end = await running
    assert end.report is None
    assert "this needs the token of the workload pod" in theatre.script.seen[-1].workload.lost


async def test_a_bug_in_the_pod_loses_the_workload(theatre: Theatre) -> None:
    theatre.pod.shows = lambda view: msgspec.structs.replace(view, failure="the runner failed: KeyError: 'a bug'")

    def plot() -> Plot:
        observation = yield []
        while not observation.workload.lost:
            observation = yield []
        yield [FINISH]

    assert (await theatre.open(plot)).report is None
    assert theatre.script.seen[-1].workload.lost == "the runner failed: KeyError: 'a bug'"


async def test_a_report_that_cannot_be_read_is_none(theatre: Theatre) -> None:
    theatre.pod.report_files["report.json"] = b'{"verdict": "Splendid"}'
    end = await theatre.open(nothing)
    assert end.report is None
    assert len(end.files) == 3


async def test_an_experiment_that_is_deleted_takes_the_cut_with_it_and_that_is_seen(theatre: Theatre) -> None:
    """Its owner is gone, so the garbage collector takes the fuse, and the policies with it."""

    def plot() -> Plot:
        observation = yield [INJECT]
        while observation.injector.alive:
            observation = yield []
        yield [FINISH]

    running = theatre.open(plot)
    theatre.world._faults.carriers["partition"]._look_every_s = 0.005
    await until(lambda: theatre.api.names("networkpolicies"))
    theatre.api.remove("chaosexperiments", "demo")
    theatre.api.collect_garbage()
    await running
    assert theatre.script.seen[-1].injector.detail.endswith("is gone, and nobody here deleted it")


async def test_an_unknown_run_is_swept(theatre: Theatre) -> None:
    """What an operator left that died in the middle of a cut."""
    running = theatre.open(an_endless_cut)
    await until(lambda: theatre.api.names("networkpolicies"))
    left = copy.deepcopy(
        [
            item
            for key, item in theatre.api.objects.items()
            if key[1] in ("jobs", "networkpolicies") and key[3] != WORKLOAD
        ]
    )
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    for item in left:
        theatre.api.put(item)
    assert len(theatre.left) == 2

    def plot() -> Plot:
        yield [HealAll(1_000_001)]
        yield from until_reported(1_000_001)
        yield [FINISH]

    await theatre.open(plot, {"workload": WORKLOAD})
    assert theatre.left == []


# --- what the conductor is shown ---------------------------------------------------------------------------------


async def watch(theatre: Theatre) -> tuple[asyncio.Task[RunEnd], Callable[[], Observation]]:
    running = theatre.open(watching)
    await until(lambda: len(theatre.script.seen) > 2)
    return running, lambda: theatre.script.seen[-1]


def shows_brokers(theatre: Theatre) -> None:
    theatre.pod.shows = lambda view: msgspec.structs.replace(
        view,
        brokers=tuple(
            BrokerView(ordinal, view.now_ns, reachable=True, process_sampled_ns=view.now_ns)
            for ordinal in BROKERS.ordinals
        ),
    )


async def test_processes_are_seen_by_the_api_server(theatre: Theatre) -> None:
    shows_brokers(theatre)
    running, now = await watch(theatre)
    assert [each.process for each in now().brokers] == [ProcessState.RUNNING] * 3
    theatre.api.put(broker_pod(1, state=terminated(139)))
    await until(lambda: now().brokers[1].process is ProcessState.GONE)
    assert now().brokers[1].exited.startswith("its container ended with exit code 139")
    assert not now().brokers[0].exited
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_old_picture_of_processes_is_not_made_young_by_the_brokers_words(theatre: Theatre) -> None:
    """The planted bug: the pods can no longer be listed, and what was so is shown as what is so."""
    shows_brokers(theatre)
    running, now = await watch(theatre)
    theatre.api.refuse("list", "pods", 503, "ServiceUnavailable", "no etcd")
    theatre.api.end_watches()
    looked_ns = now().brokers[0].process_sampled_ns
    await until(lambda: now().brokers[0].sampled_ns > looked_ns + 300_000_000)
    assert now().brokers[0].process_sampled_ns < looked_ns + 200_000_000
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_age_of_a_process_is_on_the_runs_clock_and_never_in_the_future(theatre: Theatre) -> None:
    shows_brokers(theatre)
    running, now = await watch(theatre)
    for _ in range(5):
        seen = len(theatre.script.seen)
        await until(lambda seen=seen: len(theatre.script.seen) > seen)
        assert 0 <= theatre.pod.now_ns() - now().brokers[0].process_sampled_ns < 2 * NS
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_stall_is_shown_once(theatre: Theatre) -> None:
    stall = Stall(1, 5, 400_000_000)
    theatre.pod.shows = lambda view: msgspec.structs.replace(view, stalls=(stall,))
    running, _ = await watch(theatre)
    seen = len(theatre.script.seen)
    await until(lambda: len(theatre.script.seen) > seen + 3)
    assert sum(stall in each.stalls for each in theatre.script.seen) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_picture_of_a_silent_pod_stays_as_old_as_it_is(theatre: Theatre, monkeypatch) -> None:
    theatre.pace = PATIENT._replace(silent_s=0.1)
    shows_brokers(theatre)
    running, now = await watch(theatre)
    monkeypatch.setattr("skerry.worlds.kubernetes.workload.VIEW_TIMEOUT_S", 0.02)
    silent_ns = theatre.pod.now_ns()
    theatre.pod.silent = True
    await until(lambda: now().workload.lost)
    assert now().brokers[0].sampled_ns <= silent_ns
    assert theatre.world._recording.times.now_ns() > silent_ns + 50_000_000, "time goes on"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_cpu_limit_that_somebody_set_for_the_workload_pod_is_told(theatre: Theatre) -> None:
    def limit(job: dict) -> None:
        pod = copy.deepcopy(theatre.api.find("pods", f"{WORKLOAD}-x5ctl"))
        pod["spec"] = {"containers": [{"name": "runner", "resources": {"limits": {"cpu": "60m"}}}]}
        theatre.api.put(pod)

    theatre.api.on("create", "jobs", limit)
    await theatre.open(nothing)
    (told,) = [each.record.text for each in theatre.pod.actions if isinstance(each, Record)]
    assert told.startswith("the workload pod has a CPU limit of 60m")


async def test_faults_are_stamped_by_the_recorders_wall_clock_whatever_the_operators_says(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: an operator whose clock is an hour ahead stamps a cut that no election can follow."""
    started_wall_ns = 1_800_000_000 * NS
    theatre.pod.shows = lambda view: msgspec.structs.replace(view, started_wall_ns=started_wall_ns)
    monkeypatch.setattr("time.time_ns", lambda: started_wall_ns + 3600 * NS)
    await theatre.open(a_run_with_a_cut)
    for number in (2, 3):
        report = theatre.script.reports[number]
        assert report.before_wall_ns == started_wall_ns + report.before_ns
