"""Whether an experiment may begin, and when: the brokers are free, fit, and now its own.

Until the Lease is taken nothing is written but the experiment's status, so that a refusal leaves no trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from skerry.controller.admission_queue import place_of
from skerry.controller.lease import TargetLease
from skerry.controller.tools import Tools
from skerry.engine.plan import guard_refusals
from skerry.experiment.document import Experiment
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import Kube, KubeError
from skerry.worlds.kubernetes.preflight import Accepted, Refusal, namespace_refusal

AGAIN_S = 2.0
READY_S = 30.0
"""How long brokers that are not ready are waited for: those of a run that ended a moment ago still come up."""
BUSY = "TargetBusy"
NOT_READY = "BrokersNotReady"
UNREACHABLE = "ApiServerUnreachable"


class Admitted(NamedTuple):
    accepted: Accepted
    lease: TargetLease | None
    """None: a dry run, which needs none."""


async def admit(
    kube: Kube,
    resource: JsonObject,
    experiment: Experiment,
    seed: int,
    tools: Tools,
    waits: Callable[[str, str], None],
    aborted: Callable[[], str],
) -> Admitted | Refusal:
    """Wait until it may begin; the Lease is held then. A dry run waits for nobody.

    ``waits``: told (reason, sentence) while it cannot begin.
    ``aborted``: why it is not wanted any more; empty: it still is.
    Raises AnotherOperator: one conducts this very experiment already.
    """
    namespace, stateful_set, place = kube.namespace, experiment.spec.cluster.stateful_set, place_of(resource)
    lease: TargetLease | None = None
    if stateful_set is not None and not experiment.spec.dry_run:
        lease = tools.lease(kube, stateful_set, resource)
        tools.admission_queue.wait(namespace, stateful_set, place)
    not_ready_since_s: float | None = None
    try:
        while not (why := aborted()):
            try:
                answer = await _try(kube, experiment, seed, tools, lease, resource)
            except KubeError as error:
                if error.forbidden:
                    return Refusal("MissingPermission", f"{error}.")
                if not error.unanswered:
                    return Refusal("ApiServerRefused", f"{error}.")
                answer = Refusal(UNREACHABLE, f"{error}.")
            if isinstance(answer, Accepted):
                return Admitted(answer, lease)
            if answer.reason == NOT_READY:
                not_ready_since_s = tools.now() if not_ready_since_s is None else not_ready_since_s
                if tools.now() >= not_ready_since_s + READY_S:
                    return answer
            else:
                not_ready_since_s = None
            if answer.reason not in (BUSY, NOT_READY, UNREACHABLE):
                return answer
            waits(answer.reason, answer.message)
            await tools.sleep(AGAIN_S)
        return Refusal("Aborted", f"The run was aborted before it began: {why}.")
    finally:
        if stateful_set is not None:
            tools.admission_queue.leave(namespace, stateful_set, place)


async def _try(
    kube: Kube, experiment: Experiment, seed: int, tools: Tools, lease: TargetLease | None, resource: JsonObject
) -> Accepted | Refusal:
    """One look at everything. Raises KubeError."""
    stateful_set = experiment.spec.cluster.stateful_set or ""

    def before() -> str:
        return tools.admission_queue.before(kube.namespace, stateful_set, place_of(resource))

    if lease is not None and (other := before()):  # many that wait do not keep the API server busy
        return _busy(stateful_set, other)
    refusal = await namespace_refusal(kube)
    if refusal is not None:
        return refusal
    if lease is not None and (other := await lease.held_by_another() or before()):
        return _busy(stateful_set, other)
    answer = await tools.preflight(kube, experiment, tools.settings(kube.namespace))
    if isinstance(answer, Refusal):
        return answer
    if refused := guard_refusals(experiment, seed):
        return Refusal("GuardRefused", " ".join(refused))
    other = await lease.take() if lease is not None else ""
    return _busy(stateful_set, other) if other else answer


def _busy(stateful_set: str, other: str) -> Refusal:
    return Refusal(BUSY, f"The brokers of StatefulSet `{stateful_set}` are taken by the experiment `{other}`.")
