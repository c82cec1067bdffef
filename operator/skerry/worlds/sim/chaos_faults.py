"""Carries out the steps of a plan on a running cluster, and undoes all of them in the end."""

from __future__ import annotations

from collections.abc import Callable

from skerry.history.records import FaultEvent, FaultStep
from skerry.worlds.sim.clients import SimClient
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.invariants.truth import Truth
from skerry.worlds.sim.liveness import controller_of, statuses, why_not_whole
from skerry.worlds.sim.log_clients import pack
from skerry.worlds.sim.node_host import DiskSpeed
from skerry.worlds.sim.plan import CONTROLLER, LEADER, Step, Verb
from skerry.worlds.sim.recording import Recording
from skerry.worlds.sim.scheduler import NS_PER_MS, NS_PER_S
from skerry_broker.core.api import (
    ClientRequest,
    CreateTopicRequest,
    DeleteTopicRequest,
    ElectLeaderRequest,
    ProduceRequest,
    TransferControllerRequest,
)
from skerry_broker.core.client import ClientConfig, Operation
from skerry_broker.core.types import Acks, Batch, TopicPartition

RESTART_AFTER_NS = NS_PER_S
"""A process that ended by itself is started again, as a supervisor would."""
MOVE_TIMEOUT_MS = 2000
EXTRA_TOPIC = "extra"
EXTRA_VALUE = 1 << 60
EXTRA_EVERY_NS = 50 * NS_PER_MS


class Faults:
    def __init__(self, cluster: Cluster, truth: Truth, recording: Recording, topic: str) -> None:
        self._cluster = cluster
        self._truth = truth
        self._recording = recording
        self._topic = topic
        self._victims: dict[str, int] = {}
        """By the name of the fault: the broker that it hit, when the plan said only a role."""
        self._movers: list[SimClient] = []
        self._extra: SimClient | None = None
        self._wiped = False
        self.healed = False
        self._verbs: dict[Verb, Callable[[Step], None]] = {
            Verb.CUT: self._cut,
            Verb.SLOW: self._slow,
            Verb.HEAL: lambda step: cluster.heal(step.name),
            Verb.KILL: self._kill,
            Verb.POWER_CUT: self._power_cut,
            Verb.KILL_ALL: self._kill_all,
            Verb.POWER_CUT_ALL: self._power_cut_all,
            Verb.START: lambda step: cluster.start(self._resolve(step)),
            Verb.TERMINATE: lambda step: cluster.terminate(self._resolve(step)),
            Verb.WIPE: self._wipe,
            Verb.PAUSE: lambda step: cluster.pause(self._resolve(step)),
            Verb.RESUME: lambda step: cluster.resume(self._resolve(step)),
            Verb.FSYNC_ERROR: self._fsync_error,
            Verb.SLOW_DISK: self._slow_disk,
            Verb.JUMP: lambda step: cluster.jump_wall(self._resolve(step), step.amount),
            Verb.DRIFT: lambda step: cluster.set_drift(self._resolve(step), step.amount),
            Verb.ELECT: self._elect,
            Verb.TRANSFER: self._transfer,
            Verb.CORRUPT_LOG: self._corrupt_log,
            Verb.CORRUPT_RAFT: self._corrupt_raft,
            Verb.CREATE_TOPIC: self._create_topic,
            Verb.DELETE_TOPIC: self._delete_topic,
        }

    def carry_out(self, step: Step) -> None:
        if not self.healed:
            self._cluster.note(step)
            self._verbs[step.verb](step)

    def heal_everything(self) -> None:
        """Nothing is broken from here on; later steps of the plan do nothing."""
        self.healed = True
        cluster = self._cluster
        cluster.heal()
        for host in cluster.hosts:
            host.disk_speed = DiskSpeed()
            host.fail_next_sync = None
            if host.paused:
                cluster.resume(host.broker_id)
            cluster.start(host.broker_id)
        self._supervise(None)

    def _supervise(self, _: object) -> None:
        """What ended by itself is started again: a node that was shutting down, or whose disk had failed."""
        for host in self._cluster.hosts:
            if not host.running:
                self._cluster.start(host.broker_id)
            elif host.disk.logs_failed:
                self._cluster.kill(host.broker_id)
        self._cluster.scheduler.post(self._cluster.now_ns + RESTART_AFTER_NS, self._supervise)

    def _resolve(self, step: Step) -> int:
        """The broker of a step. The step that ends a fault gets the broker that its beginning got."""
        if step.name and step.name in self._victims:
            return self._victims[step.name]
        broker = step.around if step.around != -1 else step.broker
        if broker == CONTROLLER:
            broker = controller_of(statuses(self._cluster))
        elif broker == LEADER:
            state = self._truth.partitions.get(TopicPartition(self._topic, 0))
            broker = state.leader if state is not None else -1
        broker = max(broker, 0)
        if step.name:
            self._victims[step.name] = broker
        return broker

    # --- the network ----------------------------------------------------------------------------------------

    def _cut(self, step: Step) -> None:
        links = step.links
        if step.around != -1:
            victim = self._resolve(step)
            others = [broker_id for broker_id in self._cluster.broker_ids if broker_id != victim]
            links = tuple((victim, other) for other in others) + tuple((other, victim) for other in others)
        self._cluster.cut(step.name, links, step.planes, step.mode)

    def _slow(self, step: Step) -> None:
        self._cluster.slow(step.name, step.links, step.faults, step.planes)

    # --- processes and disks --------------------------------------------------------------------------------

    def _kill(self, step: Step) -> None:
        self._cluster.kill(self._resolve(step), keep_all=step.keep_all)

    def _power_cut(self, step: Step) -> None:
        if not self._truth.lost_disks and not self._truth.lost_votes:
            self._cluster.power_cut(self._resolve(step), lose_all=not step.keep_all)

    def _kill_all(self, step: Step) -> None:
        for broker_id in self._cluster.broker_ids:
            self._cluster.kill(broker_id, keep_all=step.keep_all)
        self._start_all()

    def _power_cut_all(self, step: Step) -> None:
        if self._truth.lost_disks or self._truth.lost_votes:
            return
        for broker_id in self._cluster.broker_ids:
            self._cluster.power_cut(broker_id, lose_all=not step.keep_all)
        self._start_all()

    def _start_all(self) -> None:
        for broker_id in self._cluster.broker_ids:
            delay_ns = (1 + broker_id) * NS_PER_S // 5
            self._cluster.scheduler.post(self._cluster.now_ns + delay_ns, self._cluster.start, broker_id)

    def _wipe(self, step: Step) -> None:
        """One disk, once, and only while every other copy is there: more is beyond what is promised."""
        if not self._may_lose_a_disk():
            return
        victim = self._resolve(step)
        self._cluster.wipe(victim)
        self._lost(victim, "wipe")

    def _corrupt_log(self, step: Step) -> None:
        """A bad block below the end of one partition's log: the next start finds it."""
        if not self._may_lose_a_disk():
            return
        victim = self._resolve(step)
        self._cluster.kill(victim)
        if self._cluster.hosts[victim].disk.flip_bit(TopicPartition(self._topic, 0)):
            self._lost(victim, "disk")

    def _corrupt_raft(self, step: Step) -> None:
        if not self._may_lose_a_disk():
            return
        victim = self._resolve(step)
        self._cluster.kill(victim)
        self._cluster.hosts[victim].disk.raft_corrupt = True
        self._wiped = True
        self._truth.lost_votes.add(victim)

    def _may_lose_a_disk(self) -> bool:
        return not self._wiped and not why_not_whole(self._cluster, self._topic, self._recording.partitions)

    def _lost(self, victim: int, kind: str) -> None:
        self._wiped = True
        self._truth.lose_disk(victim)
        now_ns = self._cluster.now_ns
        self._recording.add(FaultEvent(kind, 0, FaultStep.EFFECTIVE, now_ns, now_ns, kind=kind, groups=((victim,),)))

    def _fsync_error(self, step: Step) -> None:
        host = self._cluster.hosts[self._resolve(step)]
        if host.running:
            host.fail_next_sync = step.name

    def _slow_disk(self, step: Step) -> None:
        self._cluster.hosts[self._resolve(step)].disk_speed = DiskSpeed(200_000 + step.amount, 800_000 + step.amount)

    # --- moves ----------------------------------------------------------------------------------------------

    def _elect(self, step: Step) -> None:
        self._move(step, ElectLeaderRequest(self._topic, 0, step.broker, MOVE_TIMEOUT_MS))

    def _transfer(self, step: Step) -> None:
        self._move(step, TransferControllerRequest(step.broker, MOVE_TIMEOUT_MS))

    def _create_topic(self, step: Step) -> None:
        """Another topic, made and deleted again under one name, and written to meanwhile."""
        self._move(step, CreateTopicRequest(EXTRA_TOPIC, 2, 3, 2, timeout_ms=MOVE_TIMEOUT_MS))
        if self._extra is None:
            self._extra = self._recording.hub.client(ClientConfig(), "extra producer")
            self._write_extra(0)

    def _delete_topic(self, step: Step) -> None:
        self._move(step, DeleteTopicRequest(EXTRA_TOPIC, MOVE_TIMEOUT_MS))

    def _write_extra(self, number: int) -> None:
        """Not recorded: the history is about topics that stay. The invariants watch it all the same."""
        if self.healed or self._extra is None:
            return
        batch = Batch(0, -1, 2, pack(EXTRA_VALUE + 2 * number, 2))
        request = ProduceRequest(EXTRA_TOPIC, number % 2, batch, Acks.ALL, MOVE_TIMEOUT_MS)
        self._extra.submit(Operation(request, delivery_timeout_ms=MOVE_TIMEOUT_MS), lambda result: None)
        self._cluster.scheduler.post(self._cluster.now_ns + EXTRA_EVERY_NS, self._write_extra, number + 1)

    def _move(self, step: Step, request: ClientRequest) -> None:
        client = self._recording.hub.client(ClientConfig(), f"mover {step.at_ns}")
        self._movers.append(client)
        client.submit(Operation(request, delivery_timeout_ms=MOVE_TIMEOUT_MS), lambda result: None)

    @property
    def moving(self) -> bool:
        """Somebody still asks for a leader to be moved; that changes terms and epochs with nothing broken."""
        return not all(mover.idle for mover in self._movers)
