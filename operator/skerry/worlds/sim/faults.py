"""Carries out the steps of a plan on a running cluster, and undoes all of them in the end."""

from __future__ import annotations

from collections.abc import Callable

from skerry.history.records import FaultEvent, FaultStep
from skerry.worlds.sim.clients import SimClient
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.invariants.truth import Truth
from skerry.worlds.sim.liveness import controller_of, statuses, why_not_whole
from skerry.worlds.sim.node_host import DiskSpeed
from skerry.worlds.sim.plan import CONTROLLER, LEADER, Step, Verb
from skerry.worlds.sim.recorder import Recorder
from skerry.worlds.sim.scheduler import NS_PER_S
from skerry_broker.core.api import ClientRequest, ElectLeaderRequest, TransferControllerRequest
from skerry_broker.core.client import ClientConfig, Operation
from skerry_broker.core.types import TopicPartition

RESTART_AFTER_NS = NS_PER_S
"""A process that ended by itself is started again, as a supervisor would."""
MOVE_TIMEOUT_MS = 2000


class Faults:
    def __init__(self, cluster: Cluster, truth: Truth, recorder: Recorder, topic: str) -> None:
        self._cluster = cluster
        self._truth = truth
        self._recorder = recorder
        self._topic = topic
        self._victims: dict[str, int] = {}
        """By the name of the fault: whom it hit, when the plan said only a role."""
        self._movers: list[SimClient] = []
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
        if not self._truth.lost_disks:
            self._cluster.power_cut(self._resolve(step), lose_all=not step.keep_all)

    def _kill_all(self, step: Step) -> None:
        for broker_id in self._cluster.broker_ids:
            self._cluster.kill(broker_id, keep_all=step.keep_all)
        self._start_all()

    def _power_cut_all(self, step: Step) -> None:
        if self._truth.lost_disks:
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
        partitions = len(self._truth.partitions)
        if self._wiped or why_not_whole(self._cluster, self._topic, partitions):
            return
        self._wiped = True
        victim = self._resolve(step)
        self._cluster.wipe(victim)
        self._truth.lost_disks[victim] = self._cluster.hosts[victim].disk.directory_id
        now_ns = self._cluster.now_ns
        self._recorder.add(FaultEvent("wipe", 0, FaultStep.EFFECTIVE, now_ns, now_ns, kind="wipe", groups=((victim,),)))

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

    def _move(self, step: Step, request: ClientRequest) -> None:
        client = self._recorder.hub.client(ClientConfig(), f"mover {step.at_ns}")
        self._movers.append(client)
        client.submit(Operation(request, delivery_timeout_ms=MOVE_TIMEOUT_MS), lambda result: None)

    @property
    def moving(self) -> bool:
        """Somebody still asks for a leader to be moved; that changes terms and epochs with nothing broken."""
        return not all(mover.idle for mover in self._movers)
