"""Readings, frames, partitions, rejects and latest values on a real database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import psycopg
import pytest

from gasmon.batch import Frame, FrameKey, ReadingBatch, Reject
from gasmon.points import PointKey
from gasmon.settings import StorageSettings
from gasmon.store import db, latest, marks, partitions, points, readings, rejects
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_S, to_datetime

MINE = "530627004499"
OTHER_MINE = "530627004500"
T0 = 1_795_000_000 * US_PER_S
Connect = Callable[[], db.Connection]


@pytest.fixture
def conn(store_conn: db.Connection) -> db.Connection:
    """A database with one mine of three points, ids 1 to 3."""
    keys = [PointKey(MINE, "01", f"001A0{i}") for i in (1, 2, 3)]
    assert sorted(points.ensure_points(store_conn, keys, T0).values()) == [1, 2, 3]
    store_conn.commit()
    return store_conn


@pytest.fixture
def kept(conn: db.Connection) -> partitions.Partitions:
    """Who looks after the partitions."""
    return partitions.open_partitions(conn, StorageSettings())


def batch(
    values: list[float], at_s: list[float], state: list[int] | None = None
) -> ReadingBatch:
    """Readings that arrive a second after their time."""
    at = T0 + (np.array(at_s) * US_PER_S).astype(np.int64)
    return ReadingBatch(
        row=np.zeros(len(values), np.int32),
        value=np.array(values, np.float64),
        at_us=at,
        arrived_us=at + US_PER_S,
        state=np.array(state or [0] * len(values), np.int32),
    )


def store(
    conn: db.Connection,
    ids: list[int],
    readings_: ReadingBatch,
    frames: tuple[Frame, ...] = (),
    run: int = 0,
) -> readings.StoreResult:
    """Store and commit."""
    result = readings.copy_frames_and_readings(
        conn, run, frames, np.array(ids, np.int32), readings_
    )
    conn.commit()
    return result


def stored(conn: db.Connection) -> list[tuple[object, ...]]:
    """(point_id, seconds after T0, value, state) of all readings."""
    return conn.execute(
        "SELECT point_id, extract(epoch FROM at - %s)::float, value, state"
        " FROM reading ORDER BY 1, 2",
        (to_datetime(T0),),
    ).fetchall()


def frame(seq: int, mine: str = MINE, boot: str = "b1") -> Frame:
    """One frame with three readings."""
    return Frame(
        FrameKey(0, mine, boot, seq), "data", T0 // 1000, T0, T0 + 123_457, 3, 0
    )


def test_values_and_nulls(conn: db.Connection, kept: partitions.Partitions) -> None:
    """What is read back is what was given; no value is null, not NaN."""
    b = batch([1.25, float("nan"), -3.0], [0, 0.000001, 5], [0, 128, 4])
    kept.ensure(conn, b.at_us, T0)
    result = store(conn, [1, 2, 3], b, (frame(1), frame(2)))
    assert (result.n_frames, result.n_readings, result.n_duplicates) == (2, 3, 0)
    assert stored(conn) == [(1, 0, 1.25, 0), (2, 1e-06, None, 128), (3, 5, -3.0, 4)]
    arrived = conn.execute("SELECT arrived_at - at FROM reading LIMIT 1").fetchone()
    assert str(arrived) == "(datetime.timedelta(seconds=1),)"


def test_redelivery_changes_nothing(conn: db.Connection) -> None:
    """The same batch again, whole or in part, is counted and not stored."""
    first = batch([1.0, 2.0], [0, 0])
    store(conn, [1, 2], first, (frame(1),))
    again = batch([1.0, 2.0, 3.0], [0, 0, 0])
    result = store(conn, [1, 2, 3], again, (frame(1), frame(2)))
    assert (result.n_frames, result.n_readings, result.n_duplicates) == (1, 1, 2)
    assert result.contradictions == []
    assert len(stored(conn)) == 3


def test_the_same_time_in_another_run(conn: db.Connection) -> None:
    """A drill's readings stand beside the live ones."""
    store(conn, [1], batch([1.0], [0]))
    assert store(conn, [1], batch([9.0], [0]), run=7).n_readings == 1


def test_contradictions_are_kept(conn: db.Connection) -> None:
    """A second value for a stored reading is a reject that names both."""
    store(conn, [1, 2, 3], batch([1.0, 2.0, float("nan")], [0, 0, 0]))
    result = store(conn, [1, 2, 3], batch([1.5, 2.0, 3.0], [0, 0, 0], [0, 4, 0]))
    assert (result.n_readings, result.n_duplicates) == (0, 3)
    first, second, third = result.contradictions
    assert first.reason == "contradiction"
    assert first.mine == MINE
    assert f"{MINE}-01-001A01 at 2026-" in first.detail
    assert "stored 1.0 (state 0), came again as 1.5 (state 0)" in first.detail
    assert "came again as 2.0 (state 4)" in second.detail
    assert "stored None" in third.detail
    assert [row[2] for row in stored(conn)] == [1.0, 2.0, None]


def test_repeats_within_a_batch(conn: db.Connection) -> None:
    """The first of a key is kept; equal ones count, others contradict."""
    b = batch([1.0, 1.0, 7.0, float("nan"), float("nan")], [0, 0, 0, 1, 1])
    result = store(conn, [1, 1, 1, 1, 1], b)
    assert (result.n_readings, result.n_duplicates) == (2, 3)
    assert ["came again as 7.0" in c.detail for c in result.contradictions] == [True]
    assert stored(conn) == [(1, 0, 1.0, 0), (1, 1, None, 0)]


def test_poisonous_rows_are_found(conn: db.Connection) -> None:
    """A stamp that PostgreSQL cannot hold becomes a reject; all others are stored."""
    n = 1000
    b = batch([float(i) for i in range(n)], [float(i) for i in range(n)])
    at = b.at_us.copy()
    at[[3, 700]] = -(2**62)
    result = store(conn, [1] * n, replace(b, at_us=at))
    # Both have the same key: the second is a repeat of the first.
    assert (result.n_readings, result.n_duplicates) == (998, 1)
    (refused,) = result.rejects
    assert (refused.reason, refused.where, refused.mine) == (
        "not_storable",
        "store",
        MINE,
    )
    assert "001A01" in refused.detail
    assert "out of range" in refused.detail


def test_bisection_meets_a_collision(conn: db.Connection) -> None:
    """Poison and redelivery in one batch: each is dealt with."""
    store(conn, [1, 2], batch([1.0, 2.0], [0, 0]))
    conn.execute("ALTER TABLE reading ADD CHECK (value IS DISTINCT FROM 666)")
    conn.commit()
    b = batch([1.0, 2.5, 666.0, 4.0], [0, 0, 0, 9])
    result = store(conn, [1, 2, 3, 3], b)
    assert (result.n_readings, result.n_duplicates) == (1, 2)
    assert len(result.contradictions) == 1
    assert ["value 666.0" in r.detail for r in result.rejects] == [True]


def test_years_beyond_the_calendar(conn: db.Connection) -> None:
    """A time that PostgreSQL holds and Python's calendar does not is no obstacle."""
    b = replace(batch([1.0, 2.0], [0, 0]), at_us=np.array([2**62, T0]))
    assert store(conn, [1, 1], b).n_readings == 2
    again = replace(b, value=np.array([1.5, 2.0]))
    result = store(conn, [1, 1], again)
    assert [f"at {2**62} µs" in c.detail for c in result.contradictions] == [True]


def test_our_own_faults_are_no_rejects(conn: db.Connection) -> None:
    """A missing table is no fault of the readings: nothing is thrown away."""
    conn.execute("ALTER TABLE reading RENAME TO gone")
    conn.commit()
    with pytest.raises(Exception, match="reading"):
        store(conn, [1], batch([1.0], [0]))
    conn.rollback()


def test_frames_that_cannot_be_stored(conn: db.Connection) -> None:
    """No row for the mine, a NUL, a wild device time: nothing else is lost."""
    wild = replace(frame(4), device_ms=10**30)
    unknown = frame(5, mine="530627000001")
    nul = frame(6, boot="b\x00")
    absurd = replace(frame(7), judged_us=-(2**62))
    frames = (frame(3), wild, unknown, nul, absurd)
    result = store(conn, [], batch([], []), frames)
    assert result.n_frames == 2
    assert sorted(r.mine or "" for r in result.rejects) == ["530627000001", MINE, MINE]
    row = conn.execute("SELECT max(device_ms), min(judged_at) FROM frame").fetchone()
    assert row == (2**63 - 1, to_datetime(T0 + 123_457))


def test_partitions_are_made_once(
    conn: db.Connection, kept: partitions.Partitions
) -> None:
    """Each day gets one partition per table; another process makes none again."""
    if kept.kind != "plain":
        assert kept.ensure(conn, np.array([T0]), T0) == 0
        return
    days = T0 + US_PER_DAY * np.arange(4)
    assert kept.ensure(conn, days, T0) == 6  # clocks run ahead 2 days at most
    assert kept.ensure(conn, days, T0) == 0
    assert kept.ensure(conn, days[:1], T0) == 0
    other = partitions.open_partitions(conn, StorageSettings())
    assert other.ensure_ahead(conn, T0) == 2
    spans = partitions.list_spans(conn, "reading")
    assert [s.end_us - s.start_us for s in spans] == [US_PER_DAY] * len(spans)
    assert spans[0].start_us <= T0 < spans[0].end_us


def test_partitions_over_a_lost_connection_are_a_database_error(
    conn: db.Connection, kept: partitions.Partitions
) -> None:
    """The first turn after a start may meet a database that has just gone away: ingest
    must spool it, and not end because a precondition looks broken."""
    if kept.kind != "plain":
        return
    conn.close()
    with pytest.raises(psycopg.OperationalError):
        kept.ensure(conn, np.array([T0]), T0)
    assert not kept.covered


@pytest.mark.parametrize("shift_d", [-5000, 400])
def test_wild_times_make_no_partition(
    conn: db.Connection, kept: partitions.Partitions, shift_d: int
) -> None:
    """A clock that is years off loses nothing and makes no partition."""
    b = batch([1.0], [shift_d * 86_400.0])
    assert kept.ensure(conn, b.at_us, T0) == 0
    assert store(conn, [1], b).n_readings == 1


def test_rows_move_into_a_new_partition(
    conn: db.Connection, kept: partitions.Partitions
) -> None:
    """What the default partition held for a day moves when the day is made."""
    if kept.kind != "plain":
        return
    store(conn, [1, 2], batch([1.0, 2.0], [0, 400 * 86_400.0]), (frame(1),))
    kept.ensure(conn, np.array([T0]), T0)
    row = conn.execute("SELECT count(*) FROM reading_other").fetchone()
    assert row == (1,)
    assert len(stored(conn)) == 2
    assert store(conn, [1], batch([1.0], [0])).n_duplicates == 1


def test_partitions_of_an_hour(conn: db.Connection) -> None:
    """A small cap makes them an hour long, also beside older ones of a day."""
    partitions.open_partitions(conn, StorageSettings()).ensure(conn, np.array([T0]), T0)
    small = StorageSettings(max_database_mb=2000)
    kept = partitions.open_partitions(conn, small)
    row = conn.execute("SELECT partition_hours FROM platform").fetchone()
    conn.commit()
    assert row == (1,)
    if kept.kind != "plain":
        return
    tomorrow = T0 + US_PER_DAY
    assert kept.ensure(conn, np.array([T0, tomorrow]), T0) == 2
    back = partitions.open_partitions(conn, StorageSettings())
    assert back.ensure(conn, np.array([tomorrow + US_PER_H]), T0) == 2
    lengths = [s.end_us - s.start_us for s in partitions.list_spans(conn, "reading")]
    assert lengths == [US_PER_DAY, US_PER_H, US_PER_H]


def test_two_processes_make_partitions(
    conn: db.Connection, store_connect: Connect
) -> None:
    """Both succeed and nothing is made twice."""
    opened = [store_connect() for _ in range(4)]
    made: list[int] = []

    def run(own: db.Connection) -> None:
        kept = partitions.open_partitions(own, StorageSettings())
        made.append(kept.ensure_ahead(own, T0))

    threads = [threading.Thread(target=run, args=(own,)) for own in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    kind = partitions.open_partitions(conn, StorageSettings()).kind
    assert sorted(made) == ([0, 0, 0, 8] if kind == "plain" else [0, 0, 0, 0])


def test_rejects_are_kept(conn: db.Connection) -> None:
    """Also those that quote what PostgreSQL itself would refuse."""
    bad = Reject(
        reason="not_json",
        detail="got \x00 and \ud800 at 3",
        topic="gasmon/v1/\x00",
        mine=None,
        run=0,
        arrived_us=T0,
        first_bytes=b"\x00\xff" * 200,
        size=400,
        where="packet",
        n=3,
    )
    assert rejects.append(conn, [bad, replace(bad, mine=MINE)]) == 2
    assert rejects.append(conn, []) == 0
    row = conn.execute(
        "SELECT detail, topic, length(first_bytes), size, n, layer FROM reject LIMIT 1"
    ).fetchone()
    assert row == (
        "got \\x00 and \\ud800 at 3",
        "gasmon/v1/\\x00",
        256,
        400,
        3,
        "packet",
    )


def test_latest_values(conn: db.Connection) -> None:
    """One row per mine, packed and unpacked alike, with a rising seq.

    Silence takes nothing from what is known of the newest frame.
    """
    packed = np.zeros(2, latest.LATEST_DTYPE)
    packed["point_id"] = [1, 2]
    packed["value"] = [0.5, np.nan]
    packed["at_us"] = T0
    mine = latest.MineLatest(MINE, True, "b1", 7, T0, T0 + 1, packed)
    latest.upsert_latest(conn, 0, [])
    latest.upsert_latest(conn, 0, [mine])
    conn.commit()
    (seq, read) = latest.load_latest(conn, 0)[MINE]
    assert read.tobytes() == packed.tobytes()
    lost = replace(mine, online=False, boot=None, frame_seq=None, judged_us=None)
    latest.upsert_latest(conn, 0, [lost])
    conn.commit()
    assert latest.load_latest(conn, 0)[MINE][0] > seq
    row = conn.execute("SELECT online, boot, frame_seq FROM mine_latest").fetchone()
    assert row == (False, "b1", 7)


def test_a_frame_without_values_is_known_as_the_newest(conn: db.Connection) -> None:
    """Its number is written, the values before it stay; also of a mine without any."""
    packed = np.zeros(1, latest.LATEST_DTYPE)
    packed["point_id"] = 1
    latest.upsert_latest(
        conn, 0, [latest.MineLatest(MINE, False, "b1", 7, T0, T0 + 1, packed)]
    )
    points.ensure_mine(conn, OTHER_MINE, T0)
    (before, _) = latest.load_latest(conn, 0)[MINE]
    newest = {
        mine: Frame(FrameKey(0, mine, "b2", 9), "data", T0 // 1000, T0 + 5, T0, 0, 0)
        for mine in (OTHER_MINE, MINE)
    }

    latest.note_frames(conn, 0, {})
    latest.note_frames(conn, 0, newest)
    conn.commit()

    assert latest.load_frames(conn, 0) == {m: f.key for m, f in newest.items()}
    (after, read) = latest.load_latest(conn, 0)[MINE]
    assert (after, read.tobytes()) == (before, packed.tobytes())
    assert len(latest.load_latest(conn, 0)[OTHER_MINE][1]) == 0


def test_clock_marks(conn: db.Connection) -> None:
    """A mark that is stored already stays."""
    marks.append_marks(conn, 0, "me", [])
    marks.append_marks(conn, 0, "me", [T0, T0 + 1])
    marks.append_marks(conn, 0, "me", [T0 + 1, T0 + 2])
    assert conn.execute("SELECT count(*) FROM clock_mark").fetchone() == (3,)
