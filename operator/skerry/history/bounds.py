"""The bounds of the numbers of a recording, by what a number is. They hold while it is read."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Number = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""What a system said, whatever that is: it must only fit into 64 bits."""
TimeNs = Annotated[int, Meta(ge=-(10**12), le=10**16)]
"""On the clock of the run, up to 115 days; a bracket may begin a little before the run. -1 where a field says so."""
WallNs = Annotated[int, Meta(ge=0, le=1 << 62)]
Value = Annotated[int, Meta(ge=-(1 << 62), le=1 << 62)]
Count = Annotated[int, Meta(ge=0, le=100_000)]
"""Records of one batch."""
Node = Annotated[int, Meta(ge=-2, le=98)]
"""One of the brokers of the run, which a document has at most 99 of; -1 and -2 where a field says so."""
Index = Annotated[int, Meta(ge=-1, le=998)]
"""The number of a partition; a topic has at most 999 of them."""
