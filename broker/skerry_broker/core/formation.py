"""How replicas find each other before there is a leader: founding, adopting a cluster, coming back with an empty disk.

An **unformatted** replica belongs to no cluster. It asks all configured voters who they are, and:

* the founder (the lowest configured voter id) founds a cluster when *all* others answered lately that they are
  unformatted, too. It learns their directory ids that way, and writes the entry ``Founded`` of term 1 with them. It
  then asks for votes like any other voter, in term 2: nobody leads term 1.
* any other answer names a cluster. The replica adopts it: it binds its disk to it, and only when that is durable does
  it vote or take entries. Until then it ignores every message of Raft.

Both are one rule for founding voters and for a wiped broker: a replica that adopts has an empty log and a directory
id that never voted, so nothing it gave its word for is missing. Its votes count only where its *new* identity is a
voter. If it is none, it is an **observer**: it asks the leader to feed it and to let it vote (`membership`).

Order on disk of the founder: vote, entry, format. A crash before the last leaves an unformatted disk with an entry
that nobody has heard of; the next founding or adoption overwrites it. Known limit: a founder that loses its disk
after the others adopted its cluster, but before one of them has the first entry, leaves a cluster that nobody can
lead; nothing was ever written to it, and wiping the other disks is the way out.
"""

from __future__ import annotations

from skerry_broker.core.messages import FormatDisk
from skerry_broker.core.peer_messages import Identify, Identity, JoinRequest
from skerry_broker.core.raft_state import RaftState
from skerry_broker.core.records import Entry, Founded
from skerry_broker.core.types import Voter

FOUNDING_TERM = 1


class Formation:
    __slots__ = ("_answers", "_formatting", "_state", "cluster_id", "founded")

    def __init__(self, state: RaftState, cluster_id: str | None) -> None:
        self._state = state
        self.cluster_id = cluster_id
        """None: unformatted. Set only when the format is durable."""
        self.founded = False
        """This process founded the cluster."""
        self._formatting: tuple[int, str] | None = None
        self._answers: dict[int, tuple[int, Voter, Identity]] = {}
        """The last answer of each broker, and when it came."""

    def others(self) -> list[int]:
        me = self._state.me.broker_id
        return [broker_id for broker_id in sorted(self._state.config.voter_ids) if broker_id != me]

    def ask(self, now: int, leader: Voter | None) -> None:
        """Once per interval while unformatted or no voter: ask around, found if that is due, or ask to be fed."""
        state = self._state
        if self.cluster_id is not None and leader is not None:
            state.out.send(leader.broker_id, JoinRequest(self.cluster_id))
            return
        if state.mute and self.cluster_id is None:
            return  # neither empty nor a member: only a wipe helps
        if self._may_found(now):
            self._found()
        elif self._formatting is None:
            for broker_id in self.others():
                state.out.send(broker_id, Identify(self.cluster_id))

    def _may_found(self, now: int) -> bool:
        state = self._state
        if self.cluster_id is not None or self._formatting is not None:
            return False
        if state.me.broker_id != min(state.config.voter_ids):
            return False
        oldest = now - state.election_ns_max
        for broker_id in self.others():
            answer = self._answers.get(broker_id)
            if answer is None or answer[0] < oldest or answer[2].cluster_id is not None:
                return False
        return True

    def _found(self) -> None:
        state = self._state
        cluster_id = f"{state.rng.randrange(0, 1 << 128):032x}"
        voters = tuple(sorted([state.me, *(self._answers[broker_id][1] for broker_id in self.others())]))
        state.save_hard_state(FOUNDING_TERM, state.me)
        entry = Entry(1, FOUNDING_TERM, (Founded(cluster_id, voters),))
        state.append((entry,), 1 if state.log.last_index else None)
        self.founded = True
        self._format(cluster_id)

    def _format(self, cluster_id: str) -> None:
        write_id = self._state.out.next_write_id()
        self._formatting = (write_id, cluster_id)
        self._state.out.put(FormatDisk(write_id, cluster_id))

    def asked(self, source: Voter, leader: Voter | None) -> None:
        """Answer who we are; while the format is on its way to the disk neither answer would be true."""
        state = self._state
        if self._formatting is None and (self.cluster_id is not None or not state.mute):
            state.out.send(source.broker_id, Identity(self.cluster_id, state.voters.voters, leader))

    def answered(self, now: int, source: Voter, identity: Identity) -> None:
        state = self._state
        if self.cluster_id is not None:
            leader = identity.leader
            observing = state.me not in state.voters.voters
            if (
                observing
                and identity.cluster_id == self.cluster_id
                and leader
                and leader.broker_id != state.me.broker_id
            ):
                state.out.send(leader.broker_id, JoinRequest(self.cluster_id))
            return
        self._answers[source.broker_id] = (now, source, identity)
        if identity.cluster_id is None or self._formatting is not None or state.mute:
            return
        oldest = now - state.election_ns_max
        for at, _, other in self._answers.values():
            if at >= oldest and other.cluster_id not in (None, identity.cluster_id):
                return  # two clusters answer: a mistake of configuration that no replica can settle
        if state.log.last_index:  # an interrupted founding that nobody has heard of
            state.append((), 1)
        self._format(identity.cluster_id)

    def flushed(self) -> bool:
        """Whether the disk has just become formatted."""
        if self._formatting is None or self._formatting[0] > self._state.flushed_id:
            return False
        self.cluster_id = self._formatting[1]
        self._formatting = None
        self._answers.clear()
        return True

    def announce(self) -> None:
        """The founder tells the others, who need not ask again to learn it."""
        for broker_id in self.others():
            self._state.out.send(broker_id, Identity(self.cluster_id, self._state.voters.voters, None))
