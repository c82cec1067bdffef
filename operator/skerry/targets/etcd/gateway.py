"""The words of etcd's HTTP/JSON gateway: requests and answers as bytes, and what an answer proves. Pure.

Keys and values travel in base64, 64-bit numbers as strings, and whatever is zero is left out.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from skerry.history.records import Outcome
from skerry.workload.register import Get, Put, RegisterAnswer

PUT_PATH = "/v3/kv/put"
RANGE_PATH = "/v3/kv/range"

NOT_OURS = (1 << 63) - 1
"""The value of a key that holds what no client of ours can have put; no client puts it."""

_NEVER_PROPOSED = (3, 7, 12, 16)
"""The gRPC codes of refusals before anything is proposed: invalid argument, permission denied, unimplemented,
unauthenticated."""
_NOT_NOW = ("etcdserver: no leader", "etcdserver: too many requests")
"""Refused before anything is proposed, and worth asking another member, or again."""
_NO_SPACE = "etcdserver: mvcc: database space exceeded"


class AnswerHeader(msgspec.Struct, frozen=True):
    """What every answer begins with."""

    member_id: int = 0
    revision: int = 0
    raft_term: int = 0


class _KeyValue(msgspec.Struct, frozen=True):
    mod_revision: int
    version: int
    value: str = ""


class _PutAnswer(msgspec.Struct, frozen=True):
    header: AnswerHeader


class _RangeAnswer(msgspec.Struct, frozen=True):
    header: AnswerHeader
    kvs: tuple[_KeyValue, ...] = ()


class _Error(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""
    error: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """An answer that is none: what it proves of the operation, and whether asking again can help."""

    outcome: Outcome
    error: str
    again: bool = False


def path_of(request: Put | Get) -> str:
    return PUT_PATH if isinstance(request, Put) else RANGE_PATH


def body_of(request: Put | Get) -> bytes:
    """A get is linearizable: the member asks the leader for its commit index before it answers."""
    if isinstance(request, Put):
        return msgspec.json.encode({"key": _base64(request.key), "value": _base64(str(request.value))})
    return msgspec.json.encode({"key": _base64(request.key)})


def read_answer(request: Put | Get, status: int, body: bytes, member: int) -> RegisterAnswer | Refusal:
    """``member``: whose answer it is."""
    if status != 200:
        return read_refusal(status, body)
    return read_put(body, member) if isinstance(request, Put) else read_range(body, member)


def read_put(body: bytes, member: int) -> RegisterAnswer | Refusal:
    """The result of a put with status 200. An answer that cannot be read proves nothing."""
    try:
        header = msgspec.json.decode(body, type=_PutAnswer, strict=False).header
    except msgspec.DecodeError as error:
        return _unreadable(error)
    if header.revision < 1:
        return Refusal(Outcome.UNKNOWN, "the answer names no revision")
    return RegisterAnswer(
        Outcome.OK,
        revision=header.revision,
        store_revision=header.revision,
        member=member,
        term=header.raft_term,
    )


def read_range(body: bytes, member: int) -> RegisterAnswer | Refusal:
    """The result of a get with status 200: the key's value, or that there is no such key."""
    try:
        answer = msgspec.json.decode(body, type=_RangeAnswer, strict=False)
    except msgspec.DecodeError as error:
        return _unreadable(error)
    if answer.header.revision < 1:
        return Refusal(Outcome.UNKNOWN, "the answer names no revision")
    found = answer.kvs[0] if answer.kvs else None
    return RegisterAnswer(
        Outcome.OK,
        value=_value(found.value) if found is not None else -1,
        revision=found.mod_revision if found is not None else 0,
        store_revision=answer.header.revision,
        version=found.version if found is not None else -1,
        member=member,
        term=answer.header.raft_term,
    )


def read_refusal(status: int, body: bytes) -> Refusal:
    """The result of an answer with another status. Only what is refused before it is proposed has definitely failed: a
    request that timed out on its way through the log may take effect later."""
    try:
        error = msgspec.json.decode(body, type=_Error)
    except msgspec.DecodeError:
        return Refusal(Outcome.UNKNOWN, f"HTTP {status}")
    text = error.message or error.error or f"HTTP {status}"
    if text in _NOT_NOW:
        return Refusal(Outcome.FAILED, text, again=True)
    failed = error.code in _NEVER_PROPOSED or text == _NO_SPACE
    return Refusal(Outcome.FAILED if failed else Outcome.UNKNOWN, text)


def _value(encoded: str) -> int:
    try:
        text = base64.b64decode(encoded, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return NOT_OURS
    return int(text) if text.isdecimal() and len(text) < 20 else NOT_OURS


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _unreadable(error: Exception) -> Refusal:
    return Refusal(Outcome.UNKNOWN, f"the answer cannot be read: {error}")
