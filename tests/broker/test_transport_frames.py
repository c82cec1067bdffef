"""Frames: whatever the chunks, the same payloads; whatever the damage, never another one."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skerry_broker.core.api import FetchRequest
from skerry_broker.core.peer_messages import AppendRequest, TimeoutNow
from skerry_broker.core.types import Plane
from skerry_broker.wire import (
    HEADER,
    PREFACE,
    FrameError,
    FrameReader,
    Hello,
    Ping,
    Purpose,
    call_frame,
    control_frame,
    decode_call,
    decode_control,
    decode_peer,
    peer_frame,
)

FRAMES = [
    bytes(control_frame(Hello(1, Purpose.PINGS, Plane.RAFT, "cluster", 3))),
    bytes(peer_frame(AppendRequest(1, 2, 3, 4, 5))),
    bytes(call_frame(7, FetchRequest("orders", 0, 12))),
    bytes(peer_frame(TimeoutNow(9))),
]
STREAM = b"".join(FRAMES)


def payloads(stream: bytes, cuts: list[int]) -> list[bytes]:
    reader = FrameReader(1 << 16)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [payload for start, end in pairwise(edges) for payload in reader.feed(stream[start:end])]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_chunks_do_not_matter(cuts: list[int]) -> None:
    assert payloads(STREAM, cuts) == [frame[HEADER.size :] for frame in FRAMES]


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
def test_a_changed_byte_ends_the_stream(at: int, change: int) -> None:
    damaged = bytearray(STREAM)
    damaged[at] ^= change
    reader = FrameReader(1 << 16)
    seen: list[bytes] = []
    with pytest.raises(FrameError):
        seen.extend(reader.feed(bytes(damaged)))  # extend keeps what came before the error
    assert seen == [frame[HEADER.size :] for frame in FRAMES][: len(seen)]


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 60))
def test_lost_bytes_never_make_another_message(at: int, count: int) -> None:
    kept = STREAM[:at] + STREAM[at + count :]
    reader = FrameReader(1 << 16)
    seen = []
    with suppress(FrameError):
        for payload in reader.feed(kept):
            seen.append(payload)
    allowed = [frame[HEADER.size :] for frame in FRAMES]
    assert all(payload in allowed for payload in seen)


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waited_for_but_never_believed(garbage: bytes) -> None:
    reader = FrameReader(1 << 16)
    with suppress(FrameError):
        assert list(reader.feed(garbage)) == []


def test_a_length_over_the_limit_is_refused_from_the_header_alone() -> None:
    reader = FrameReader(1000)
    length, crc = 1001, 0
    header = HEADER.pack(length, crc, length ^ crc ^ 0x536B7279)
    with pytest.raises(FrameError, match="1001 bytes, over the limit of 1000"):
        list(reader.feed(header))


def test_the_limit_may_be_raised_between_two_frames_of_one_chunk() -> None:
    hello, big = bytes(control_frame(Ping(1))), bytes(call_frame(1, FetchRequest("t" * 200, 0, 0)))
    reader = FrameReader(50)
    seen = []
    for payload in reader.feed(hello + big):
        seen.append(payload)
        reader.bytes_max = 1000
    assert len(seen) == 2
    assert reader.buffered == 0


@given(st.lists(st.integers(0, 1000), max_size=8))
def test_a_frame_that_may_be_skipped_leaves_only_its_head(cuts: list[int]) -> None:
    big, small = bytes(call_frame(77, FetchRequest("t" * 500, 0, 0))), bytes(call_frame(78, FetchRequest("t", 0, 0)))
    reader = FrameReader(100)
    reader.skip_max = 10_000
    stream = big + small
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    seen: list[bytes] = []
    for start, end in pairwise(edges):
        seen += reader.feed(stream[start:end])
        assert reader.buffered <= 112
    assert seen == [b"\xff" + big[HEADER.size : HEADER.size + 9], small[HEADER.size :]]


def test_a_skipped_frame_must_be_whole_too() -> None:
    big = bytearray(call_frame(77, FetchRequest("t" * 500, 0, 0)))
    big[200] ^= 1
    reader = FrameReader(100)
    reader.skip_max = 10_000
    with pytest.raises(FrameError, match="checksum"):
        list(reader.feed(bytes(big)))


def test_messages_survive_their_frames() -> None:
    hello, append, call, timeout = payloads(STREAM, [])
    assert decode_control(hello) == Hello(1, Purpose.PINGS, Plane.RAFT, "cluster", 3)
    assert decode_peer(append) == AppendRequest(1, 2, 3, 4, 5)
    assert decode_call(call) == (7, FetchRequest("orders", 0, 12))
    assert decode_peer(timeout) == TimeoutNow(9)


@pytest.mark.parametrize("payload", [b"\x01", b"\x01\xc1", b"\x01\x93\xa4vote\x01", b"\x01\x92\xa7unknown\x01"])
def test_what_does_not_decode_is_a_frame_error(payload: bytes) -> None:
    with pytest.raises(FrameError):
        decode_peer(payload)


def test_no_http_request_begins_like_the_preface() -> None:
    assert PREFACE[0] == 0
