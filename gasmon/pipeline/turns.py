"""A judged turn as bytes that another process can read (pure).

Rows of the point table mean something in one process only, so points are written by
their identity: each record carries a table of the keys that it uses, and arrays of
indices into it. A turn is two records, because a full disk may refuse one of them:

    facts      events, definitions, rejects, marks, who is heard, which frames came
               (turn_facts.py)
    readings   the values, and what is known now of each mine

Of a mine's newest values nearly all stand in the same turn's readings; those are
written as positions there. Packets are not written: their content is judged.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.batch import Frame, Int32, Int64, ReadingBatch, Reject
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.latest import LatestPoints
from gasmon.pipeline.merge import join
from gasmon.pipeline.record import (
    FACTS,
    READINGS,
    Arrays,
    Header,
    RecordCorrupt,
    seal,
    unseal,
)
from gasmon.pipeline.turn_facts import (
    add_facts,
    definitions_of,
    frames_of,
    newest_of,
    steps_of,
    to_header,
)
from gasmon.points import PointKey, PointTable

_COLUMNS = ("value", "state", "at_us", "arrived_us")


@dataclass(frozen=True, slots=True)
class EncodedTurn:
    """A turn as its two records; ``readings`` is empty when there were none."""

    facts: bytes
    readings: bytes


def encode_turn(judged: Judged, table: PointTable) -> EncodedTurn:
    """Write a turn.

    Args:
        table: the one that the turn's rows and mines belong to, or a later one.
    """
    facts = to_header(judged, table)
    readings = b""
    if facts["has_readings"]:
        readings = seal(READINGS, *_readings(judged, table.keys))
    return EncodedTurn(seal(FACTS, facts, {}), readings)


def decode_turn(
    turn: EncodedTurn,
    book: PointBook,
    *,
    lost: str = "they were not kept",
    adopt: bool = False,
) -> Judged:
    """Read a turn.

    Args:
        book: says which rows the points have here; unheard-of ones are provisioned.
        lost: why, when the facts tell of readings and there are none.
        adopt: the book takes the turn's definitions first, as it did when the turn
            was judged.

    Returns:
        The turn without its packets. When its readings are missing it has no
        frames either, so that they may come again, and one reject for each mine
        says which are missing; its steps are there without their readings.

    Raises:
        RecordCorrupt: a record is torn, altered, or does not fit this program.
    """
    try:
        facts, _ = unseal(FACTS, turn.facts)
        judged = Judged()
        frames = frames_of(facts)
        if adopt:
            for definition, standing in definitions_of(facts):
                book.take(definition.mine, standing)
        kept: list[NDArray[np.intp]] = []
        if turn.readings:
            header, arrays = unseal(READINGS, turn.readings)
            sizes = [n for n, _ in facts["batches"]]
            kept = _to_readings(judged, header, arrays, sizes, frames, book)
            judged.newest = newest_of(facts)
        add_facts(judged, facts, book)
        judged.steps = list(steps_of(facts, judged.batches, kept, book.table))
        if facts["has_readings"] and not turn.readings:
            judged.rejects += _missing((f for told in frames for f in told), lost)
            judged.given_up = newest_of(facts)
        return judged
    except _MISFITS as error:
        raise RecordCorrupt(f"{type(error).__name__}: {error}") from error


_MISFITS = (
    AssertionError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def _readings(judged: Judged, keys: Sequence[PointKey]) -> tuple[Header, Arrays]:
    batch = join(judged.batches) if judged.batches else ReadingBatch.empty()
    latest = judged.latest
    rows = np.concatenate([batch.row, *(points.row for points in latest)])
    used, index = np.unique(rows, return_inverse=True)
    known = {
        name: np.concatenate(
            [np.empty(0, getattr(batch, name).dtype)]
            + [getattr(points, name) for points in latest]
        )
        for name in _COLUMNS
    }
    source = _sources(batch, known, index)
    own = source < 0
    arrays: Arrays = {
        "row": _steps(index[: batch.n]),
        **{name: getattr(batch, name) for name in _COLUMNS},
        "source": _steps(source),
        "own_row": _steps(index[batch.n :][own]),
        **{f"own_{name}": column[own] for name, column in known.items()},
    }
    header = {
        "keys": _key_table([keys[row] for row in used.tolist()]),
        "n": batch.n,
        "latest": [[points.mine, len(points.row)] for points in latest],
    }
    return header, arrays


def _sources(
    batch: ReadingBatch, known: Arrays, index: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Where in the batch each newest value stands; -1 where it does not."""
    last = np.full(int(index.max(initial=-1)) + 1, -1, np.intp)
    # Of a repeated index the last assignment counts: the newest reading.
    last[index[: batch.n]] = np.arange(batch.n)
    source = last[index[batch.n :]]
    there = np.flatnonzero(source >= 0)
    for name in _COLUMNS:
        column = getattr(batch, name)
        bits = f"u{column.dtype.itemsize}"  # compared as bits: NaN equals itself
        same = column.view(bits)[source[there]] == known[name].view(bits)[there]
        source[there[~same]] = -1
        there = there[same]
    return source


def _to_readings(
    judged: Judged,
    header: Header,
    arrays: Arrays,
    sizes: list[int],
    frames: list[list[Frame]],
    book: PointBook,
) -> list[NDArray[np.intp]]:
    """Fill the batches and newest values; which readings of each batch have a row."""
    keys = [PointKey(m, s, no) for m, s, nos in header["keys"] for no in nos]
    if header["n"] != sum(sizes):
        raise ValueError(f"{header['n']} readings, the facts tell of {sum(sizes)}")
    row_of = _rows_here(keys, book)
    row = row_of[_summed(arrays["row"])]
    begin, kept = 0, []
    for n, told in zip(sizes, frames, strict=True):
        here = slice(begin, begin + n)
        kept.append(np.flatnonzero(row[here] >= 0))
        batch = _admitted(row[here], {c: arrays[c][here] for c in _COLUMNS}, told)
        judged.batches.append(batch)
        if batch.n < n:
            judged.rejects.append(_refused(told, n - batch.n))
        begin += n
    source = _summed(arrays["source"])
    own = source < 0
    known_row = row[source] if len(row) else np.empty(len(source), np.int32)
    known_row[own] = row_of[_summed(arrays["own_row"])]
    known: Arrays = {}
    for name in _COLUMNS:
        column = arrays[name]
        known[name] = (
            column[source] if len(column) else np.empty(len(source), column.dtype)
        )
        known[name][own] = arrays[f"own_{name}"]
    begin = 0
    for mine, n in header["latest"]:
        index = begin + np.flatnonzero(known_row[begin : begin + n] >= 0)
        values = {name: column[index] for name, column in known.items()}
        judged.latest.append(LatestPoints(mine=mine, row=known_row[index], **values))
        begin += n
    return kept


def _rows_here(keys: Sequence[PointKey], book: PointBook) -> Int32:
    """Rows by key in this process; -1 beyond what a mine may make up."""
    rows = book.rows_by_key(keys)
    if (rows < 0).any():
        rows = book.provision(keys, [None] * len(keys))
    return rows


def _admitted(row: Int32, columns: Arrays, frames: list[Frame]) -> ReadingBatch:
    """The readings whose points have a row, with frames that fit them."""
    keep = row >= 0
    if not keep.all():
        before = np.r_[0, np.cumsum(keep)].tolist()
        frames = [
            replace(
                frame,
                first=before[frame.first],
                n_readings=before[frame.first + frame.n_readings] - before[frame.first],
            )
            for frame in frames
        ]
        row = row[keep]
        columns = {name: column[keep] for name, column in columns.items()}
    return ReadingBatch(row=row, frames=tuple(frames), **columns)


def _refused(frames: list[Frame], n: int) -> Reject:
    mines = sorted({frame.key.mine for frame in frames})
    return _reject(
        "too_many_points",
        f"{n} spooled readings of points beyond what a mine may make up,"
        f" in frames of {', '.join(mines[:5])}",
        frames,
        n,
    )


def _missing(frames: Iterable[Frame], why: str) -> Iterator[Reject]:
    """One reject for each mine and boot whose readings are not there."""
    by_boot = attrgetter("key.run", "key.mine", "key.boot")
    for (_, mine, boot), group in groupby(sorted(frames, key=by_boot), by_boot):
        told = list(group)
        n = sum(frame.n_readings for frame in told)
        seqs = [frame.key.seq for frame in told]
        yield _reject(
            "readings_lost",
            f"{n} readings of {mine}, boot {boot}, frames {min(seqs)} to {max(seqs)}"
            f" ({len(told)} of them): {why}",
            told,
            n,
            mine,
        )


def _reject(
    reason: str, detail: str, frames: list[Frame], n: int, mine: str | None = None
) -> Reject:
    return Reject.without_packet(
        reason,
        detail,
        mine=mine,
        run=frames[0].key.run if frames else 0,
        arrived_us=frames[0].arrived_us if frames else 0,
        where="store",
        n=max(n, 1),
    )


def _key_table(keys: Sequence[PointKey]) -> list[list[Any]]:
    return [
        [mine, system, [key.no for key in group]]
        for (mine, system), group in groupby(keys, lambda key: (key.mine, key.system))
    ]


def _steps(values: NDArray[Any]) -> Int32:
    """Differences to the one before: neighbours in a frame are neighbours in the
    table, and zlib makes nothing of a run of ones."""
    return np.diff(values, prepend=0).astype(np.int32)


def _summed(steps: NDArray[Any]) -> Int64:
    return np.cumsum(steps, dtype=np.int64)
