"""Free ports on loopback, outside the range from which the kernel gives ports to outgoing connections.

A port from that range could be taken between choosing and listening by any connection on the machine.
"""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

LOWEST = 10_000
DEFAULT_EPHEMERAL = (32768, 60999)


def ephemeral_range() -> tuple[int, int]:
    """The kernel's range for outgoing connections."""
    with contextlib.suppress(OSError, ValueError):
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        return int(low), int(high)
    return DEFAULT_EPHEMERAL


def free_ports(count: int, rng: random.Random) -> list[int]:
    """``count`` ports nobody listens on. Raises OSError when there are not that many."""
    low, high = ephemeral_range()
    candidates = [port for port in range(LOWEST, 65536) if not low <= port <= high]
    rng.shuffle(candidates)
    found: list[int] = []
    for port in candidates:
        if len(found) == count:
            return found
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            found.append(port)
    raise OSError(f"no {count} free ports on 127.0.0.1 between {LOWEST} and 65535: stop what listens there")
