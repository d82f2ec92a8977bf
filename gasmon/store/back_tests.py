"""Back-tests in the database: which wait, what they read, what came of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from gasmon.alarms.rule_changes import LimitChange
from gasmon.batch import Float64, Int32, Int64
from gasmon.points import PointDef, PointKey
from gasmon.store import points
from gasmon.store.db import Connection
from gasmon.store.limit_changes import in_order
from gasmon.units import US_PER_DAY, to_datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A back-test that is not done.

    Attributes:
        change: as if it counted from its wished time on.
        from_us: first event time that it reads [µs UTC].
        until_us: when it was proposed [µs UTC].
    """

    change: LimitChange
    key: PointKey
    from_us: int
    until_us: int


def oldest_waiting(conn: Connection) -> Waiting | None:
    """The change that waits longest and was neither refused nor taken back."""
    row = conn.execute(
        "SELECT c.change_id, m.code::text, p.system::text, p.no, c.limits,"
        " c.place_class, c.retire,"
        " c.effective_from_us, t.days,"
        " (extract(epoch FROM r.recorded_at) * 1000000)::bigint"
        " FROM back_test t JOIN limit_change c USING (change_id)"
        " JOIN limit_change_record r USING (change_id) JOIN point p USING (point_id)"
        " JOIN mine m USING (mine_id)"
        " WHERE t.ended_at IS NULL AND r.event = 'proposed' AND NOT EXISTS"
        "  (SELECT FROM limit_change_record d WHERE d.change_id = c.change_id"
        "   AND d.event <> 'proposed') ORDER BY 1 LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    number, mine, system, no, limits, place, retire, wanted_us, days, proposed_us = (
        cast(tuple[Any, ...], row)
    )
    key = PointKey(mine, system, no)
    return Waiting(
        LimitChange(number, str(key), wanted_us, in_order(limits), place, retire),
        key,
        proposed_us - days * US_PER_DAY,
        proposed_us,
    )


def unit_versions(
    conn: Connection, key: PointKey, *, retired: bool = False
) -> list[PointDef]:
    """Versions of a point and of all that were ever in a unit with it, by key.

    Args:
        retired: retired points too.
    """
    versions = points.load_point_versions(conn, key.mine, retired=retired)
    units = {v.unit_slug for v in versions if v.key == key} - {None}
    near = {v.key for v in versions if v.key == key or v.unit_slug in units}
    return [version for version in versions if version.key in near]


def first_reading_us(
    conn: Connection, point_ids: list[int], from_us: int
) -> int | None:
    """The oldest stored reading of points since a time [µs UTC]; None without any."""
    row = conn.execute(
        "SELECT (extract(epoch FROM min(at)) * 1000000)::bigint FROM reading"
        " WHERE run = 0 AND point_id = ANY(%s) AND at >= %s",
        (point_ids, to_datetime(from_us)),
    ).fetchone()
    return cast(int | None, row[0]) if row else None


def readings(
    conn: Connection, point_ids: list[int], from_us: int, until_us: int
) -> tuple[Int32, Int64, Float64, Int32]:
    """Stored readings of points, by event time.

    Args:
        from_us, until_us: event times [µs UTC]; the end is not included.

    Returns:
        Point ids int32[n], times int64[n] [µs UTC], values float64[n] with NaN for
        none, state bits int32[n].
    """
    rows = cast(
        list[tuple[int, int, float | None, int]],
        conn.execute(
            "SELECT point_id, (extract(epoch FROM at) * 1000000)::bigint, value, state"
            " FROM reading WHERE run = 0 AND point_id = ANY(%s) AND at >= %s"
            " AND at < %s ORDER BY at, point_id",
            (point_ids, to_datetime(from_us), to_datetime(until_us)),
            binary=True,
        ).fetchall(),
    )
    return (
        np.asarray([row[0] for row in rows], np.int32),
        np.asarray([row[1] for row in rows], np.int64),
        np.asarray([row[2] for row in rows], np.float64),
        np.asarray([row[3] for row in rows], np.int32),
    )


def note_progress(conn: Connection, change_id: int, share: float) -> None:
    """How far a back-test has come, 0 to 1."""
    conn.execute(
        "UPDATE back_test SET progress = %s WHERE change_id = %s", (share, change_id)
    )


def finish(
    conn: Connection,
    change_id: int,
    now_us: int,
    *,
    result: Mapping[str, Any] | None = None,
    failure: str | None = None,
) -> None:
    """Write what came of a back-test; it is not done again."""
    conn.execute(
        "UPDATE back_test SET ended_at = %s, progress = 1, failure = %s,"
        " result = %s::jsonb WHERE change_id = %s AND ended_at IS NULL",
        (
            to_datetime(now_us),
            failure,
            None if result is None else json.dumps(result),
            change_id,
        ),
    )
