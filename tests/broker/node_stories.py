"""A simulated cluster for stories about whole nodes: topics made and removed, processes killed, disks looked at."""

from __future__ import annotations

from skerry.worlds.sim.clients import ClientHub, SimClient
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.invariants import Invariants
from skerry.worlds.sim.liveness import controller_of, statuses, why_not_whole
from skerry.worlds.sim.ports import NodeFactory
from skerry.worlds.sim.streams import Streams
from skerry_broker.core.api import (
    ClientRequest,
    CreateTopicRequest,
    DeleteTopicRequest,
    FetchRequest,
    FetchResponse,
    ProduceRequest,
)
from skerry_broker.core.client import ClientConfig, Completed, Operation, Outcome
from skerry_broker.core.metadata import ClusterMetadata
from skerry_broker.core.node import Node
from skerry_broker.core.types import Acks, Batch, FlushMode, TopicPartition

MS = 1_000_000
S = 1000 * MS


class Story:
    """Brokers 0 .. n-1; every verb runs the cluster until its effect is there, or fails after ten virtual seconds."""

    def __init__(
        self,
        seed: int = 1,
        brokers: int = 3,
        *,
        flush: FlushMode = FlushMode.GROUP,
        entries_before_snapshot: int = 1000,
        make_node: NodeFactory = Node,
    ) -> None:
        self.invariants = Invariants(flush)
        self.cluster = Cluster(
            Streams(seed),
            make_node,
            self.invariants,
            brokers=brokers,
            flush=flush,
            raft_entries_max_before_snapshot=entries_before_snapshot,
        )
        self.invariants.attach(self.cluster.hosts, lambda: self.cluster.scheduler.now_ns)
        self.hub = ClientHub(self.cluster)
        self._client: SimClient = self.hub.client(ClientConfig(idempotent=True), "client")
        self.configure()
        self.cluster.start_all()
        self.until_registered()

    def configure(self) -> None:
        """Before anything runs."""

    # --- time -----------------------------------------------------------------------------------------------

    def run(self, duration_ns: int) -> None:
        self.cluster.run_for(duration_ns)
        assert not self.invariants.violations, self.invariants.violations[0]

    def until_registered(self) -> None:
        self._until(self.why_not_registered)

    def until_whole(self, topic: str, partitions: int = 1) -> None:
        self._until(lambda: why_not_whole(self.cluster, topic, partitions))

    def why_not_registered(self) -> str:
        found = statuses(self.cluster)
        waiting = [status.broker_id for status in found if status.fenced]
        return f"brokers {waiting} are fenced" if waiting or len(found) < len(self.cluster.hosts) else ""

    def _until(self, why_not: object) -> None:
        assert callable(why_not)
        for _ in range(1000):
            reason = why_not()
            if not reason:
                return
            self.run(10 * MS)
        raise AssertionError(f"after 10 s: {reason}")

    # --- clients --------------------------------------------------------------------------------------------

    def ask(self, request: ClientRequest) -> Completed:
        done: list[Completed] = []
        self._client.submit(Operation(request), done.append)
        self._until(lambda: "" if done else f"no answer to {request!r}")
        return done[0]

    def create(self, topic: str, partitions: int = 1, replicas: int = 3, wait: bool = True) -> None:
        result = self.ask(CreateTopicRequest(topic, partitions, replicas, min(2, replicas)))
        assert result.outcome is Outcome.OK, result
        if wait and replicas == len(self.cluster.hosts):
            self.until_whole(topic, partitions)

    def delete(self, topic: str, settle_ns: int = 300 * MS) -> None:
        result = self.ask(DeleteTopicRequest(topic))
        assert result.outcome is Outcome.OK, result
        self.run(settle_ns)

    def write(self, topic: str, data: bytes) -> None:
        result = self.ask(ProduceRequest(topic, 0, Batch(-1, -1, 1, data), Acks.ALL, 3000))
        assert result.outcome is Outcome.OK, result

    def read(self, topic: str) -> list[bytes]:
        response = self.ask(FetchRequest(topic, 0, 0)).response
        assert isinstance(response, FetchResponse)
        return [batch.data for batch in response.batches]

    # --- looking --------------------------------------------------------------------------------------------

    @property
    def controller(self) -> int:
        return controller_of(statuses(self.cluster))

    def leader(self, topic: str) -> int:
        return self.invariants.truth.partitions[TopicPartition(topic, 0)].leader

    def topic_id(self, topic: str) -> str:
        return self.invariants.truth.partitions[TopicPartition(topic, 0)].topic_id

    def isr(self, topic: str) -> tuple[int, ...]:
        return self.invariants.truth.partitions[TopicPartition(topic, 0)].isr

    def metadata(self) -> ClusterMetadata:
        """As the observer saw it committed."""
        metadata = ClusterMetadata()
        for entry in self.invariants.truth.committed:
            metadata.apply(entry)
        return metadata

    def logs(self, broker_id: int) -> list[str]:
        """The partitions that the disk of a broker holds."""
        return sorted(str(partition) for partition in self.cluster.hosts[broker_id].disk.logs)

    def kill_all(self) -> None:
        for broker_id in self.cluster.broker_ids:
            self.cluster.kill(broker_id)
