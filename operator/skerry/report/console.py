"""The console that everything is printed on: what was recorded, or written into a document, cannot steer the terminal.

A hypothesis, a broker's last words, a name from a cluster may hold any character. Those that a terminal obeys (escape
sequences, carriage returns, characters that turn the writing direction) are shown as symbols.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ufeff]")
_ALONE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ufeff]")
_PICTURES = 0x2400
"""Where the pictures of the control characters begin: U+241B is that of escape."""


def visible(text: str, *, lines: bool = True) -> str:
    """The text with everything that a terminal would obey as a symbol that can be seen.

    ``lines``: keep line breaks and tabs.
    """
    return (_OBEYED if lines else _ALONE).sub(_symbol, text)


def _symbol(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(_PICTURES + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else "\N{REPLACEMENT CHARACTER}"


class SafeConsole(Console):
    """A console whose content cannot steer the terminal; styles and cursor movements are its own."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Every piece of text passes here before it is written."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)
