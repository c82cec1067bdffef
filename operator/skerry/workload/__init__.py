"""What the clients of an experiment do, decided from a seed and nothing else.

Pure machines: a world asks ``due(now_ns)``, carries the operations out with its own client, and tells how they ended.
Producers are *open loop*: an operation has an intended time, whatever became of the ones before it, and its latency
counts from there; otherwise an outage would hide itself (coordinated omission). The recorded values are unique in
the run (`values.py`), so that one glance at a record says who wrote it and when.

Processes: producers are 0, 1, ..; consumers 100, 101, ..; probes 200, 201, ..; the final reader is 900.
"""

from __future__ import annotations

FIRST_CONSUMER = 100
FIRST_PROBE = 200
FINAL_READER = 900
