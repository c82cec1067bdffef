"""What stands in the terminal: the verdict at the end, the live view while a run goes on, plain lines elsewhere."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from skerry.engine.world import BrokerView, Observation, ProcessState, Record, WorkloadView
from skerry.experiment import load_document
from skerry.history import History
from skerry.history.records import BrokerSample, FaultEvent, FaultStep, FindingSeen, Header, Note, PhaseEvent
from skerry.report.live import LiveView
from skerry.report.model import make_report
from skerry.report.terminal import print_exit_code, print_report, print_suite
from skerry.report.timeline import Timeline, broker_mark, partition_summary, spark
from skerry.schema.verdict import Finding, FindingKind, Verdict

SECOND = 1_000_000_000
EXPERIMENT = load_document(
    """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: cut}
spec:
  hypothesis: Nothing [/bold] is lost.
  topic: {name: t, partitions: 2}
  faults:
  - {name: cut, wipe: {target: {ordinal: 0}}}
""",
    source_name="cut",
)
HISTORY = History([Header(1, "cut", "", "local", 7, 0, "test", 3)])


def expectation(name, verdict=Verdict.PASS, **more):
    more = {"limit": "none after 1.50 s", "measured": "0 of 65 acknowledged"} | more
    return Finding(FindingKind.EXPECTATION, "epochsGrowAtMost", verdict, f"{name}: told", name=name, **more)


def shown(width, *findings, replay="skerry run cut.yaml"):
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    print_report(console, make_report(None, HISTORY, findings, replay), [])
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


# --- the end --------------------------------------------------------------------------------------------------------


def test_a_narrow_terminal_keeps_every_expectation_on_one_line():
    findings = [expectation("ISR recovery by the metrics"), expectation("no storm", limit="<= 2", measured="1")]
    assert shown(80, *findings)[1:4] == [
        "verdict  expectation                  limit              measured",
        "✓ Pass   ISR recovery by the metrics  none after 1.50 s  0 of 65 acknowledged",
        "✓ Pass   no storm                     <= 2               1",
    ]


def test_a_wide_terminal_has_the_rule_as_well():
    assert shown(100, expectation("no storm"))[1:3] == [
        "verdict  expectation  rule              limit              measured",
        "✓ Pass   no storm     epochsGrowAtMost  none after 1.50 s  0 of 65 acknowledged",
    ]


@pytest.mark.parametrize("width", [40, 80, 100, 120])
def test_a_table_is_never_wider_than_the_terminal_and_loses_nothing(width):
    lines = shown(width, expectation("a name that is " + "very " * 20 + "long", measured="m" * 60))
    table = lines[1 : next(n for n, line in enumerate(lines) if line.startswith("Again") or n == len(lines) - 1)]
    assert all(len(line) <= width for line in table)
    assert "".join(table).count("m") >= 60


def test_what_is_no_pass_is_explained_below_the_table_with_a_way_to_see_it_again():
    lost = Finding(FindingKind.SAFETY, "lost-write", Verdict.FAIL, "3 are gone", reason="LostWrite")
    held = Finding(FindingKind.SAFETY, "phantom", Verdict.PASS, "none")
    late = expectation("storm", Verdict.INCONCLUSIVE, measured="", reason="NotVerified")
    doubled = Finding(FindingKind.SAFETY, "doubled", Verdict.FAIL, "1 is there twice", reason="Twice")
    lines = shown(80, late, lost, doubled, held)
    assert lines[0] == "Fail lost-write: 3 are gone. And 1 other failure."
    assert lines[2] == "? Inconclusive  storm        none after 1.50 s  -"
    assert lines[3:] == [
        "Checked always: 1 of 3 properties hold, 2 are broken.",
        "  ✗ doubled (Twice): 1 is there twice",
        "  ? storm (NotVerified): storm: told",
        "    To do: Look at the fault's pairs in the report; on Kubernetes, `skerry doctor` says whether the network "
        "plugin enforces policies.",
        "Again: skerry run cut.yaml",
    ]


def test_one_cause_is_told_once_with_what_it_keeps_from_being_judged():
    unseen = "a new connection 0 -> 1 on Raft still succeeds"
    run = Finding(
        FindingKind.RUN, "verified", Verdict.INCONCLUSIVE, f"`cut#0` was not seen to take effect: {unseen}",
        "NotVerified", fault="cut",
    )  # fmt: skip
    late = [
        msgspec.structs.replace(
            expectation(name, Verdict.INCONCLUSIVE, reason="NotVerified", fault=fault),
            message=f"`cut` was not verified to be in effect: {unseen}",
        )
        for name, fault in (("new leader", "cut"), ("no storm", ""))
    ]
    text = "\n".join(shown(200, *late, run))
    assert text.count(unseen) == 1
    assert "For this reason undecided: new leader, no storm." in text
    assert text.count("To do:") == 1


def test_since_when_and_until_when_a_fault_was_measured_is_said():
    steps = [
        FaultEvent("cut", number, step, at, at, 0, "wipe", ((0,),))
        for number in range(6)
        for step, at in ((FaultStep.EFFECTIVE, SECOND), (FaultStep.VERIFIED, SECOND), (FaultStep.HEALING, 3 * SECOND))
    ]
    console = Console(width=120, file=io.StringIO(), force_terminal=False)
    history = History([Header(1, "cut", "", "local", 7, 0, "test", 3), *steps])
    print_report(console, make_report(None, history, [expectation("a")], ""), [])
    told = [line for line in console.file.getvalue().splitlines() if line.startswith("Measured")]
    assert told[0] == "Measured: cut in effect from 1.00 s to 3.00 s: at least 2.00 s."
    assert told[-1] == "Measured: 2 more occurrences, in the report"
    assert len(told) == 5


def test_nothing_is_taken_for_markup():
    text = "[/red] [0, 1] [bold]x[/bold]"
    lines = shown(120, expectation(text, Verdict.FAIL, limit=text, measured=text), replay=f"skerry run {text}")
    assert sum(text in line for line in lines) == 3, "sentence, table, replay command"


def test_a_suite_is_one_table():
    console = Console(width=80, file=io.StringIO(), force_terminal=False)
    good, bad = make_report(None, HISTORY, [expectation("a")], ""), make_report(None, HISTORY, [], "")
    print_suite(console, [good, bad])
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert lines == [
        "verdict         experiment  world  seed  seconds  reason",
        "✓ Pass          cut         local     7      0.0",
        "? Inconclusive  cut         local     7      0.0  Inconclusive",
        "2 runs: 1 Pass, 1 Inconclusive.",
    ]


def test_the_exit_code_of_a_suite_names_the_runs_that_make_it_so():
    def last(*reports):
        console = Console(width=80, file=io.StringIO(), force_terminal=False)
        print_exit_code(console, reports)
        return console.file.getvalue()

    good = make_report(None, HISTORY, [expectation("a")], "")
    unsure = [
        msgspec.structs.replace(good, verdict=Verdict.INCONCLUSIVE, reason="NotVerified", experiment=f"e{n}")
        for n in range(7)
    ]
    bad = msgspec.structs.replace(good, verdict=Verdict.FAIL, reason="TooLate", experiment="strict")
    assert last(good, good) == ""
    assert last(good, *unsure, bad, bad) == "Exit code 1, of the worst verdict: Fail of strict (TooLate).\n"
    assert last(good, *unsure).endswith("e3 (NotVerified), e4 (NotVerified), and 2 more.\n")


# --- while it goes on -----------------------------------------------------------------------------------------------


def view(
    ordinal, leads=(), *, leader=0, epoch=0, isr=(0, 1, 2), raft="Follower", up=True, process=ProcessState.RUNNING
):
    samples = tuple(
        BrokerSample("t", p, leader, epoch, isr, (), 0, 0, "Leader" if p in leads else "Follower") for p in range(2)
    )
    return BrokerView(ordinal, 0, up, process, group_role=raft, partitions=samples)


def seen(*views, rate=400, acknowledged=1200):
    workload = WorkloadView(started=True, acknowledged=acknowledged, acks_per_second=rate)
    return Observation(brokers=views, workload=workload)


def step(which, detail=""):
    return FaultEvent("cut", 0, which, 0, 0, 0, "partition", ((0,), (1, 2)), (), detail)


def drawn(width, *turns):
    """The last picture of a live view of this width."""
    console = Console(width=width, file=io.StringIO(), force_terminal=True)
    live = LiveView(EXPERIMENT, "local", 7, console)
    for at_s, observation, *records in turns:
        live.on_turn(int(at_s * SECOND), observation, [Record(0, record) for record in records])
    plain = Console(width=width, file=io.StringIO(), force_terminal=False)
    plain.print(live.render(int(turns[-1][0] * SECOND), turns[-1][1]))
    return [line.strip("│ ") for line in plain.file.getvalue().splitlines()]


HEALTHY = seen(view(0, [0, 1]), view(1, raft="Leader"), view(2))
ISOLATED = seen(
    view(0, [0, 1], isr=(0,)),
    view(1, [0, 1], leader=1, epoch=1, isr=(1, 2), raft="Leader"),
    view(2, leader=1, epoch=1, isr=(1, 2)),
)


def test_brokers_are_rows_faults_are_bands():
    lines = drawn(
        80,
        (0, HEALTHY, PhaseEvent("Holding", 0)),
        (1, HEALTHY, step(FaultStep.EFFECTIVE)),
        (2, ISOLATED, step(FaultStep.VERIFIED)),
        (3, ISOLATED),
        (4, ISOLATED, step(FaultStep.HEALED)),
    )
    assert lines[3:9] == [
        "broker  role         leads@epoch   in ISR one mark is 0.25 s",
        "0       follower     0@0! 1@0!     0/2    22222",
        "1       controller   0@1 1@1       2/2    ··222",
        "2       follower                   2/2    ·····",
        "fault cut                                  ▒██",
        "400 acks/s, 1,200 in all                  █████",
    ]
    assert "partition 0   leader 1   epoch 1   ISR {1, 2}" in lines
    assert lines[-2].startswith("Holding")
    assert "4.0 s of at most" in lines[-2]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_the_picture_fits(width):
    lines = drawn(width, *((n / 4, ISOLATED, step(FaultStep.VERIFIED)) for n in range(300)))
    assert all(len(line) <= width for line in lines)
    assert len(lines) < 24


def test_broker_marks():
    assert [
        broker_mark(each)
        for each in (
            view(0, [0, 1]),
            view(0),
            view(0, [0], up=False),
            view(0, process=ProcessState.GONE),
            view(0, process=ProcessState.STOPPED),
        )
    ] == ["2", "·", "?", "x", "z"]


def test_when_the_strip_is_full_two_slots_become_one_and_trouble_stays():
    timeline = Timeline(width=4)
    down = seen(view(0, up=False), rate=0)
    for at, observation in enumerate([HEALTHY, down, HEALTHY, HEALTHY, HEALTHY]):
        timeline.observe(at * SECOND // 4, observation)
    assert (timeline.broker_strip(0), timeline.rates, timeline.slot_ns) == ("?22", [200, 400, 400], SECOND // 2)
    for at in range(5, 10_000):
        timeline.observe(at * SECOND // 4, HEALTHY)
    assert 2 <= timeline.length <= 4
    assert timeline.broker_strip(0)[0] == "?"


def test_the_leader_itself_is_believed_about_its_isr():
    views = (view(1, leader=1, epoch=1, isr=(0, 1, 2)), view(0, leader=0, epoch=0, isr=(0,)))
    leader = view(1, [0, 1], leader=1, epoch=1, isr=(1, 2))
    assert partition_summary(views)[0] == (0, 1, 1, (0, 1, 2))
    assert partition_summary((leader, view(2, leader=1, epoch=1)))[0] == (0, 1, 1, (1, 2))


def test_bars_are_never_invisible_and_never_too_tall():
    assert [spark(value, 100) for value in (0, 1, 50, 100, 200)] == [" ", "▁", "▄", "█", "█"]
    assert spark(5, 0) == " "


def test_without_a_terminal_the_same_is_told_in_plain_lines():
    console = Console(width=60, file=io.StringIO(), force_terminal=False)
    finding = Finding(FindingKind.RUN, "run", Verdict.INCONCLUSIVE, "no [/red] steady state", reason="NoSteadyState")
    with LiveView(EXPERIMENT, "local", 7, console) as live:
        live.on_turn(0, HEALTHY, [Record(0, PhaseEvent("Holding", 0))])
        live.on_turn(SECOND, HEALTHY, [Record(0, step(FaultStep.VERIFIED, "4 pairs [0, 1] fail"))])
        live.on_turn(SECOND, HEALTHY, [Record(0, Note(0, "[bold]")), Record(0, FindingSeen(0, finding))])
        live.on_turn(2 * SECOND, ISOLATED, [Record(0, step(FaultStep.HEALED))])
        live.say("interrupted: [x]")
    assert console.file.getvalue().splitlines() == [
        "cut · world local · seed 7",
        "  0.0 s  Holding",
        "  0.0 s  400 acks/s, 1,200 in all  p0: leader 0 epoch 0 ISR {0, 1, 2}  p1: leader 0 epoch 0 ISR {0, 1, 2}",
        "  1.0 s  fault cut is verified: 4 pairs [0, 1] fail",
        "  1.0 s  [bold]",
        "  1.0 s  Inconclusive (NoSteadyState): no [/red] steady state",
        "  2.0 s  fault cut is healed",
        "  2.0 s  400 acks/s, 1,200 in all  p0: leader 1 epoch 1 ISR {1, 2}  p1: leader 1 epoch 1 ISR {1, 2}",
        "interrupted: [x]",
    ]


def test_what_one_decision_says_in_several_records_is_told_once():
    console = Console(width=100, file=io.StringIO(), force_terminal=False)
    why = "a new connection 0 -> 1 on Raft still succeeds"
    unseen = Finding(
        FindingKind.RUN, "verified", Verdict.INCONCLUSIVE, f"`cut#0` was not seen to take effect: {why}", "NotVerified"
    )
    refused = Finding(FindingKind.RUN, "run", Verdict.INCONCLUSIVE, "It cannot be done.", "GuardRefused")
    with LiveView(EXPERIMENT, "local", 7, console) as live:
        live.on_turn(0, HEALTHY, [Record(0, step(FaultStep.UNVERIFIED, why)), Record(0, FindingSeen(0, unseen))])
        live.on_turn(SECOND, HEALTHY, [Record(0, FindingSeen(0, refused)), Record(0, Note(0, refused.message))])
        live.on_turn(SECOND, HEALTHY, [Record(0, Note(0, "something else"))])
    text = console.file.getvalue()
    assert (text.count(why), text.count(refused.message), text.count("something else")) == (1, 1, 1)
