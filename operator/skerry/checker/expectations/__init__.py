"""What this document asked for: one file per kind of expectation, all of one shape, and a line in this registry.

How it works. A judge gets the expectation's body and the facts of the run (`facts.RunFacts`: brackets of the faults,
leader epochs, ISR samples, acknowledgements), and gives one judgement per occurrence of the fault or per partition.
`evaluate` takes the worst of them, and applies the two rules that are the same for all: an expectation of a fault that
was not verified is Inconclusive, and so is one whose outcome a stall may have made.
"""

from __future__ import annotations

from skerry.checker.expectations import (
    available,
    epochs_grow_at_most,
    failover,
    in_sync_replicas,
    isr_recovery,
    leader_change,
    max_write_gap,
    metric,
    no_leader_change,
    promql,
    steps_down,
    throughput,
    topic_create_refused,
    unavailable,
    writes_accepted,
    writes_refused,
)
from skerry.checker.expectations.base import Rule

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        leader_change.RULE,
        no_leader_change.RULE,
        failover.RULE,
        isr_recovery.RULE,
        writes_refused.RULE,
        writes_accepted.RULE,
        topic_create_refused.RULE,
        max_write_gap.RULE,
        throughput.RULE,
        in_sync_replicas.RULE,
        epochs_grow_at_most.RULE,
        steps_down.RULE,
        available.RULE,
        unavailable.RULE,
        metric.RULE,
        promql.RULE,
    )
}
"""The field of the document -> its judge."""
