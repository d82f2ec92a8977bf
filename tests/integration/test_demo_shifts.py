"""The shifts of a demo, over a real database, at whatever hour it is started."""

from __future__ import annotations

import pytest

from gasmon.demo_shifts import begin_shifts, pairs_of
from gasmon.shifts.calendar import day_of, day_start_us
from gasmon.shifts.posts import Post
from gasmon.store import access, handovers, points, shift_calendars, shift_presence
from gasmon.store.db import Connection
from gasmon.store.scope import Scope
from gasmon.units import US_PER_DAY, US_PER_H

COUNTY = Post("county", "530627")
MINE = "530627000001"
EVERYTHING = Scope(None, None)


def people(conn: Connection, now_us: int) -> None:
    """Those whom the demo gives out."""
    points.ensure_areas(conn)
    for tier, role, areas, mines in (
        ("city", "city_officer", None, None),
        ("county", "county_officer", ["530627"], None),
        ("mine", "mine_dispatcher", ["530627"], [MINE]),
    ):
        for name in (f"demo-{role}", f"demo-{tier}_colleague"):
            access.create_token(
                conn, name=name, role=role, areas=areas, mines=mines, now_us=now_us
            )
    conn.commit()


@pytest.mark.parametrize("hour", [0.1, 7.5, 8.0, 15.0, 19.5, 20.0, 23.9])
def test_a_shift_is_on_and_the_last_waits_for_signatures(
    store_conn: Connection, hour: float
) -> None:
    """At each post one has duty now; his colleague's shift is his to accept."""
    conn = store_conn
    today_us = day_start_us(day_of(1_790_000_000_000_000))
    now_us = today_us + round(hour * US_PER_H)
    people(conn, now_us)
    pairs = pairs_of("530627", MINE)
    begin_shifts(conn, pairs, now_us)
    posts = shift_presence.posts_now(conn, EVERYTHING, now_us)
    assert [row["tier"] for row in posts] == ["city", "county", "mine"]
    for post, (name, _) in pairs.items():
        there = shift_presence.signed_on(conn, now_us, EVERYTHING, post)
        calendar = shift_calendars.calendar_of(conn, post)
        before, present = calendar.before(now_us), calendar.at(now_us)
        assert before is not None
        assert present is not None
        assert before.until_us == present.from_us
        # What nobody kept would be reminded of.
        assert calendar.before(before.from_us) is None
        assert [one.from_us for one in there if one.name == name] == [present.from_us]
    colleague, officer = (
        access.Principal(*row, ("530627",), None)
        for row in conn.execute(
            "SELECT principal_id, name, role FROM principal WHERE name IN"
            " ('demo-county_colleague', 'demo-county_officer') ORDER BY name"
        ).fetchall()
    )
    number = handovers.open_handover(conn, COUNTY, "before", officer, now_us)
    handovers.act(conn, number, "sign", "", colleague, now_us)
    handovers.act(conn, number, "accept", "", officer, now_us)


def test_a_second_start_changes_nothing(store_conn: Connection) -> None:
    """Calendars and people stay as they were left."""
    conn = store_conn
    now_us = 1_790_000_000_000_000
    people(conn, now_us)
    begin_shifts(conn, pairs_of("530627", MINE), now_us)
    count = "SELECT count(*) FROM audit"
    before = conn.execute(count).fetchone()
    begin_shifts(conn, pairs_of("530627", MINE), now_us + US_PER_DAY)
    assert conn.execute(count).fetchone() == before
