"""JSON Lines in and out: one record a line, in the order of recording.

Nothing here opens a file: the writer is given something with ``write``, the reader an iterable of bytes (``blocks_of``
a file opened in binary mode). How often a line reaches the disk is decided by who opened the file.

A file may have been written by anybody. Its numbers have bounds (``records``); a line has a largest length, and all
batches together a largest number of records, because a short line can name many.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from functools import partial
from operator import attrgetter
from typing import Any, Protocol, Union, get_args

import msgspec

from skerry.history.collector import collector_paused
from skerry.history.errors import HistoryError
from skerry.history.records import DumpedBatch, HistoryRecord, ReplicaDump
from skerry.history.run import History

_BLOCK_BYTES = 1 << 20
"""Lines are decoded in blocks of about this size: one call for thousands of records."""

LINE_BYTES_MAX = 64 << 20
"""A replica's dump is one line, of about 40 bytes a batch."""
RECORDS_MAX = 50_000_000
"""That the batches of one file may hold together: an array of so many numbers is 400 MB."""

_count = attrgetter("count")
_BEGIN = b'{"type":"'
_NOT_A_RECORD = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_encoder = msgspec.json.Encoder()


class Sink(Protocol):
    """Where lines go: any binary file."""

    def write(self, data: bytes, /) -> object: ...


class _UnreadDump(ReplicaDump, frozen=True, tag="replica", omit_defaults=True, gc=False):
    """A dump whose batches are bytes yet."""

    batches: msgspec.Raw  # type: ignore[assignment]  # on purpose another type than the base's: not decoded yet


_unread = tuple(_UnreadDump if kind is ReplicaDump else kind for kind in get_args(HistoryRecord))
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Union[_unread])  # noqa: UP007 (made of what was listed)
_batches_decoder = msgspec.json.Decoder(tuple[DumpedBatch, ...])


class Source(Protocol):
    """Where bytes come from: any file opened in binary mode."""

    def read(self, size: int, /) -> bytes: ...


class HistoryWriter:
    """Appends records to a sink, one whole line a call of ``write``, and keeps the digest of all of them."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._digest = hashlib.sha256()
        self._buffer = bytearray()

    def append(self, record: HistoryRecord) -> None:
        """Raises whatever the sink raises; the record is then not part of the digest."""
        _encoder.encode_into(record, self._buffer)
        self._buffer.append(0x0A)
        line = bytes(self._buffer)
        self._sink.write(line)
        self._digest.update(line)

    @property
    def digest(self) -> str:
        """SHA-256 of everything written, in hex; what ``read_history`` will say of the file."""
        return self._digest.hexdigest()


def encode_history(records: Iterable[HistoryRecord]) -> Iterator[bytes]:
    """One line per record, with its line feed."""
    for record in records:
        yield _encoder.encode(record) + b"\n"


def blocks_of(file: Source) -> Iterator[bytes]:
    """For ``read_history``: a file has far fewer blocks than lines."""
    return iter(partial(file.read, _BLOCK_BYTES), b"")


@collector_paused()
def read_history(chunks: Iterable[bytes]) -> History:
    """Read a history from pieces of any size.

    A last line that breaks off (the writer was killed) is left out and noted as ``cut_off``. Anything else that is not
    a record raises HistoryError with its line number.
    """
    digest = hashlib.sha256()
    lines = _Lines()
    pending: list[bytes] = []
    pending_bytes = 0
    for chunk in chunks:
        pending.append(chunk)
        pending_bytes += len(chunk)
        if pending_bytes >= _BLOCK_BYTES:
            whole, newline, rest = b"".join(pending).rpartition(b"\n")
            if newline:
                digest.update(whole)
                digest.update(newline)
                lines.decode(whole)
            if len(rest) > LINE_BYTES_MAX:
                raise HistoryError(lines.count + 1, f"a line of more than {LINE_BYTES_MAX >> 20} MiB")
            pending, pending_bytes = [rest], len(rest)
    whole, newline, rest = b"".join(pending).rpartition(b"\n")
    for part in (whole, newline, rest):
        digest.update(part)
    lines.decode(whole)
    cut_off = bool(rest) and not lines.decode_last(rest)
    history = History(lines.records, cut_off=cut_off, digest=digest.hexdigest())
    _refuse_too_many(history)
    return history


def _refuse_too_many(history: History) -> None:
    left = RECORDS_MAX - sum(map(_count, history.produces))
    left -= sum(sum(map(_count, dump.batches)) for dump in history.dumps)
    if left < 0:
        raise HistoryError(0, f"its batches hold more than {RECORDS_MAX:,} records, more than can be judged")


class _Lines:
    """The lines of one file, as records.

    Replicas that hold the same batches have the same bytes for them: they are decoded once, and the dumps share them.
    """

    def __init__(self) -> None:
        self.records: list[HistoryRecord] = []
        self.count = 0
        """How many lines were decoded."""
        self._raw = msgspec.Raw(b"[]")
        self._batches: tuple[DumpedBatch, ...] = ()

    def decode(self, block: bytes) -> None:
        """Whole lines, without the last line feed."""
        if not block:
            return
        try:
            records = _decoder.decode_lines(block)
            for position, kind in enumerate(map(type, records)):
                if kind is _UnreadDump:
                    records[position] = self._read(records[position])
        except _NOT_A_RECORD:
            for number, line in enumerate(block.split(b"\n"), self.count + 1):  # again, to say where
                if not line.strip():  # an empty line is no record, and no fault
                    continue
                try:
                    self._decode_line(line)
                except _NOT_A_RECORD as error:
                    raise HistoryError(number, _explain(line, error)) from None
            raise
        self.records += records
        self.count += sum(1 for _ in io.BytesIO(block))  # twice as fast as counting line feeds

    def decode_last(self, line: bytes) -> bool:
        """A last line without its line feed. False: it breaks off."""
        try:
            self.records.append(self._decode_line(line))
        except _NOT_A_RECORD as error:
            if _breaks_off(line):
                return False
            raise HistoryError(self.count + 1, _explain(line, error)) from None
        return True

    def _decode_line(self, line: bytes) -> HistoryRecord:
        record: HistoryRecord = _decoder.decode(line)
        return self._read(record) if isinstance(record, _UnreadDump) else record

    def _read(self, dump: _UnreadDump) -> ReplicaDump:
        if dump.batches != self._raw:
            self._batches = _batches_decoder.decode(dump.batches)
            self._raw = dump.batches
        fields = {name: getattr(dump, name) for name in ReplicaDump.__struct_fields__}
        return ReplicaDump(**fields | {"batches": self._batches})


def _breaks_off(line: bytes) -> bool:
    """It begins as every record does, and is no JSON yet. (A cut may fall inside a number or a character.)"""
    begin = b"".join(line[: 4 * len(_BEGIN)].split())[: len(_BEGIN)]  # other programs write spaces between the tokens
    if begin != _BEGIN[: len(begin)]:
        return False
    try:
        msgspec.json.decode(line)
    except _NOT_A_RECORD:
        return True
    return False


def _explain(line: bytes, error: Exception) -> str:
    shown = line[:60].decode("utf-8", "backslashreplace")
    return f"not a record of a run ({error}); it begins with {shown!r}"
