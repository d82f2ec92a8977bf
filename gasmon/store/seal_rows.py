"""Rows of frames and readings as a check of the seals reads them: in bulk."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from tempfile import TemporaryFile
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from gasmon.errors import DependencyError
from gasmon.sealing import FrameRow
from gasmon.store.db import Connection
from gasmon.store.frame_rows import CHANNELS
from gasmon.units import PG_EPOCH_US, US_PER_DAY, US_PER_H, from_datetime, to_datetime

_BLOCK = 200_000
"""Rows looked at together: 12 MB."""

# A row of PostgreSQL's binary COPY; no field is null, so all are of one length.
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("at_len", ">i4"),
        ("at", ">i8"),
        ("arrived_len", ">i4"),
        ("arrived", ">i8"),
        ("value_len", ">i4"),
        ("value", ">f8"),
        ("point_len", ">i4"),
        ("point", ">i4"),
        ("state_len", ">i4"),
        ("state", ">i4"),
        ("nan_len", ">i4"),
        ("nan", "?"),
    ]
)
_HEADER = 19
_TRAILER = 2

ROW = np.dtype(
    [
        ("at", np.int64),
        ("arrived", np.int64),
        ("value", np.float64),
        ("point", np.int64),
        ("state", np.int32),
        ("nan", np.bool_),
    ]
)
"""Times [µs UTC]; no value is NaN. ``nan`` marks a NaN that the table itself holds,
where gasmon stores a null."""


def readings(conn: Connection, from_us: int, to_us: int) -> Iterator[NDArray[np.void]]:
    """Live readings judged in [from, to), in blocks of :data:`ROW`."""
    statement = (
        "COPY (SELECT at, arrived_at, coalesce(value, 'NaN'), point_id, state,"
        " coalesce(value = 'NaN', false) FROM reading WHERE run = 0"
        f" AND at >= '{to_datetime(from_us).isoformat()}'"
        f" AND at < '{to_datetime(to_us).isoformat()}') TO STDOUT (FORMAT BINARY)"
    ).encode()
    with conn.cursor().copy(statement) as copy:
        parts: list[bytes] = []
        n_bytes = -_HEADER
        for part in copy:
            parts.append(bytes(part))
            n_bytes += len(part)
            if n_bytes >= _BLOCK * _ROW.itemsize:
                told = b"".join(parts)[_HEADER:]
                whole = len(told) // _ROW.itemsize * _ROW.itemsize
                yield _rows(told[:whole])
                parts = [bytes(_HEADER), told[whole:]]
                n_bytes = len(told) - whole
        told = b"".join(parts)[_HEADER:]
        yield _rows(told[: len(told) - _TRAILER])


def _rows(told: bytes) -> NDArray[np.void]:
    found = np.frombuffer(told, _ROW)
    rows = np.empty(len(found), ROW)
    for name in ("value", "point", "state", "nan"):
        rows[name] = found[name]
    rows["at"] = found["at"].astype(np.int64) + PG_EPOCH_US
    rows["arrived"] = found["arrived"].astype(np.int64) + PG_EPOCH_US
    return rows


class RowsByHour:
    """Readings hour by hour, of tables that are read by days.

    Nothing in the table finds an hour: its partitions are days, and its key begins with
    the point. So a day is read once, and its hours wait in files that have no name.
    """

    def __init__(self, conn: Connection, to_us: int) -> None:
        """Nothing is read yet.

        Args:
            to_us: the last hour that is begun ends here [µs UTC].
        """
        self._conn = conn
        self._to_us = to_us
        self._day: dict[int, IO[bytes]] = {}
        self._files = ExitStack()

    def begin(self, hour_us: int) -> None:
        """Go on to an hour, in their order: others of its day will follow.

        Raises:
            DependencyError: no room for a day's rows among the temporary files.
        """
        if hour_us in self._day:
            return
        self.close()
        end_us = min(hour_us - hour_us % US_PER_DAY + US_PER_DAY, self._to_us)
        if end_us - hour_us <= US_PER_H:
            return  # one hour alone need not be written down
        try:
            # An hour without a reading is empty, not unread.
            for at_us in range(hour_us, end_us, US_PER_H):
                file = TemporaryFile()  # noqa: SIM115 - closed with the others
                self._day[at_us] = self._files.enter_context(file)
            for block in readings(self._conn, hour_us, end_us):
                hours = block["at"] - block["at"] % US_PER_H
                for at_us in np.unique(hours).tolist():
                    self._day[at_us].write(block[hours == at_us].tobytes())
            for spooled in self._day.values():
                spooled.flush()
        except OSError as error:
            raise DependencyError(f"temporary files: {error}") from None

    def hour(self, hour_us: int) -> Iterator[NDArray[np.void]]:
        """Live readings judged in any hour, in blocks of :data:`ROW`."""
        spooled = self._day.get(hour_us)
        if spooled is None:
            yield from readings(self._conn, hour_us, hour_us + US_PER_H)
            return
        spooled.seek(0)
        while data := spooled.read(_BLOCK * ROW.itemsize):
            yield np.frombuffer(data, ROW)

    def close(self) -> None:
        """Let the files go."""
        self._files.close()
        self._day = {}


FrameKey = tuple[str, str, int, int]
"""mine, boot, seq, judged time [µs UTC]."""


def key_of(row: FrameRow) -> FrameKey:
    """What no two frames have in common."""
    return row[4], row[7], row[3], row[0]


def frames(conn: Connection, from_us: int, to_us: int) -> dict[FrameKey, FrameRow]:
    """Live frames judged in [from, to)."""
    names = {number: name for name, number in CHANNELS.items()}
    rows = conn.execute(
        "SELECT f.judged_at, f.arrived_at, f.device_ms, f.seq,"
        " coalesce(m.code, f.mine_id::text), f.n_readings, f.channel, f.boot"
        " FROM frame f LEFT JOIN mine m USING (mine_id)"
        " WHERE f.run = 0 AND f.judged_at >= %s AND f.judged_at < %s",
        (to_datetime(from_us), to_datetime(to_us)),
    ).fetchall()
    found = {}
    told = cast(list[tuple[datetime, datetime, int, int, str, int, int, str]], rows)
    for judged, arrived, device_ms, seq, mine, n, channel, boot in told:
        row = (
            from_datetime(judged),
            from_datetime(arrived),
            device_ms,
            seq,
            mine,
            n,
            names.get(channel, str(channel)),
            boot,
        )
        found[key_of(row)] = row
    return found
