"""Batches of the arrival log as a check of the seals reads them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import numpy as np
from numpy.typing import NDArray

from gasmon.batch import Float64, Int32, Int64
from gasmon.sealing import (
    CLAIM,
    Chain,
    Claimed,
    FrameRow,
    batch_hash,
    expand,
    read_claims,
    read_frames,
    unpack,
)
from gasmon.store.db import Connection
from gasmon.units import from_datetime, to_datetime


@dataclass(slots=True)
class Batch:
    """A batch as it is recorded; ``hash`` is what the record says."""

    scope: str
    number: int
    recorded_us: int
    rows: bytes
    hash: bytes
    frames_text: str = field(init=False, default="")
    claims_bytes: bytes = field(init=False, default=b"")
    claims: NDArray[np.void] = field(init=False)
    frames: list[FrameRow] = field(init=False)

    def __post_init__(self) -> None:
        """Read the record; one that cannot be read claims nothing, and its hash
        cannot be right."""
        try:
            self.frames_text, self.claims_bytes = unpack(self.rows)
            self.claims = read_claims(self.claims_bytes)
            self.frames = read_frames(self.frames_text)
        except ValueError:
            self.claims, self.frames = np.empty(0, CLAIM), []

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.scope} {self.number}"

    def hash_of(self, previous: bytes, value: Float64, state: Int32) -> bytes:
        """The hash that its rows give."""
        return batch_hash(
            previous,
            self.scope,
            self.number,
            self.recorded_us,
            self.frames_text,
            self.claims_bytes,
            value,
            state,
        )


_BATCH = "SELECT scope, number, recorded_at, rows, hash FROM seal_batch"


def of_chain(conn: Connection, chain: Chain) -> list[Batch]:
    """The batches that a seal says were stored in its hour, in order."""
    rows = conn.execute(
        f"{_BATCH} WHERE scope = %s AND number BETWEEN %s AND %s"
        " ORDER BY number".encode(),
        (chain.scope, chain.first, chain.last),
        binary=True,
    ).fetchall()
    return [_batch(row) for row in rows]


def that_judge(conn: Connection, from_us: int, to_us: int) -> list[Batch]:
    """Every batch that may hold something judged in [from, to)."""
    rows = conn.execute(
        f"{_BATCH} WHERE at_to >= %s AND at_from < %s".encode(),
        (to_datetime(from_us), to_datetime(to_us)),
        binary=True,
    ).fetchall()
    return [_batch(row) for row in rows]


def _batch(row: tuple[object, ...]) -> Batch:
    scope, number, recorded, rows, hash_ = cast(
        tuple[str, int, datetime, bytes, bytes], row
    )
    return Batch(scope, number, from_datetime(recorded), bytes(rows), bytes(hash_))


def hash_before(conn: Connection, chain: Chain) -> bytes | None:
    """The recorded hash of the batch before a chain's first; None: not kept."""
    row = conn.execute(
        "SELECT hash FROM seal_batch WHERE scope = %s AND number = %s",
        (chain.scope, chain.first - 1),
    ).fetchone()
    return None if row is None else bytes(cast(bytes, row[0]))


def kept_from(conn: Connection) -> int | None:
    """When the oldest batch that is kept was recorded [µs UTC]; None: there is none.

    What arrived before it is in no batch, or in one that is no longer kept.
    """
    row = conn.execute(
        """WITH RECURSIVE s (scope) AS (
               SELECT min(scope) FROM seal_batch
               UNION ALL
               SELECT (SELECT min(b.scope) FROM seal_batch b WHERE b.scope > s.scope)
               FROM s WHERE s.scope IS NOT NULL)
           SELECT min(first.recorded_at) FROM s CROSS JOIN LATERAL (
               SELECT recorded_at FROM seal_batch b WHERE b.scope = s.scope
               ORDER BY number LIMIT 1) first WHERE s.scope IS NOT NULL"""
    ).fetchone()
    first = cast(tuple[datetime | None], row)[0]
    return None if first is None else from_datetime(first)


class Rows:
    """The readings that batches claim, and what the table holds of them.

    Attributes:
        claimed: every reading, batch after batch.
        offsets: where each batch's readings begin, intp[batches + 1].
        value, state: as stored, where ``seen``.
        wrong: stored, but with another time of arrival or an odd value.
    """

    def __init__(self, batches: Sequence[Batch]) -> None:
        """Nothing is seen yet."""
        counts = [int(batch.claims["n"].sum(dtype=np.int64)) for batch in batches]
        self.offsets = np.cumsum([0, *counts])
        self.claimed: Claimed = expand(
            np.concatenate([np.empty(0, CLAIM), *(b.claims for b in batches)])
        )
        n = int(self.offsets[-1])
        self.value: Float64 = np.full(n, np.nan)
        self.state: Int32 = np.zeros(n, np.int32)
        self.seen = np.zeros(n, np.bool_)
        self.wrong = np.zeros(n, np.bool_)

    @property
    def n(self) -> int:
        """How many are claimed."""
        return len(self.seen)

    def within(self, from_us: int, to_us: int) -> "Window":
        """Those that are judged in [from, to)."""
        at = self.claimed.at_us
        return Window(self, np.flatnonzero((at >= from_us) & (at < to_us)), from_us)


class Window:
    """Claimed readings of one hour of judged time, sought by their keys."""

    def __init__(self, rows: Rows, index: NDArray[np.intp], from_us: int) -> None:
        """Sort the keys.

        Args:
            index: which readings, intp[k].
        """
        self._rows = rows
        self._from_us = from_us
        keys = self._keys(rows.claimed.point[index], rows.claimed.at_us[index])
        order = np.argsort(keys)
        self._sorted, self._index = keys[order], index[order]

    def _keys(self, point: Int64, at_us: Int64) -> Int64:
        # An hour is less than 2^32 µs and a point's number less than 2^31.
        return ((at_us - self._from_us) << np.int64(31)) | point

    def meet(self, stored: NDArray[np.void]) -> NDArray[np.bool_]:
        """Note stored rows of this hour; which of them are claimed, bool[k]."""
        keys = self._keys(stored["point"], stored["at"])
        if not len(self._sorted):
            return np.zeros(len(keys), np.bool_)
        at = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        found: NDArray[np.bool_] = self._sorted[at] == keys
        to, rows = self._index[at[found]], self._rows
        kept = stored[found]
        rows.seen[to] = True
        rows.value[to], rows.state[to] = kept["value"], kept["state"]
        rows.wrong[to] |= kept["nan"]
        rows.wrong[to] |= kept["arrived"] != rows.claimed.arrived_us[to]
        return found
