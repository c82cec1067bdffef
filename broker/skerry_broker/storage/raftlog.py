"""The metadata log on disk: one file of checksummed frames.

    frame = b"SKRF" | length u32 | CRC-32C of the body u32 | body (msgpack)

The first frame is the base: the snapshot, the hard state and the entries after it. Every further frame is one
`SaveRaft`, whole: what it truncates, appends, and votes is done together or not at all, so a truncation is a frame
like any other and the file only ever grows. A snapshot writes a new file with a new base beside the old one and
renames it over: there is no moment with a half of each. That leaves a short proof: the file is always some base and a
prefix of the frames after it.

A bad last frame with no valid frame after it is torn, and cut off. Any other bad frame, or a bad base (it was synced
before it got its name), is corruption: the replica must not vote (Jepsen NATS 2.12.1). The file is put aside, and the
new one says ``lost`` for as long as this directory lives: which votes were in it is gone for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

import google_crc32c
import msgspec

from skerry_broker.core.messages import RaftSnapshot, SaveRaft, SaveSnapshot
from skerry_broker.core.records import Entry
from skerry_broker.core.types import HardState
from skerry_broker.storage.files import File, FileSystem, read_whole, replace

_MAGIC = b"SKRF"
_FRAME = Struct(">4sII")


class _Base(msgspec.Struct, frozen=True, array_like=True):
    snapshot: RaftSnapshot | None = None
    hard_state: HardState = HardState()
    entries: tuple[Entry, ...] = ()
    lost: bool = False


class _Step(msgspec.Struct, frozen=True, array_like=True):
    truncate_from: int | None
    entries: tuple[Entry, ...]
    hard_state: HardState | None


_encode = msgspec.msgpack.Encoder().encode
_decode_base = msgspec.msgpack.Decoder(_Base).decode
_decode_step = msgspec.msgpack.Decoder(_Step).decode


class CorruptRaftLog(Exception):
    """The message says what is wrong with the file, and where."""


def frame(body: bytes) -> bytes:
    return _FRAME.pack(_MAGIC, len(body), google_crc32c.value(body)) + body


def frame_at(content: bytes, position: int) -> bytes | None:
    """The body of the whole, valid frame at ``position``, or None."""
    if len(content) - position < _FRAME.size:
        return None
    magic, length, checksum = _FRAME.unpack_from(content, position)
    start = position + _FRAME.size
    body = content[start : start + length]
    if magic != _MAGIC or len(body) != length or google_crc32c.value(body) != checksum:
        return None
    return body


class RaftFiles:
    """Used by the disk thread alone once it is open."""

    def __init__(self, fs: FileSystem, directory: str) -> None:
        self._fs = fs
        self.path = f"{directory}/log"
        self.directory = directory
        self.snapshot: RaftSnapshot | None = None
        self.hard_state = HardState()
        self.entries: list[Entry] = []
        """Contiguous; the first follows the snapshot."""
        self.lost = False
        self.problem: str | None = None
        self.bytes = 0
        self._file: File | None = None
        self._staged: list[bytes] = []
        self._dirty = False

    def create(self) -> None:
        self._rewrite()

    def recover(self, quarantine: str, at_least_bytes: int) -> None:
        """Read the file. Afterwards ``lost`` says whether this replica may vote, ``problem`` why not.

        ``at_least_bytes``: how much of it an orderly stop left durable; 0 after any other.
        """
        content = read_whole(self._fs, self.path)
        try:
            if content is None:
                raise CorruptRaftLog(f"{self.path} is missing")
            end = self._replay(content)
            if end < max(len(content) if at_least_bytes else 0, at_least_bytes):
                raise CorruptRaftLog(
                    f"{self.path} was {at_least_bytes} bytes long, only {end} of {len(content)} are good"
                )
        except CorruptRaftLog as corrupt:
            self.problem = str(corrupt)
            self._start_over(quarantine)
            return
        self._file = self._fs.open(self.path)
        if end < len(content or b""):
            self._file.truncate(end)
        self._file.sync()  # what the last process wrote, renamed and did not sync is about to count
        self._fs.sync_directory(self.directory)
        self.bytes = end
        if self.lost:
            self.problem = f"{self.path} replaces one that was corrupt"

    def _replay(self, content: bytes) -> int:
        body = frame_at(content, 0)
        if body is None:
            raise CorruptRaftLog(f"{self.path} does not begin with a valid base")
        try:
            base = _decode_base(body)
            self.snapshot, self.hard_state, self.lost = base.snapshot, base.hard_state, base.lost
            self._extend(base.entries)
            position = _FRAME.size + len(body)
            while (body := frame_at(content, position)) is not None:
                self._apply(_decode_step(body))
                position += _FRAME.size + len(body)
        except msgspec.MsgspecError as error:
            raise CorruptRaftLog(f"{self.path} holds a frame that cannot be understood: {error}") from None
        later = content.find(_MAGIC, position + 1)
        while later >= 0:
            if frame_at(content, later) is not None:
                raise CorruptRaftLog(f"{self.path} is bad at byte {position}, but valid again at {later}")
            later = content.find(_MAGIC, later + 1)
        return position

    def _apply(self, step: _Step) -> None:
        if step.truncate_from is not None:
            self._truncate(step.truncate_from)
        self._extend(step.entries)
        if step.hard_state is not None:
            self.hard_state = step.hard_state

    def _truncate(self, index: int) -> None:
        while self.entries and self.entries[-1].index >= index:
            self.entries.pop()

    def _extend(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            last = self.entries[-1].index if self.entries else self.snapshot.last_index if self.snapshot else 0
            if entry.index != last + 1:
                raise CorruptRaftLog(f"{self.path} has entry {entry.index} after entry {last}")
            self.entries.append(entry)

    def _start_over(self, quarantine: str) -> None:
        self.snapshot, self.entries, self.lost = None, [], True
        self._rewrite(keep_old_as=f"{self.directory}/log.corrupt-{quarantine}")

    # --- the disk thread ----------------------------------------------------------------------------

    def stage(self, effect: SaveRaft) -> None:
        step = _Step(effect.truncate_from, effect.entries, effect.hard_state)
        self._apply(step)
        self._staged.append(frame(_encode(step)))

    def save_snapshot(self, effect: SaveSnapshot) -> None:
        """Durable at once, with everything staged before it."""
        self.snapshot = RaftSnapshot(effect.last_index, effect.last_term, effect.voters, effect.image)
        self.entries = [] if effect.reset else [entry for entry in self.entries if entry.index > effect.last_index]
        self._rewrite()

    def write(self) -> None:
        if self._staged:
            assert self._file is not None
            self._file.append(self._staged)
            self.bytes += sum(map(len, self._staged))
            self._staged = []
            self._dirty = True

    def sync(self) -> None:
        if self._dirty:
            assert self._file is not None
            self._file.sync()
            self._dirty = False

    def _rewrite(self, keep_old_as: str | None = None) -> None:
        base = frame(_encode(_Base(self.snapshot, self.hard_state, tuple(self.entries), self.lost)))
        if keep_old_as is not None and self._fs.exists(self.path):
            old = read_whole(self._fs, self.path) or b""
            replace(self._fs, keep_old_as, old, durable=True)
        replace(self._fs, self.path, base, durable=True)
        self._file = self._fs.open(self.path)
        self.bytes = len(base)
        self._staged, self._dirty = [], False
