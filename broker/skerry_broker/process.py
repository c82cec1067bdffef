"""The process of one broker: read the configuration, run the broker until it stops, say why it did."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import resource
import signal
import sys
import time
from collections.abc import Sequence

from aiohttp.http_exceptions import HttpProcessingError

from skerry_broker.broker import Broker, broker_version
from skerry_broker.config import PLANES, BrokerConfig, parse_config
from skerry_broker.core.messages import StopNode
from skerry_broker.errors import EXIT_CLEAN, EXIT_FAILED, EXIT_WRONG_START, StartError
from skerry_broker.hold import wait_for

log = logging.getLogger("skerry_broker")


def run(arguments: Sequence[str]) -> int:
    """The exit code: 0 stopped cleanly, 1 had to stop, 3 wrong flags, address or data directory."""
    if "--version" in arguments:
        _say(broker_version())
        return EXIT_CLEAN
    try:
        config = parse_config(arguments)
    except StartError as error:
        _complain(str(error))
        return EXIT_WRONG_START
    if "--check-config" in arguments:
        _say(f"broker {config.broker_id} of {len(config.voters)} voters: the configuration is right")
        return EXIT_CLEAN
    _configure_logging(config)
    if config.hold_file is not None:
        wait_for(config.hold_file)
    _prepare_process()
    try:
        return _loop_runner(config)
    except StartError as error:
        _complain(str(error))
        return EXIT_WRONG_START
    except KeyboardInterrupt:
        return EXIT_FAILED


THREAD_SWITCH_S = 0.0005
"""The disk thread needs the interpreter for microseconds after every system call; at Python's 5 ms it would wait that
long behind a busy loop each time, and every acknowledgement with it."""


def _prepare_process() -> None:
    """As many files as we may have (connections are files), and from here on garbage is collected, but never for long:
    what was imported stays, and a full collection that walks it would stall the loop for nothing."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.freeze()
    gc.enable()
    sys.setswitchinterval(THREAD_SWITCH_S)


def _loop_runner(config: BrokerConfig) -> int:
    try:
        import uvloop  # where it runs; asyncio's own loop otherwise
    except ImportError:
        return asyncio.run(_serve(config))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(config))


async def _serve(config: BrokerConfig) -> int:
    broker = Broker(config)
    await broker.start()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, broker.runtime.request_shutdown)
    ports = ", ".join(f"{plane.value.lower()} {broker.addresses[plane]}" for plane in PLANES)
    _say(f"skerry-broker {config.broker_id} is listening: {ports}")
    try:
        stop = await broker.stopped()
    except Exception as error:
        _complain(f"stopped by a bug, without a clean mark: {type(error).__name__}: {error}")
        await broker.close(None)
        return EXIT_FAILED
    await broker.close(stop)
    return _exit_status(broker, stop)


def _exit_status(broker: Broker, stop: StopNode) -> int:
    """Say in one line how it ended. Stopping when told to, before there was anything to mark, is no failure."""
    runtime = broker.runtime
    if stop.clean_broker_epoch is not None and not runtime.disk_error:
        _say(f"skerry-broker {broker.config.broker_id} stopped cleanly: {stop.reason}")
    elif runtime.shutdown_requested and not runtime.disk_error:
        _say(f"skerry-broker {broker.config.broker_id} stopped before it had registered: {stop.reason}")
    else:
        disk = f" (the disk: {runtime.disk_error})" if runtime.disk_error else ""
        _complain(f"stopped without a clean mark: {stop.reason}{disk}")
        return EXIT_FAILED
    return EXIT_CLEAN


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _complain(line: str) -> None:
    sys.stderr.write(f"skerry-broker: {line}\n")
    sys.stderr.flush()


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _in_one_line(record: logging.LogRecord) -> bool:
    """What a client sends that is no HTTP is its mistake, not a bug of ours: a line without our stack."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.exc_info = None
        record.msg, record.args = "refused what is no HTTP request: %s", (str(error).split("\n")[0][:200],)
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def _configure_logging(config: BrokerConfig) -> None:
    handler = logging.StreamHandler()
    if config.log_format == "json":
        handler.setFormatter(_JsonLines())
    else:
        formatter = logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    logging.basicConfig(level=config.log_level.upper(), handlers=[handler])
    logging.getLogger("aiohttp.server").addFilter(_in_one_line)
