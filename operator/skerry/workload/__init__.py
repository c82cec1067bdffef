"""What the clients of an experiment do, decided from a seed and nothing else.

Pure machines: a world asks ``due(now_ns)``, carries the operations out with its own client, and tells how they ended.
Producers are *open loop*: an operation has an intended time, whatever became of the ones before it, and its latency
counts from there; otherwise an outage would hide itself (coordinated omission). The recorded values are unique in
the run (`values.py`), so that one glance at a record says who wrote it and when.

Processes: producers are 0, 1, .. (256 at most); consumers 300, 301, ..; probes 600, 601, ..; the final reader is 900,
and who makes what is written to 901. No two of them share a number, because a value names the process that wrote it.
"""

from __future__ import annotations

FIRST_CONSUMER = 300
FIRST_PROBE = 600
FINAL_READER = 900
PREPARER = 901
