"""What one broker process is told: flags first, then ``SKERRY_BROKER_<FLAG>`` in the environment, then defaults.

Addresses: a broker *listens* on one host and four ports. How it *reaches* each peer is told separately for each plane
(``--peer 2=10.0.0.2:9092,9093,9094,9095``, or four whole ``host:port``), because something may stand between a broker
and its peers that does not stand between another broker and the same peers.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import msgspec

from skerry_broker.core.types import TIMING_PRESETS, FlushMode, NodeConfig, Plane, Timing
from skerry_broker.errors import ConfigError

PLANES = (Plane.CLIENT, Plane.RAFT, Plane.REPLICATION, Plane.ADMIN)
"""The order of planes wherever four ports are written in a row."""

ENVIRONMENT_PREFIX = "SKERRY_BROKER_"
BROKER_ID_MAX = 9999
VOTERS_MAX = 9
WILDCARDS = ("0.0.0.0", "::")
MEBIBYTE = 1 << 20


class Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class BrokerConfig(msgspec.Struct, frozen=True):
    """Everything a broker process is told. Invariants are checked by `parse_config`, which builds it."""

    broker_id: int
    data_dir: Path
    listen: dict[Plane, Address]
    """Port 0 lets the system choose; the line that says "ready" tells which."""
    peers: dict[int, dict[Plane, Address]]
    """Invariant: never holds ``broker_id`` itself; holds every other voter."""
    advertised_client: Address
    """Where clients are told to find this broker."""
    voters: tuple[int, ...]
    """Broker ids of the metadata quorum, ascending. Invariant: 1 to 9 of them, the same on every broker."""
    timing_preset: str = "Default"
    flush: FlushMode = FlushMode.GROUP
    segment_bytes: int = 64 * MEBIBYTE
    retention_check_ms: int = 30_000
    data_bytes_max: int = 0
    """Appends are refused above this size of the data directory; 0: no limit."""
    batch_bytes_max: int = MEBIBYTE
    fetch_bytes_max: int = MEBIBYTE
    requests_max: int = 4096
    """Client requests in flight; one more is answered Overloaded."""
    request_bytes_in_flight_max: int = 64 * MEBIBYTE
    connections_max: int = 2048
    unclean_wait_ms: int = 0
    lock_wait_ms: int = 30_000
    """How long to wait for a data directory that another process still holds."""
    hold_file: Path | None = None
    """Names the wall-clock second before which the broker does not start (`hold`)."""
    log_level: str = "info"
    log_format: str = "text"

    @property
    def timing(self) -> Timing:
        return TIMING_PRESETS[self.timing_preset]

    def node_config(self) -> NodeConfig:
        return NodeConfig(
            broker_id=self.broker_id,
            voter_ids=self.voters,
            timing=self.timing,
            flush=self.flush,
            fetch_bytes_max=self.fetch_bytes_max,
            unclean_wait_ms=self.unclean_wait_ms,
        )


def parse_config(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> BrokerConfig:
    """The configuration that flags and environment describe.

    Raises ConfigError, whose message names the flag and what to change.
    """
    given = _given(arguments, os.environ if environment is None else environment)
    broker_id = _broker_id("--broker-id", _required(given, "broker-id"))
    listen = _addresses("--listen", given.get("listen", "127.0.0.1:9092,9093,9094,9095"), port_min=0)
    peers = _peers(given, broker_id)
    voters = _voters(given, broker_id, peers)
    preset = _one_of("--timing", given.get("timing", "Default"), tuple(TIMING_PRESETS))
    _check_timing("--timing", preset, TIMING_PRESETS[preset])
    return BrokerConfig(
        broker_id=broker_id,
        data_dir=Path(_required(given, "data-dir")),
        listen=listen,
        peers=peers,
        advertised_client=_advertised(given, listen[Plane.CLIENT]),
        voters=voters,
        timing_preset=preset,
        flush=FlushMode(_one_of("--flush", given.get("flush", "group"), tuple(FlushMode))),
        segment_bytes=_size("--segment-bytes", given.get("segment-bytes", "64MiB"), 4096),
        retention_check_ms=_duration_ms("--retention-check", given.get("retention-check", "30s"), 100),
        data_bytes_max=_size("--data-bytes-max", given.get("data-bytes-max", "0"), 0),
        batch_bytes_max=_size("--batch-bytes-max", given.get("batch-bytes-max", "1MiB"), 1024, 8 * MEBIBYTE),
        fetch_bytes_max=_size("--fetch-bytes-max", given.get("fetch-bytes-max", "1MiB"), 1024, 8 * MEBIBYTE),
        requests_max=_integer("--requests-max", given.get("requests-max", "4096"), 1, 1_000_000),
        connections_max=_integer("--connections-max", given.get("connections-max", "2048"), 1, 1_000_000),
        unclean_wait_ms=_duration_ms("--unclean-wait", given.get("unclean-wait", "0ms"), 0),
        lock_wait_ms=_duration_ms("--lock-wait", given.get("lock-wait", "30s"), 0),
        hold_file=Path(given["hold-file"]) if given.get("hold-file") else None,
        log_level=_one_of("--log-level", given.get("log-level", "info"), ("debug", "info", "warning", "error")),
        log_format=_one_of("--log-format", given.get("log-format", "text"), ("text", "json")),
    )


FLAGS: dict[str, str] = {
    "broker-id": "this broker's number, 0 to 9999, unique in the cluster (required)",
    "data-dir": "directory of the metadata log and all partitions; created when absent (required)",
    "listen": "HOST:CLIENT,RAFT,REPLICATION,ADMIN ports of this broker (default 127.0.0.1:9092,9093,9094,9095)",
    "advertise": "HOST:PORT where clients are told to find this broker (default: the client address of --listen)",
    "peer": "ID=HOST:CLIENT,RAFT,REPLICATION,ADMIN or ID=HOST:PORT,HOST:PORT,HOST:PORT,HOST:PORT; repeat per peer",
    "peers": 'the same as JSON: {"2": "HOST:9092,9093,9094,9095", ...}',
    "voters": "ids of the metadata quorum, such as 1,2,3; the same everywhere (default: this broker and its peers)",
    "timing": "clockwork: Default, or Relaxed (three times slower, for busy machines)",
    "flush": "group (an acknowledgement means: on disk), interval (every 100 ms) or none",
    "segment-bytes": "size at which a new log segment is begun (default 64MiB)",
    "retention-check": "how often retention is applied (default 30s)",
    "data-bytes-max": "refuse appends above this size of the data directory; 0: no limit (default 0)",
    "batch-bytes-max": "largest record batch that is accepted (default 1MiB)",
    "fetch-bytes-max": "most bytes of batches in one fetch answer (default 1MiB)",
    "requests-max": "client requests in flight before the next is answered Overloaded (default 4096)",
    "connections-max": "open connections per plane (default 2048)",
    "unclean-wait": "with no eligible leader left, elect the longest log after this long; 0ms: never (default 0ms)",
    "lock-wait": "how long to wait for a data directory that another process holds (default 30s)",
    "hold-file": "a file that names the wall-clock second to wait for before starting; absent: none",
    "log-level": "debug, info, warning or error (default info)",
    "log-format": "text, or json (one object a line)",
}
"""Every flag that takes a value, and its help line; ``SKERRY_BROKER_`` + the name in capitals says the same."""


def environment_name(flag: str) -> str:
    """``data-dir`` -> ``SKERRY_BROKER_DATA_DIR``; ``broker-id`` -> ``SKERRY_BROKER_ID``."""
    return ENVIRONMENT_PREFIX + flag.removeprefix("broker-").upper().replace("-", "_")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError("command line", f"{message}; see skerry-broker --help")


def argument_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="skerry-broker",
        description="One broker of a replicated log.",
        epilog="Each flag can be given in the environment instead: --data-dir as SKERRY_BROKER_DATA_DIR. "
        "Exit codes: 0 stopped cleanly, 1 had to stop, 3 wrong flags, address or data directory.",
        allow_abbrev=False,
    )
    for flag, text in FLAGS.items():
        parser.add_argument(
            f"--{flag}", help=text, metavar="VALUE", action="append" if flag == "peer" else "store", default=None
        )
    parser.add_argument("--check-config", action="store_true", help="say whether the configuration is right, and stop")
    parser.add_argument("--version", action="store_true", help="print the version, and stop")
    return parser


def _given(arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Flag name -> text, from the command line or else the environment. Peers are joined by blanks."""
    namespace = vars(argument_parser().parse_args(list(arguments)))
    given: dict[str, str] = {}
    for flag in FLAGS:
        value = namespace[flag.replace("-", "_")]
        if isinstance(value, list):
            value = " ".join(value)
        if value is None:
            value = environment.get(environment_name(flag))
        if value is not None:
            given[flag] = value
    return given


def _required(given: Mapping[str, str], flag: str) -> str:
    if not given.get(flag):
        raise ConfigError(f"--{flag}", f"is missing; give it, or set {environment_name(flag)}")
    return given[flag]


def _integer(flag: str, text: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
        raise ConfigError(flag, f"{text!r} must be a whole number from {least} to {most}")
    return int(text)


def _broker_id(flag: str, text: str) -> int:
    return _integer(flag, text, 0, BROKER_ID_MAX)


def _one_of(flag: str, text: str, allowed: Sequence[str]) -> str:
    if text not in allowed:
        raise ConfigError(flag, f"{text!r} is none of {', '.join(allowed)}")
    return text


_SIZES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_DURATIONS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def _size(flag: str, text: str, least: int, most: int = 1 << 50) -> int:
    match = re.fullmatch(r"([0-9]{1,15})(KiB|MiB|GiB|)", text)
    if match is None:
        raise ConfigError(flag, f"{text!r} is not a size; write bytes, or a number with KiB, MiB or GiB")
    size = int(match[1]) * _SIZES[match[2]]
    if not least <= size <= most:
        raise ConfigError(flag, f"{text} must be between {least} and {most} bytes")
    return size


def _duration_ms(flag: str, text: str, least_ms: int) -> int:
    match = re.fullmatch(r"([0-9]{1,9})(ms|s|m|h)", text)
    if match is None:
        raise ConfigError(flag, f"{text!r} is not a duration; write a number with ms, s, m or h, such as 500ms")
    duration_ms = int(match[1]) * _DURATIONS_MS[match[2]]
    if duration_ms < least_ms:
        raise ConfigError(flag, f"{text} must be at least {least_ms}ms")
    return duration_ms


def parse_address(flag: str, text: str, port_min: int = 1) -> Address:
    """``host:port`` or ``[v6]:port``. Raises ConfigError."""
    match = re.fullmatch(r"\[?([0-9A-Za-z._:-]+?)\]?:([0-9]{1,5})", text)
    if match is None or not port_min <= int(match[2]) <= 65535:
        raise ConfigError(flag, f"{text!r} is not HOST:PORT with a port from {port_min} to 65535")
    return Address(match[1], int(match[2]))


def _addresses(flag: str, text: str, port_min: int = 1) -> dict[Plane, Address]:
    """Four addresses: ``host:1,2,3,4``, or ``host:1,host:2,...``; a bare port repeats the host before it."""
    parts = text.split(",")
    if len(parts) != len(PLANES):
        raise ConfigError(
            flag, f"{text!r} must name four ports, HOST:CLIENT,RAFT,REPLICATION,ADMIN; it names {len(parts)}"
        )
    first = parse_address(flag, parts[0], port_min)
    addresses = [parse_address(flag, part if ":" in part else f"{first.host}:{part}", port_min) for part in parts]
    fixed = [address for address in addresses if address.port != 0]
    if len(set(fixed)) != len(fixed):
        raise ConfigError(flag, f"{text!r} uses one port for two planes; each plane needs its own")
    return dict(zip(PLANES, addresses, strict=True))


def _advertised(given: Mapping[str, str], listen: Address) -> Address:
    if "advertise" in given:
        return parse_address("--advertise", given["advertise"])
    if listen.host in WILDCARDS:
        raise ConfigError("--advertise", f"is needed: {listen.host} of --listen is no address that clients can dial")
    return listen


def _peers(given: Mapping[str, str], broker_id: int) -> dict[int, dict[Plane, Address]]:
    if "peer" in given and "peers" in given:
        raise ConfigError("--peer", "is given together with --peers; use one of the two")
    pairs: list[tuple[str, str, str]] = []
    for text in given.get("peer", "").split():
        peer_id, equals, addresses = text.partition("=")
        if not equals:
            raise ConfigError("--peer", f"{text!r} must look like 2=HOST:9092,9093,9094,9095")
        pairs.append(("--peer", peer_id, addresses))
    if "peers" in given:
        try:
            table = msgspec.json.decode(given["peers"], type=dict[str, str])
        except msgspec.DecodeError as error:
            raise ConfigError("--peers", f'is not JSON like {{"2": "HOST:9092,9093,9094,9095"}} ({error})') from None
        pairs.extend(("--peers", peer_id, addresses) for peer_id, addresses in table.items())
    peers: dict[int, dict[Plane, Address]] = {}
    for flag, peer_id, addresses in pairs:
        number = _broker_id(flag, peer_id)
        if number in peers:
            raise ConfigError(flag, f"names broker {number} twice")
        peers[number] = _addresses(f"{flag} {number}", addresses)
    peers.pop(broker_id, None)  # one list may be given to every broker; its own line is not a peer
    return dict(sorted(peers.items()))


def _voters(given: Mapping[str, str], broker_id: int, peers: Mapping[int, object]) -> tuple[int, ...]:
    known = {broker_id, *peers}
    if "voters" not in given:
        voters = tuple(sorted(known))
    else:
        voters = tuple(sorted(_broker_id("--voters", part.strip()) for part in given["voters"].split(",")))
    if len(set(voters)) != len(voters):
        raise ConfigError("--voters", "names a broker twice")
    if len(voters) > VOTERS_MAX:
        raise ConfigError("--voters", f"names {len(voters)} brokers; a metadata quorum has at most {VOTERS_MAX}")
    for voter in voters:
        if voter not in known:
            raise ConfigError("--voters", f"names broker {voter}, of which no address is known; add --peer {voter}=...")
    return voters


def _check_timing(flag: str, preset: str, timing: Timing) -> None:
    problems = timing.problems()
    if problems:
        raise ConfigError(flag, f"{preset} breaks a rule that safety rests on: {problems[0]}")
