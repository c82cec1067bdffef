"""Moments as the API server writes them: UTC, mostly in whole seconds, here integer nanoseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime

NS = 1_000_000_000


def wall_ns(text: object) -> int:
    """``2026-11-27T14:03:05Z`` or ``2026-11-27T14:03:05.123456Z``; 0 when there is none.

    Raises ValueError: it is another kind of text.
    """
    if not text:
        return 0
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError(f"a moment of the API server names its time zone, and `{text}` does not")
    return int(moment.replace(microsecond=0).timestamp()) * NS + moment.microsecond * 1000


def wall_text(ns: int) -> str:
    """``14:03:05Z`` for a whole second (that is all the API server tells), else ``14:03:05.123Z``."""
    seconds, rest_ns = divmod(ns, NS)
    shown = datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")
    return f"{shown}.{rest_ns // 1_000_000:03}Z" if rest_ns else f"{shown}Z"
