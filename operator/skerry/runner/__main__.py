"""``skerry-runner``: serve one run until it and its report are no longer wanted."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from pathlib import Path

import uvloop
from aiohttp import web

from skerry.runner.messages import PORT, TOKEN_VARIABLE
from skerry.runner.service import Service

DIRECTORY_VARIABLE = "SKERRY_RUNNER_DIRECTORY"
TOKEN_LENGTH_MIN = 16
WRONG_START = 3


def main() -> None:
    """The console script; exit code 0, or 3 for a wrong environment."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    token = os.environ.get(TOKEN_VARIABLE, "")
    if len(token) < TOKEN_LENGTH_MIN:
        sys.exit(_complain(f"{TOKEN_VARIABLE} must hold a token of at least {TOKEN_LENGTH_MIN} characters"))
    directory = Path(os.environ.get(DIRECTORY_VARIABLE, "/work"))
    if not os.access(directory, os.W_OK):
        sys.exit(_complain(f"{directory} cannot be written to; set {DIRECTORY_VARIABLE} to a directory that can"))
    # What was imported stays; a full collection that walks it would stall the recording for nothing.
    gc.collect()
    gc.freeze()
    uvloop.run(_serve(Service(directory, token)))


def _complain(sentence: str) -> int:
    sys.stderr.write(f"skerry-runner: {sentence}\n")
    return WRONG_START


async def _serve(service: Service) -> None:
    runner = web.AppRunner(service.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=PORT).start()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.over.set)
    await service.over.wait()
    await service.close()
    await runner.cleanup()


if __name__ == "__main__":
    main()
