"""A drill at the small site: declared, with a mine that plays, and its alarms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gasmon.alarms.events import AlarmEvent
from gasmon.points import PointDef, PointKey
from gasmon.remote.frames import encode_body
from gasmon.store import access, db, drill_points, drills
from gasmon.store.drill_sweep import sweep
from gasmon.store.latest import LATEST_DTYPE, MineLatest, upsert_latest
from gasmon.units import US_PER_H, US_PER_MIN
from tests.web.fix_site import Site, now_us

MINE = "530627000001"
COUNTY = "530627"


def add_trainer(site: Site) -> None:
    """Somebody of the county who may declare drills, as ``trainer``."""
    if "trainer" in site.tokens:
        return
    with db.connect(site.database) as conn:
        site.tokens["trainer"] = access.create_token(
            conn,
            name="trainer",
            role="trainer",
            areas=[COUNTY],
            mines=None,
            now_us=now_us(),
            may="act",
        )
        conn.commit()


class Drill:
    """A running drill with two points of one mine.

    Attributes:
        run: its number.
    """

    def __init__(self, site: Site, *, stops: bool = True, title: str = "") -> None:
        add_trainer(site)
        self.site = site
        trainer = access.Principal(0, "trainer", "trainer", (COUNTY,), None)
        wish = drills.DrillWish(
            scenario="outburst",
            title=title,
            areas=(COUNTY,),
            from_us=now_us() - US_PER_MIN,
            until_us=now_us() + US_PER_H,
            stop_on_real_alarm=stops,
            participants=("李值班", "王调度"),
        )
        with db.connect(site.database) as conn:
            self.run = drills.declare(
                conn, trainer, wish, most_at_once=9, longest_h=8, now_us=now_us()
            )
            drills.take(conn, self.run, "*", "ingest-a", now_us())
            conn.commit()

    def define(self) -> None:
        """The mine sends its points."""
        points = [
            PointDef(
                key=PointKey(MINE, "01", no),
                unit_slug="11121",
                sensor_type="0001",
                quantity="CH4",
                uom="%",
                place=place,
                place_class="FACE_T0",
                range_low=0.0,
                range_high=4.0,
                alarm_high=1.0,
                clear_high=1.0,
                cut_high=1.5,
                restore_high=1.0,
                effective_from_us=now_us(),
            )
            for no, place in (
                ("001A01", "演练工作面上隅角T0"),
                ("002A01", "演练回风巷T2"),
            )
        ]
        with db.connect(self.site.database) as conn:
            drill_points.save(conn, self.run, points, now_us())
            conn.commit()

    def send(self, *values: float) -> None:
        """Values of its points, as its engine's thread would store them."""
        at_us = now_us()
        with db.connect(self.site.database) as conn:
            rows = conn.execute(
                "SELECT point_id FROM point WHERE run = %s ORDER BY no", (self.run,)
            ).fetchall()
            packed = np.zeros(len(values), LATEST_DTYPE)
            for i, value in enumerate(values):
                packed[i] = (rows[i][0], 0, value, at_us, at_us)
            latest = MineLatest(MINE, True, "d", 1, at_us, at_us, packed)
            upsert_latest(conn, self.run, [latest])
            conn.commit()

    def alarm(self, event: str = "raised", *, rank: int = 3) -> AlarmEvent:
        """An alarm of its first point."""
        told = replace(self.site.event(MINE, event, rank=rank), run=self.run)
        self.site.record(told)
        return told

    def sweep(self) -> None:
        """What ingest does each second: real alarms end drills."""
        with db.connect(self.site.database) as conn:
            sweep(conn, encode_body, now_us())

    def close(self) -> None:
        """Be over, however it came, so that the next test begins in quiet."""
        with db.connect(self.site.database) as conn:
            drills.end(
                conn, self.run, drills.BY_HAND, "", encode=encode_body, now_us=now_us()
            )
            conn.commit()
