"""The readings of many frames, collected as lists and made arrays once.

Values stay Python objects until every frame of the batch is in: one conversion by
NumPy for 15,000 readings costs far less than 259 conversions for 58.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gasmon.batch import (
    Float64,
    Frame,
    FrameKey,
    Int32,
    Int64,
    Packet,
    ReadingBatch,
    Reject,
)
from gasmon.ingest.clocks import AHEAD_US
from gasmon.ingest.fields import PayloadError, show
from gasmon.ingest.layouts import LOWEST
from gasmon.ingest.topics import Topic
from gasmon.units import TIME_MAX_US, TIME_MIN_US, US_PER_DAY, US_PER_MS

FIRST_BYTES = 256
"""Bytes of a refused message that are kept beside the reason."""

REJECTS_PER_REASON = 8
"""Rejects of one reason kept one by one per message; the rest is one with `n`.

A frame of 512 kB holds some 40,000 readings: a row for each bad one would let one
gateway fill the disk.
"""

_FAR_MS = 1e15
"""A time beyond every calendar [ms]; as µs it is still far from the end of a float."""

Value = float | int | None


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What decoding takes for possible.

    Attributes:
        max_frame_bytes: Longer messages are refused unparsed [bytes]. 250 points
            take 5 kB, so the default is a hundred of them.
        lowest: Lowest possible value by quantity, in the point's unit.
    """

    max_frame_bytes: int = 524_288
    lowest: Mapping[str, float] = field(default_factory=lambda: dict(LOWEST))


class Rejects:
    """Collects what was refused, at most a few of a kind for one message."""

    def __init__(self) -> None:
        """Start with none."""
        self.all: list[Reject] = []
        self._counts: dict[tuple[str, str], int] = {}
        self._packet: Packet | None = None
        self._topic: Topic | None = None

    def open(self, packet: Packet, topic: Topic | None) -> None:
        """Begin with a message; what follows is about it."""
        if self._counts:
            self.close()
        self._packet, self._topic = packet, topic

    def add(self, where: str, reason: str, detail: str) -> None:
        """Refuse the open message or a part of it."""
        count = self._counts.get((where, reason), 0) + 1
        self._counts[where, reason] = count
        if count <= REJECTS_PER_REASON:
            self.all.append(self.make(where, reason, detail, 1))

    def add_many(self, where: str, reason: str, detail: str, n: int) -> None:
        """Refuse n parts of the open message that were not looked at."""
        self.all.append(self.make(where, reason, detail, n))

    def add_error(self, where: str, error: PayloadError) -> None:
        """Refuse for the reason that the error carries."""
        self.add(where, error.reason, error.detail)

    def close(self) -> None:
        """End the message: one more Reject stands for all that were not kept."""
        for (where, reason), count in self._counts.items():
            more = count - REJECTS_PER_REASON
            if more > 0:
                detail = f"{more} more of {count} in the same message"
                self.all.append(self.make(where, reason, detail, more))
        self._counts.clear()

    def make(self, where: str, reason: str, detail: str, n: int) -> Reject:
        """Return a Reject about the open message without collecting it."""
        packet, topic = self._packet, self._topic
        assert packet is not None
        return Reject(
            reason=reason,
            detail=detail,
            topic=packet.topic[:300],
            mine=topic.mine or None if topic else None,
            run=topic.run if topic else 0,
            arrived_us=packet.arrived_us,
            first_bytes=packet.payload[:FIRST_BYTES],
            size=len(packet.payload),
            where=where,
            n=n,
        )


@dataclass(frozen=True, slots=True)
class Columns:
    """The readings of one frame that have a row.

    Attributes:
        rows: int32[n].
        lowest: float64[n], lowest possible value of each.
        values: n numbers or None.
        states: n ints within int32.
        times: n sample times [ms UTC] or None each; None when there are none at all.
        nos: Numbers as sent, for words about a reading.
    """

    rows: Int32
    lowest: Float64
    values: Sequence[Value]
    states: Sequence[int]
    times: Sequence[Value] | None
    nos: Sequence[str]


class Gathered:
    """Frames and their readings, in order of arrival."""

    def __init__(self) -> None:
        """Start with none."""
        self.frames: list[Frame] = []
        self._packets: list[tuple[Packet, Topic, Sequence[str]]] = []
        self._rows: list[Int32] = []
        self._lowest: list[Float64] = []
        self._values: list[Value] = []
        self._states: list[int] = []
        self._times: list[tuple[Frame, Sequence[Value]]] = []

    def add(
        self,
        packet: Packet,
        topic: Topic,
        key: FrameKey,
        device_ms: int,
        columns: Columns,
        offset_us: int,
    ) -> None:
        """Append a frame with its readings."""
        frame = Frame(
            key=key,
            channel=topic.channel,
            device_ms=device_ms,
            arrived_us=packet.arrived_us,
            judged_us=judged_us(device_ms, packet.arrived_us, offset_us),
            n_readings=len(columns.values),
            first=len(self._values),
        )
        self.frames.append(frame)
        self._packets.append((packet, topic, columns.nos))
        self._rows.append(columns.rows)
        self._lowest.append(columns.lowest)
        self._values.extend(columns.values)
        self._states.extend(columns.states)
        if columns.times is not None:
            self._times.append((frame, columns.times))

    def batch(self, rejects: Rejects) -> ReadingBatch:
        """Make the arrays; a concentration below its lowest loses its value."""
        if not self.frames:
            return ReadingBatch.empty()
        n_each = np.array([frame.n_readings for frame in self.frames])
        value = np.array(self._values, np.float64)
        below = np.flatnonzero(value < np.concatenate(self._lowest))
        if len(below):
            self._refuse(below, value, rejects)
            value[below] = np.nan
        judged = np.array([frame.judged_us for frame in self.frames], np.int64)
        arrived = np.array([frame.arrived_us for frame in self.frames], np.int64)
        at_us = np.repeat(judged, n_each)
        for frame, times in self._times:
            end = frame.first + frame.n_readings
            at_us[frame.first : end] = sample_times_us(frame, times)
        return ReadingBatch(
            row=np.concatenate(self._rows),
            value=value,
            at_us=at_us,
            arrived_us=np.repeat(arrived, n_each),
            state=np.array(self._states, np.int32),
            frames=tuple(self.frames),
        )

    def _refuse(
        self, below: NDArray[np.intp], value: Float64, rejects: Rejects
    ) -> None:
        lowest = np.concatenate(self._lowest)
        firsts = [frame.first for frame in self.frames]
        # Empty frames share their `first` with the next one: the last of them counts.
        which = np.searchsorted(firsts, below, side="right") - 1
        last = -1
        for i, number in zip(below.tolist(), which.tolist(), strict=True):
            packet, topic, nos = self._packets[number]
            if number != last:
                rejects.open(packet, topic)
                last = number
            no = nos[i - firsts[number]]
            rejects.add(
                "reading",
                "negative_concentration",
                f"point {no}: {show(float(value[i]))} is below {lowest[i]:g}, "
                "kept without a value",
            )
        rejects.close()


def judged_us(device_ms: int, arrived_us: int, offset_us: int) -> int:
    """Return the time a frame is judged at [µs UTC].

    Args:
        device_ms: As sent [ms UTC].
        arrived_us: When it arrived [µs UTC].
        offset_us: Correction of this gateway's clock [µs].

    Returns:
        The corrected device time when it lies in 2000 to 2100, else the arrival.
    """
    corrected = device_ms * US_PER_MS + offset_us
    return corrected if TIME_MIN_US <= corrected < TIME_MAX_US else arrived_us


def sample_times_us(frame: Frame, times: Sequence[Value]) -> Int64:
    """Return the times at which single readings of a frame are judged, int64[n].

    A sample is shifted as its frame was, so the distances within the frame stay. When
    the frame's clock was absurd, only samples within a day of it are: another one may
    come from a better clock and is taken as it is. What is absurd then, lies ahead of
    its arrival, or was not given, is judged with its frame.
    """
    # A float64 holds every whole µs up to the year 2255 exactly.
    sample_ms = np.clip(np.array(times, np.float64), -_FAR_MS, _FAR_MS)
    device_us = frame.device_ms * float(US_PER_MS)
    sample_us = sample_ms * US_PER_MS
    shift_us = frame.judged_us - device_us
    if not TIME_MIN_US <= device_us < TIME_MAX_US:
        near = np.abs(sample_us - device_us) <= US_PER_DAY
        at_us = np.where(near, sample_us + shift_us, sample_us)
    else:
        at_us = sample_us + shift_us
    # A sample from the future would make everything after it late, and silent.
    last_us = max(frame.judged_us, frame.arrived_us + AHEAD_US)
    good = (at_us >= TIME_MIN_US) & (at_us < TIME_MAX_US) & (at_us <= last_us)
    return np.where(good, at_us, frame.judged_us).astype(np.int64)
