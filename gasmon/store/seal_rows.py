"""Rows of frames and readings as a check of the seals reads them: in bulk."""

from collections.abc import Iterator
from datetime import datetime
from typing import cast

import numpy as np
from numpy.typing import NDArray

from gasmon.sealing import FrameRow
from gasmon.store.db import Connection
from gasmon.store.frame_rows import CHANNELS
from gasmon.units import PG_EPOCH_US, from_datetime, to_datetime

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
