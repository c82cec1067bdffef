"""What clients are told, also by a controller that steps down."""

from __future__ import annotations

from control_plane import MS, ControlPlane
from controller_stories import started

from skerry_broker.core.api import CreateTopicRequest, ErrorCode, ErrorResponse, TopicCreatedResponse
from skerry_broker.core.records import BrokerUnfenced, PartitionChanged


def test_a_topic_is_answered_when_it_is_committed() -> None:
    plane = ControlPlane()
    for broker in range(3):
        plane.register(broker)
    plane.run(100, 0, 1, 2)
    plane.controller.create_topic(plane.now, 5, _create("orders"))
    plane.collect()
    assert plane.replies == {}
    plane.settle()
    reply = plane.replies[5]
    assert isinstance(reply, TopicCreatedResponse)
    assert plane.metadata.topics["orders"].topic_id == reply.topic_id
    plane.controller.create_topic(plane.now, 6, _create("orders"))
    plane.settle()
    assert _error(plane, 6) is ErrorCode.TOPIC_EXISTS


def test_step_down_answers_what_is_in_flight_as_unknown() -> None:
    plane = started()
    plane.controller.create_topic(plane.now, 5, _create("more"))
    plane.controller.step_down(plane.now)
    plane.collect()
    assert _error(plane, 5) is ErrorCode.LEADERSHIP_LOST


def test_nothing_proposed_is_definite() -> None:
    plane = started()
    plane.leading = False
    plane.controller.create_topic(plane.now, 5, _create("more"))
    plane.collect()
    assert _error(plane, 5) is ErrorCode.NOT_CONTROLLER


def test_a_request_that_is_not_committed_in_time_is_unknown() -> None:
    plane = started()
    plane.controller.create_topic(plane.now, 5, _create("more", timeout_ms=300))
    for _ in range(5):
        plane.now += 100 * MS
        for broker in range(3):
            plane.beat(broker)
        plane.controller.tick(plane.now)
    plane.collect()
    assert _error(plane, 5) is ErrorCode.TIMED_OUT
    plane.settle()  # committed after all: the client is not answered twice


def test_unfencing_and_its_elections_are_one_entry() -> None:
    plane = ControlPlane(1)
    plane.start(min_isr=1, partitions=2, factor=1)
    plane.register(0)
    length = len(plane.log)
    plane.run(100, 0)
    (records,) = plane.entries_since(length)
    assert [type(record) for record in records] == [BrokerUnfenced, PartitionChanged, PartitionChanged]


def _error(plane: ControlPlane, request_id: int) -> ErrorCode:
    reply = plane.replies[request_id]
    assert isinstance(reply, ErrorResponse)
    return reply.error


def _create(topic: str, timeout_ms: int = 5000) -> CreateTopicRequest:
    return CreateTopicRequest(topic, 1, 3, 2, timeout_ms=timeout_ms)
