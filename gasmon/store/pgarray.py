"""NumPy columns as PostgreSQL's binary arrays, made without a loop.

A few rows inserted from arrays share a round trip with other statements, as a COPY
cannot: it ends the pipeline and waits twice.
"""

import struct

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

from gasmon.batch import Float64, Int32, Int64
from gasmon.units import PG_EPOCH_US

_HEADER = struct.Struct(">iiIii")


class ArrayBytes(bytes):
    """A one-dimensional array without nulls, as ``array_recv`` of the server reads."""


class TimestampArray(ArrayBytes):
    """timestamptz[]"""


class Float8Array(ArrayBytes):
    """float8[]"""


class Int4Array(ArrayBytes):
    """int4[]"""


def timestamps(time_us: Int64) -> TimestampArray:
    """Times, int64[n] [µs UTC]; n may not be 0."""
    return TimestampArray(_encode(1184, time_us - PG_EPOCH_US, ">i8"))


def floats(values: Float64) -> Float8Array:
    """float64[n]; NaN stays NaN. n may not be 0."""
    return Float8Array(_encode(701, values, ">f8"))


def integers(values: Int32) -> Int4Array:
    """int32[n]; n may not be 0."""
    return Int4Array(_encode(23, values, ">i4"))


def register(conn: psycopg.Connection[tuple[object, ...]]) -> None:
    """Let statements of this connection take such arrays as parameters."""
    for dumper in (_TimestampArray, _Float8Array, _Int4Array):
        conn.adapters.register_dumper(dumper.taken, dumper)


class _Array(Dumper):
    format = Format.BINARY
    taken: type[ArrayBytes]

    def dump(self, obj: ArrayBytes) -> Buffer:
        return obj


class _TimestampArray(_Array):
    oid, taken = 1185, TimestampArray


class _Float8Array(_Array):
    oid, taken = 1022, Float8Array


class _Int4Array(_Array):
    oid, taken = 1007, Int4Array


def _encode(oid: int, values: NDArray[np.generic], dtype: str) -> bytes:
    """Header (dimensions, no nulls, type, length, first index), then the elements."""
    n = len(values)
    assert n > 0, "an empty array has no dimension"
    rows = np.empty(n, [("len", ">i4"), ("value", dtype)])
    rows["len"] = rows.dtype["value"].itemsize
    rows["value"] = values
    return _HEADER.pack(1, 0, oid, n, 1) + rows.tobytes()
