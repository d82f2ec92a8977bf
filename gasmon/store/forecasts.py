"""Pre-warnings with their outcomes, and the onsets that they should have told of.

Outcomes and onsets come from the stored readings alone (``alarms.forecast_truth``), so
they can be thrown away and found again: ``forget_outcomes``, then the job's own two
steps, ``judge`` and ``search``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from gasmon.alarms.forecast_speak import Warned
from gasmon.alarms.forecast_truth import BEFORE_US, onsets, outcome, usable
from gasmon.batch import Float64, Int64
from gasmon.store.db import Connection
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_MIN, from_datetime, to_datetime

GRACE_US = 5 * US_PER_MIN
"""So long after its time is over a pre-warning is judged: readings may be delayed."""

RETRY_US = US_PER_DAY
"""An unknown outcome is looked at again for so long: a backlog may bring readings."""

OVERLAP_US = 30 * US_PER_MIN
"""So much of what was searched is searched again, for readings that came late."""

STRETCH_US = 6 * US_PER_H
"""Searched at once: readings of a city's forecast points, of which few are loaded."""

MOST_US = 2 * US_PER_DAY
"""Searched in one go, so that a long absence does not hold up other jobs."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What counts as an onset at a point."""

    point_id: int
    limit: float


def append(
    conn: Connection,
    run: int,
    point_ids: Sequence[int],
    warned: Sequence[Warned],
    now_us: int,
) -> None:
    """Keep pre-warnings; one that is known already stays as it is.

    Args:
        point_ids: the database's number of each one's point.
        now_us: when it is recorded [µs UTC].
    """
    conn.cursor().executemany(
        "INSERT INTO forecast (run, point_id, model, raised_at, limit_value, horizon_s,"
        " probability, threshold, last_value, ewma_1min, advisory, recorded_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        [
            (
                run,
                point_id,
                w.model,
                to_datetime(w.raised_us),
                w.limit,
                w.horizon_s,
                w.probability,
                w.threshold,
                w.last_value,
                w.ewma_1min,
                w.advisory,
                to_datetime(now_us),
            )
            for point_id, w in zip(point_ids, warned, strict=True)
        ],
    )


def judge(conn: Connection, run: int, now_us: int, from_us: int | None = None) -> int:
    """Give pre-warnings whose time is over their outcome.

    Args:
        now_us: wall time [µs UTC].
        from_us: unknown ones are looked at again if raised since then; None goes a
            day back.

    Returns:
        How many outcomes were written.
    """
    retry_us = now_us - RETRY_US if from_us is None else from_us
    rows = conn.execute(
        "SELECT point_id, model, raised_at, limit_value, horizon_s FROM forecast"
        " WHERE run = %s AND (outcome IS NULL OR outcome = 'unknown'"
        "   AND raised_at >= %s)"
        " AND raised_at < %s - horizon_s * interval '1 second'"
        " ORDER BY point_id, raised_at",
        (run, to_datetime(retry_us), to_datetime(now_us - GRACE_US)),
    ).fetchall()
    found = []
    for point_id, model, raised_at, limit, horizon_s in cast(list[tuple], rows):  # type: ignore[type-arg]
        raised_us = from_datetime(raised_at)
        horizon_us = horizon_s * 1_000_000
        at, value = _readings(
            conn, run, point_id, raised_us - BEFORE_US, raised_us + horizon_us + 1
        )
        what, lead_s = outcome(at, value, limit, raised_us, horizon_us)
        found.append((what, lead_s, to_datetime(now_us), run, point_id, model,
                      raised_at))  # fmt: skip
    conn.cursor().executemany(
        "UPDATE forecast SET outcome = %s, lead_s = %s, judged_at = %s WHERE run = %s"
        " AND point_id = %s AND model = %s AND raised_at = %s",
        found,
    )
    return len(found)


def search(conn: Connection, run: int, limits: Sequence[Limit], now_us: int) -> int:
    """Find new onsets at forecast points, and remember how far the search came.

    The first search begins where it is first asked for. Behind an outage it goes as far
    as the spool is written: what is searched is not searched again.

    Args:
        limits: of every forecast point, as they are now.
        now_us: wall time [µs UTC].

    Returns:
        How many were found that were not known.
    """
    end_us = now_us - GRACE_US
    begun = searched(conn, run)
    done_us = begun[1] if begun else end_us
    if begun is None:
        _searched_to(conn, run, end_us, end_us)
    n = 0
    last_us = min(end_us, _stored_to(conn, run, end_us), done_us + MOST_US)
    while done_us < last_us:
        to_us = min(last_us, done_us + STRETCH_US)
        n += _search(conn, run, limits, done_us - OVERLAP_US, to_us)
        _searched_to(conn, run, to_us, to_us)
        done_us = to_us
    return n


def _stored_to(conn: Connection, run: int, end_us: int) -> int:
    """Arrival of the newest that is stored [µs UTC], for turns are stored in order;
    ``end_us`` where none is known."""
    row = conn.execute(
        "SELECT (extract(epoch FROM max(arrived_at)) * 1000000)::bigint"
        " FROM mine_latest WHERE run = %s",
        (run,),
    ).fetchone()
    (newest_us,) = cast(tuple[int | None], row)
    return end_us if newest_us is None else newest_us


def searched(conn: Connection, run: int) -> tuple[int, int] | None:
    """From when to when readings were searched [µs UTC]; None before the first."""
    row = conn.execute(
        "SELECT begun_at, done_to FROM forecast_search WHERE run = %s", (run,)
    ).fetchone()
    if row is None:
        return None
    begun_at, done_to = cast(tuple, row)  # type: ignore[type-arg]
    return from_datetime(begun_at), from_datetime(done_to)


def recompute(
    conn: Connection, run: int, limits: Sequence[Limit], from_us: int, now_us: int
) -> tuple[int, int]:
    """Forget outcomes and onsets since a moment and find them again.

    Returns:
        How many outcomes and how many onsets there are now.
    """
    since = to_datetime(from_us)
    conn.execute(
        "UPDATE forecast SET outcome = NULL, lead_s = NULL, judged_at = NULL"
        " WHERE run = %s AND raised_at >= %s",
        (run, since),
    )
    conn.execute("DELETE FROM forecast_onset WHERE run = %s AND at >= %s", (run, since))
    n_outcomes = judge(conn, run, now_us, from_us)
    end_us, n_onsets, at_us = now_us - GRACE_US, 0, from_us
    while at_us < end_us:
        to_us = min(end_us, at_us + STRETCH_US)
        n_onsets += _search(conn, run, limits, at_us, to_us)
        at_us = to_us
    _searched_to(conn, run, min(from_us, end_us), end_us)
    return n_outcomes, n_onsets


def delete_before(conn: Connection, before_us: int) -> int:
    """Forget what can no longer be found again, because its readings are gone."""
    before = to_datetime(before_us)
    n = conn.execute("DELETE FROM forecast WHERE raised_at < %s", (before,)).rowcount
    conn.execute("DELETE FROM forecast_onset WHERE at < %s", (before,))
    return n


def _search(
    conn: Connection, run: int, limits: Sequence[Limit], from_us: int, to_us: int
) -> int:
    """Onsets in [from, to); loads only points that were at their limit in it."""
    rows = conn.execute(
        "SELECT DISTINCT w.point_id, w.lim"
        " FROM unnest(%s::int[], %s::float8[]) AS w (point_id, lim)"
        " JOIN reading r ON r.point_id = w.point_id AND r.value >= w.lim"
        "   AND r.value <> 'NaN'"
        " WHERE r.run = %s AND r.at >= %s AND r.at < %s ORDER BY 1",
        (
            [one.point_id for one in limits],
            [one.limit for one in limits],
            run,
            to_datetime(from_us),
            to_datetime(to_us),
        ),
    ).fetchall()
    found = []
    for point_id, limit in cast(list[tuple[int, float]], rows):
        at, value = _readings(conn, run, point_id, from_us - BEFORE_US, to_us)
        reached = onsets(at, value, limit)
        for at_us in reached[reached >= from_us].tolist():
            found.append((run, point_id, to_datetime(at_us), limit))
    n = 0
    for onset in found:
        n += conn.execute(
            "INSERT INTO forecast_onset (run, point_id, at, limit_value)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            onset,
        ).rowcount
    return n


def _readings(
    conn: Connection, run: int, point_id: int, from_us: int, to_us: int
) -> tuple[Int64, Float64]:
    """Usable readings of a point in [from, to), rising."""
    rows = conn.execute(
        "SELECT (extract(epoch FROM at) * 1000000)::bigint,"
        " coalesce(value, 'NaN'), state FROM reading"
        " WHERE run = %s AND point_id = %s AND at >= %s AND at < %s ORDER BY at",
        (run, point_id, to_datetime(from_us), to_datetime(to_us)),
    ).fetchall()
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    at = np.asarray(columns[0], np.int64)
    value = np.asarray(columns[1], np.float64)
    use = usable(value, np.asarray(columns[2], np.int32))
    return at[use], value[use]


def _searched_to(conn: Connection, run: int, begun_us: int, done_us: int) -> None:
    conn.execute(
        "INSERT INTO forecast_search AS s (run, begun_at, done_to) VALUES (%s, %s, %s)"
        " ON CONFLICT (run) DO UPDATE SET"
        " begun_at = least(s.begun_at, excluded.begun_at),"
        " done_to = greatest(s.done_to, excluded.done_to)",
        (run, to_datetime(begun_us), to_datetime(done_us)),
    )
