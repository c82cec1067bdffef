"""Who leads when somebody leaves or comes back: ISR, eligible leader replicas, unclean elections."""

from __future__ import annotations

from control_plane import P0, ControlPlane
from controller_stories import started

from skerry_broker.core.types import NodeConfig


def test_who_leaves_below_min_isr_stays_eligible_and_leads_again() -> None:
    """KIP-966, the story of its motivation: three replicas, min ISR 2, failures one after the other."""
    plane = started()
    plane.run(1_100, 1, 2)
    assert plane.shape() == "1@1 isr [1, 2] elr []"
    plane.run(1_100, 2)
    assert plane.shape() == "2@2 isr [2] elr [1]"  # the high watermark is frozen: 1 has all committed records
    plane.register(0)  # came back; it left while there were enough: not eligible
    plane.run(1_100, 0)
    assert plane.shape() == "none@3 isr [] elr [1, 2]"
    plane.run(500, 0)
    assert plane.p0.leader == -1
    plane.register(1)
    plane.run(200, 0, 1)
    assert plane.shape() == "1@4 isr [1] elr [2]"
    assert plane.elections()[-1] == (1, "elr")
    assert plane.alter(1, (0, 1)).value == "Accepted"
    assert plane.shape() == "1@4 isr [0, 1] elr []"  # min ISR is reached: nobody else is needed


def test_a_registration_ends_the_leadership_even_of_a_sole_replica() -> None:
    """I-SAF-6: it leads again only under a higher epoch (KAFKA-10527 in the small)."""
    plane = ControlPlane(1)
    plane.start(min_isr=1)
    assert plane.shape() == "0@0 isr [0] elr []"
    plane.register(0)
    assert plane.shape() == "none@1 isr [0] elr []"
    plane.run(100, 0)
    assert plane.shape() == "0@2 isr [0] elr []"


def test_what_a_registration_keeps() -> None:
    """I-SAF-6. Leader 0 restarts with followers 1 and 2 in sync."""
    cases = [
        # directory,  clean, intact, group    -> still in the ISR
        ("disk-0", True, True, False, True),
        ("disk-0", True, True, True, True),
        ("disk-0", False, True, True, True),  # unclean, but only durable records were ever counted
        ("disk-0", False, True, False, False),  # unclean, and the page cache may be gone
        ("disk-0", False, False, True, False),  # the log is damaged
        ("disk-0", True, False, True, False),
        ("other-disk", False, True, True, False),  # a wiped volume
        ("other-disk", True, True, True, False),
    ]
    for directory, clean, intact, group, kept in cases:
        plane = started()
        if directory != "disk-0":
            plane.run(1_000, 1, 2)
        plane.directory[0] = directory
        plane.register(0, clean=clean, intact=intact, group=group)
        assert plane.p0.leader == 1, directory
        assert (0 in plane.p0.isr) == kept, (directory, clean, intact, group)


def test_a_wiped_eligible_replica_is_eligible_no_more() -> None:
    plane = started()
    plane.run(1_100, 1, 2)
    plane.run(1_100, 2)
    assert plane.shape() == "2@2 isr [2] elr [1]"
    plane.directory[1] = "new-disk"
    plane.register(1)
    assert plane.shape() == "2@2 isr [2] elr []"


def test_a_registered_broker_that_does_not_come_back_leaves_the_isr() -> None:
    """It keeps its place in the ISR while fenced, so its silence must still have an end."""
    plane = started()
    plane.register(2)
    assert plane.shape() == "0@0 isr [0, 1, 2] elr []"
    plane.run(1_200, 0, 1)
    assert plane.shape() == "0@0 isr [0, 1] elr []"


def test_a_full_restart_finds_a_leader_among_the_kept_members() -> None:
    plane = started()
    plane.fail_over()
    for broker in (2, 1, 0):
        plane.register(broker)
    assert plane.shape() == "none@1 isr [0, 1, 2] elr []"
    plane.run(100, 0, 1, 2)
    assert plane.shape() == "0@2 isr [0, 1, 2] elr []"


def all_disks_lost(unclean_wait_ms: int) -> ControlPlane:
    plane = ControlPlane(config=NodeConfig(0, (0, 1, 2), unclean_wait_ms=unclean_wait_ms))
    plane.start()
    plane.fail_over()
    for broker in range(3):
        plane.register(broker, intact=False)
    plane.run(200, 0, 1, 2)
    assert plane.shape().startswith("none@")
    assert plane.shape().endswith("isr [] elr []")
    return plane


def test_with_nobody_eligible_nobody_is_elected() -> None:
    plane = all_disks_lost(unclean_wait_ms=0)
    for broker in range(3):
        plane.report[broker] = {"log_ends": ((P0, 1, 100),)}
    plane.run(5_000, 0, 1, 2)
    assert plane.p0.leader == -1


def test_an_unclean_election_takes_the_longest_log_when_all_have_reported() -> None:
    plane = all_disks_lost(unclean_wait_ms=60_000)
    plane.report[0] = {"log_ends": ((P0, 0, 500),)}
    plane.report[1] = {"log_ends": ((P0, 1, 90),)}
    plane.run(300, 0, 1, 2)
    assert plane.p0.leader == -1
    plane.report[2] = {"log_ends": ((P0, 1, 80),)}
    plane.run(300, 0, 1, 2)
    assert plane.p0.leader == 1  # a later epoch beats a longer log
    assert plane.p0.isr == (1,)
    assert plane.p0.recovering
    assert sum(fact.name == "broker_unclean_elections_total" for fact in plane.facts) == 1
    assert plane.alter(1, (1, 2)).value == "InvalidRequest"
    assert plane.alter(1, (1,), recovered=True).value == "Accepted"
    assert plane.alter(1, (1, 2)).value == "Accepted"


def test_an_unclean_election_waits_no_longer_than_configured() -> None:
    plane = all_disks_lost(unclean_wait_ms=2_000)
    plane.report[0] = {"log_ends": ((P0, 0, 5),)}
    plane.run(1_000, 0)
    assert plane.p0.leader == -1
    plane.run(1_500, 0)
    assert plane.p0.leader == 0
