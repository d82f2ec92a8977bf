"""The latest value of everything: one row per mine with its points packed.

So a city's live values are 259 small rows instead of 15,000, and the api need not live
beside ingest. ``seq`` is drawn before the commit, so a reader that remembers only the
highest one can miss a row: it compares the seq of each mine instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gasmon.batch import Frame, FrameKey
from gasmon.store.db import Connection
from gasmon.store.recordset import recordset
from gasmon.units import from_datetime, to_datetime

LATEST_DTYPE = np.dtype(
    [
        ("point_id", "<i4"),
        ("state", "<i4"),
        ("value", "<f8"),
        ("at_us", "<i8"),
        ("arrived_us", "<i8"),
    ]
)
"""One point in ``mine_latest.points``: 32 bytes, little-endian; NaN means no value."""

PackedPoints = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class MineLatest:
    """What is known now of one mine.

    Attributes:
        mine: 12 digits; must have a row already.
        online: whether it is heard.
        boot: of the newest frame; None when no frame came since the last row, whose
            frame stays known.
        frame_seq: number of that frame.
        judged_us: event time of that frame [µs UTC].
        arrived_us: when the mine was last heard [µs UTC].
        points: every point of the mine, LATEST_DTYPE[k].
    """

    mine: str
    online: bool
    boot: str | None
    frame_seq: int | None
    judged_us: int | None
    arrived_us: int
    points: PackedPoints


def upsert_latest(conn: Connection, run: int, mines: Sequence[MineLatest]) -> None:
    """Write the rows of these mines, each with a new ``seq``.

    In order of the mines' codes, so that two writers meet their row locks alike.
    """
    if not mines:
        return
    ordered = sorted(mines, key=lambda m: m.mine)
    conn.execute(
        """INSERT INTO mine_latest AS l (run, mine_id, online, boot, frame_seq,
                                         judged_at, arrived_at, points)
           SELECT %s, m.mine_id, f.online, f.boot, f.frame_seq, f.judged, f.arrived,
                  f.points
           FROM ROWS FROM (
               json_to_recordset(%s::json) AS (mine bpchar, online bool, boot text,
                   frame_seq bigint, judged timestamptz, arrived timestamptz),
               unnest(%b::bytea[]))
                WITH ORDINALITY
                AS f (mine, online, boot, frame_seq, judged, arrived, points, nr)
           JOIN mine m ON m.code = f.mine
           ORDER BY f.nr
           ON CONFLICT (run, mine_id) DO UPDATE SET
               seq = nextval('mine_latest_seq'), online = excluded.online,
               boot = coalesce(excluded.boot, l.boot),
               frame_seq = coalesce(excluded.frame_seq, l.frame_seq),
               judged_at = coalesce(excluded.judged_at, l.judged_at),
               arrived_at = excluded.arrived_at, points = excluded.points""",
        (
            run,
            recordset(
                ("mine", "online", "boot", "frame_seq", "judged", "arrived"),
                (_row(m) for m in ordered),
            ),
            [_packed(m.points) for m in ordered],
        ),
    )


def note_frames(conn: Connection, run: int, frames: Mapping[str, Frame]) -> None:
    """Write which frame of these mines was judged last, though no value of it is kept.

    The rows have the values that they had, and the ``seq``: there is nothing to show.

    Args:
        frames: mine → its newest frame; each mine must have a row already.
    """
    if not frames:
        return
    ordered = [frames[mine] for mine in sorted(frames)]
    conn.execute(
        """INSERT INTO mine_latest (run, mine_id, boot, frame_seq, judged_at,
                                    arrived_at, points)
           SELECT %s, m.mine_id, f.boot, f.frame_seq, f.judged, f.arrived, ''
           FROM unnest(%s::bpchar[], %s::text[], %s::bigint[],
                       %s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY
                AS f (mine, boot, frame_seq, judged, arrived, nr)
           JOIN mine m ON m.code = f.mine
           ORDER BY f.nr
           ON CONFLICT (run, mine_id) DO UPDATE SET boot = excluded.boot,
               frame_seq = excluded.frame_seq, judged_at = excluded.judged_at""",
        (
            run,
            [frame.key.mine for frame in ordered],
            [frame.key.boot for frame in ordered],
            [frame.key.seq for frame in ordered],
            [to_datetime(frame.judged_us) for frame in ordered],
            [to_datetime(frame.arrived_us) for frame in ordered],
        ),
    )


def load_frames(conn: Connection, run: int) -> dict[str, FrameKey]:
    """The newest frame of each mine that was judged, also where none is stored."""
    rows = conn.execute(
        "SELECT m.code, l.boot, l.frame_seq FROM mine_latest l JOIN mine m"
        " USING (mine_id) WHERE l.run = %s AND l.boot IS NOT NULL"
        " AND l.frame_seq IS NOT NULL",
        (run,),
    ).fetchall()
    told = cast(list[tuple[str, str, int]], rows)
    return {mine: FrameKey(run, mine, boot, seq) for mine, boot, seq in told}


def load_judged(conn: Connection, run: int) -> dict[str, int]:
    """When the newest frame of each mine was judged, also where none is stored [µs]."""
    rows = conn.execute(
        "SELECT m.code, l.judged_at FROM mine_latest l JOIN mine m USING (mine_id)"
        " WHERE l.run = %s AND l.judged_at IS NOT NULL",
        (run,),
    ).fetchall()
    told = cast(list[tuple[str, datetime]], rows)
    return {mine: from_datetime(judged_at) for mine, judged_at in told}


def load_latest(conn: Connection, run: int) -> dict[str, tuple[int, PackedPoints]]:
    """All mines of a run: code → (seq, points), as a restart needs them."""
    rows: list[tuple[Any, ...]] = conn.execute(
        "SELECT m.code, l.seq, l.points FROM mine_latest l JOIN mine m USING (mine_id)"
        " WHERE l.run = %s ORDER BY m.code",
        (run,),
        binary=True,
    ).fetchall()
    return {str(code): (int(seq), unpack(points)) for code, seq, points in rows}


def unpack(points: bytes) -> PackedPoints:
    """The points of one row, LATEST_DTYPE[k], read-only."""
    return np.frombuffer(points, LATEST_DTYPE)


def _row(mine: MineLatest) -> tuple[object, ...]:
    judged_us, arrived_us = mine.judged_us, mine.arrived_us
    judged = None if judged_us is None else to_datetime(judged_us).isoformat()
    arrived = to_datetime(arrived_us).isoformat()
    return (mine.mine, mine.online, mine.boot, mine.frame_seq, judged, arrived)


def _packed(points: PackedPoints) -> bytes:
    assert points.dtype == LATEST_DTYPE, f"{points.dtype} instead of LATEST_DTYPE"
    return points.tobytes()
