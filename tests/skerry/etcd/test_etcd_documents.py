"""What a document may say to etcd, and which worlds say that they cannot run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from skerry.cli.worlds import capabilities_of
from skerry.engine.conductor import Conductor
from skerry.engine.needs import needed_features
from skerry.engine.observation import Observation
from skerry.engine.plan import make_plan
from skerry.experiment import DocumentError, Experiment, load_document
from skerry.schema.verdict import Verdict
from skerry.worlds.sim.world import run_simulated

SHIPPED = (Path(__file__).parents[3] / "experiments" / "etcd" / "leader-crash.yaml").read_text()
DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: crash}
spec:
  hypothesis: It goes on.
  target: etcd
  faults:
  - {name: crash, startAfter: 1s, FAULT}
  expect:
  - {name: it, RULE}
"""
KILL = "kill: {target: {role: Leader}, how: Process, downFor: 1s}"
CHANGE = "leaderChange: {leader: true, within: 3s, of: crash}"


def document(fault: str = KILL, rule: str = CHANGE) -> Experiment:
    return load_document(DOCUMENT.replace("FAULT", fault).replace("RULE", rule), "x.yaml")


def test_its_own_part_has_a_default() -> None:
    assert document().part is None
    assert load_document(SHIPPED).part.keys == 5


def test_it_is_one_group_to_whoever_speaks_of_partitions() -> None:
    experiment = document()
    assert not experiment.target.partitioned
    assert len(experiment.target.rules(experiment.spec).units) == 1
    assert experiment.target.owes.replicas(experiment.spec) == experiment.spec.cluster.brokers


@pytest.mark.parametrize(
    ("fault", "rule", "sentence"),
    [
        (
            KILL.replace("role: Leader", "role: Controller"),
            CHANGE,
            "`Controller` is no role of the target `etcd`; its roles are Leader, Follower, Other, All",
        ),
        (
            KILL.replace("role: Leader", "role: PartitionLeader, partition: 0"),
            CHANGE,
            "`PartitionLeader` is no role of the target `etcd`",
        ),
        (KILL, CHANGE.replace("leader: true", "controller: true"), "`controller` has no meaning for the target `etcd`"),
        (KILL, CHANGE.replace("leader: true", "partition: 0"), "`partition` has no meaning for the target `etcd`"),
    ],
)
def test_words_of_others_are_refused(fault: str, rule: str, sentence: str) -> None:
    with pytest.raises(DocumentError, match=sentence):
        document(fault, rule)


@pytest.mark.parametrize("word", ["acks: All", "idempotent: false", "consumers: 2", "recordBytes: 256"])
def test_what_only_a_log_is_written_with_is_refused(word: str) -> None:
    text = DOCUMENT.replace("FAULT", KILL).replace("RULE", CHANGE)
    with pytest.raises(DocumentError) as error:
        load_document(text.replace("  target: etcd\n", f"  target: etcd\n  workload: {{{word}}}\n"), "x.yaml")
    name = word.partition(":")[0]
    assert f"`{name}` has no meaning for the target `etcd`, whose clients put and get; remove it" in str(error.value)


def test_words_of_etcd_are_refused_for_our_broker() -> None:
    text = DOCUMENT.replace("FAULT", KILL).replace("RULE", CHANGE).replace("target: etcd", "target: skerry")
    with pytest.raises(DocumentError) as error:
        load_document(text, "x.yaml")
    assert "`Leader` is no role of the target `skerry`" in str(error.value)
    assert "`leader` has no meaning for the target `skerry`, whose leaders are those of one partition" in str(
        error.value
    )


@pytest.mark.parametrize("world", ["sim", "kubernetes"])
def test_a_world_that_cannot_have_it_says_so_before_the_run(world: str) -> None:
    experiment = load_document(SHIPPED)
    able = capabilities_of(world, experiment)
    conductor = Conductor(experiment, 1, able)
    conductor.step(0, Observation())
    assert (conductor.finished, conductor.verdict) == (True, Verdict.INCONCLUSIVE)
    (finding,) = conductor.findings
    assert finding.reason == "UnsupportedTarget"
    assert finding.message == f"The {world} world cannot have `etcd` under test, only skerry."
    assert make_plan(experiment, 1, able).lacking == (finding.message,)


def test_the_simulator_makes_no_cluster_for_what_it_cannot_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("skerry.worlds.sim.world.Cluster")
    result = run_simulated(load_document(SHIPPED), SHIPPED, 1, tmp_path, "test")
    assert (result.finish.verdict, result.finish.reason) == (Verdict.INCONCLUSIVE, "UnsupportedTarget")
    header = result.history.header
    assert header is not None
    assert (header.target, header.model, header.world) == ("etcd", "register", "sim")
    assert result.history_path.parent == tmp_path


def test_the_local_world_can_kill_its_members_and_cannot_cut_their_links() -> None:
    experiment = document()
    able = capabilities_of("local", experiment)
    assert able.target_lacking("etcd") == ""
    assert able.lacking(needed_features(experiment.spec)) == []
    cut = document("duration: 1s, partition: {groups: [[{role: Leader}], [{role: Other}]], planes: [Peer]}")
    (sentence, *_) = able.lacking(needed_features(cut.spec))
    assert "the nodes of `etcd` do not report on their links, so that it could not be verified" in sentence
    empty = document("wipe: {target: {role: Follower}}", "maxWriteGap: {atMost: 3s, during: crash}")
    (sentence,) = able.lacking(needed_features(empty.spec))
    assert "does not come back by itself without its data" in sentence
    assert capabilities_of("local", load_document(SHIPPED.replace("leader-crash", "x"))) == able
