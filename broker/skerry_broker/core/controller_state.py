"""The controller's books: the view, the contacts, the vacancies, and the one way to change them, ``commit``."""

from __future__ import annotations

from collections.abc import Callable

from skerry_broker.core.api import DoneResponse, ErrorCode, ErrorResponse
from skerry_broker.core.contacts import MS, Contact
from skerry_broker.core.decisions import Knowledge
from skerry_broker.core.metadata import ClusterMetadata, PartitionState, PartitionUpdated
from skerry_broker.core.proposals import Proposals
from skerry_broker.core.records import PartitionChanged, Record
from skerry_broker.core.types import NO_BROKER, NodeConfig, TopicPartition
from skerry_broker.core.vacancies import GRACE_HEARTBEATS, Vacancies, Vacancy


class ControllerState:
    """``previous``: (broker id, last contact) of the controller before; for the failover metric only."""

    def __init__(
        self,
        config: NodeConfig,
        metadata: ClusterMetadata,
        proposals: Proposals,
        wall_ns: Callable[[int], int],
        now: int,
        elected_ns: int,
        previous: tuple[int, int] | None,
    ) -> None:
        self.config = config
        self.metadata = metadata
        """Applied, and applied by the node; ``view`` is ahead of it by what is in flight."""
        self.proposals = proposals
        self.view = proposals.view
        self.wall_ns = wall_ns
        self._previous = previous
        self.contacts: dict[int, Contact] = {}
        """By broker id; one for every broker of the view."""
        timing = config.timing
        # Heard at our election; but everybody had to find us first, however long our first entry took to commit.
        grace_ns = (timing.session_ms - GRACE_HEARTBEATS * timing.broker_heartbeat_ms) * MS
        in_sync = {member for state in self.view.partitions.values() for member in state.isr}
        for broker_id, broker in sorted(self.view.brokers.items()):
            contact = Contact(
                broker.broker_epoch,
                now,
                barrier=metadata.applied_index,
                watched=not broker.fenced or broker_id in in_sync,
                granted_ns=elected_ns,
            )
            contact.contact_ns = max(elected_ns, now - grace_ns)
            self.contacts[broker_id] = contact
        self.vacancies = Vacancies(self.view, self.contacts, config)
        for partition, state in sorted(self.view.partitions.items()):
            if state.leader == NO_BROKER:
                heard_ns = self._heard_ns(state.last_leader, now)
                vacancy = Vacancy(state.last_leader, metadata.applied_index, now, heard_ns, "isolation")
                self.vacancies.open(partition, vacancy)
        self.known = Knowledge(self.view, self.contacts, self.vacancies, timing, moves={})

    def commit(self, now: int, records: tuple[Record, ...]) -> int | None:
        """Propose one entry (nothing to say: no entry); None when nothing was proposed."""
        if not records:
            return None
        proposed = self.proposals.propose(now, records)
        if proposed is None:
            return None
        index, changes = proposed
        reasons = {record.partition: record.reason for record in records if isinstance(record, PartitionChanged)}
        for change in changes:
            if isinstance(change, PartitionUpdated):
                self._follow(now, index, change, reasons.get(change.partition, ""))
        return index

    def _follow(self, now: int, index: int, change: PartitionUpdated, reason: str) -> None:
        """Keep the vacancies as the view has them; answer and measure the election that this entry holds."""
        partition, previous, current = change
        old_leader = NO_BROKER if previous is None else previous.leader
        if current is not None and current.leader == NO_BROKER:
            if old_leader != NO_BROKER:
                heard_ns = self._heard_ns(old_leader, now)
                self.vacancies.open(partition, Vacancy(old_leader, index, now, heard_ns, reason))
            return
        vacancy = self.vacancies.close(partition)
        if vacancy is not None:
            self._answer_waiters(index, partition, current, vacancy)
            if vacancy.old_leader != NO_BROKER and current is not None:
                self.proposals.observe_failover(index, vacancy.reason, vacancy.heard_ns)
        elif current is not None and old_leader not in (NO_BROKER, current.leader):
            self.proposals.observe_failover(index, reason, self._heard_ns(old_leader, now))

    def _answer_waiters(
        self, index: int, partition: TopicPartition, current: PartitionState | None, vacancy: Vacancy
    ) -> None:
        response: DoneResponse | ErrorResponse = DoneResponse()
        if current is None:
            response = unknown_topic(str(partition))
        elif current.leader != vacancy.wanted:
            message = f"broker {vacancy.wanted} left the ISR of {partition} meanwhile; broker {current.leader} leads"
            response = ErrorResponse(ErrorCode.NOT_ENOUGH_REPLICAS, message)
        for request_id in vacancy.waiters:
            self.proposals.answer_client(index, request_id, response)

    def _heard_ns(self, broker_id: int, now: int) -> int:
        """The last contact with a broker, as far as this node knows; for metrics only."""
        contact = self.contacts.get(broker_id)
        if self._previous is not None and self._previous[0] == broker_id and (contact is None or not contact.sequence):
            return self._previous[1]
        return now if contact is None else contact.contact_ns

    def next_expiry(self, now: int, at_most: int) -> int:
        """When the next session may end: at the exact moment, for each tenth of a second here is one of a failover."""
        session_ns = self.config.timing.session_ms * MS
        for contact in self.contacts.values():
            expiry = contact.contact_ns + session_ns
            if contact.watched and now < expiry < at_most:
                at_most = expiry
        return at_most

    def fill_vacancies(self, now: int) -> None:
        """Elect wherever the old leader has surely stopped and somebody is eligible: one entry."""
        if self.vacancies:
            self.commit(now, self.vacancies.fillable(now, self.known.electable, self.wall_ns(now)))


def unknown_topic(name: str) -> ErrorResponse:
    return ErrorResponse(ErrorCode.UNKNOWN_TOPIC, f"{name} does not exist")
