"""Points of drills: their own rows and versions, beside the live ones."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from gasmon.points import PointDef
from gasmon.store.db import Connection
from gasmon.store.definitions import insert_versions
from gasmon.store.points import ensure_rows
from gasmon.units import to_datetime


def save(conn: Connection, run: int, points: Sequence[PointDef], now_us: int) -> None:
    """Keep what a drill's definitions say of its points, and nothing else.

    Names and units of its mine stay what the mine itself says; what changes is in no
    log of changes, because nobody's limits changed.

    Args:
        points: as they stand, each with the moment since when.
        now_us: wall time [µs UTC].
    """
    told = [point for point in points if not point.retired]
    ids = ensure_rows(conn, [point.key for point in points], now_us, run)
    rows = conn.execute(
        "SELECT point_id, effective_from_us FROM point_version"
        " WHERE point_id = ANY(%s)",
        (sorted(ids.values()),),
    ).fetchall()
    known = set(cast(list[tuple[int, int]], rows))
    versions = {
        (ids[point.key], point.effective_from_us): replace(
            point, point_id=ids[point.key]
        )
        for point in told
    }
    new = [version for key, version in versions.items() if key not in known]
    insert_versions(conn, new, now_us)
    gone = [ids[point.key] for point in points if point.retired]
    conn.execute(
        "UPDATE point SET provisional = false,"
        " retired_at = CASE WHEN point_id = ANY(%s) THEN %s::timestamptz END"
        " WHERE point_id = ANY(%s)",
        (gone, to_datetime(now_us), sorted(ids.values())),
    )
