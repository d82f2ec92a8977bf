"""Escalation where shifts are set: a tier is there when somebody signed on."""

from __future__ import annotations

from typing import Any

import pytest

from gasmon.clock import SystemClock
from gasmon.shifts.posts import Post
from gasmon.store import db
from gasmon.store.on_duty import load_on_duty
from gasmon.units import US_PER_DAY
from tests.fix_api import MINE_S, MINE_Z, SUIJIANG, ZHENXIONG, World
from tests.fix_node import begin_to_follow
from tests.fix_shifts import begin_shifts
from tests.integration.test_escalation import MIN, escalated, look, steps, tell

ALL_TIERS = {"mine", "county", "city"}
COUNTY, MINE = Post("county", ZHENXIONG), Post("mine", MINE_Z)


def sign(world: World, who: str, post: Post, on_or_off: str = "on") -> None:
    """Somebody signs on or off over HTTP."""
    with world.client(who) as client:
        path = f"/api/v1/shifts/{post.tier}/{post.place}/sign-{on_or_off}"
        answer = client.post(path, json={})
    assert answer.status_code == 200, answer.text


def there(world: World, mine: str | None = MINE_Z, later_us: int = 0) -> set[str]:
    """The tiers that are there for an alarm of a mine, some time from now."""
    now_us = SystemClock().now_us() + later_us
    area = ZHENXIONG if mine is None else mine[:6]
    found = load_on_duty(world.conn, now_us).tiers(area, mine)
    world.conn.commit()
    return set(found)


def test_a_tier_is_there_when_somebody_signed_on(world: World) -> None:
    """Only where shifts are set; signing off empties the post again."""
    assert there(world) == ALL_TIERS
    begin_to_follow(world.conn, "suijiang")
    begin_shifts(world.dsn, COUNTY, MINE)
    assert there(world) == {"city"}
    # What belongs to the county as a whole is nothing of a mine's.
    assert there(world, None) == {"city"}
    sign(world, "county", COUNTY)
    assert there(world) == {"county", "city"}
    sign(world, "dispatcher", MINE)
    assert there(world) == ALL_TIERS
    sign(world, "county", COUNTY, "off")
    assert there(world) == {"mine", "city"}
    # The other county has no calendar: its platform counts as before.
    assert there(world, MINE_S) == {"county", "city"}


def test_the_city_too_may_have_shifts(world: World) -> None:
    """Nobody there at all: the duty stands with the city all the same."""
    begin_shifts(world.dsn, COUNTY, MINE, Post("city", "530600"))
    assert there(world) == set()
    at_us = tell(world, world.event())
    look(world, at_us + 3 * MIN)
    assert [(step, tier) for step, tier, _, _ in steps(world)] == [
        ("confirmed/county/1", "city")
    ]


@pytest.mark.parametrize(("signed", "tier"), [(False, "city"), (True, "county")])
def test_a_step_goes_to_whoever_is_there(world: World, signed: bool, tier: str) -> None:
    """A county whose shift nobody signed on to is missing."""
    begin_shifts(world.dsn, COUNTY)
    if signed:
        sign(world, "county", COUNTY)
    at_us = tell(world, world.event())
    look(world, at_us + 3 * MIN)
    assert [tier for _, tier, _, _ in steps(world)] == [tier]
    (body,) = escalated(world)
    assert (body["of"], body["to"]) == ("county", tier)


def test_whoever_forgot_to_sign_off_is_not_there_the_next_day(world: World) -> None:
    """Nor who was retired, or whose token is over, in his shift."""
    begin_shifts(world.dsn, COUNTY)
    sign(world, "county", COUNTY)
    assert "county" in there(world)
    assert "county" not in there(world, later_us=US_PER_DAY)
    change(
        world,
        "UPDATE token SET revoked_at = now() FROM principal p"
        " WHERE p.principal_id = token.principal_id AND p.name = %s",
        "county",
    )
    assert "county" not in there(world)


def test_whoever_lost_the_place_is_not_there(world: World) -> None:
    """An officer who was moved to another county in his shift."""
    begin_shifts(world.dsn, COUNTY)
    sign(world, "county", COUNTY)
    change(
        world,
        "UPDATE principal SET areas = %s WHERE name = 'county'",
        [SUIJIANG],
    )
    assert "county" not in there(world)


def change(world: World, query: str, *values: Any) -> None:
    """Change the database behind everybody's back."""
    conn: db.Connection = world.conn
    conn.execute(query.encode(), values)
    conn.commit()
