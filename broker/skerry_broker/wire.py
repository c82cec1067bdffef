"""Frames: what two brokers, and a client and a broker, say to each other over TCP.

A connection begins with an 8-byte preface (its first byte is 0, which no HTTP request begins with, so one port can
speak both) and then carries frames::

    length  4 bytes, big endian: of the payload
    crc     4 bytes: CRC-32C of the payload
    check   4 bytes: length ^ crc ^ a constant
    payload 1 byte kind, then what the kind says

The length is believed only when ``check`` fits, before a byte is allocated for it. The checksum is there because a
path that loses bytes in the middle of a stream (a broken proxy, a bad resume) must not be able to hand over a
*different* message: it can only end the connection.

The first frame of a connection is a Hello. The other side answers Welcome or Refused; nobody waits for the answer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import StrEnum
from typing import TypeVar

import google_crc32c
import msgspec

from skerry_broker.core.api import ClientRequest, ClientResponse
from skerry_broker.core.peer_messages import PeerMessage
from skerry_broker.core.types import Plane

PROTOCOL = 1
PREFACE = b"\x00SKERRY\x01"
HEADER = struct.Struct(">III")
CORRELATION = struct.Struct(">Q")
CHECK = 0x536B7279

HELLO_BYTES_MAX = 4096
"""Until the Hello has been read, nothing longer is accepted."""
PEER_BYTES_MAX = 32 << 20
SKIPPED_BYTES_MAX = 256 << 20
"""A call over the limit is thrown away as it comes, and answered, up to here."""
OVERSIZED_HEAD_BYTES = 9
"""Kind and correlation id of a call."""
CALL_BYTES_EXTRA = 64 << 10
"""What a call may hold beside its batch."""


class FrameKind:
    """The first byte of a payload."""

    CONTROL = 0
    PEER = 1
    CALL = 2
    """8 bytes correlation id, then a ClientRequest."""
    ANSWER = 3
    """8 bytes correlation id, then a ClientResponse."""
    OVERSIZED = 255
    """Never sent: what a reader hands over for a frame that was too long, followed by the frame's first bytes."""


class Purpose(StrEnum):
    """What a connection is for; it never changes."""

    MESSAGES = "messages"
    """Peer messages, from the side that opened it only."""
    PINGS = "pings"
    """The one connection that is kept and pinged."""
    PROBE = "probe"
    """One ping on a new connection."""
    CALLS = "calls"
    """A client's requests and their answers."""


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="hello"):
    protocol: int
    purpose: Purpose
    plane: Plane
    cluster_id: str | None = None
    """None: unformatted, or a client."""
    broker_id: int = -1
    """The peer's id; -1: it is a client."""
    directory_id: str = ""
    incarnation: str = ""
    connection: int = 0
    """Grows with every connection of one incarnation: the receiver drops an older one's late messages."""
    advertised: str = ""
    """Where clients find the sender."""


class Welcome(msgspec.Struct, frozen=True, array_like=True, tag="welcome"):
    cluster_id: str | None
    broker_id: int
    directory_id: str
    advertised: str


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused"):
    """The connection is closed after this."""

    reason: str


class Ping(msgspec.Struct, frozen=True, array_like=True, tag="ping"):
    number: int


class Pong(msgspec.Struct, frozen=True, array_like=True, tag="pong"):
    number: int


class Taken(msgspec.Struct, frozen=True, array_like=True, tag="taken"):
    """How many bytes of this connection have arrived. Without it a dead path looks like a quiet one."""

    bytes_total: int


class AddressBook(msgspec.Struct, frozen=True, array_like=True, tag="addresses"):
    """Where clients find each broker; sent to a client before the first answer that needs it."""

    addresses: tuple[tuple[int, str], ...]


Control = Hello | Welcome | Refused | Ping | Pong | Taken | AddressBook


class FrameError(Exception):
    """The stream is not, or is no longer, a stream of frames that fit the limits."""


T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_control: msgspec.msgpack.Decoder[Control] = msgspec.msgpack.Decoder(Control)
_peer: msgspec.msgpack.Decoder[PeerMessage] = msgspec.msgpack.Decoder(PeerMessage)
_request: msgspec.msgpack.Decoder[ClientRequest] = msgspec.msgpack.Decoder(ClientRequest)
_response: msgspec.msgpack.Decoder[ClientResponse] = msgspec.msgpack.Decoder(ClientResponse)
_CONTROL_PREFIX = bytes(HEADER.size) + bytes([FrameKind.CONTROL])
_PEER_PREFIX = bytes(HEADER.size) + bytes([FrameKind.PEER])


def _seal(frame: bytearray) -> bytearray:
    payload = memoryview(frame)[HEADER.size :]
    length = len(payload)
    crc = google_crc32c.value(bytes(payload))
    payload.release()
    HEADER.pack_into(frame, 0, length, crc, length ^ crc ^ CHECK)
    return frame


def control_frame(message: Control) -> bytearray:
    frame = bytearray(_CONTROL_PREFIX)
    _encoder.encode_into(message, frame, len(frame))
    return _seal(frame)


def peer_frame(message: PeerMessage) -> bytearray:
    frame = bytearray(_PEER_PREFIX)
    _encoder.encode_into(message, frame, len(frame))
    return _seal(frame)


def call_frame(correlation: int, request: ClientRequest) -> bytearray:
    frame = bytearray(HEADER.size) + bytes([FrameKind.CALL]) + CORRELATION.pack(correlation)
    _encoder.encode_into(request, frame, len(frame))
    return _seal(frame)


def answer_frame(correlation: int, response: ClientResponse) -> bytearray:
    frame = bytearray(HEADER.size) + bytes([FrameKind.ANSWER]) + CORRELATION.pack(correlation)
    _encoder.encode_into(response, frame, len(frame))
    return _seal(frame)


def decode_control(payload: bytes) -> Control:
    """Raises FrameError."""
    return _decoded(_control, memoryview(payload)[1:])


def decode_peer(payload: bytes) -> PeerMessage:
    """Raises FrameError."""
    return _decoded(_peer, memoryview(payload)[1:])


def decode_call(payload: bytes) -> tuple[int, ClientRequest]:
    """Raises FrameError."""
    correlation, rest = _correlated(payload)
    return correlation, _decoded(_request, rest)


def decode_answer(payload: bytes) -> tuple[int, ClientResponse]:
    """Raises FrameError."""
    correlation, rest = _correlated(payload)
    return correlation, _decoded(_response, rest)


def decode_request(body: bytes) -> ClientRequest:
    """A bare msgpack ClientRequest, as `POST /v1/call` carries it. Raises FrameError."""
    return _decoded(_request, memoryview(body))


def encode_response(response: ClientResponse) -> bytes:
    return _encoder.encode(response)


def _correlated(payload: bytes) -> tuple[int, memoryview]:
    if len(payload) < 1 + CORRELATION.size:
        raise FrameError("a frame too short for its correlation id")
    return CORRELATION.unpack_from(payload, 1)[0], memoryview(payload)[1 + CORRELATION.size :]


def _decoded(decoder: msgspec.msgpack.Decoder[T], body: memoryview) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(f"a frame that does not decode ({error})") from None


class _Skip:
    """A frame over the limit that is read and thrown away: only its first bytes are kept."""

    def __init__(self, length: int, crc: int) -> None:
        self.length = length
        self.remaining = length
        self.head = b""
        self._crc_expected = crc
        self._crc = 0

    def take(self, part: bytes) -> None:
        self.remaining -= len(part)
        self._crc = google_crc32c.extend(self._crc, part)
        if len(self.head) < OVERSIZED_HEAD_BYTES:
            self.head += part[: OVERSIZED_HEAD_BYTES - len(self.head)]

    def payload(self) -> bytes:
        if self._crc != self._crc_expected:
            raise FrameError("a frame whose checksum does not match")
        return bytes([FrameKind.OVERSIZED]) + self.head


class FrameReader:
    """Bytes in, payloads out. Holds at most one unfinished frame of at most ``bytes_max``.

    A longer one ends the stream, unless it is within ``skip_max``: then it is thrown away as it comes, and what is
    handed over is `FrameKind.OVERSIZED` with its first bytes, so that a call can be answered with what is wrong.
    """

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.skip_max = 0
        self._buffer = bytearray()
        self._skip: _Skip | None = None

    @property
    def buffered(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that are complete now, one by one: the limits may be changed between two of them.

        Raises FrameError; the connection is then beyond repair.
        """
        buffer = self._buffer
        buffer += data
        at = 0
        try:
            while True:
                if self._skip is not None:
                    part = bytes(memoryview(buffer)[at : at + self._skip.remaining])
                    at += len(part)
                    self._skip.take(part)
                    if self._skip.remaining:
                        break
                    payload = self._skip.payload()
                    self._skip = None
                    yield payload
                    continue
                if len(buffer) - at < HEADER.size:
                    break
                length, crc, check = HEADER.unpack_from(buffer, at)
                if check != length ^ crc ^ CHECK:
                    raise FrameError("bytes that are no frame")
                if not 0 < length <= max(self.bytes_max, self.skip_max):
                    raise FrameError(f"a frame of {length} bytes, over the limit of {self.bytes_max}")
                if length > self.bytes_max:
                    at += HEADER.size
                    self._skip = _Skip(length, crc)
                    continue
                end = at + HEADER.size + length
                if len(buffer) < end:
                    break
                payload = bytes(memoryview(buffer)[at + HEADER.size : end])
                if google_crc32c.value(payload) != crc:
                    raise FrameError("a frame whose checksum does not match")
                at = end
                yield payload
        finally:
            if at:
                del buffer[:at]
