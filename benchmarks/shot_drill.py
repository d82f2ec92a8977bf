"""A drill that goes on, for its picture: declared, a mine that plays, an outburst."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.stage import Stage
from gasmon.clock import SystemClock
from gasmon.store import access, drill_points, drills
from gasmon.store.db import connect
from gasmon.store.latest import LATEST_DTYPE, MineLatest, upsert_latest
from gasmon.units import US_PER_H, US_PER_MIN, US_PER_S

PEOPLE = ("李值班", "王调度")
PLAYED_PCT = (2.6, 1.7)
"""What the first methane points of the mine show."""


def declared(stage: Stage, code: str) -> int:
    """Declare a drill with one mine; returns its run."""
    now_us = SystemClock().now_us()
    trainer = access.Principal(0, "trainer", "trainer", (code[:6],), None)
    wish = drills.DrillWish(
        scenario="outburst",
        title="掘进工作面突出应急演练",
        areas=(code[:6],),
        from_us=now_us - 4 * US_PER_MIN,
        until_us=now_us + US_PER_H,
        stop_on_real_alarm=False,
        participants=PEOPLE,
    )
    with connect(stage.where.database) as conn:
        run = drills.declare(
            conn, trainer, wish, most_at_once=9, longest_h=8, now_us=now_us
        )
        drills.take(conn, run, "*", "ingest", now_us)
        points = [stage.points[at] for at in stage.of_mine(code)]
        drill_points.save(conn, run, points, now_us)
        conn.commit()
    return run


def played(stage: Stage, code: str, run: int) -> None:
    """Its values now, and the alarms that come of them."""
    now_us = SystemClock().now_us()
    step = stage.feed(now_us)
    at = stage.of_mine(code)
    value = {stage.points[i].key.no: float(step.value[i]) for i in at}
    methane = [i for i in at if stage.points[i].quantity == "CH4"][: len(PLAYED_PCT)]
    for place, pct in zip(methane, PLAYED_PCT, strict=True):
        value[stage.points[place].key.no] = pct
    with connect(stage.where.database) as conn:
        rows = conn.execute(
            "SELECT point_id, no FROM point WHERE run = %s ORDER BY no", (run,)
        ).fetchall()
        packed = np.zeros(len(rows), LATEST_DTYPE)
        for i, (point_id, no) in enumerate(rows):
            packed[i] = (point_id, 0, value[str(no)], now_us, now_us)
        latest = MineLatest(code, True, "drill", 1, now_us, now_us, packed)
        upsert_latest(conn, run, [latest])
        conn.commit()
    told = [
        stage.event(place, kind, rank, now_us - ago_s * US_PER_S, value=pct, limit=1.0)
        for place, pct, kind, rank, ago_s in (
            (methane[0], PLAYED_PCT[0], "cut_off", 4, 95),
            (methane[1], PLAYED_PCT[1], "over_limit", 3, 40),
        )
    ]
    stage.tell([replace(one, run=run) for one in told])
