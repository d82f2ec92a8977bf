"""Hours of points beside the raw readings that they are gathered from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import psycopg
import pytest

from gasmon.batch import ReadingBatch
from gasmon.domain import states
from gasmon.duty.hours import gather_hours
from gasmon.points import PointKey
from gasmon.settings import StorageSettings
from gasmon.store import db, hours, points, readings, views_hours, views_readings
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_MIN, US_PER_MS, US_PER_S
from tests.fix_wait import wait_until

MINE = "530627004499"
NOW = 1_795_000_000 * US_PER_S // US_PER_H * US_PER_H + 20 * US_PER_MIN
ALWAYS = 10**6
Connect = Callable[[], db.Connection]
Series = dict[int, tuple[float, int]]
"""By time [µs UTC]: value and state."""


@pytest.fixture
def conn(store_conn: db.Connection) -> db.Connection:
    """A database with one mine of two points, ids 1 and 2."""
    keys = [PointKey(MINE, "01", f"001A0{i}") for i in (1, 2)]
    assert sorted(points.ensure_points(store_conn, keys, NOW).values()) == [1, 2]
    store_conn.commit()
    return store_conn


def store(
    conn: db.Connection, series: Series, point: int = 1, how: str = "few"
) -> None:
    """Store readings in the way that a turn of so many takes; the caller commits."""
    at = np.array(sorted(series), np.int64)
    batch = ReadingBatch(
        row=np.zeros(len(at), np.int32),
        value=np.array([series[t][0] for t in at.tolist()], np.float64),
        at_us=at,
        arrived_us=at,
        state=np.array([series[t][1] for t in at.tolist()], np.int32),
    )
    ids = np.full(len(at), point, np.int32)
    if how == "few":
        readings.insert_few(conn, 0, ids, batch)
    elif how == "copy":
        readings.copy_readings(conn, 0, ids, batch)
    else:
        readings.copy_frames_and_readings(conn, 0, [], ids, batch)


def rounds(conn: db.Connection, now_us: int = NOW, n: int = 3) -> str:
    """Rounds of the job, each with all the time it wants; what the last one said."""
    said = ""
    begin_us = NOW - 12 * US_PER_DAY
    for _ in range(n):
        said = hours.gather(conn, begin_us, 400 * US_PER_DAY, now_us, lambda: True)
    return said


def settled(conn: db.Connection) -> str:
    """What the first round said that had hours to gather: others' transactions on the
    server may hold it back for a while."""
    told: list[str] = []

    def has_begun() -> bool:
        told.append(rounds(conn, n=1))
        return not told[-1].startswith(("closed", "waits"))

    wait_until(has_begun, 60, "nobody is in the way")
    return told[-1]


def asked(dsn: str, from_us: int, to_us: int, max_points: int) -> tuple[int, Any]:
    """What the api answers."""

    async def ask() -> tuple[int, list[list[Any]]]:
        async with await psycopg.AsyncConnection.connect(dsn) as conn:
            found = await views_readings.readings(conn, 1, from_us, to_us, max_points)
            assert found == await views_hours.readings(
                conn, 1, from_us, to_us, max_points
            ), "nothing was gathered"
            return found

    return asyncio.run(ask())


def expected(series: Series, from_us: int, to_us: int, step_us: int) -> list[list[Any]]:
    """The same, reading by reading."""
    found: dict[int, list[tuple[float, int]]] = {}
    origin = from_us // US_PER_H * US_PER_H
    for at, reading in sorted(series.items()):
        if from_us <= at < to_us:
            bucket = max(from_us, origin + (at - origin) // step_us * step_us)
            found.setdefault(bucket, []).append(reading)
    rows = []
    for at, all_of_it in found.items():
        good = [v for v, s in all_of_it if not s & hours.BAD_BITS and v == v]
        n_tested = sum(bool(s & states.CALIBRATION) for _, s in all_of_it)
        three = (min(good), max(good), sum(good) / len(good)) if good else (None,) * 3
        n_bad = len(all_of_it) - len(good)
        rows.append([at // US_PER_MS, *three, len(good), n_bad, n_tested])
    return rows


def check(dsn: str, series: Series, from_us: int, to_us: int, n: int) -> None:
    """The answer is that of the raw readings, extremes to the last bit."""
    step_ms, rows = asked(dsn, from_us, to_us, n)
    assert step_ms % 3_600_000 == 0
    assert len(rows) <= n
    wanted = expected(series, from_us, to_us, step_ms * US_PER_MS)
    assert [[*r[:3], *r[4:]] for r in rows] == [[*r[:3], *r[4:]] for r in wanted]
    means = [
        (r[3], w[3]) for r, w in zip(rows, wanted, strict=True) if w[3] is not None
    ]
    assert all(told == pytest.approx(exact) for told, exact in means)


def some(rng: np.random.Generator, n: int, begin_us: int, end_us: int) -> Series:
    """Readings at any time of a range, some of them bad."""
    at = rng.integers(begin_us // US_PER_S, end_us // US_PER_S, n) * US_PER_S
    kinds = rng.choice([0, 0, 0, 0, states.CALIBRATION, 8], n)
    values = np.where(rng.random(n) < 0.05, np.nan, rng.random(n) * 2)
    told = zip(at.tolist(), values.tolist(), kinds.tolist(), strict=True)
    return {t: (v, s) for t, v, s in told}


@pytest.mark.parametrize("seed", [1, 2])
def test_extremes_are_those_of_the_raw_readings(
    conn: db.Connection, migrated_dsn: str, seed: int
) -> None:
    """At any moment: before and after late readings of any age are gathered again."""
    rng = np.random.default_rng(seed)
    begin = NOW - 10 * US_PER_DAY
    series = some(rng, 800, begin, NOW)
    store(conn, series)
    conn.commit()
    rounds(conn)
    ranges = [(begin, NOW, 100), (begin + 7 * US_PER_MIN, NOW - 3 * US_PER_S, 50)]
    for how in ("few", "copy", "staged"):
        for from_us, to_us, n in ranges:
            check(migrated_dsn, series, from_us, to_us, n)
        late = some(rng, 60, begin, NOW)
        late = {at: told for at, told in late.items() if at not in series}
        store(conn, late, how=how)
        store(conn, {NOW + len(series): (9.0, 0)}, point=2)
        conn.commit()
        series |= late
        for from_us, to_us, n in ranges:
            check(migrated_dsn, series, from_us, to_us, n)
        rounds(conn, n=1)
        assert conn.execute("SELECT count(*) FROM reading_hour_late").fetchone() == (0,)
        conn.commit()


def test_what_is_stored_while_an_hour_closes_is_in_it(
    conn: db.Connection, store_connect: Connect, migrated_dsn: str
) -> None:
    """A transaction that began before the hour was closed is waited for; one that
    began later is noted, and its note left alone until it has ended."""
    begin = NOW - 3 * US_PER_DAY
    series: Series = {begin + i * US_PER_H: (0.5, 0) for i in range(72)}
    store(conn, series)
    conn.commit()
    rounds(conn, now_us=NOW - US_PER_H)
    early, after = store_connect(), store_connect()
    slow = {NOW - 30 * US_PER_MIN: (1.9, 0)}
    store(early, slow)
    assert "closed until" in rounds(conn, n=1)
    assert "waits" in rounds(conn, n=2)
    early.commit()
    series |= slow
    rounds(conn, n=1)
    check(migrated_dsn, series, begin, NOW, 72)

    worse = {NOW - 40 * US_PER_MIN: (2.5, 0)}
    store(after, worse, how="copy")
    rounds(conn, n=2)
    after.commit()
    series |= worse
    check(migrated_dsn, series, begin, NOW, 72)
    assert "1 hours again" in rounds(conn, n=1)
    check(migrated_dsn, series, begin, NOW, 72)


def test_hours_outlive_their_readings(conn: db.Connection, migrated_dsn: str) -> None:
    """Readings go with their partitions; a late one does not empty the hour."""
    begin = NOW - 6 * US_PER_DAY
    series: Series = {begin + i * 10 * US_PER_MIN: (0.1 * i, 0) for i in range(60)}
    store(conn, series)
    conn.commit()
    rounds(conn)
    conn.execute("DELETE FROM reading")
    store(conn, {begin + US_PER_MIN: (0.05, 0)})
    conn.commit()
    rounds(conn)
    _, rows = asked(migrated_dsn, begin - begin % US_PER_H, NOW, 100)
    assert max(row[2] for row in rows) == pytest.approx(5.9)
    assert sum(row[4] for row in rows) == 60
    keep_us = 2 * US_PER_DAY
    later = NOW + US_PER_H
    for _ in range(3):
        hours.gather(conn, begin, keep_us, later, lambda: True)
    assert conn.execute("SELECT count(*) FROM reading_hour").fetchone() == (0,)


def test_a_clock_that_was_ahead_costs_nothing_but_work(
    conn: db.Connection, migrated_dsn: str
) -> None:
    """Hours that were closed too early are gathered again in their own time."""
    begin = NOW - 2 * US_PER_DAY
    series: Series = {begin + i * US_PER_H: (0.5, 0) for i in range(48)}
    store(conn, series)
    conn.commit()
    rounds(conn, now_us=NOW + US_PER_DAY)
    new = {NOW + i * US_PER_MIN: (1.0 + i, 0) for i in range(3)}
    store(conn, new)
    conn.commit()
    assert "went back" in rounds(conn, now_us=NOW, n=1)
    series |= new
    check(migrated_dsn, series, begin, NOW + US_PER_H, 49)
    rounds(conn, now_us=NOW + 2 * US_PER_H)
    check(migrated_dsn, series, begin, NOW + US_PER_H, 49)


def test_gathering_goes_on_in_a_database_that_was_restored(
    conn: db.Connection, migrated_dsn: str
) -> None:
    """Numbers of transactions are the server's own; a dump brings those of another."""
    begin = NOW - 2 * US_PER_DAY
    series: Series = {begin + i * US_PER_H: (0.1 * i, 0) for i in range(48)}
    store(conn, series)
    conn.commit()
    assert "closed until" in rounds(conn, n=1)
    conn.execute("UPDATE reading_hour_state SET closed_xid = '999999999999'")
    conn.commit()
    assert "slices" in rounds(conn, n=1)
    check(migrated_dsn, series, begin, NOW, 48)


def test_the_job_begins_with_the_oldest_partition(conn: db.Connection) -> None:
    """A database from before has its readings gathered, second by second of work."""
    told = [gather_hours(conn, StorageSettings(), NOW, lambda: 0.0) for _ in range(4)]
    assert told[0].startswith("closed until")
    assert "slices until" in told[-1]
    seconds = iter(range(ALWAYS))
    later = NOW + 3 * US_PER_H
    gather_hours(conn, StorageSettings(), later, lambda: 0.0)
    short = gather_hours(conn, StorageSettings(), later, lambda: float(next(seconds)))
    assert short.startswith("0 slices")


def test_a_new_database_has_no_days_to_go_through(
    conn: db.Connection, migrated_dsn: str
) -> None:
    """Its first reading is of the present hour."""
    series: Series = {NOW - US_PER_MIN: (0.4, 0)}
    store(conn, series)
    conn.commit()
    assert settled(conn).startswith("0 slices until")
    # Whatever comes later is noted, as if the hours before had been gathered.
    late: Series = {NOW - 3 * US_PER_DAY: (0.9, 0), NOW - 3 * US_PER_H: (0.1, 0)}
    store(conn, late)
    conn.commit()
    assert rounds(conn, n=1).endswith(", 2 hours again")
    check(migrated_dsn, series | late, NOW - 10 * US_PER_DAY, NOW, 100)


def test_old_readings_of_a_new_database_are_gone_through(conn: db.Connection) -> None:
    """Gathering began after an hour of readings was stored."""
    store(conn, {NOW - US_PER_H: (0.4, 0)})
    conn.commit()
    n_slices, _, _ = settled(conn).partition(" slices until")
    assert int(n_slices) > 0
