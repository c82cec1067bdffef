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
from skerry_broker.core.controller_state import ControllerState, unknown_topic
from skerry_broker.core.records import ProducerIdsReserved, TopicDeleted
from skerry_broker.core.types import NO_BROKER, Rng, TopicPartition


def create_topic(control: ControllerState, rng: Rng, now: int, request_id: int, request: CreateTopicRequest) -> None:
    control.proposals.request(now, request_id, request.timeout_ms)
    broker_count = len(set(control.config.voter_ids) | set(control.view.brokers))
    refusal = topics.refusal(control.view, request, broker_count)
    if refusal is not None:
        control.proposals.reply(request_id, refusal)
        return
    topic_id = f"{rng.randrange(0, 1 << 128):032x}"
    records = topics.creation(control.view, request, topic_id, control.wall_ns(now))
    _answer_when_applied(control, control.commit(now, records), request_id, TopicCreatedResponse(topic_id))


def delete_topic(control: ControllerState, now: int, request_id: int, request: DeleteTopicRequest) -> None:
    control.proposals.request(now, request_id, request.timeout_ms)
    topic = control.view.topics.get(request.topic)
    if topic is None:
        control.proposals.reply(request_id, unknown_topic(request.topic))
        return
    index = control.commit(now, (TopicDeleted(topic.topic, topic.topic_id),))
    _answer_when_applied(control, index, request_id, DoneResponse())


def init_producer(control: ControllerState, now: int, request_id: int, request: InitProducerRequest) -> None:
    control.proposals.request(now, request_id, request.timeout_ms)
    producer_id = control.view.next_producer_id
    index = control.commit(now, (ProducerIdsReserved(producer_id + 1),))
    _answer_when_applied(control, index, request_id, InitProducerResponse(producer_id, 0))


def elect_leader(control: ControllerState, now: int, request_id: int, request: ElectLeaderRequest) -> None:
    """Move leadership to an in-sync replica, in two steps; answered when the successor is committed."""
    control.proposals.request(now, request_id, request.timeout_ms)
    partition = TopicPartition(request.topic, request.partition)
    state = control.view.partitions.get(partition)
    wanted = request.broker_id
    if state is None:
        control.proposals.reply(request_id, unknown_topic(str(partition)))
        return
    if wanted not in state.replicas:
        message = f"broker {wanted} holds no replica of {partition}; its replicas are {list(state.replicas)}"
        control.proposals.reply(request_id, ErrorResponse(ErrorCode.INVALID_REQUEST, message))
        return
    contact = control.contacts.get(wanted)
    if wanted in state.isr and contact is not None and contact.disk_stuck:
        message = f"the disk of broker {wanted} does not answer: try again later"
        control.proposals.reply(request_id, ErrorResponse(ErrorCode.NOT_ENOUGH_REPLICAS, message))
        return
    if wanted not in state.isr or not control.known.electable(wanted):
        message = f"broker {wanted} is not in sync for {partition}; in sync are {list(state.isr)}: try again later"
        control.proposals.reply(request_id, ErrorResponse(ErrorCode.NOT_ENOUGH_REPLICAS, message))
        return
    if state.leader == wanted:
        # Perhaps only proposed: the answer waits for whatever is in flight.
        control.proposals.answer_after_all(request_id, DoneResponse())
        return
    if state.leader != NO_BROKER:
        step_one = decisions.deposition(control.known, control.wall_ns(now), partition, "preferred")
        if step_one is None or control.commit(now, (step_one,)) is None:
            control.proposals.reply(request_id, _not_controller())
            return
    vacancy = control.vacancies.get(partition)
    if vacancy is None or vacancy.wanted not in (NO_BROKER, wanted):
        message = f"the leadership of {partition} is moving to another broker already; try again"
        control.proposals.reply(request_id, ErrorResponse(ErrorCode.OVERLOADED, message))
        return
    vacancy.wanted = wanted
    vacancy.waiters.append(request_id)
    control.fill_vacancies(now)


def _answer_when_applied(
    control: ControllerState,
    index: int | None,
    request_id: int,
    response: TopicCreatedResponse | DoneResponse | InitProducerResponse,
) -> None:
    if index is None:
        control.proposals.reply(request_id, _not_controller())
    else:
        control.proposals.answer_client(index, request_id, response)


def _not_controller() -> ErrorResponse:
    return ErrorResponse(ErrorCode.NOT_CONTROLLER, "this broker is the controller no more; nothing was changed")
