"""When a cut began, and that it is lost, by what the brokers say of their links and by nothing else."""

from __future__ import annotations

from fault_stage import cut_of

from skerry.engine.world import LinkKind, LinkView
from skerry.faults.network_partition.model import Connections
from skerry.schema.vocabulary import Plane
from skerry.worlds.kubernetes.wire_watch import Bracket, CutWatch

MS = 1_000_000
PAIRS = [(0, 1), (1, 0)]
PLANES = [Plane.RAFT, Plane.REPLICATION]


def watch(connections: Connections = Connections.NEW) -> CutWatch:
    return CutWatch(cut_of((0,), (1,), connections=connections), 1000 * MS)


def new(at_ms: int, ok: bool, only: tuple[int, int] | None = None) -> list[LinkView]:
    """A new connection of every cut link, or of one pair, tried at that moment."""
    pairs = [only] if only else PAIRS
    return [LinkView(one, other, plane, LinkKind.NEW, at_ms * MS, ok) for one, other in pairs for plane in PLANES]


def kept(at_ms: int, silent_ms: int) -> list[LinkView]:
    return [
        LinkView(*pair, plane, LinkKind.KEPT, at_ms * MS, silent_ms < 300, silent_ms * MS, rtt_ns=2 * MS)
        for pair in PAIRS
        for plane in PLANES
    ]


def test_a_cut_begins_between_the_last_sample_that_was_well_and_the_first_that_was_not() -> None:
    found = watch()
    for at_ms, ok in ((1100, True), (1300, True), (1500, False), (1700, False)):
        assert found.began is None or not ok
        found.look(new(at_ms, ok))
    assert found.began == Bracket(1300 * MS, 1800 * MS)
    assert not found.lost


def test_it_is_there_when_every_link_has_failed_and_not_before() -> None:
    found = watch()
    found.look(new(1100, ok=True))
    found.look(new(1300, ok=False, only=(0, 1)))
    found.look(new(1400, ok=True, only=(1, 0)))
    assert found.began is None
    found.look(new(1600, ok=False, only=(1, 0)))
    assert found.began == Bracket(1400 * MS, 1900 * MS)


def test_a_link_that_recovers_before_all_have_failed_begins_anew() -> None:
    found = watch()
    found.look(new(1100, ok=False, only=(0, 1)))
    found.look(new(1300, ok=True))
    found.look(new(1500, ok=False))
    assert found.began == Bracket(1300 * MS, 1800 * MS)


def test_kept_connections_tell_the_moment_by_their_silence() -> None:
    found = watch(Connections.ALL)
    found.look(new(1100, ok=True) + kept(1110, 20))
    found.look(new(1300, ok=False) + kept(1400, 60))
    assert found.began is None, "those that are kept open still answer"
    found.look(kept(1900, 350))
    assert found.began == Bracket(1550 * MS, 1652 * MS)


def test_what_answers_again_is_lost_and_names_the_link() -> None:
    found = watch()
    found.look(new(1100, ok=True))
    found.look(new(1300, ok=False))
    found.look(new(1500, ok=True, only=(1, 0)))
    assert not found.lost, "within the bracket it proves nothing"
    found.look(new(1700, ok=True, only=(1, 0)))
    assert found.lost == "the new connection 1 -> 0 on Raft answers again"


def test_samples_of_before_and_of_others_say_nothing() -> None:
    found = watch()
    found.look(new(900, ok=False))
    found.look([LinkView(0, 2, Plane.RAFT, LinkKind.NEW, 1100 * MS, False)])
    found.look(kept(1100, 500))
    assert found.began is None
