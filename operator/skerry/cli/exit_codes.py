"""Exit codes that need nothing else to be loaded."""

from __future__ import annotations

INTERRUPTED = 2
"""Ctrl-C: nothing was judged, which is Inconclusive."""
