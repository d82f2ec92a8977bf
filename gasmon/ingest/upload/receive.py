"""Upload files as they arrive, one after the other, from a topic or a folder (pure).

A CDSS file is a frame: its number is made of its upload time and its content, so that
the same file again is a repeat and two files of one second are two. A gateway counts
its frames, and by that `clocks.py` tells a clock that was set back from frames that are
old. Files are not counted. So a file older than the newest is old, as one that was sent
belatedly is; but when only older ones come, at the pace of their own times, it is the
uploader's clock: they belong to another start then, with a name of its own. Taken for
old, their alarms would be told late, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple
from zlib import crc32

from gasmon.batch import FrameKey, Packet
from gasmon.ingest.clocks import MineClocks
from gasmon.ingest.topics import Topic
from gasmon.ingest.upload.convert import Defined, definition_of, distinct
from gasmon.ingest.upload.cut import Refusal
from gasmon.ingest.upload.fast import NO_TIME_US, ReadingFile, ReadingsReader
from gasmon.ingest.upload.names import format_file_name, split_type
from gasmon.ingest.upload.parse import UploadFile, parse_file
from gasmon.ingest.upload.profiles import Profiles
from gasmon.ingest.upload.records import Header
from gasmon.ingest.upload.substations import readings_of
from gasmon.points import MineDef, PointDef
from gasmon.units import TIME_MIN_US, US_PER_MS, US_PER_S

START = "file"
"""Name of the start that files belong to; another one after a clock was set back."""

SET_BACK_US = 120 * US_PER_S
"""When only older files came for so long, the uploader's clock was set back [µs]; ours:
two to six of the usual cycles (20 to 60 s)."""

_CONTENT_BITS = 22
"""Bits of the content in a frame's number. With seconds since 2000 it stays below 2^53
until 2068, which every reader of JSON holds exactly; two different files of one mine
and second are taken for one with a chance of one in four million."""

_CONTENT = (1 << _CONTENT_BITS) - 1

Described = tuple[MineDef | None, Sequence[PointDef]]
"""What is known of a mine: itself, and its points as they were defined."""

IsNew = Callable[[FrameKey, int, int], bool]
"""As `SeenFrames.is_new`: by key, device time and arrival [ms UTC]."""


class FileFrame(NamedTuple):
    """A CDSS file as a frame.

    Attributes:
        channel: how its clock is judged: `data` in order, `backfill` for an old one.
        device_ms: the upload time [ms UTC].
        is_new: false for a repeat.
    """

    file: ReadingFile
    key: FrameKey
    channel: str
    device_ms: int
    is_new: bool


class _Older(NamedTuple):
    """A row of files that are older than the newest: the first one, and the last.

    Attributes:
        first_us: upload time of the first, `arrived_us` when it came [µs UTC].
        last_us: upload time of the last one.
    """

    first_us: int
    arrived_us: int
    last_us: int


class FileReader:
    """Reads the files of every mine, each by its profile; not thread-safe."""

    def __init__(
        self,
        profiles: Callable[[], Profiles] = Profiles,
        describe: Callable[[str], Described] = lambda mine: (None, ()),
    ) -> None:
        """Begin with nothing remembered.

        Args:
            profiles: tells how mines write now; without, as the national profile.
            describe: tells what is known of a mine.
        """
        self._profiles = profiles
        self._describe = describe
        self._readers: dict[str, ReadingsReader] = {}
        self._older: dict[tuple[int, str], _Older] = {}

    def parse(self, topic: Topic, file_type: str, data: bytes) -> UploadFile:
        """Read a file of any type; nothing in it raises."""
        profile = self._profiles().of(topic.mine)
        file = parse_file(data, profile, file_type, mine=topic.mine)
        name = self._name(topic.mine, file_type, file.header)
        return replace(file, file=name, refusals=_named(file.refusals, name))

    def define(self, file: UploadFile, arrived_us: int, run: int) -> Defined:
        """What a CDDY or FZDY file defines; the first one's revision is its upload
        time [ms UTC]."""
        assert file.mine is not None
        known, standing = self._describe(file.mine)
        return definition_of(file, arrived_us, run=run, known=known, standing=standing)

    def frame(
        self, packet: Packet, topic: Topic, clocks: MineClocks | None, is_new: IsNew
    ) -> FileFrame:
        """Read a CDSS or FZSS file; nothing in it raises.

        Args:
            packet: its bytes, and when they arrived.
            topic: whose file it is.
            clocks: what is known of gateways' clocks; None takes all files as in order.
            is_new: tells a repeat.
        """
        mine, arrived_us = topic.mine, packet.arrived_us
        _, file_type = split_type(topic.detail)
        if file_type == "FZSS":
            file = distinct(readings_of(self.parse(topic, file_type, packet.payload)))
        else:
            file = distinct(self._reader(mine).read(packet.payload))
        if file.refusals:
            name = self._name(mine, file_type, file.header)
            file = replace(file, file=name, refusals=_named(file.refusals, name))
        uploaded_us = uploaded_at(file, arrived_us)
        device_ms = uploaded_us // US_PER_MS
        boot, newest_us = _standing(topic, clocks)
        seq = second_of(uploaded_us) << _CONTENT_BITS | crc32(packet.payload) & _CONTENT
        key = FrameKey(topic.run, mine, boot, seq)
        if not is_new(key, device_ms, arrived_us // US_PER_MS):
            return FileFrame(file, key, "backfill", device_ms, is_new=False)
        in_order = uploaded_us > newest_us
        if in_order:
            self._older.pop((topic.run, mine), None)
        elif self._was_set_back(topic, uploaded_us, arrived_us):
            key = replace(key, boot=f"{START}-{uploaded_us // US_PER_S:x}")
            in_order = True
        channel = "data" if in_order else "backfill"
        return FileFrame(file, key, channel, device_ms, is_new=True)

    def _reader(self, mine: str) -> ReadingsReader:
        reader, profile = self._readers.get(mine), self._profiles().of(mine)
        if reader is None or reader.profile != profile:
            reader = ReadingsReader(profile, mine)
            self._readers[mine] = reader
        return reader

    def _was_set_back(self, topic: Topic, uploaded_us: int, arrived_us: int) -> bool:
        """Whether the older files so far came at the pace of their own times."""
        place = topic.run, topic.mine
        older = self._older.get(place)
        if older is None or uploaded_us < older.last_us:
            self._older[place] = _Older(uploaded_us, arrived_us, uploaded_us)
            return False
        self._older[place] = older._replace(last_us=uploaded_us)
        passed_us = arrived_us - older.arrived_us
        told_us = uploaded_us - older.first_us
        # What was kept somewhere comes much faster than it was measured.
        at_its_pace = passed_us <= 2 * told_us and told_us <= 2 * passed_us
        if passed_us < SET_BACK_US or not at_its_pace:
            return False
        del self._older[place]
        return True

    def _name(self, mine: str, file_type: str, header: Header | None) -> str:
        """How a file is called: as its mine named it, for a topic carries no name."""
        if header is None or header.uploaded_us is None:
            return f"{mine}_{file_type}"
        profile = self._profiles().of(mine)
        return format_file_name(mine, file_type, header.uploaded_us, profile)


def second_of(uploaded_us: int) -> int:
    """The part of a file's number that is its upload time [s since 2000]."""
    # Seconds before 2000, of an absurd clock, must not make a negative number.
    return max(0, (uploaded_us - TIME_MIN_US) // US_PER_S)


def second_of_number(seq: int) -> int:
    """The upload time [s since 2000] in a file's number."""
    return seq >> _CONTENT_BITS


def uploaded_at(file: ReadingFile, arrived_us: int) -> int:
    """The time a file says it is of [µs UTC].

    Its upload time, else its newest reading's, else its arrival.
    """
    header = file.header
    if header is not None and header.uploaded_us is not None:
        return header.uploaded_us
    told = file.at_us[file.at_us != NO_TIME_US]
    return int(told.max()) if len(told) else arrived_us


def _standing(topic: Topic, clocks: MineClocks | None) -> tuple[str, int]:
    """The present start of a mine's files, and up to when they are judged.

    Returns:
        The newest time in the uploader's own clock [µs].
    """
    if clocks is None:
        return START, TIME_MIN_US - 1
    boot, offset_us, newest_us = clocks.standing(topic.run, topic.mine)
    if boot is None or not boot.startswith(START):
        return START, newest_us
    return boot, newest_us - offset_us


def _named(refusals: Sequence[Refusal], name: str) -> tuple[Refusal, ...]:
    return tuple(replace(refusal, file=name) for refusal in refusals)
