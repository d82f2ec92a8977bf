"""Frames and readings: NumPy arrays straight into a binary COPY.

The usual batch goes straight into its table. Only when it collides with what is
stored already (a redelivery) is it taken back, put into a staging table and inserted
with ON CONFLICT DO NOTHING; a stored reading is never overwritten, and a second one
with another value is kept as a contradiction. Only when a row cannot be stored at all
is the batch cut in halves until that row is alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import psycopg
from numpy.typing import NDArray

from gasmon.batch import Frame, Int32, ReadingBatch, Reject
from gasmon.store import pgarray
from gasmon.store.db import Connection
from gasmon.store.frame_rows import store_frames
from gasmon.store.hours import INSERT_AND_NOTE, note_late
from gasmon.store.pgcopy import encode_copy
from gasmon.store.probe import POISON, plain_reading, require_taken
from gasmon.store.refused import (
    Second,
    Source,
    contradiction,
    name_points,
    poisoned,
)
from gasmon.units import to_datetime

Index = NDArray[np.intp]

FEW_READINGS = 1000
"""Up to so many readings are inserted from arrays; from about there on a COPY is
as fast, although it waits twice (measured)."""

_COLUMNS = "at, arrived_at, value, point_id, run, state"
_INSERT = f"""INSERT INTO reading ({_COLUMNS})
    SELECT r.at, r.arrived_at, nullif(r.value, 'NaN'), r.point_id, %s, r.state
    FROM unnest(%s, %s, %s, %s, %s) AS r (at, arrived_at, value, point_id, state)"""


@dataclass(frozen=True, slots=True)
class StoreResult:
    """What became of one batch.

    Attributes:
        n_frames: frames that were new.
        n_readings: readings that were new.
        n_duplicates: readings that were stored already, or twice in this batch.
        contradictions: second readings with the same key and another value; they
            count among the duplicates too.
        rejects: frames and readings that the database refused.
        frames: those that were new, in their order.
        stored: which readings of the batch were new, intp[n_readings], in any order.
    """

    n_frames: int = 0
    n_readings: int = 0
    n_duplicates: int = 0
    contradictions: list[Reject] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    stored: Index = field(default_factory=lambda: np.empty(0, np.intp))


@dataclass(slots=True)
class _Tally:
    """Sums while a batch is being stored."""

    stored: list[Index] = field(default_factory=list)
    duplicates: int = 0
    seconds: list[Second] = field(default_factory=list)
    poisoned: list[tuple[int, str]] = field(default_factory=list)


def copy_frames_and_readings(
    conn: Connection,
    run: int,
    frames: Sequence[Frame],
    point_id: Int32,
    batch: ReadingBatch,
) -> StoreResult:
    """Store one batch in the caller's transaction.

    The caller has made the partitions (``partitions.Partitions.ensure``) and the mines
    (``points.ensure_mine``), and stores the rejects of the result.

    Args:
        run: 0 for live, else the number of a drill; the same for the whole batch.
        frames: the accepted frames of the batch.
        point_id: identity of each reading's point, int32[n].
        batch: the readings; NaN is stored as null.

    Raises:
        psycopg.Error: not the fault of single rows (server gone, table missing,
            disk full); nothing of the batch is stored then.
    """
    assert point_id.shape == (batch.n,), f"{point_id.shape} for {batch.n} readings"
    new_frames, refused = store_frames(conn, run, frames)
    source = _source(run, point_id, batch)
    tally = _Tally()
    index = _without_repeats(source, tally)
    if len(index):
        _store_or_bisect(conn, source, index, tally)
    note_late(conn, run, point_id, batch.at_us)
    if tally.poisoned and not tally.stored:
        one, all_of_it = plain_reading(source), np.zeros(1, np.intp)
        require_taken(conn, "reading", lambda: _copy(conn, "reading", one, all_of_it))
    return _result(conn, source, tally, new_frames, refused)


def are_few(point_id: Int32, batch: ReadingBatch) -> bool:
    """Whether :func:`insert_few` may store them: few, and no point's time twice."""
    if batch.n > FEW_READINGS:
        return False
    order = np.lexsort((batch.at_us, point_id))
    point, at = point_id[order], batch.at_us[order]
    return not bool(((point[1:] == point[:-1]) & (at[1:] == at[:-1])).any())


def insert_few(
    conn: Connection, run: int, point_id: Int32, batch: ReadingBatch
) -> None:
    """Store the readings of a few frames by one statement, which fits in a pipeline.

    None at all is well too.

    Raises:
        psycopg.Error: as :func:`copy_readings`, in a pipeline with the next answer.
    """
    if batch.n == 0:
        return
    conn.execute(
        INSERT_AND_NOTE.format(insert=_INSERT).encode(),
        (
            run,
            pgarray.timestamps(batch.at_us),
            pgarray.timestamps(batch.arrived_us),
            pgarray.floats(batch.value),
            pgarray.integers(point_id),
            pgarray.integers(batch.state),
        ),
    )


def copy_readings(
    conn: Connection, run: int, point_id: Int32, batch: ReadingBatch
) -> StoreResult:
    """Store readings by one COPY and without a net, as nearly all can be.

    Frames are stored by :func:`insert_frames`, and not counted here.

    Raises:
        psycopg.Error: one of ``REFUSALS`` when a reading is stored already or cannot
            be: the transaction is lost, and :func:`copy_frames_and_readings` in a new
            one sorts it out. Any other as there.
    """
    source = _source(run, point_id, batch)
    tally = _Tally()
    index = _without_repeats(source, tally)
    if len(index):
        _copy(conn, "reading", source, index)
        tally.stored.append(index)
        note_late(conn, run, point_id, batch.at_us)
    return _result(conn, source, tally, [], [])


def _source(run: int, point_id: Int32, batch: ReadingBatch) -> Source:
    return Source(
        run, point_id, batch.value, batch.at_us, batch.arrived_us, batch.state
    )


def _result(
    conn: Connection,
    source: Source,
    tally: _Tally,
    frames: list[Frame],
    refused: list[Reject],
) -> StoreResult:
    named = name_points(
        conn,
        {s.point_id for s in tally.seconds}
        | {int(source.point_id[i]) for i, _ in tally.poisoned},
    )
    refused += [poisoned(source, i, why, named) for i, why in tally.poisoned]
    stored = np.concatenate([np.empty(0, np.intp), *tally.stored])
    return StoreResult(
        n_frames=len(frames),
        n_readings=len(stored),
        n_duplicates=tally.duplicates,
        contradictions=[contradiction(source.run, s, named) for s in tally.seconds],
        rejects=refused,
        frames=frames,
        stored=stored,
    )


def _copy(conn: Connection, table: str, source: Source, index: Index) -> None:
    stream = encode_copy(
        source.run,
        source.point_id[index],
        source.value[index],
        source.at_us[index],
        source.arrived_us[index],
        source.state[index],
    )
    statement = f"COPY {table} ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
    with conn.cursor().copy(statement.encode()) as copy:
        copy.write(stream)


def _without_repeats(source: Source, tally: _Tally) -> Index:
    """Keep the first of each (point, time) of the batch; tally the others.

    Returns:
        intp[k], ordered by point and time, which is the order of the index.
    """
    order = np.lexsort((source.at_us, source.point_id))
    point, at = source.point_id[order], source.at_us[order]
    repeated = np.zeros(len(order), bool)
    repeated[1:] = (point[1:] == point[:-1]) & (at[1:] == at[:-1])
    if not repeated.any():
        return order
    # The sort is stable: the first of a group is the one that arrived first.
    first_of = np.maximum.accumulate(np.where(repeated, 0, np.arange(len(order))))
    for position in np.flatnonzero(repeated):
        kept, came = order[first_of[position]], order[position]
        tally.duplicates += 1
        pair = _reading(source, kept), _reading(source, came)
        if pair[0] != pair[1]:
            tally.seconds.append(
                Second(
                    int(source.point_id[came]),
                    int(source.at_us[came]),
                    int(source.arrived_us[came]),
                    kept=pair[0],
                    came=pair[1],
                )
            )
    return order[~repeated]


def _reading(source: Source, i: int) -> tuple[float | None, int]:
    value = float(source.value[i])
    return None if np.isnan(value) else value, int(source.state[i])


def _store_or_bisect(
    conn: Connection, source: Source, index: Index, tally: _Tally
) -> None:
    """Store rows; cut them in halves when one of them poisons the rest.

    A batch of n rows with one bad row costs about 2·log2(n) COPYs.
    """
    waiting = [index]
    while waiting:
        part = waiting.pop()
        try:
            _store(conn, source, part, tally)
        except POISON as error:
            if len(part) == 1:
                why = error.diag.message_primary or str(error)
                tally.poisoned.append((int(part[0]), why))
            else:
                waiting += [part[len(part) // 2 :], part[: len(part) // 2]]


def _store(conn: Connection, source: Source, index: Index, tally: _Tally) -> None:
    try:
        with conn.transaction():
            _copy(conn, "reading", source, index)
        tally.stored.append(index)
    except psycopg.errors.UniqueViolation:
        with conn.transaction():
            stored, seconds = _store_staged(conn, source, index)
        tally.stored.append(stored)
        tally.duplicates += len(index) - len(stored)
        tally.seconds += seconds


def _store_staged(
    conn: Connection, source: Source, index: Index
) -> tuple[Index, list[Second]]:
    """Insert what is not stored yet and find what is stored with another value."""
    conn.execute(
        "CREATE TEMP TABLE IF NOT EXISTS reading_staging (at timestamptz,"
        " arrived_at timestamptz, value double precision, point_id integer,"
        " run integer, state integer) ON COMMIT DELETE ROWS"
    )
    conn.execute("TRUNCATE reading_staging")
    _copy(conn, "reading_staging", source, index)
    keys = conn.execute(
        f"INSERT INTO reading ({_COLUMNS}) SELECT {_COLUMNS} FROM reading_staging"
        " ON CONFLICT DO NOTHING RETURNING point_id,"
        " (extract(epoch FROM at) * 1000000)::bigint"
    ).fetchall()
    if len(keys) == len(index):
        return index, []
    new = set(cast(list[tuple[int, int]], keys))
    inserted = np.asarray(
        [
            i
            for i in index.tolist()
            if (int(source.point_id[i]), int(source.at_us[i])) in new
        ],
        np.intp,
    )
    # The bounds are given as numbers, so that partitions of other days are left out.
    at = source.at_us[index]
    rows = conn.execute(
        """SELECT s.point_id,
                  (extract(epoch FROM s.at) * 1000000)::bigint,
                  (extract(epoch FROM s.arrived_at) * 1000000)::bigint,
                  r.value, r.state, s.value, s.state
           FROM reading_staging s JOIN reading r
             ON r.run = s.run AND r.point_id = s.point_id AND r.at = s.at
           WHERE r.at BETWEEN %s::timestamptz AND %s::timestamptz
             AND (r.value IS DISTINCT FROM s.value OR r.state <> s.state)
           ORDER BY s.at, s.point_id""",
        (_bound(int(at.min()), "-infinity"), _bound(int(at.max()), "infinity")),
    ).fetchall()
    found = cast(list[tuple[int, int, int, float | None, int, float | None, int]], rows)
    return inserted, [
        Second(point, at_us, arrived, kept=(v0, s0), came=(v1, s1))
        for point, at_us, arrived, v0, s0, v1, s1 in found
    ]


def _bound(time_us: int, instead: str) -> str:
    """A time as SQL; PostgreSQL holds years that Python's datetime does not."""
    try:
        return to_datetime(time_us).isoformat()
    except OverflowError:
        return instead
