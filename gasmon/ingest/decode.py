"""Packets to readings: pure, fast, and never stopped by what a mine sends.

Every bad thing becomes a `Reject` that names it. A bad reading never costs its
neighbours, a bad frame never costs other frames, and what cannot be read never makes
anything look better: an unusable value is no value, an unreadable state counts as an
alarm. The reasons stand in `docs/payloads.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from gasmon.batch import Frame, FrameKey, Packet, ReadingBatch, Reject
from gasmon.ingest.clocks import MineClocks
from gasmon.ingest.definitions import Definition, parse_points
from gasmon.ingest.fields import (
    INT64_MAX,
    PayloadError,
    check_version,
    extra_keys,
    load_object,
    need,
    need_boot,
    need_int,
    need_time_ms,
    show,
)
from gasmon.ingest.frame import read_columns
from gasmon.ingest.gather import DecodeLimits, Gathered, Rejects
from gasmon.ingest.layouts import Directory, Layouts
from gasmon.ingest.payloads import (
    EventPayload,
    parse_cmd_res,
    parse_event,
    parse_state,
)
from gasmon.ingest.records import StatisticPayload
from gasmon.ingest.told import MineEvent, MineState, MineStatistic, Response
from gasmon.ingest.topics import Topic
from gasmon.ingest.upload.convert import frame_columns, tell
from gasmon.ingest.upload.evidence import event_of, newest, statistic_of
from gasmon.ingest.upload.names import split_type
from gasmon.ingest.upload.receive import FileReader
from gasmon.ingest.upload.records import DEFINING, Abnormal, Statistic
from gasmon.points import PointKey
from gasmon.units import TIME_MAX_US, TIME_MIN_US, US_PER_MS

__all__ = [
    "DecodeLimits",
    "Decoded",
    "Definition",
    "Directory",
    "Layouts",
    "MineEvent",
    "MineState",
    "MineStatistic",
    "Response",
    "decode_packets",
]

DATA_KEYS = ("v", "boot", "seq", "ts", "d")
OTHER_KEYS: Mapping[str, tuple[str, ...]] = {
    "points": ("v", "rev", "ts", "mine", "units", "points"),
    "state": ("v", "s", "boot", "ts", "ver"),
    "event": ("v", "eid", "no", "code", "start", "end", "max", "max_ts"),
    "cmd/res": ("v", "id", "ok", "error"),
}


@dataclass(slots=True)
class Decoded:
    """Everything that some packets held, in their order.

    Attributes:
        batch: The readings; `batch.frames` says where they came from.
        rejects: What was refused and why.
        unknown: Points that nobody defined; they have provisional rows now, and
            their mine should be asked for its definitions.
        repeated: Frames that were seen before; their readings were not read.
        extra_keys: How many unknown keys were ignored, by channel.
    """

    batch: ReadingBatch = field(default_factory=ReadingBatch.empty)
    rejects: list[Reject] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)
    states: list[MineState] = field(default_factory=list)
    events: list[MineEvent] = field(default_factory=list)
    statistics: list[MineStatistic] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)
    unknown: list[PointKey] = field(default_factory=list)
    repeated: list[FrameKey] = field(default_factory=list)
    extra_keys: Counter[str] = field(default_factory=Counter)

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The accepted frames, in order of arrival."""
        return self.batch.frames


def decode_packets(
    packets: Sequence[Packet],
    directory: Directory,
    *,
    layouts: Layouts | None = None,
    limits: DecodeLimits | None = None,
    clocks: MineClocks | None = None,
    is_new: Callable[[FrameKey, int, int], bool] | None = None,
    files: FileReader | None = None,
) -> Decoded:
    """Decode what a broker delivered.

    Cutting the same packets into several calls gives the same readings.

    Args:
        packets: In order of arrival.
        directory: Knows mines and points, and makes provisional ones.
        layouts: Kept by the caller from call to call, with the same directory. None
            decodes correctly but looks every number up again.
        limits: What is possible; None takes the defaults.
        clocks: Corrections of gateways' clocks, kept by the caller from call to call;
            None trusts every clock.
        is_new: Tells by key, device time and arrival [ms UTC] whether a frame was not
            taken before (`SeenFrames.is_new`). The caller adds the frames of the
            result. A repeat within `packets` is found either way.
        files: Reads upload files, kept by the caller from call to call; None reads
            them by the national profile.

    Returns:
        What they held. Nothing that a mine sends raises.
    """
    limits = limits or DecodeLimits()
    layouts = layouts or Layouts(limits.lowest)
    files = files or FileReader()
    turn = _Turn(directory, layouts, limits, clocks, is_new, files)
    for packet in packets:
        turn.take(packet)
    return turn.finish()


class _Turn:
    """One call of `decode_packets`: what is collected on the way."""

    def __init__(
        self,
        directory: Directory,
        layouts: Layouts,
        limits: DecodeLimits,
        clocks: MineClocks | None,
        is_new: Callable[[FrameKey, int, int], bool] | None,
        files: FileReader,
    ) -> None:
        self.directory = directory
        self.layouts = layouts
        self.limits = limits
        self.clocks = clocks
        self.is_new = is_new
        self.files = files
        self.out = Decoded()
        self.gathered = Gathered()
        self.rejects = Rejects()
        self.keys: dict[FrameKey, int] = {}

    def take(self, packet: Packet) -> None:
        try:
            topic = self.layouts.topic(packet.topic)
        except ValueError as error:
            self.rejects.open(packet, None)
            self.rejects.add("packet", "bad_topic", str(error))
            return
        self.rejects.open(packet, topic)
        size = len(packet.payload)
        if size > self.limits.max_frame_bytes:
            self.rejects.add(
                "packet",
                "frame_too_large",
                f"{topic.channel} of mine {topic.mine} has {size} bytes, "
                f"at most {self.limits.max_frame_bytes} are taken",
            )
            return
        reader = _READERS.get(topic.channel)
        if reader is None:
            self.rejects.add(
                "packet", "bad_topic", f"nobody sends {topic.channel} to gasmon"
            )
            return
        if not self.directory.admits(topic.mine):
            self.rejects.add(
                "packet", "unknown_mine", f"mine {topic.mine} is unknown here"
            )
            return
        try:
            reader(self, packet, topic)
            self.count_extra_keys(packet, topic)
        except PayloadError as error:
            where = "definition" if topic.channel == "points" else "frame"
            self.rejects.add_error(where, error)

    def finish(self) -> Decoded:
        self.rejects.close()
        self.out.batch = self.gathered.batch(self.rejects)
        self.out.rejects = self.rejects.all
        return self.out

    def read_frame(self, packet: Packet, topic: Topic) -> None:
        try:
            obj = orjson.loads(packet.payload)
            if type(obj) is not dict:
                raise PayloadError("not_an_object", f"the payload is {show(obj)}")
        except orjson.JSONDecodeError:
            obj = load_object(packet.payload)
        check_version(obj)
        boot = need_boot(obj)
        seq = need_int(obj, "seq", 0, INT64_MAX)
        ts_ms = need_time_ms(obj, "ts")
        d = need(obj, "d")
        if type(d) is not list:
            raise PayloadError("wrong_type", f"d is {show(d)}, not an array")
        if len(obj) > len(DATA_KEYS):
            check_mine(obj, topic)
            self.out.extra_keys[topic.channel] += len(obj) - len(DATA_KEYS)
        key = FrameKey(topic.run, topic.mine, boot, seq)
        if not self.counts(key, ts_ms, packet.arrived_us // US_PER_MS):
            self.out.repeated.append(key)
            return
        self.keys[key] = ts_ms
        columns = read_columns(
            topic.mine,
            d,
            self.layouts,
            self.directory,
            self.rejects,
            self.out.unknown,
            ts_ms,
        )
        offset_us = 0
        if self.clocks is not None:
            offset_us = self.clocks.correct(
                key,
                topic.channel,
                ts_ms,
                packet.arrived_us,
                is_repeated=packet.is_repeated,
            )
        self.gathered.add(packet, topic, key, ts_ms, columns, offset_us)

    def counts(self, key: FrameKey, device_ms: int, arrived_ms: int) -> bool:
        """Whether a frame was not taken before, neither here nor in another call."""
        if self.keys.get(key) == device_ms:
            return False
        return self.is_new is None or self.is_new(key, device_ms, arrived_ms)

    def count_extra_keys(self, packet: Packet, topic: Topic) -> None:
        """Count unknown keys of the rare messages, which were read without fault."""
        known = OTHER_KEYS.get(topic.channel)
        if known is not None:
            extra = extra_keys(load_object(packet.payload), known)
            if extra:
                self.out.extra_keys[topic.channel] += extra

    def read_points(self, packet: Packet, topic: Topic) -> None:
        def refuse(error: PayloadError) -> None:
            self.rejects.add_error("definition", error)

        self.out.definitions.append(
            parse_points(topic, packet.payload, packet.arrived_us, refuse)
        )

    def read_state(self, packet: Packet, topic: Topic) -> None:
        state = parse_state(packet.payload)
        self.out.states.append(
            MineState(
                topic.run,
                topic.area,
                topic.mine,
                state,
                packet.arrived_us,
                packet.retained,
            )
        )

    def read_event(self, packet: Packet, topic: Topic) -> None:
        self.add_event(parse_event(packet.payload), packet, topic)

    def add_event(self, event: EventPayload, packet: Packet, topic: Topic) -> None:
        if self.is_storable(event.start_ms, event.no):
            self.out.events.append(
                MineEvent(topic.run, topic.area, topic.mine, event, packet.arrived_us)
            )

    def add_statistic(
        self, told: StatisticPayload, packet: Packet, topic: Topic
    ) -> None:
        if self.is_storable(told.start_ms, told.no) and self.is_storable(
            told.end_ms, told.no
        ):
            self.out.statistics.append(
                MineStatistic(topic.run, topic.mine, told, packet.arrived_us)
            )

    def is_storable(self, at_ms: int, no: str) -> bool:
        """Whether a time by which something is known is of this century."""
        if TIME_MIN_US <= at_ms * US_PER_MS < TIME_MAX_US:
            return True
        self.rejects.add("frame", "event_time", f"point {no}: {at_ms} ms since 1970")
        return False

    def read_response(self, packet: Packet, topic: Topic) -> None:
        response = parse_cmd_res(packet.payload)
        self.out.responses.append(
            Response(topic.run, topic.area, topic.mine, response, packet.arrived_us)
        )

    def read_file(self, packet: Packet, topic: Topic) -> None:
        if not packet.payload:
            raise PayloadError("empty_payload", f"file {topic.detail} has 0 bytes")
        _, file_type = split_type(topic.detail)
        if not topic.detail.endswith(file_type):
            raise PayloadError("unknown_file_type", f"type {show(topic.detail)}")
        if file_type in ("CDSS", "FZSS"):
            self.read_readings(packet, topic)
            return
        file = self.files.parse(topic, file_type, packet.payload)
        is_definition = file_type in DEFINING
        tell(file.refusals, self.rejects, "definition" if is_definition else "reading")
        if is_definition:
            defined = self.files.define(file, packet.arrived_us, topic.run)
            tell(defined.refusals, self.rejects, "definition")
            self.out.definitions.append(defined.definition)
        told = (record for record in file.records if isinstance(record, Abnormal))
        for record in newest(told).values():
            self.add_event(event_of(record), packet, topic)
        for one in file.records:
            if isinstance(one, Statistic):
                self.add_statistic(statistic_of(one), packet, topic)

    def read_readings(self, packet: Packet, topic: Topic) -> None:
        """Take a CDSS or FZSS file as the frame that it is."""
        told = self.files.frame(packet, topic, self.clocks, self.counts)
        if not told.is_new:
            self.out.repeated.append(told.key)
            return
        self.keys[told.key] = told.device_ms
        tell(told.file.refusals, self.rejects, "reading")
        unknown = self.out.unknown
        columns = frame_columns(
            told.file, self.layouts, self.directory, unknown, self.rejects
        )
        offset_us = 0
        if self.clocks is not None:
            offset_us = self.clocks.correct(
                told.key, told.channel, told.device_ms, packet.arrived_us
            )
        self.gathered.add(packet, topic, told.key, told.device_ms, columns, offset_us)


def check_mine(obj: dict[str, Any], topic: Topic) -> None:
    """Refuse a payload that names another mine than its topic.

    Raises:
        PayloadError: `mine_disagrees`; names both.
    """
    if obj.get("mine", topic.mine) != topic.mine:
        raise PayloadError(
            "mine_disagrees",
            f"the payload names mine {show(obj['mine'])}, the topic {topic.mine}",
        )


_READERS: Mapping[str, Callable[[_Turn, Packet, Topic], None]] = {
    "data": _Turn.read_frame,
    "backfill": _Turn.read_frame,
    "points": _Turn.read_points,
    "state": _Turn.read_state,
    "event": _Turn.read_event,
    "cmd/res": _Turn.read_response,
    "file": _Turn.read_file,
}
