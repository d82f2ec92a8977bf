"""What a point's page and a room ask for: marks, files, curves, load, searching."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from gasmon.api import schemas_load, schemas_points
from gasmon.domain import states
from gasmon.points import MineDef, PointDef, PointKey
from gasmon.store.definitions import save_definitions
from gasmon.units import US_PER_H, US_PER_MIN, US_PER_S, iso_us
from tests.fix_api import MINE_S, MINE_Z, World, write_readings

KEY = PointKey(MINE_Z, "01", "001A01")
AUDITED = "SELECT principal, subject, detail->>'rows' FROM audit WHERE action = %s"


def change_limit(world: World, at_us: int, alarm_high: float) -> None:
    """The mine defines another limit from a time on [µs UTC]."""
    row = world.conn.execute(
        "SELECT place, quantity, uom FROM point_version WHERE point_id = %s",
        (world.ids[KEY],),
    ).fetchone()
    assert row is not None
    point = PointDef(
        key=KEY,
        sensor_type="0001",
        place=str(row[0]),
        quantity=str(row[1]),
        uom=str(row[2]),
        place_class="FACE_T0",
        unit_slug="11121",
        alarm_high=alarm_high,
        effective_from_us=at_us,
        rev=2,
    )
    other = replace(point, key=PointKey(MINE_Z, "01", "001A02"), alarm_high=24.0)
    mine = MineDef(MINE_Z, MINE_Z[:6], "镇雄县1号煤矿", "high_gas", rev=2)
    save_definitions(world.conn, mine, [point, other], now_us=world.now_us)
    world.conn.commit()


def test_a_trend_knows_its_alarms_limits_and_calibrations(world: World) -> None:
    """Marks touch the range, limits step where they changed, files are audited."""
    begin = world.now_us - US_PER_H
    early, late = begin + 10 * US_PER_MIN, begin + 40 * US_PER_MIN
    for raised, cleared in ((early - US_PER_H, begin - US_PER_S), (early, late)):
        world.record(
            world.event(raised_at_us=raised, happened_at_us=raised, rank=3),
            world.event(event="cleared", raised_at_us=raised, happened_at_us=cleared),
        )
    world.record(world.event(kind="cut_off", raised_at_us=late, happened_at_us=late))
    change_limit(world, begin + 30 * US_PER_MIN, 0.8)
    point_id = world.ids[KEY]
    readings: list[tuple[int, float | None, int]] = [
        (begin + i * US_PER_MIN, 0.1 * (i % 7), 0) for i in range(60)
    ]
    readings[20] = (readings[20][0], 2.0, states.CALIBRATION)
    write_readings(world.conn, point_id, readings)
    path = f"/api/v1/points/{point_id}"
    query = {"from": iso_us(begin), "to": iso_us(world.now_us)}
    with world.client("zhenxiong") as client:
        marks = client.get(f"{path}/marks", params=query).json()
        file = client.get(f"{path}/readings.csv", params=query)
        curves = client.get(f"/api/v1/mines/{MINE_Z}/sparklines?minutes=120&buckets=24")

    schemas_points.Marks.model_validate(marks)
    spans = [(row["kind"], row["from"], row["to"]) for row in marks["alarms"]]
    assert ("over_limit", iso_us(early), iso_us(late)) in spans
    assert ("cut_off", iso_us(late), None) in spans
    assert len(spans) == 2, "what was over before the range is not in it"
    assert [row["limits"]["alarm_high"] for row in marks["limits"]] == [1.0, 0.8]
    assert marks["limits"][1]["from"] == iso_us(begin + 30 * US_PER_MIN)

    lines = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert len(lines) == 60
    assert lines[20]["n_calibration"] == "1"
    assert (lines[20]["min"], lines[19]["min"][:3]) == ("", "0.5")
    assert lines[0]["time"] == iso_us(begin)
    audited = world.conn.execute(AUDITED, ("readings.export",)).fetchall()
    assert audited == [("zhenxiong", f"{MINE_Z}-01-001A01", "60")]

    told = curves.json()
    schemas_points.Sparklines.model_validate(told)
    assert told["step_ms"] == 300_000
    assert [item["point_id"] for item in told["items"]] == [point_id]
    assert max(row[2] for row in told["items"][0]["rows"]) < 1.0, "no test gas"


def test_load_and_search_keep_to_the_scope(world: World) -> None:
    """The hour is counted by area and cause; places are found, others' are not."""
    now_us = world.now_us + 10 * US_PER_MIN
    for i in range(12):
        at_us = now_us - 30 * US_PER_S + i
        world.record(
            world.event(MINE_Z, raised_at_us=at_us, happened_at_us=at_us),
            world.event(
                MINE_Z, event="cleared", raised_at_us=at_us, happened_at_us=at_us + 1
            ),
        )
    world.record(world.event(MINE_S))
    with world.client("city") as client:
        load = client.get("/api/v1/load").json()
        points = client.get("/api/v1/search", params={"q": "A01 镇雄"}).json()
        mines = client.get("/api/v1/search", params={"q": "绥江县1号"}).json()
    with world.client("suijiang") as client:
        own = client.get("/api/v1/load").json()
        foreign = client.get("/api/v1/search", params={"q": "镇雄"}).json()

    schemas_load.LoadNow.model_validate(load)
    schemas_load.Found.model_validate(points)
    assert (load["n_60min"], load["flood"], load["grade"]) == (13, True, "over")
    first = load["causes"][0]
    assert (first["subject"], first["n"]) == (f"point:{MINE_Z}-01-001A01", 12)
    assert first["chattering"]
    assert {row["area"]: row["n_60min"] for row in load["areas"]} == {
        MINE_S[:6]: 1,
        MINE_Z[:6]: 12,
    }
    assert (own["n_60min"], own["flood"], own["grade"]) == (1, False, "acceptable")
    assert {row["mine"] for row in points["points"]} >= {MINE_Z}
    assert MINE_S not in {row["mine"] for row in points["points"]}
    assert [row["code"] for row in mines["mines"]] == [MINE_S]
    assert foreign == {"mines": [], "points": [], "more": False}
