"""Free ports on loopback, outside the range from which the kernel gives ports to outgoing connections.

A port from that range could be taken between choosing and listening by any connection on the machine. Against other
runs, which choose at the same moment, ports are claimed by the block: who listens on a block's first port has all of
it, for as long as that socket is open. The kernel closes it with the process, so that no claim outlives its run.
"""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

LOWEST = 10_000
BLOCK = 100
"""Invariant: every claim begins at a multiple of it, so that two that overlap share a first port."""
DEFAULT_EPHEMERAL = (32768, 60999)


class ClaimedPorts(list[int]):
    """Ports that nobody listened on when they were claimed. ``close`` gives them back."""

    def __init__(self, ports: list[int], claims: list[socket.socket]) -> None:
        super().__init__(ports)
        self._claims = claims

    def close(self) -> None:
        for claim in self._claims:
            claim.close()


def ephemeral_range() -> tuple[int, int]:
    """The kernel's range for outgoing connections."""
    with contextlib.suppress(OSError, ValueError):
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        return int(low), int(high)
    return DEFAULT_EPHEMERAL


def claim_ports(count: int, rng: random.Random) -> ClaimedPorts:
    """``count`` ports that nobody listens on, and no other run claims until they are closed. Raises OSError when there
    are not that many."""
    low, high = ephemeral_range()
    blocks = [
        range(first, first + BLOCK)
        for first in range(LOWEST, 65_536 - BLOCK + 1, BLOCK)
        if first + BLOCK <= low or first > high
    ]
    rng.shuffle(blocks)
    too_many = OSError(f"no {count} free ports on 127.0.0.1 between {LOWEST} and 65535: stop what listens there")
    if count > len(blocks) * (BLOCK - 1):  # said before all are claimed: a run that begins meanwhile would find none
        raise too_many
    found: list[int] = []
    claims: list[socket.socket] = []
    for first, *others in blocks:
        if len(found) >= count:
            break
        claim = _listening_on(first)
        if claim is not None:
            claims.append(claim)
            found += [port for port in others if _is_free(port)]
    claimed = ClaimedPorts(found[:count], claims)
    if len(claimed) < count:
        claimed.close()
        raise too_many
    return claimed


def _listening_on(port: int) -> socket.socket | None:
    claim = socket.socket()
    try:
        claim.bind(("127.0.0.1", port))
        claim.listen(1)
    except OSError:
        claim.close()
        return None
    return claim


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.bind(("127.0.0.1", port))
        return True
    return False
