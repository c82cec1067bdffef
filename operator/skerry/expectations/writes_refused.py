"""Every produce that is sent to that side only is refused or not answered, from the limit on until the fault ends.

Judged are the probes that were sent inside that window; one that is acknowledged before the heal begins is a Fail. A
window without a probe is Inconclusive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from skerry.expectations.bodies import ExpectationBody, Probed
from skerry.expectations.judged import Judged, failed, passed, seconds, unknown
from skerry.expectations.limits import never_asked
from skerry.expectations.port import ExpectationType
from skerry.expectations.sides import brokers_text, sides_in_time
from skerry.faults.port import Path
from skerry.history.records import Outcome
from skerry.schema.base import PartitionIndex, PositiveDuration
from skerry.schema.selectors import Side
from skerry.schema.vocabulary import Acks
from skerry.targets.port import DataModel

if TYPE_CHECKING:
    from skerry.expectations.log.facts import LogFacts
    from skerry.experiment.document import Spec


class WritesRefused(ExpectationBody):
    """Every produce that is sent to that side only, once `within` has passed since the fault took effect and until it
    ends, is refused (or not answered)."""

    probed: ClassVar[Probed] = Probed.WRITES
    by: Side
    within_ns: PositiveDuration
    """The time that this side has to notice, counted from the moment the fault took effect."""
    acks: Acks | None = None
    """What the probes ask for. Default: as the workload."""
    partition: PartitionIndex | None = None
    """Default: every partition."""

    def problems(self, spec: Spec) -> Iterator[tuple[Path, str]]:
        yield from never_asked(spec, self.by.fault, self.within_ns, "within")


def judge(body: WritesRefused, run: LogFacts) -> Iterator[Judged]:
    limit = run.limit_ns(body.within_ns)
    acks = str(body.acks or run.experiment.spec.workload.acks)
    for side in sides_in_time(run, body.by, limit):
        window = side.window
        probes = [
            probe
            for probe in run.probes
            if probe.directed_to in side.brokers
            and probe.acks == acks
            and body.partition in (None, probe.partition)
            and window.from_ns <= probe.invoked_ns <= window.to_ns
        ]
        shown = {
            "limit": f"none after {seconds(limit)}",
            "window": (window.from_ns, window.to_ns),
            "stall_voids_pass": True,
        }
        who = brokers_text(side.brokers)
        if not probes:
            message = f"no acks={acks} write was sent to {who} alone {window.name}, from {seconds(limit)} on"
            yield unknown("NotProbed", message, **shown)
            continue
        accepted = [p for p in probes if p.outcome is Outcome.OK and p.completed_ns <= window.to_ns]
        shown["measured"] = f"{len(accepted)} of {len(probes)} acknowledged"
        if not accepted:
            yield passed(f"{who} refused all of {len(probes)} acks={acks} writes {window.name}", **shown)
            continue
        late = seconds(accepted[-1].completed_ns - side.effect_ns)
        message = (
            f"{who} acknowledged {len(accepted)} of {len(probes)} acks={acks} writes {window.name}, the last one "
            f"{late} after it took effect"
        )
        shown |= {"witness": (accepted[0],), "weight": len(accepted), "partition": accepted[0].partition}
        yield failed("WriteAccepted", message, **shown)


EXPECTATION = ExpectationType("writesRefused", WritesRefused, __doc__, {DataModel.LOG: judge})
