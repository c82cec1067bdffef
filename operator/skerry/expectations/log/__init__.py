"""What only a replicated log can be expected to do: one file an expectation, and a line here.

``facts`` is what a history says of such a log, for these and for the general ones that are judged of it; ``leaders``
puts together who led which partition when.
"""

from skerry.expectations.log import failover, in_sync_replicas, isr_recovery, steps_down, topic_create_refused
from skerry.expectations.port import ExpectationType

EXPECTATIONS: tuple[ExpectationType, ...] = (
    failover.EXPECTATION,
    isr_recovery.EXPECTATION,
    in_sync_replicas.EXPECTATION,
    steps_down.EXPECTATION,
    topic_create_refused.EXPECTATION,
)
