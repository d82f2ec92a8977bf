"""The course of an alarm that was observed on a live platform, from gas to its end.

Alarm 10:46:21, confirmed 10:47:45, the county's call 10:49:01, cleared 10:54:47. Real
readings through the engine, a real database, duty looking all the while, and people who
act at those times.
"""

from __future__ import annotations

from collections.abc import Iterator

from gasmon.alarms.closing import default_closing
from gasmon.alarms.engine import AlarmEngine
from gasmon.remote.frames import encode_body
from gasmon.store import alarms
from gasmon.store.access import Principal
from gasmon.store.alarm_actions import act
from gasmon.store.alarm_effects import LifeRules, Wish
from gasmon.units import US_PER_S, iso_us, parse_iso_us
from tests.engine_world import PLAIN_RULES, Reading, batch_of, point
from tests.engine_world import World as Points
from tests.fix_api import MINE_Z, ZHENXIONG, World
from tests.integration.test_escalation import ask, look, steps

RULES = LifeRules(default_closing(), 480)
MINE = Principal(1, "dispatcher", "mine_dispatcher", (ZHENXIONG,), (MINE_Z,))
COUNTY = Principal(2, "county", "county_officer", (ZHENXIONG,), None)


def at(clock: str) -> int:
    """A moment of that morning [µs UTC]."""
    return parse_iso_us(f"2026-11-23T{clock}+08:00")


PEOPLE = {
    at("10:47:45"): [(MINE, Wish("confirm", "收到，正在处理"))],
    at("10:49:01"): [
        (COUNTY, Wish("confirm", "电话询问")),
        (COUNTY, Wish("verify", "电话核实", cause_code="ventilation")),
    ],
}
"""Who did what when, as it was seen."""


def seconds() -> Iterator[int]:
    """From before the alarm until after its end."""
    yield from range(at("10:46:01"), at("10:56:01"), US_PER_S)


def methane(at_us: int) -> float:
    """Over the limit of 1.0 % for eight minutes and a half."""
    return 1.1 if at("10:46:21") <= at_us < at("10:54:47") else 0.6


def store(world: World, engine: AlarmEngine, at_us: int) -> None:
    """What one second brings: a reading each other second, judged and recorded."""
    batch = batch_of(
        [Reading(0, methane(at_us), at_us, at_us)] if at_us // US_PER_S % 2 else []
    )
    said = engine.tick(batch, now_us=at_us, marks=[at_us])
    if said:
        with world.conn.transaction():
            alarms.record(world.conn, said, encode_body, at_us)


def do(world: World, who: Principal, wish: Wish, at_us: int) -> None:
    """Somebody acts at a moment."""
    with world.conn.transaction():
        act(world.conn, 1, who, wish, rules=RULES, encode=encode_body, now_us=at_us)


def told(world: World) -> list[tuple[str, str, str]]:
    """(time, event, who) of the alarm's journal."""
    records = ask(world, "alarms/1/life")["records"]
    return [(r["happened_at"][11:19], r["event"], r["by"] or "") for r in records]


def test_the_observed_course_of_an_alarm(world: World) -> None:
    """Each moment stands in the journal; the level that rises asks anew, in time."""
    engine = Points.of(point(place_class="FACE_T0"), rules=PLAIN_RULES).engine()
    for at_us in seconds():
        store(world, engine, at_us)
        for who, wish in PEOPLE.get(at_us, []):
            do(world, who, wish, at_us)
        if at_us // US_PER_S % 10 == 1:
            look(world, at_us)
    journal = told(world)
    assert [row for row in journal if row[1] != "escalated"] == [
        ("10:46:21", "raised", ""),
        ("10:47:45", "confirmed", "dispatcher"),
        ("10:49:01", "confirmed", "county"),
        ("10:49:01", "verified", "county"),
        # Five minutes over the limit: yellow, which nobody has confirmed yet.
        ("10:51:21", "level", ""),
        ("10:54:47", "cleared", ""),
    ]
    # Confirmed in time at first; of the higher level the county is called after three
    # minutes, and its end ends that duty too.
    assert steps(world) == [("confirmed/county/1", "county", "called", 2)]
    assert ("10:54:21", "escalated", "gasmon") in journal
    alarm = ask(world, "alarms/1")
    assert alarm["raised_at"][11:19] == "10:46:21"
    assert alarm["cleared_at"][11:19] == "10:54:47"
    assert (alarm["level"], alarm["overdue"]) == ("yellow", [])
    assert alarm["state"] == "cleared_unconfirmed"

    later = at("10:58:00")
    do(world, COUNTY, Wish("confirm", "已知升级"), later)
    do(world, COUNTY, Wish("close", "处置完毕"), later + US_PER_S)
    life = ask(world, "alarms/1/life")
    assert life["state"] == "closed"
    assert life["closed_at"] == iso_us(later + US_PER_S)
    tiers = {name: tier["phase"] for name, tier in life["tiers"].items()}
    assert tiers == {"mine": "none", "county": "verified", "city": "none"}
    look(world, at("11:30:00"))
    assert len(steps(world)) == 1
