"""The binary COPY stream, byte by byte; no database."""

import struct

import numpy as np

from gasmon.store.pgcopy import encode_copy
from gasmon.units import PG_EPOCH_US

HEAD = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)


def stream(values: list[float]) -> bytes:
    """Rows with these values, one second apart."""
    n = len(values)
    at = PG_EPOCH_US + 1_000_000 * np.arange(n, dtype=np.int64)
    return encode_copy(
        7,
        np.arange(n, dtype=np.int32) + 100,
        np.array(values, np.float64),
        at,
        at + 5,
        np.full(n, 8, np.int32),
    )


def test_a_row_with_a_value() -> None:
    """Six fields, each with its length, all big-endian."""
    row = struct.pack(">hiqiqidiiiiii", 6, 8, 0, 8, 5, 8, 1.5, 4, 100, 4, 7, 4, 8)
    assert stream([1.5]) == HEAD + row + b"\xff\xff"


def test_a_row_without_a_value() -> None:
    """A null has length −1 and no payload."""
    row = struct.pack(">hiqiqiiiiiii", 6, 8, 0, 8, 5, -1, 4, 100, 4, 7, 4, 8)
    assert stream([float("nan")]) == HEAD + row + b"\xff\xff"


def test_no_rows() -> None:
    """Nothing is a header and a trailer."""
    assert stream([]) == HEAD + b"\xff\xff"


def test_mixed_rows() -> None:
    """Rows with a value come first; none is lost."""
    assert len(stream([1.0, float("nan"), 2.0])) == len(HEAD) + 62 + 54 + 62 + 2
