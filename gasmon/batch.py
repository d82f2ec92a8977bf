"""ReadingBatch: what ingest and alarms both speak.

Ingest makes one from packets, the engine judges it, the store writes it. It is a
struct of arrays with its invariants checked once, at construction; nobody downstream
checks again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Index = NDArray[np.intp] | Int32
"""Rows, lines or other numbers to index arrays with; intp is much the faster."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One message as the broker handed it over.

    Attributes:
        arrived_us: wall time of arrival [µs UTC].
        generation: number of the connection it came by; an acknowledgement for an
            older connection must be dropped, because message ids are renumbered.
        mid: the broker's message id on that connection.
        is_repeated: the broker sent it before and heard nothing of it; newer messages
            may have come meanwhile.
    """

    topic: str
    payload: bytes
    arrived_us: int
    retained: bool = False
    generation: int = 0
    mid: int = 0
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class FrameKey:
    """Identity of a frame; the same key twice is the same frame sent again.

    Attributes:
        run: 0 for live, else the number of a drill.
        mine: 12 digits.
        boot: what the gateway calls its present start.
        seq: number of the data frame since that start.
    """

    run: int
    mine: str
    boot: str
    seq: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One accepted frame; its readings are ``[first, first + n_readings)``.

    Attributes:
        channel: ``data``, ``backfill``, or ``file`` of an upload file.
        device_ms: time as the mine sent it, kept raw even when absurd [ms UTC].
        judged_us: time that is used: the device's when it is between 2000 and
            2100, else the arrival [µs UTC].
    """

    key: FrameKey
    channel: str
    device_ms: int
    arrived_us: int
    judged_us: int
    n_readings: int
    first: int


@dataclass(frozen=True, slots=True)
class Reject:
    """Something refused, with enough beside it for a person to see why.

    Attributes:
        reason: stable code such as ``not_json`` or ``negative_concentration``.
        detail: one line that names the thing and the number.
        where: packet, frame, reading, definition or store.
        first_bytes: at most 256 bytes of what came.
        size: length of what came [bytes].
        n: how many like it this one stands for.
    """

    reason: str
    detail: str
    topic: str
    mine: str | None
    run: int
    arrived_us: int
    first_bytes: bytes
    size: int
    where: str
    n: int = 1

    @classmethod
    def without_packet(
        cls,
        reason: str,
        detail: str,
        *,
        mine: str | None,
        run: int,
        arrived_us: int,
        where: str,
        n: int = 1,
    ) -> Self:
        """One of something that lies in no packet that could be shown."""
        return cls(reason, detail, "", mine, run, arrived_us, b"", 0, where, n)


@dataclass(frozen=True, slots=True)
class ReadingBatch:
    """Readings in arrival order, as parallel arrays of one length n.

    Attributes:
        row: index into the point table, int32[n], never negative.
        value: float64[n]; NaN means that there is no value.
        at_us: the time each reading is judged at, int64[n] [µs UTC].
        arrived_us: wall time of arrival, int64[n] [µs UTC].
        state: state bits, int32[n].
        frames: where the readings came from; may be empty (replay).
    """

    row: Int32
    value: Float64
    at_us: Int64
    arrived_us: Int64
    state: Int32
    frames: tuple[Frame, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.row)
        for name, dtype in (
            ("row", np.int32),
            ("value", np.float64),
            ("at_us", np.int64),
            ("arrived_us", np.int64),
            ("state", np.int32),
        ):
            array = getattr(self, name)
            assert array.shape == (n,), f"{name}: {array.shape} instead of ({n},)"
            assert array.dtype == dtype, f"{name}: {array.dtype} instead of {dtype}"
        assert n == 0 or int(self.row.min()) >= 0, "a reading without a point"

    @property
    def n(self) -> int:
        """Number of readings."""
        return len(self.row)

    @property
    def index(self) -> NDArray[np.intp]:
        """The rows as an index, intp[n].

        NumPy gathers and scatters by it several times as fast as by int32, so whoever
        has much to gather asks for it once.
        """
        return self.row.astype(np.intp)

    @classmethod
    def empty(cls) -> "ReadingBatch":
        """A batch of nothing, for turns in which only the clock moves."""
        return cls(
            row=np.empty(0, np.int32),
            value=np.empty(0, np.float64),
            at_us=np.empty(0, np.int64),
            arrived_us=np.empty(0, np.int64),
            state=np.empty(0, np.int32),
        )

    def select(self, index: NDArray[np.intp]) -> "ReadingBatch":
        """The readings at ``index`` (intp[k]), without their frames."""
        # A part of what was checked as a whole needs no check of its own.
        part = object.__new__(ReadingBatch)
        keep = object.__setattr__
        keep(part, "row", self.row[index])
        keep(part, "value", self.value[index])
        keep(part, "at_us", self.at_us[index])
        keep(part, "arrived_us", self.arrived_us[index])
        keep(part, "state", self.state[index])
        keep(part, "frames", ())
        return part

    def rounds(self) -> Iterator[NDArray[np.intp]]:
        """Cut the batch so that each point occurs at most once in a round.

        Evaluating a point's readings one round after the other, in the order in
        which they arrived, gives the same result however the stream was cut into
        batches. "The last value of each point" does not: after a backlog it skips
        every alarm that came and went.

        Yields:
            Index arrays, intp[k]. Round i holds the i-th reading of each point.
        """
        n = self.n
        if n == 0:
            return
        # The common case is one frame per mine: nothing occurs twice, which is seen at
        # once where rows only rise. Counting by bincount is linear in the highest row;
        # only a real backlog pays for the sort.
        rises = np.count_nonzero(self.row[1:] > self.row[:-1]) == n - 1
        if rises or int(np.bincount(self.row).max()) == 1:
            yield np.arange(n)
            return
        order = np.argsort(self.row, kind="stable")
        rows = self.row[order]
        starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
        lengths = np.diff(np.r_[starts, n])
        occurrence = np.arange(n) - np.repeat(starts, lengths)
        by_round = np.argsort(occurrence, kind="stable")
        ends = np.cumsum(np.bincount(occurrence))
        begin = 0
        for end in ends:
            # Arrival order within a round keeps memory access close to sequential.
            yield np.sort(order[by_round[begin:end]])
            begin = int(end)


@dataclass(frozen=True, slots=True)
class GatewayClock:
    """What is known of the clock of one start of a mine's gateway.

    Attributes:
        offset_us: what is added to the times of its frames [µs].
        error_us: how far it is ahead of the truth as we know it [µs]; 0 when it can be
            right.
        is_wrong: it is off, corrected or not.
        since_us: arrival at which this began; ``seen_us`` the newest one [µs UTC].
        former: corrections before this one, oldest first: the last frame number that
            each counts for, the correction [µs], and the time that the last frame by
            it was judged at [µs UTC].
    """

    run: int
    mine: str
    boot: str
    offset_us: int
    error_us: int
    is_wrong: bool
    since_us: int
    seen_us: int
    former: tuple[tuple[int, int, int], ...] = ()

    @classmethod
    def from_told(cls, told: Mapping[str, Any]) -> Self:
        """What was written as JSON; an older version wrote no former corrections."""
        former = tuple((last, us, to) for last, us, to in told.get("former", ()))
        return cls(**{**told, "former": former})
