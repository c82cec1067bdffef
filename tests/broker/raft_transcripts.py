"""Reads and runs the transcripts in ``testdata/raft``: a story of a few commands, and what the replicas did.

A block is comment lines, commands, ``----``, and the output up to an empty line. Commands:

    cluster 3 | cluster 3 empty          formatted replicas of one cluster without a leader | with empty disks
    campaign 1 | deadline 1              1 asks for pre-votes now | its next timer fires now
    deliver [1->2] | drop [1->2]         the messages on their way (of one link)
    flush 1 [2]                          its disk catches up | with its first two writes
    settle                               deliver and flush until nothing moves; no time passes
    advance 700ms                        time passes on a good network; only what changes is printed
    isolate 1 [2] | cut 1->2 | heal      messages sent over a cut link are lost
    crash 1 | restart 1 | wipe 1 | corrupt 1
    propose 1 x | transfer 1 2 | suspect 2 1 | compact 1 | round 1
    state | log                          every replica in a line

Indices are written ``index/term``. A replica is its broker id; the letter behind it is its disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from raft_cluster import MS, Node, Packet, RaftCluster

from skerry_broker.core.peer_messages import (
    AppendReply,
    AppendRequest,
    Identify,
    Identity,
    JoinRequest,
    SnapshotRequest,
    TimeoutNow,
    VoteReply,
    VoteRequest,
)
from skerry_broker.core.records import Entry, Founded, NoOp, TopicDeleted, VotersChanged
from skerry_broker.core.types import Voter


@dataclass
class Block:
    comments: list[str]
    commands: list[str]
    output: list[str]


def parse(path: Path) -> list[Block]:
    blocks: list[Block] = []
    block = Block([], [], [])
    part = block.commands
    for line in path.read_text(encoding="utf-8").splitlines():
        if part is not block.output and (line.startswith("#") or (not line and not block.commands)):
            block.comments.append(line)
        elif line == "----":
            part = block.output
        elif not line and part is block.output:
            blocks.append(block)
            block = Block([], [], [])
            part = block.commands
        else:
            part.append(line)
    if block.commands:
        blocks.append(block)
    return blocks


def render(blocks: list[Block]) -> str:
    lines: list[str] = []
    for block in blocks:
        lines += [*block.comments, *block.commands, "----", *block.output, ""]
    return "\n".join(lines)


def shown_voters(voters: tuple[Voter, ...]) -> str:
    return " ".join(f"{voter.broker_id}{voter.directory_id}" for voter in voters)


def shown_entry(entry: Entry) -> str:
    parts = []
    for record in entry.records:
        if isinstance(record, NoOp):
            parts.append("no-op")
        elif isinstance(record, TopicDeleted):
            parts.append(record.topic)
        elif isinstance(record, (Founded, VotersChanged)):
            parts.append(f"voters {shown_voters(record.voters)}")
    return f"{entry.index}/{entry.term} {', '.join(parts)}"


def shown_packet(packet: Packet) -> str:
    return f"{packet.sender}->{packet.destination} {shown_message(packet.message)}"


def shown_message(message: object) -> str:
    match message:
        case VoteRequest(term, index, last_term, pre, transfer):
            kind = "PreVote?" if pre else "Vote?"
            return f"{kind} term {term}, log ends {index}/{last_term}{', transfer' if transfer else ''}"
        case VoteReply(term, granted, pre):
            return f"{'PreVote' if pre else 'Vote'} {'yes' if granted else 'no'}, term {term}"
        case AppendRequest(term, index, prev_term, commit, round_, entries):
            what = f" [{'; '.join(map(shown_entry, entries))}]" if entries else ""
            return f"Append term {term} after {index}/{prev_term} commit {commit} round {round_}{what}"
        case AppendReply(term, success, index, round_, hint_term, counts):
            said = f"have {index}" if success else f"differ, try {index}/{hint_term}"
            return f"Appended term {term} {said} round {round_}{'' if counts else ', do not count me'}"
        case SnapshotRequest(term, index, last_term, voters, _, round_):
            return f"Snapshot term {term} up to {index}/{last_term} voters {shown_voters(voters)} round {round_}"
        case TimeoutNow(term):
            return f"TimeoutNow term {term}"
        case Identify(cluster_id):
            return f"Identify, I am of {cluster_id and 'the cluster'}"
        case Identity(cluster_id, voters, leader):
            leads = f", leader {leader.broker_id}" if leader else ""
            return f"Identity {cluster_id and 'the cluster'}, voters {shown_voters(voters) or 'none'}{leads}"
        case JoinRequest():
            return "Join"
    return str(message)


class Interpreter:
    def __init__(self) -> None:
        self.cluster: RaftCluster
        self.out: list[str] = []
        self.shown: dict[int, str] = {}

    def run(self, command: str) -> list[str]:
        self.out = []
        verb, *arguments = command.split()
        getattr(self, f"do_{verb}")(*arguments)
        return self.out

    # --- printing ---------------------------------------------------------------------------------------

    def summary(self, node: Node) -> str:
        if not node.alive:
            return "down"
        raft = node.raft
        leader = f", leader {raft.leader.broker_id}" if raft.leader else ""
        voters = "" if raft.voters == self.everybody() else f", voters {shown_voters(raft.voters) or 'none'}"
        return f"{raft.role} term {raft.term}, commit {raft.commit_index}{leader}{voters}"

    def everybody(self) -> tuple[Voter, ...]:
        return tuple(node.me for node in self.cluster.nodes.values())

    def changes(self, stamp: str = "") -> None:
        """Print every replica whose summary is not what was printed last."""
        for node in self.cluster.nodes.values():
            summary = self.summary(node)
            if self.shown.get(node.broker_id) != summary:
                self.shown[node.broker_id] = summary
                self.out.append(f"{stamp}{node.broker_id}: {summary}")

    def sent_since(self, before: list[Packet]) -> None:
        for packet in self.cluster.packets:
            if not any(packet is old for old in before):
                self.out.append(f"  sends {shown_packet(packet)}")

    def node(self, broker_id: str) -> Node:
        return self.cluster.nodes[int(broker_id)]

    # --- verbs ------------------------------------------------------------------------------------------

    def do_cluster(self, size: str, empty: str = "") -> None:
        self.cluster = RaftCluster(int(size), seed=1, formatted=not empty)
        self.shown = {}
        self.changes()

    def do_campaign(self, broker_id: str) -> None:
        node = self.node(broker_id)
        before = list(self.cluster.packets)
        node.raft.ask_for_pre_votes(self.cluster.now)
        self.cluster.absorb(node)
        self.changes()
        self.sent_since(before)

    def do_deadline(self, broker_id: str) -> None:
        node = self.node(broker_id)
        before = list(self.cluster.packets)
        self.cluster.now = max(self.cluster.now, node.raft.next_deadline)
        self.cluster.tick(node)
        self.changes()
        self.sent_since(before)

    def taken(self, link: str) -> list[Packet]:
        chosen = [p for p in self.cluster.packets if not link or link == f"{p.sender}->{p.destination}"]
        self.cluster.packets = [p for p in self.cluster.packets if not any(p is other for other in chosen)]
        return chosen

    def do_deliver(self, link: str = "") -> None:
        for packet in self.taken(link):
            self.out.append(shown_packet(packet))
            before = list(self.cluster.packets)
            self.cluster.deliver(packet)
            self.changes("  ")
            self.sent_since(before)

    def do_drop(self, link: str = "") -> None:
        for packet in self.taken(link):
            self.out.append(f"lost {shown_packet(packet)}")

    def do_flush(self, broker_id: str, writes: str = "") -> None:
        before = list(self.cluster.packets)
        self.cluster.flush(self.node(broker_id), int(writes) if writes else None)
        self.changes()
        self.sent_since(before)

    def do_settle(self) -> None:
        for _ in range(1000):
            for node in self.cluster.alive():
                if node.disk.queue:
                    before = list(self.cluster.packets)
                    self.out.append(f"{node.broker_id} flushes")
                    self.cluster.flush(node)
                    self.changes("  ")
                    self.sent_since(before)
            if not self.cluster.packets:
                return
            self.do_deliver()

    def do_advance(self, duration: str) -> None:
        start = self.cluster.now
        milliseconds = int(duration.removesuffix("ms"))
        self.cluster.advance(milliseconds, lambda: self.changes(f"+{(self.cluster.now - start) // MS} ms "))

    def do_isolate(self, *broker_ids: str) -> None:
        self.cluster.isolate(*map(int, broker_ids))
        self.cluster.packets = [p for p in self.cluster.packets if (p.sender, p.destination) not in self.cluster.cut]

    def do_cut(self, link: str) -> None:
        sender, destination = link.split("->")
        self.cluster.cut.add((int(sender), int(destination)))

    def do_heal(self) -> None:
        self.cluster.cut.clear()

    def do_crash(self, broker_id: str) -> None:
        node = self.node(broker_id)
        lost = len(node.disk.queue)
        self.cluster.crash(node)
        if lost:
            self.out.append(f"{lost} writes were not durable and are lost")
        self.changes()

    def do_restart(self, broker_id: str) -> None:
        self.node(broker_id).start()
        self.changes()

    def do_wipe(self, broker_id: str) -> None:
        self.cluster.wipe(self.node(broker_id))
        self.node(broker_id).start()
        self.changes()

    def do_corrupt(self, broker_id: str) -> None:
        node = self.node(broker_id)
        self.cluster.crash(node)
        node.disk.intact = False
        node.start()
        self.changes()

    def do_propose(self, broker_id: str, value: str) -> None:
        before = list(self.cluster.packets)
        index = self.cluster.propose(self.node(broker_id), value)
        self.out.append("refused" if index is None else f"at index {index}")
        self.sent_since(before)

    def do_transfer(self, broker_id: str, successor: str) -> None:
        node = self.node(broker_id)
        before = list(self.cluster.packets)
        accepted = node.raft.transfer(self.cluster.now, int(successor))
        self.cluster.absorb(node)
        self.out.append("begun" if accepted else "refused")
        self.sent_since(before)

    def do_suspect(self, broker_id: str, suspected: str) -> None:
        node = self.node(broker_id)
        node.raft.suspect(self.cluster.now, int(suspected))
        self.cluster.absorb(node)

    def do_compact(self, broker_id: str) -> None:
        node = self.node(broker_id)
        self.cluster.compact(node)
        self.out.append(f"snapshot at {node.raft.snapshot_index}")

    def do_round(self, broker_id: str) -> None:
        raft = self.node(broker_id).raft
        self.out.append(f"asked for round {raft.begin_round(self.cluster.now)}; confirmed: {raft.confirmed_round}")

    def do_state(self) -> None:
        self.shown = {}
        self.changes()

    def do_log(self) -> None:
        for node in self.cluster.nodes.values():
            log = node.raft._state.log
            parts = [f"snapshot {log.snapshot_index}/{log.snapshot_term}"] if log.snapshot else []
            parts += map(shown_entry, log.slice(log.snapshot_index + 1, 1000))
            durable = node.raft._state.durable_index
            tail = "" if durable == log.last_index else f" (durable up to {durable})"
            self.out.append(f"{node.broker_id}: {'; '.join(parts) or 'empty'}{tail}")


def execute(blocks: list[Block]) -> list[Block]:
    """The same blocks with what really happened."""
    interpreter = Interpreter()
    result = []
    for block in blocks:
        output: list[str] = []
        for command in block.commands:
            if len(block.commands) > 1:
                output.append(f"> {command}")
            output += interpreter.run(command)
        result.append(Block(block.comments, block.commands, output or ["ok"]))
    return result
