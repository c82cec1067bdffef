"""Random but legal lives of a partition over `ReplicaCluster`: whatever a fair controller, lossy links, crashes and
disks may do, in any order. The cluster's own assertions are the judges."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from replica_cluster import ReplicaCluster

from skerry_broker.core.peer_messages import AlterPartition, FetchedPartition, FetchPartition
from skerry_broker.core.types import Acks, FlushMode

Step = tuple[int, int, int]
"""(what, to which broker, detail), each any small number."""


class Chaos:
    """A controller that is fair: it elects only from the ISR, fences who crashed, and never takes a partition from a
    broker whose lease may still hold."""

    def __init__(self) -> None:
        self.cluster = ReplicaCluster(FlushMode.GROUP)
        self.in_flight: list[tuple[int, int, FetchPartition, FetchedPartition]] = []
        self.progresses: list[tuple[int, int, int, int, int]] = []
        self.old_alters: list[AlterPartition] = []
        self.deaf: set[int] = set()
        self.values = 0
        self.sequence = 0
        self.cluster.elect(1, 1, (1, 2, 3))

    def run(self, steps: Iterable[Step]) -> ReplicaCluster:
        for what, who, detail in steps:
            self.step(what, who % 3 + 1, detail)
            self.cluster.check_logs()
        self.heal()
        return self.cluster

    def step(self, what: int, who: int, detail: int) -> None:
        cluster = self.cluster
        broker = cluster.brokers[who]
        match what % 16:
            case 0 | 1 | 2:
                self.produce(who, detail)
            case 3 | 4 | 5:
                self.fetch(who, detail)
            case 6 | 7:
                if broker.up:
                    cluster.flush(who)
            case 8:
                self.progress(who, detail)
            case 9:
                self.deliver(detail)
            case 10 | 11:
                self.alter(detail)
            case 12:
                self.elect(detail)
            case 13:
                if broker.up and sum(b.up for b in cluster.brokers.values()) > 1 and detail % 2:
                    self.crash(who)
                elif not broker.up:
                    self.restart(who)
            case 14:
                if broker.up and who in self.deaf:
                    self.hear(who)
            case 15:
                cluster.advance(detail * 100)

    def produce(self, who: int, detail: int) -> None:
        if not self.cluster.brokers[who].up or self.cluster.brokers[who].replica.leading is None:
            return
        if detail % 4 == 3 and self.values:
            # A retry of an idempotent batch, sent to the present leader.
            back = min(detail % 3, self.sequence - 1)
            if back >= 0:
                sequence = self.sequence - 1 - back
                self.cluster.produce(f"p{sequence}", at=who, pid=7, seq=sequence)
            return
        if detail % 4 == 2:
            self.cluster.produce(f"p{self.sequence}", at=who, pid=7, seq=self.sequence)
            self.sequence += 1
            return
        self.values += 1
        self.cluster.produce(f"v{self.values}", at=who, acks=Acks.ALL if detail % 4 else Acks.LEADER)

    def fetch(self, who: int, detail: int) -> None:
        cluster = self.cluster
        asked = cluster.ask(who)
        if not cluster.brokers[who].up or asked is None:
            return
        leader = cluster.brokers[who].replica.view.leader
        if not cluster.brokers[leader].up:
            return
        answer = cluster.serve(leader, who, asked)
        if detail % 4 == 0:
            self.in_flight.append((who, cluster.brokers[who].broker_epoch, asked, answer))
        elif detail % 4 != 1:
            cluster.brokers[who].replica.fetched(cluster.now, asked, answer)
            cluster.carry_out(who)

    def deliver(self, detail: int) -> None:
        """Something late arrives."""
        cluster = self.cluster
        if detail % 2 and self.in_flight:
            who, epoch, asked, answer = self.in_flight.pop(detail % len(self.in_flight))
            if cluster.brokers[who].up and cluster.brokers[who].broker_epoch == epoch:
                cluster.brokers[who].replica.fetched(cluster.now, asked, answer)
                cluster.carry_out(who)
        elif self.progresses:
            leader, who, broker_epoch, epoch, end = self.progresses.pop(detail % len(self.progresses))
            if cluster.brokers[leader].up:
                cluster.brokers[leader].replica.progress(cluster.now, who, broker_epoch, epoch, end)
                cluster.carry_out(leader)

    def progress(self, who: int, detail: int) -> None:
        broker = self.cluster.brokers[who]
        following = broker.replica.following
        if not broker.up or following is None or not following.verified:
            return
        self.progresses.append(
            (following.leader, who, broker.broker_epoch, following.epoch, broker.replica.log.counted_end)
        )
        if detail % 3:
            self.deliver(0)

    def alter(self, detail: int) -> None:
        cluster = self.cluster
        if detail % 5 == 4 and self.old_alters:
            # A copy of an old proposal arrives late; compare-and-set decides.
            cluster.alters.insert(0, self.old_alters[detail % len(self.old_alters)])
        if not cluster.alters:
            return
        self.old_alters.append(cluster.alters[0])
        leader = cluster.state.leader
        if leader >= 0 and not cluster.brokers[leader].up:
            return
        before = cluster.state.partition_epoch
        if detail % 5 == 3:
            cluster.alter("lose")
        else:
            cluster.alter("IneligibleReplica" if detail % 5 == 2 else "ok")
        if cluster.state.partition_epoch != before:
            self.deaf.difference_update(cluster.ids)

    def elect(self, detail: int) -> None:
        cluster = self.cluster
        candidates = [b for b in cluster.state.isr if cluster.brokers[b].up]
        if not candidates:
            return
        leader = candidates[detail % len(candidates)]
        isr = tuple(b for b in cluster.state.isr if cluster.brokers[b].up)
        old = cluster.state.leader
        listeners = tuple(b for b in cluster.ids if b == leader or (detail >> b) % 2)
        for broker_id in cluster.ids:
            if broker_id not in listeners:
                self.deaf.add(broker_id)
        if old >= 0 and old not in listeners:
            cluster.brokers[old].lease = False
        cluster.elect(leader, cluster.state.leader_epoch + 1, isr, to=listeners)
        for broker_id in listeners:
            self.deaf.discard(broker_id)
            cluster.brokers[broker_id].lease = True

    def hear(self, who: int) -> None:
        cluster = self.cluster
        self.deaf.discard(who)
        cluster.brokers[who].replica.become(cluster.now, cluster.state, may_lead=True)
        cluster.brokers[who].lease = True
        cluster.carry_out(who)

    def crash(self, who: int) -> None:
        """Fenced, out of the ISR unless it is the last member, leader of nothing."""
        cluster = self.cluster
        cluster.crash(who)
        state = cluster.state
        isr = tuple(b for b in state.isr if b != who) or state.isr
        leads = state.leader == who
        cluster.views[who] = cluster.views[who]._replace(eligible=False)
        state = state._replace(
            leader=-1 if leads else state.leader,
            leader_epoch=state.leader_epoch + leads,
            partition_epoch=state.partition_epoch + 1,
            isr=isr,
        )
        cluster.commit(state)
        self.deaf.clear()
        self._leases()

    def restart(self, who: int) -> None:
        self.cluster.restart(who)
        self.deaf.discard(who)
        self.cluster.brokers[who].lease = True

    def _leases(self) -> None:
        for broker in self.cluster.brokers.values():
            broker.lease = True

    def heal(self) -> None:
        """Everything comes back: the logs become one, the ISR whole, and writes go through (I-LIV-5)."""
        cluster = self.cluster
        for broker_id, broker in cluster.brokers.items():
            if not broker.up:
                self.restart(broker_id)
        cluster.alters.clear()
        self.deaf.clear()
        self._leases()
        leader = cluster.state.isr[0]
        cluster.elect(leader, cluster.state.leader_epoch + 1, cluster.state.isr)
        for _ in range(40):
            for broker_id in cluster.ids:
                cluster.flush(broker_id)
                if broker_id != leader:
                    cluster.fetch(broker_id)
                    cluster.flush(broker_id)
                    cluster.fetch(broker_id)
            cluster.advance(50)
            while cluster.alters:
                cluster.alter("ok")
            cluster.check_logs()
        assert set(cluster.state.isr) == set(cluster.ids), f"the ISR stays {cluster.state.isr}"
        request = cluster.produce("last")
        cluster.flush(leader)
        for broker_id in cluster.ids:
            for _ in range(2):
                cluster.fetch(broker_id)
                cluster.flush(broker_id)
                cluster.fetch(broker_id)
        assert request in cluster.acked, "a whole cluster does not acknowledge"
        for _ in range(2):
            for broker_id in cluster.ids:
                cluster.fetch(broker_id)
        logs = [cluster.brokers[broker_id].disk.replay()[0] for broker_id in cluster.ids]
        assert logs[0] == logs[1] == logs[2]
        sequences = [batch.base_sequence for batch in logs[0] if batch.producer_id == 7]
        assert sequences == sorted(set(sequences)), f"an idempotent producer's batches: {sequences}"
        cluster.check_logs()


def random_steps(seed: int, count: int = 150) -> list[Step]:
    rng = Random(seed)
    return [(rng.randrange(16), rng.randrange(3), rng.randrange(64)) for _ in range(count)]
