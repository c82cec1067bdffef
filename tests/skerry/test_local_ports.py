"""Ports for one run: outside the kernel's own range, and never those of a run beside it."""

from __future__ import annotations

import random
import socket

import pytest

from skerry.worlds.local.ports import BLOCK, claim_ports, ephemeral_range

pytestmark = pytest.mark.xdist_group("ports")  # they choose alike, and would take each other's
SEED = 1


def test_two_runs_that_choose_alike_get_different_ports() -> None:
    """The planted case: both shuffle by the same seed, and neither has started anything when the other chooses."""
    first = claim_ports(24, random.Random(SEED))
    second = claim_ports(24, random.Random(SEED))
    first.close()
    again = claim_ports(24, random.Random(SEED))
    second.close()
    again.close()
    assert set(first).isdisjoint(second)
    assert again == first, "what was given back is there for the next run"


def test_no_port_is_one_that_the_kernel_gives_away() -> None:
    low, high = ephemeral_range()
    ports = claim_ports(24, random.Random(SEED))
    ports.close()
    assert len(set(ports)) == 24
    assert not [port for port in ports if low <= port <= high]


def test_a_port_that_somebody_listens_on_is_left_alone() -> None:
    expected = claim_ports(3, random.Random(SEED))
    with socket.create_server(("127.0.0.1", expected[1])):
        expected.close()
        ports = claim_ports(3, random.Random(SEED))
        ports.close()
    assert ports == [expected[0], expected[2], expected[2] + 1]


def test_more_than_a_block_is_claimed_of_several() -> None:
    ports = claim_ports(2 * BLOCK, random.Random(SEED))
    ports.close()
    assert len(set(ports)) == 2 * BLOCK


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(OSError, match="no 60000 free ports"):
        claim_ports(60_000, random.Random(SEED))
