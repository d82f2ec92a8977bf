"""Doubts about records of handling, from real journals, neighbours and readings."""

from __future__ import annotations

from typing import Any

from gasmon.domain import states
from gasmon.points import PointKey
from gasmon.units import US_PER_MIN, US_PER_S
from tests.fix_api import MINE_Z, World, write_readings

TEXT = "工作面推进过快，已停止割煤并加大配风"


def act(world: World, alarm_id: int, action: str, **body: Any) -> list[dict[str, Any]]:
    """Do something as the county; the records afterwards."""
    with world.client("county") as client:
        path = f"/api/v1/alarms/{alarm_id}/actions/{action}"
        answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    records: list[dict[str, Any]] = answer.json()["records"]
    return records


def doubts(records: list[dict[str, Any]]) -> list[str]:
    """Of the newest record."""
    return [one["doubt"] for one in records[-1]["doubts"]]


def told_earlier(world: World, minutes: int) -> None:
    """As if all alarms had been told so long ago."""
    world.conn.execute(
        "UPDATE alarm SET recorded_at = recorded_at - %s * interval '1 min'",
        (minutes,),
    )
    world.conn.commit()


def test_seeded_copies_are_found_and_the_original_is_not(world: World) -> None:
    """Two incidents one after the other; then the second copies the first."""
    for _ in range(2):
        world.raise_alarm(MINE_Z)
    told_earlier(world, 20)
    for alarm_id in (1, 2):
        act(world, alarm_id, "confirm")
    original = act(world, 1, "handle", text=TEXT + "，浓度 0.6")
    copy = act(world, 2, "handle", text=TEXT + "。浓度0.4")
    with world.client("city_officer") as client:
        again = client.get("/api/v1/alarms/1/life").json()["records"]

    assert doubts(original) == []
    assert doubts(copy) == ["copied"]
    assert copy[-1]["doubts"][0]["zh"]
    assert [row["doubts"] for row in again] == [[]] * len(again)


def test_what_cannot_be_is_marked_and_not_refused(world: World) -> None:
    """At once; a calibration while the neighbour rose too, and without its state."""
    world.record(world.event(), world.event(no="001A02", peak=60.0))
    act(world, 1, "confirm")
    assert doubts(act(world, 1, "handle", text="已处理")) == ["too_fast"]
    told_earlier(world, 30)
    assert doubts(act(world, 1, "feed_back", text="已恢复")) == []
    said = {"text": "调校", "cause_code": "calibration"}
    assert doubts(act(world, 1, "handle", **said)) == ["neighbour_rose"]

    point = world.ids[PointKey(MINE_Z, "01", "001A01")]
    at = world.now_us + US_PER_S
    write_readings(world.conn, point, [(at, 1.2, 0), (at + US_PER_S, 1.3, 0)])
    world.conn.commit()
    found = doubts(act(world, 1, "handle", **said))
    assert found == ["neighbour_rose", "no_calibration"]

    before = at - 5 * US_PER_MIN
    write_readings(world.conn, point, [(before, 2.0, states.CALIBRATION)])
    world.conn.commit()
    assert doubts(act(world, 1, "handle", **said)) == ["neighbour_rose"]

    # A unit's alarm has no readings of its own to ask.
    world.conn.execute("UPDATE alarm SET point_id = NULL")
    world.conn.commit()
    assert doubts(act(world, 1, "handle", **said)) == ["neighbour_rose"]
