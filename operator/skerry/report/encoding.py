"""Output in any encoding: what a stream cannot say is written in characters that it has, never a traceback."""

from __future__ import annotations

import codecs
from typing import TextIO

_IN_ASCII = str.maketrans(
    {
        "✓": "+", "✗": "x", "·": ".", "•": "*", "…": "...", "—": "-", "–": "-", "“": '"', "”": '"', "→": "->",
        "█": "#", "▒": "%", "░": ":", "▁": "_", "▂": "_", "▃": "-", "▄": "-", "▅": "=", "▆": "=", "▇": "#",
        "─": "-", "━": "-", "│": "|", "╭": "+", "╮": "+", "╰": "+", "╯": "+",
    }
)  # fmt: skip
_IN_ASCII.update({0x2400 + code: f"^{chr(code + 64)}" for code in range(32)})
"""The pictures of control characters, in the caret notation of terminals."""
ENCODING_ERRORS = "skerry.shown"


def use_any_encoding(*streams: TextIO) -> None:
    """Let these streams write what their encoding lacks in characters that it has; never an error."""
    codecs.register_error(ENCODING_ERRORS, _in_ascii)
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # not a stand-in that keeps text
            reconfigure(errors=ENCODING_ERRORS)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    shown = error.object[error.start : error.end].translate(_IN_ASCII)
    return "".join(letter if letter.isascii() else "?" for letter in shown), error.end
