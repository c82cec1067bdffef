"""Readers, session by session."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.history import PartitionOperations
from skerry.history.records import Fetch


def successive_reads(operations: PartitionOperations) -> Iterator[tuple[Fetch, Fetch]]:
    """Each two successive fetches with records of one session, in the order in which they were recorded.

    A session is one reader in one place: it asks for the next record when it has the one before. Where the
    recorder's clock went back, the lines may have been put into another order, and no session is judged.
    """
    last: dict[tuple[int, int], Fetch] = {}
    for fetch in operations.fetched:
        if fetch.values:
            session = (fetch.process, fetch.session)
            before = last.get(session)
            if before is not None:
                yield before, fetch
            last[session] = fetch
