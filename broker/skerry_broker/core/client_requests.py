"""Client requests that only the controller answers: topics, producer ids, moving a leader.

A refusal is answered at once and is definite. Everything else is answered when its entry is applied; by TIMED_OUT or
LEADERSHIP_LOST, both of unknown outcome, when it was proposed and we cannot see it committed.
"""

from __future__ import annotations

from skerry_broker.core import decisions, topics
from skerry_broker.core.api import (
    CreateTopicRequest,
    DeleteTopicRequest,
    DoneResponse,
    ElectLeaderRequest,
    ErrorCode,
    ErrorResponse,
    InitProducerRequest,
    InitProducerResponse,
    TopicCreatedResponse,
)
from skerry_broker.core.ledger import Ledger, unknown_topic
from skerry_broker.core.records import ProducerIdsReserved, TopicDeleted
from skerry_broker.core.types import NO_BROKER, Rng, TopicPartition


def create_topic(ledger: Ledger, rng: Rng, now: int, request_id: int, request: CreateTopicRequest) -> None:
    ledger.proposals.request(now, request_id, request.timeout_ms)
    broker_count = len(set(ledger.config.voter_ids) | set(ledger.view.brokers))
    refusal = topics.refusal(ledger.view, request, broker_count)
    if refusal is not None:
        ledger.proposals.reply(request_id, refusal)
        return
    topic_id = f"{rng.randrange(0, 1 << 128):032x}"
    records = topics.creation(ledger.view, request, topic_id, ledger.wall_ns(now))
    _answer_when_applied(ledger, ledger.commit(now, records), request_id, TopicCreatedResponse(topic_id))


def delete_topic(ledger: Ledger, now: int, request_id: int, request: DeleteTopicRequest) -> None:
    ledger.proposals.request(now, request_id, request.timeout_ms)
    topic = ledger.view.topics.get(request.topic)
    if topic is None:
        ledger.proposals.reply(request_id, unknown_topic(request.topic))
        return
    index = ledger.commit(now, (TopicDeleted(topic.topic, topic.topic_id),))
    _answer_when_applied(ledger, index, request_id, DoneResponse())


def init_producer(ledger: Ledger, now: int, request_id: int, request: InitProducerRequest) -> None:
    ledger.proposals.request(now, request_id, request.timeout_ms)
    producer_id = ledger.view.next_producer_id
    index = ledger.commit(now, (ProducerIdsReserved(producer_id + 1),))
    _answer_when_applied(ledger, index, request_id, InitProducerResponse(producer_id, 0))


def elect_leader(ledger: Ledger, now: int, request_id: int, request: ElectLeaderRequest) -> None:
    """Move leadership to an in-sync replica, in two steps; answered when the successor is committed."""
    ledger.proposals.request(now, request_id, request.timeout_ms)
    partition = TopicPartition(request.topic, request.partition)
    state = ledger.view.partitions.get(partition)
    wanted = request.broker_id
    if state is None:
        ledger.proposals.reply(request_id, unknown_topic(str(partition)))
        return
    if wanted not in state.replicas:
        message = f"broker {wanted} holds no replica of {partition}; its replicas are {list(state.replicas)}"
        ledger.proposals.reply(request_id, ErrorResponse(ErrorCode.INVALID_REQUEST, message))
        return
    if wanted not in state.isr or not ledger.known.electable(wanted):
        message = f"broker {wanted} is not in sync for {partition}; in sync are {list(state.isr)}: try again later"
        ledger.proposals.reply(request_id, ErrorResponse(ErrorCode.NOT_ENOUGH_REPLICAS, message))
        return
    if state.leader == wanted:
        # Perhaps only proposed: the answer waits for whatever is in flight.
        ledger.proposals.answer_after_all(request_id, DoneResponse())
        return
    if state.leader != NO_BROKER:
        step_one = decisions.deposition(ledger.known, ledger.wall_ns(now), partition, "preferred")
        if step_one is None or ledger.commit(now, (step_one,)) is None:
            ledger.proposals.reply(request_id, _not_controller())
            return
    vacancy = ledger.vacancies.get(partition)
    if vacancy is None or vacancy.wanted not in (NO_BROKER, wanted):
        message = f"the leadership of {partition} is moving to another broker already; try again"
        ledger.proposals.reply(request_id, ErrorResponse(ErrorCode.OVERLOADED, message))
        return
    vacancy.wanted = wanted
    vacancy.waiters.append(request_id)
    ledger.fill_vacancies(now)


def _answer_when_applied(
    ledger: Ledger,
    index: int | None,
    request_id: int,
    response: TopicCreatedResponse | DoneResponse | InitProducerResponse,
) -> None:
    if index is None:
        ledger.proposals.reply(request_id, _not_controller())
    else:
        ledger.proposals.answer_client(index, request_id, response)


def _not_controller() -> ErrorResponse:
    return ErrorResponse(ErrorCode.NOT_CONTROLLER, "this broker is the controller no more; nothing was changed")
