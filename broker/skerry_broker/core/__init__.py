"""The broker as one pure machine: ``Node.step(now, event) -> effects``.

Nothing in this package reads a clock, opens a file or a socket, or draws a random number of its own.
Time (integer nanoseconds), randomness (an injected stream) and identity are arguments, so that the
simulator and the real runtime drive the same objects, and the same input always gives the same output.

Contract of the driver (simulator or runtime):

1. Call ``step`` with one event at a time, with a ``now`` that never decreases.
2. Carry out the returned effects **in order**. Disk effects are queued to the node's one disk; when
   everything up to a ``write_id`` is durable, feed ``Flushed(write_id)`` back. A ``Send`` or ``Reply`` never
   waits for the disk: the core emits it only after the write that it depends on was reported durable.
3. Call ``step(now, Tick())`` when ``node.next_deadline`` has passed.
4. An exception from ``step`` ends the node as a StopNode without a clean mark does: end the process, say why. The node
   itself emits nothing any more.
5. Reads (``Serve``) see every append carried out before them, durable or not.
"""
