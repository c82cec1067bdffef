"""Configuration: what is read from where, and that every mistake names the flag."""

from __future__ import annotations

import subprocess
import sys

import pytest

from skerry_broker.config import FLAGS, BrokerConfig, environment_name, parse_address, parse_config
from skerry_broker.core.types import TIMING_PRESETS, FlushMode, Plane
from skerry_broker.errors import ConfigError

LEAST = ["--broker-id", "1", "--data-dir", "/tmp/one"]
PEERS = ["--peer", "2=h2:1,2,3,4", "--peer", "3=h3:1,2,3,4"]


def config(*arguments: str, **environment: str) -> BrokerConfig:
    return parse_config([*LEAST, *arguments], environment)


def test_three_brokers() -> None:
    one = config(*PEERS, "--listen", "127.0.0.1:10,11,12,13", "--timing", "Relaxed", "--flush", "none")
    assert one.voters == (1, 2, 3)
    assert [str(one.listen[plane]) for plane in Plane] == [f"127.0.0.1:{port}" for port in (10, 11, 12, 13)]
    assert str(one.peers[3][Plane.REPLICATION]) == "h3:3"
    assert str(one.advertised_client) == "127.0.0.1:10"
    assert one.timing == TIMING_PRESETS["Relaxed"]
    assert one.node_config().flush is FlushMode.NONE


def test_each_plane_of_a_peer_may_have_an_address_of_its_own() -> None:
    one = config("--peer", "2=a:1,b:2,[::1]:3,d:4")
    assert [str(address) for address in one.peers[2].values()] == ["a:1", "b:2", "[::1]:3", "d:4"]


def test_peers_as_json_may_name_the_broker_itself() -> None:
    one = config("--peers", '{"1": "h1:1,2,3,4", "2": "h2:1,2,3,4"}')
    assert list(one.peers) == [2]
    assert one.voters == (1, 2)


def test_a_flag_wins_over_the_environment() -> None:
    assert config("--flush", "none", SKERRY_BROKER_FLUSH="interval").flush is FlushMode.NONE
    assert config(SKERRY_BROKER_FLUSH="interval").flush is FlushMode.INTERVAL
    assert parse_config([], {"SKERRY_BROKER_ID": "7", "SKERRY_BROKER_DATA_DIR": "/d"}).broker_id == 7


def test_variables_that_kubernetes_makes_of_a_service_are_not_ours() -> None:
    names = {environment_name(flag) for flag in FLAGS}
    assert not names & {"SKERRY_BROKER_SERVICE_HOST", "SKERRY_BROKER_SERVICE_PORT", "SKERRY_BROKER_PORT"}


@pytest.mark.parametrize(
    ("text", "size"), [("4096", 4096), ("8KiB", 8192), ("64MiB", 64 << 20), ("1GiB", 1 << 30)]
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert config("--segment-bytes", text).segment_bytes == size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--broker-id", "one"], "--broker-id: 'one' must be a whole number from 0 to 9999"),
        (["--broker-id", "-1"], "--broker-id: '-1' must be a whole number from 0 to 9999"),
        (["--data-dir", ""], "--data-dir: is missing; give it, or set SKERRY_BROKER_DATA_DIR"),
        (["--listen", "127.0.0.1:1,2,3"], "--listen: '127.0.0.1:1,2,3' must name four ports"),
        (["--listen", "127.0.0.1:1,2,3,3"], "--listen: '127.0.0.1:1,2,3,3' uses one port for two planes"),
        (["--listen", "127.0.0.1:1,2,3,99999"], "--listen: '127.0.0.1:99999' is not HOST:PORT"),
        (["--peer", "2"], "--peer: '2' must look like 2=HOST:9092,9093,9094,9095"),
        (["--peer", "2=h:0,1,2,3"], "--peer 2: 'h:0' is not HOST:PORT with a port from 1"),
        (["--peer", "2=h:1,2,3,4", "--peer", "2=h:5,6,7,8"], "--peer: names broker 2 twice"),
        (["--peers", "{"], "--peers: is not JSON like"),
        (["--peers", "{}", "--peer", "2=h:1,2,3,4"], "--peer: is given together with --peers"),
        (["--voters", "1,1"], "--voters: names a broker twice"),
        (["--voters", "1,9"], "--voters: names broker 9, of which no address is known; add --peer 9=..."),
        (["--timing", "Fast"], "--timing: 'Fast' is none of Default, Relaxed"),
        (["--flush", "always"], "--flush: 'always' is none of group, interval, none"),
        (["--segment-bytes", "64MB"], "--segment-bytes: '64MB' is not a size"),
        (["--batch-bytes-max", "1GiB"], "--batch-bytes-max: 1GiB must be between"),
        (["--lock-wait", "30"], "--lock-wait: '30' is not a duration"),
        (["--log-level", "loud"], "--log-level: 'loud' is none of"),
        (["--advertise", "nowhere"], "--advertise: 'nowhere' is not HOST:PORT"),
        (["--listen", "0.0.0.0:1,2,3,4"], "--advertise: is needed: 0.0.0.0 of --listen is no address that clients"),
        (["--no-such-flag"], "command line: unrecognized arguments: --no-such-flag; see skerry-broker --help"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_flag(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config(*arguments)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_an_address_survives_its_text() -> None:
    for text in ("h:1", "[::1]:9092", "broker-0.brokers.ns.svc:9092"):
        assert str(parse_address("x", text)) == text


@pytest.mark.local
@pytest.mark.parametrize(
    ("arguments", "code", "stream", "line"),
    [
        (["--check-config", *LEAST, *PEERS], 0, "stdout", "broker 1 of 3 voters: the configuration is right"),
        (["--check-config", *LEAST, "--timing", "x"], 3, "stderr", "skerry-broker: --timing: 'x' is none of"),
        (["--bad"], 3, "stderr", "skerry-broker: command line: unrecognized arguments"),
    ],
)  # fmt: skip
def test_the_command_says_it_in_one_line(arguments: list[str], code: int, stream: str, line: str) -> None:
    done = subprocess.run([sys.executable, "-m", "skerry_broker", *arguments], capture_output=True, text=True)
    assert done.returncode == code
    lines = getattr(done, stream).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(line)
