"""Probes: small operations directed at one broker, never redirected, to see what that side accepts."""

from __future__ import annotations

from skerry.engine.world import StartProbe
from skerry.history.records import Produce, TopicCreate
from skerry.workload import FIRST_PROBE
from skerry.workload.log.probe import Probe
from skerry.workload.log.producer import PlannedProduce
from skerry.worlds.sim.clients import SimClient
from skerry.worlds.sim.recorder import Recorder, error_of, outcome_of, pack
from skerry.worlds.sim.scheduler import NS_PER_MS
from skerry_broker.core.api import CreateTopicRequest, ProduceRequest, ProduceResponse
from skerry_broker.core.client import ClientConfig, Completed, Operation
from skerry_broker.core.types import Acks, Batch

PROBE_TIMEOUT_MS = 400


class Prober:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._cluster = recorder.cluster
        self._running: set[str] = set()
        self._known: set[str] = set()
        self._clients: list[SimClient] = []

    @property
    def idle(self) -> bool:
        return all(client.idle for client in self._clients)

    def start(self, action: StartProbe) -> None:
        """Until ``stop``. Idempotent by name."""
        if action.probe in self._known:
            return
        self._known.add(action.probe)
        self._running.add(action.probe)
        for ordinal in action.ordinals:
            process = FIRST_PROBE + len(self._clients)
            probe = Probe(process, ordinal, self._recorder.partitions, self._cluster.now_ns)
            client = self._recorder.hub.client(ClientConfig(idempotent=False), f"probe {process}")
            self._clients.append(client)
            self._go_on((action, probe, client))

    def stop(self, name: str | None = None) -> None:
        """This probe, or all of them."""
        if name is None:
            self._running.clear()
        else:
            self._running.discard(name)

    def _go_on(self, work: tuple[StartProbe, Probe, SimClient]) -> None:
        action, probe, client = work
        if action.probe not in self._running:
            return
        for planned in probe.due(self._cluster.now_ns):
            if action.topic_create:
                self._create(probe, client, planned)
            else:
                self._write(probe, client, planned, Acks(action.acks))
        self._cluster.scheduler.post(max(probe.next_due_ns, self._cluster.now_ns + NS_PER_MS), self._go_on, work)

    def _write(self, probe: Probe, client: SimClient, planned: PlannedProduce, acks: Acks) -> None:
        recorder = self._recorder
        invoked_ns = self._cluster.now_ns
        batch = Batch(0, -1, 1, pack(planned.first_value, 1), max_timestamp_ms=invoked_ns // NS_PER_MS)

        def completed(result: Completed) -> None:
            response = result.response if isinstance(result.response, ProduceResponse) else None
            recorder.add(
                Produce(
                    probe.process,
                    recorder.topic,
                    planned.partition,
                    invoked_ns,
                    self._cluster.now_ns,
                    outcome_of(result),
                    acks.value,
                    planned.first_value,
                    1,
                    base_offset=response.base_offset if response is not None else -1,
                    leader=response.leader if response is not None else -1,
                    leader_epoch=response.leader_epoch if response is not None else -1,
                    error=error_of(result),
                    directed_to=probe.broker,
                )
            )

        request = ProduceRequest(recorder.topic, planned.partition, batch, acks, PROBE_TIMEOUT_MS)
        client.submit(Operation(request, probe.broker, PROBE_TIMEOUT_MS), completed)

    def _create(self, probe: Probe, client: SimClient, planned: PlannedProduce) -> None:
        name = f"probe-{probe.broker}-{planned.first_value & 0xFFFF}"
        invoked_ns = self._cluster.now_ns

        def completed(result: Completed) -> None:
            self._recorder.add(
                TopicCreate(
                    probe.process,
                    name,
                    invoked_ns,
                    self._cluster.now_ns,
                    outcome_of(result),
                    error_of(result),
                    probe.broker,
                )
            )

        request = CreateTopicRequest(name, 1, 1, 1, timeout_ms=PROBE_TIMEOUT_MS)
        client.submit(Operation(request, probe.broker, PROBE_TIMEOUT_MS), completed)
