"""Long queries of history beside the duty's work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg

from gasmon.points import PointKey
from gasmon.units import US_PER_H, iso_us
from tests.fix_api import MINE_Z, World
from tests.fix_wait import wait_until

N_CURVES = 12
"""More than there are connections of both kinds."""

WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND wait_event_type = 'Lock' AND query LIKE '%reading%'"
)


def test_many_curves_keep_nobody_from_confirming(world: World) -> None:
    """While ranges of readings hang in the database, alarms are read and confirmed."""
    world.record(world.event(MINE_Z))
    world.conn.commit()
    point_id = world.ids[PointKey(MINE_Z, "01", "001A01")]
    begin = iso_us(world.now_us - US_PER_H)
    query = {"from": begin, "to": iso_us(world.now_us), "max_points": "100"}

    def curve() -> int:
        with world.client("zhenxiong") as client:
            path = f"/api/v1/points/{point_id}/readings"
            return client.get(path, params=query).status_code

    with psycopg.connect(world.dsn) as lock, ThreadPoolExecutor(N_CURVES) as people:
        lock.execute("LOCK TABLE reading IN ACCESS EXCLUSIVE MODE")
        curves = [people.submit(curve) for _ in range(N_CURVES)]
        with psycopg.connect(world.dsn, autocommit=True) as look:
            wait_until(lambda: look.execute(WAITING).fetchone() == (3,), what="curves")
        with world.client("county") as county:
            seen = county.get("/api/v1/alarms/1")
            done = county.post("/api/v1/alarms/1/confirm", json={})
        assert not any(future.done() and future.result() == 200 for future in curves)
        lock.rollback()
        told = {future.result() for future in curves}

    assert (seen.status_code, done.status_code) == (200, 200)
    # Who waited for longer than a pool lets wait is told so.
    assert told <= {200, 503}
    assert 200 in told
