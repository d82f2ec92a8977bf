"""Retired points, as versions among the others.

The database keeps of a point that it is retired and since when, and what it once was
in the log of changes; who judges needs both as versions in force from a moment on.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import cast

from gasmon.points import PointDef, PointKey
from gasmon.store.db import Connection
from gasmon.store.points import load_point_versions

NEWEST_CHANGES = 10_000
"""Changes that are looked through for points that came back. Ours: more than come in
the minutes since the snapshot that a restart begins from; further back the present
counts."""


def load_history(conn: Connection) -> list[PointDef]:
    """Every version of every point, retirements among them, by key and moment."""
    versions = load_point_versions(conn, retired=True)
    return with_retirements(versions, load_retirements(conn))


def load_retirements(conn: Connection) -> set[tuple[PointKey, int]]:
    """Which points were retired when [µs UTC]: those that are, and lately were."""
    rows = conn.execute(
        "SELECT m.code, p.system, p.no, (extract(epoch FROM r.at) * 1000000)::bigint"
        " FROM (SELECT point_id, retired_at AS at FROM point"
        "       WHERE retired_at IS NOT NULL AND run = 0"
        "       UNION SELECT point_id, changed_at FROM"
        "         (SELECT * FROM point_change ORDER BY change_id DESC LIMIT %s) c"
        "       WHERE attribute = 'retired' AND new_value = 'true') r"
        " JOIN point p USING (point_id) JOIN mine m USING (mine_id)",
        (NEWEST_CHANGES,),
    ).fetchall()
    return {
        (PointKey(code, system, no), at_us)
        for code, system, no, at_us in cast(list[tuple[str, str, str, int]], rows)
    }


def with_retirements(
    versions: Iterable[PointDef], retirements: Iterable[tuple[PointKey, int]]
) -> list[PointDef]:
    """The versions, and one more for each retirement: as it was, but retired.

    Args:
        retirements: point and moment [µs UTC].

    Returns:
        By key and moment.
    """
    listed = list(versions)
    moments: dict[PointKey, list[int]] = {}
    for key, at_us in retirements:
        moments.setdefault(key, []).append(at_us)
    of_key: dict[PointKey, list[PointDef]] = {}
    for version in listed:
        if version.key in moments:
            of_key.setdefault(version.key, []).append(version)
    for key, known in of_key.items():
        for at_us in moments[key]:
            before = [v for v in known if v.effective_from_us <= at_us]
            last = max(before or known, key=lambda v: v.effective_from_us)
            moment_us = max(at_us, last.effective_from_us + 1)
            listed.append(replace(last, retired=True, effective_from_us=moment_us))
    return sorted(listed, key=lambda v: (v.key, v.effective_from_us))
