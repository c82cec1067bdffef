"""The recorded run: what every client did and saw, every fault, every observation, on one clock.

A history is enough to judge a run again (`skerry check`): the checker never sees a broker. It is a JSON Lines file,
one record a line, in the order of recording; a line that was cut off by a crash ends it.

``records``  the vocabulary;  ``codec``  bytes <-> records;  ``run``  a whole history in memory, grouped once.
"""

from skerry.history.codec import HistoryWriter, blocks_of, encode_history, read_history
from skerry.history.errors import HistoryError
from skerry.history.run import History, PartitionKey, PartitionOperations

__all__ = [
    "History",
    "HistoryError",
    "HistoryWriter",
    "PartitionKey",
    "PartitionOperations",
    "blocks_of",
    "encode_history",
    "read_history",
]
