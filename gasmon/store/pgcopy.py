"""PostgreSQL's binary COPY format for readings, made by NumPy without a loop (pure)."""

import numpy as np
from numpy.typing import NDArray

from gasmon.batch import Float64, Int32, Int64
from gasmon.units import PG_EPOCH_US

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)  # then flags 0, no header extension
_TRAILER = b"\xff\xff"

# One row of the format: number of fields, then length and payload of each, all
# big-endian. A null has length −1 and no payload, so it makes a shorter row.
_ROW = [
    ("n", ">i2"),
    ("at_len", ">i4"),
    ("at", ">i8"),
    ("arrived_len", ">i4"),
    ("arrived", ">i8"),
    ("value_len", ">i4"),
    ("value", ">f8"),
    ("point_len", ">i4"),
    ("point", ">i4"),
    ("run_len", ">i4"),
    ("run", ">i4"),
    ("state_len", ">i4"),
    ("state", ">i4"),
]
_WITH_VALUE = np.dtype(_ROW)
_WITHOUT_VALUE = np.dtype([part for part in _ROW if part[0] != "value"])


def encode_copy(
    run: int,
    point_id: Int32,
    value: Float64,
    at_us: Int64,
    arrived_us: Int64,
    state: Int32,
) -> bytes:
    """The rows of a table like ``reading`` as one binary COPY stream.

    Rows with a value come first, then those without; within a table of keys the order
    has no meaning.

    Args:
        run: the same for all rows.
        point_id: int32[n].
        value: float64[n]; NaN becomes null.
        at_us: judged times, int64[n] [µs UTC].
        arrived_us: arrival times, int64[n] [µs UTC].
        state: state bits, int32[n].
    """
    absent = np.isnan(value)
    parts = [_SIGNATURE]
    for dtype, chosen in ((_WITH_VALUE, ~absent), (_WITHOUT_VALUE, absent)):
        # Taking a slice of everything costs nothing; an index array is a copy.
        index: NDArray[np.intp] | slice = (
            slice(None) if chosen.all() else np.flatnonzero(chosen)
        )
        at = at_us[index]
        if len(at) == 0:
            continue
        rows = np.empty(len(at), dtype)
        rows["n"] = 6
        for name in ("at_len", "arrived_len", "value_len"):
            rows[name] = 8
        for name in ("point_len", "run_len", "state_len"):
            rows[name] = 4
        rows["at"] = at - PG_EPOCH_US
        rows["arrived"] = arrived_us[index] - PG_EPOCH_US
        if dtype is _WITH_VALUE:
            rows["value"] = value[index]
        else:
            rows["value_len"] = -1
        rows["point"] = point_id[index]
        rows["run"] = run
        rows["state"] = state[index]
        parts.append(rows.tobytes())
    parts.append(_TRAILER)
    return b"".join(parts)
