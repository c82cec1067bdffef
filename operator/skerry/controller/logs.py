"""Logs as JSON, one object a line, so that one experiment's story is one filter."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from typing import NamedTuple, TextIO


class Subject(NamedTuple):
    """What a line is about."""

    namespace: str
    experiment: str


_subject: ContextVar[Subject | None] = ContextVar("subject", default=None)
QUIET = ("kopf", "aiohttp.access", "asyncio", "kubernetes")
"""What these say below WARNING helps nobody who runs the operator."""


class JsonLines(logging.Formatter):
    """``time``, ``level``, ``logger``, ``message``; ``namespace`` and ``experiment`` where there is one; ``traceback``
    where something was raised."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        subject = _subject.get()
        if subject is not None:
            line |= subject._asdict()
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


@contextlib.contextmanager
def about(namespace: str, experiment: str) -> Iterator[None]:
    """Every line that is written inside, by tasks begun inside too, is about this experiment."""
    token = _subject.set(Subject(namespace, experiment))
    try:
        yield
    finally:
        _subject.reset(token)


def configure(stream: TextIO) -> None:
    """All logging of this process goes to ``stream``."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
