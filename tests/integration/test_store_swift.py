"""The usual turn's way into the database: few statements, one round trip."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from gasmon.batch import ReadingBatch
from gasmon.points import PointKey
from gasmon.settings import StorageSettings
from gasmon.store import db, partitions, points, readings
from tests.integration.test_store_alarms import column, later, put, raised
from tests.integration.test_store_readings import MINE, T0, batch, store, stored


@pytest.fixture
def conn(store_conn: db.Connection) -> db.Connection:
    """A database with one mine of three points, ids 1 to 3."""
    keys = [PointKey(MINE, "01", f"001A0{i}") for i in (1, 2, 3)]
    points.ensure_points(store_conn, keys, T0)
    store_conn.commit()
    return store_conn


@pytest.fixture
def kept(conn: db.Connection) -> partitions.Partitions:
    """Who looks after the partitions."""
    return partitions.open_partitions(conn, StorageSettings())


def test_a_few_by_one_statement_are_the_same(
    conn: db.Connection, kept: partitions.Partitions
) -> None:
    """Arrays in a pipeline store what a COPY stores: values, no value, states."""
    ids = np.array([3, 1, 2, 1], np.int32)
    b = batch([1.25, float("nan"), -3.0, 0.1], [0, 0.000001, 5, 7], [0, 128, 4, 1])
    kept.ensure(conn, b.at_us, T0)
    assert readings.are_few(ids, b)
    with conn.pipeline():
        readings.insert_few(conn, 0, ids, b)
        readings.insert_few(conn, 0, ids[:0], ReadingBatch.empty())
        conn.commit()
    one_statement = stored(conn)
    arrived = conn.execute("SELECT DISTINCT arrived_at - at FROM reading").fetchall()
    assert [row[0] for row in arrived] == [timedelta(seconds=1)]
    conn.execute("TRUNCATE reading")
    store(conn, ids.tolist(), b)
    assert one_statement == stored(conn)
    assert len(one_statement) == 4


def insert_and_commit(
    conn: db.Connection, ids: NDArray[np.int32], b: ReadingBatch
) -> None:
    """One pipeline with a few readings."""
    with conn.pipeline():
        readings.insert_few(conn, 0, ids, b)
        conn.commit()


def test_a_few_collide_as_a_copy_does(
    conn: db.Connection, kept: partitions.Partitions
) -> None:
    """What is stored already is refused by name, so that the turn is sorted out."""
    ids, b = np.array([1, 2], np.int32), batch([1.0, 2.0], [0, 0])
    kept.ensure(conn, b.at_us, T0)
    store(conn, ids.tolist(), b)
    with pytest.raises(psycopg.errors.UniqueViolation):
        insert_and_commit(conn, ids, b)
    conn.rollback()


def test_what_is_not_few() -> None:
    """The same time of a point twice, and more than a few frames."""
    b = batch([1.0, 2.0], [0, 0])
    assert readings.are_few(np.array([1, 2], np.int32), b)
    assert not readings.are_few(np.array([1, 1], np.int32), b)
    n = readings.FEW_READINGS + 1
    many = batch([1.0] * n, list(range(n)))
    assert not readings.are_few(np.zeros(n, np.int32), many)


def test_no_number_is_drawn_in_vain(conn: db.Connection) -> None:
    """A gap in the numbers of alarms or incidents would look like something deleted."""
    first, second = raised("001A01"), raised("001A02", 1)
    put(conn, first)
    put(conn, second)  # of the same unit: no incident of its own
    put(conn, first, second)  # sent again: nothing new
    put(conn, later(first, "level", 5, rank=3))
    put(conn, later(first, "cleared", 10), later(second, "cleared", 10))
    put(conn, raised("001A01", 20), raised("001A03", 20))
    assert column(conn, "SELECT alarm_id FROM alarm ORDER BY 1") == [1, 2, 3, 4]
    assert column(conn, "SELECT incident_id FROM incident ORDER BY 1") == [1, 2]


def test_what_was_not_foreseen_gets_its_number(conn: db.Connection) -> None:
    """Cleared and raised again at once: the slot was taken when numbers were drawn."""
    first = raised("001A01")
    put(conn, first)
    again = raised("001A01", 20)
    done = put(conn, later(first, "cleared", 10), again)
    assert [event.alarm_id for event in done] == [1, 2]
    assert [event.incident_id for event in done] == [1, 2]
