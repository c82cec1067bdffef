"""One observation for the conductor, from what the workload pod, the API server and our own hands say."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from skerry.engine.world import ActionReport, BrokerView, Observation
from skerry.history.records import ProcessExit, Stall
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.outbox import Outbox
from skerry.worlds.kubernetes.pods import Pods
from skerry.worlds.kubernetes.process import Processes
from skerry.worlds.kubernetes.recording import Recording
from skerry.worlds.kubernetes.world_faults import Faults

USUAL = ("Completed", "Error")
"""What a kubelet calls the end of a container of which it has no more to say than the exit code."""


class ViewBuilder:
    """Everything that is shown has an age of its own: what one of the three no longer says grows old, and is not made
    young by what the others say."""

    def __init__(
        self,
        recording: Recording,
        outbox: Outbox,
        pods: Pods,
        brokers: BrokerSet,
        faults: Faults,
        record: Callable[[ProcessExit], None],
    ) -> None:
        """``record``: gets how a broker ended that no fault of ours took, each end once."""
        self._recording = recording
        self._outbox = outbox
        self._pods = pods
        self._faults = faults
        self._processes = Processes(brokers)
        self._record = record
        self.judged = False
        """The run is over, and what it recorded is about to be judged: what ends from now on is not of this run."""
        self._stalls_taken: set[Stall] = set()

    def observe(self, reports: Iterable[ActionReport], abort: str, disproof: str) -> Observation:
        """``reports``: of our own actions, new ones. ``abort``, ``disproof``: see `Observation`."""
        view = self._recording.view
        looked_ns = self._recording.times.lower_at_ns(self._pods.looked_ns)
        lost = self._recording.lost or self._outbox.lost or view.failure
        stalls = tuple(each for each in view.stalls if each not in self._stalls_taken)
        self._stalls_taken.update(stalls)
        return Observation(
            brokers=tuple(self._with_process(each, looked_ns) for each in view.brokers),
            links=view.links,
            workload=msgspec.structs.replace(view.workload, lost=view.workload.lost or lost) if lost else view.workload,
            reports=(*view.reports, *self._outbox.take_failures(), *reports),
            injector=self._faults.injector,
            stalls=stalls,
            findings=view.findings,
            abort=abort,
            disproof=disproof,
        )

    def _with_process(self, view: BrokerView, looked_ns: int) -> BrokerView:
        """What the API server says of the process, beside what the broker says of itself. It is as old as the last
        complete look at the pods, whatever the age of the broker's own words."""
        pod, since_wall_ns = self._pods.latest(view.ordinal), self._recording.view.started_wall_ns
        known = self._processes.look(view.ordinal, pod, self._faults.taken, since_wall_ns)
        for end in known.ends:
            if end.code is not None and not self.judged:
                why = "" if end.reason in USUAL else end.reason
                at_ns = self._recording.times.now_ns()
                self._record(ProcessExit(view.ordinal, at_ns, end.code, end.message, why))
        return msgspec.structs.replace(
            view,
            process=known.state,
            process_sampled_ns=looked_ns,
            process_told_late=True,
            exited=known.ended_by_itself,
        )
