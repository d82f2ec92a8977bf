"""Crossings and suspicious data over HTTP and at the command line."""

from __future__ import annotations

import json

import numpy as np
import psycopg
import pytest

from gasmon import cli
from gasmon.alarms.crossings import Crossing
from gasmon.api import schemas_trust
from gasmon.points import PointKey
from gasmon.store import crossings
from gasmon.units import US_PER_H, US_PER_S, iso_us
from tests.fix_api import MINE_S, MINE_Z, World, write_readings

STEP_S = 30


def test_crossings_are_shown_to_who_sees_the_point(world: World) -> None:
    """The newest first, within the range that was asked for, and never changed."""
    point_id = world.ids[PointKey(MINE_Z, "01", "001A01")]
    begin = world.now_us - US_PER_H
    told = [
        Crossing(0, "over_limit", "law:FACE_T0", begin + at * US_PER_S,
                 begin + at * US_PER_S, value, 1.0, held_by, late=late)
        for at, value, held_by, late in (
            (10, 1.2, "on_delay", False),
            (20, 1.3, "deadband", False),
            (30, None, "off_delay", True),
        )
    ]  # fmt: skip
    for _ in range(2):  # a turn that is written again changes nothing
        crossings.append(world.conn, 0, [point_id] * 3, told)
        world.conn.commit()
    query = {"from": iso_us(begin), "to": iso_us(begin + 25 * US_PER_S)}
    path = f"/api/v1/points/{point_id}/crossings"
    with world.client("zhenxiong") as client:
        answer = client.get(path, params=query).json()
        whole = client.get(path, params={**query, "to": iso_us(world.now_us)}).json()
        backwards = client.get(path, params={"from": query["to"], "to": query["from"]})
    with world.client("suijiang") as client:
        foreign = client.get(path, params=query)
    schemas_trust.CrossingList.model_validate(answer)
    assert [(i["value"], i["held_by"]) for i in answer["items"]] == [
        (1.3, "deadband"),
        (1.2, "on_delay"),
    ]
    assert whole["items"][0]["late"] is True
    assert whole["items"][0]["value"] is None
    assert (backwards.status_code, foreign.status_code) == (422, 404)
    with pytest.raises(psycopg.errors.RaiseException):
        world.conn.execute("DELETE FROM crossing")
    world.conn.rollback()


def test_a_mine_that_froze_a_sensor_is_found_by_name(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over HTTP and at the command line, with the point and what shows it."""
    n = 12 * 120
    rng = np.random.default_rng(5)
    good = np.round(0.5 + np.cumsum(rng.normal(0, 0.004, n)), 2)
    frozen = good.copy()
    frozen[400:1400] = frozen[400]
    begin = world.now_us - 12 * US_PER_H
    for mine, values in ((MINE_Z, frozen), (MINE_S, good)):
        readings = [
            (begin + k * STEP_S * US_PER_S, float(value), 0)
            for k, value in enumerate(values)
        ]
        point_id = world.ids[PointKey(mine, "01", "001A01")]
        write_readings(world.conn, point_id, readings)
    world.record(
        world.event(kind="evasion", rank=3, explain={"cause": "stop"}),
        world.event(MINE_S, kind="over_limit"),
    )
    world.conn.commit()
    path = f"/api/v1/mines/{MINE_Z}/suspicion"
    with world.client("zhenxiong") as client:
        answer = client.get(path, params={"hours": 24}).json()
        too_many = client.get(path, params={"hours": 500})
    with world.client("suijiang") as client:
        foreign = client.get(path)
    schemas_trust.Suspicion.model_validate(answer)
    (point,) = answer["points"]
    assert point["no"] == "001A01"
    assert [f["sign"] for f in point["findings"]] == ["flat", "evasion"]
    assert point["findings"][1]["numbers"]["causes"] == ["stop"]
    assert (answer["score"], answer["findings"]) == (84, [])
    assert (too_many.status_code, foreign.status_code) == (422, 404)

    database = f"database.url={world.dsn}"
    assert cli.main(["suspicious", "--json", "--set", database]) == 0
    found = json.loads(capsys.readouterr().out)["items"]
    assert [(one["mine"], one["score"]) for one in found] == [(MINE_Z, 84)]
    of_county = ["suspicious", "--area", "suijiang", "--all", "--set", database]
    assert cli.main(of_county) == 0
    assert MINE_S in capsys.readouterr().out
    assert cli.main(["suspicious", "--mine", MINE_Z, "--set", database]) == 0
    shown = capsys.readouterr().out
    assert "逐位不变 flat to the last digit" in shown
    assert "  84  001A01" in shown
    for wrong in (
        ["--mine", "530699000001"],
        ["--area", "nowhere"],
        ["--hours", "0"],
        ["--to", "noon"],
    ):
        assert cli.main(["suspicious", *wrong, "--set", database]) == 2
        capsys.readouterr()
    nothing = ["suspicious", "--to", "2020-01-01T00:00:00Z", "--set", database]
    assert cli.main(nothing) == 0
    assert "nothing looks made" in capsys.readouterr().out


def test_an_alarm_that_looks_false_says_why_and_stays(world: World) -> None:
    """A jump and return beside a neighbour that stands still, while a plan blasts."""
    raised_us = world.now_us - 300 * US_PER_S
    moments = [raised_us + k * 10 * US_PER_S for k in range(-40, 20)]
    spike = {raised_us: 1.8, raised_us + 10 * US_PER_S: 1.7}
    own = world.ids[PointKey(MINE_Z, "01", "001A01")]
    write_readings(world.conn, own, [(at, spike.get(at, 0.4), 0) for at in moments])
    event = world.event(raised_at_us=raised_us, happened_at_us=raised_us)
    world.record(event, world.event(kind="low_limit"))
    world.conn.execute(
        "INSERT INTO plan (mine_id, work, subjects, alarm_kinds, from_us, until_us,"
        " rank_ceiling, reason) SELECT mine_id, 'blasting', %s, '{over_limit}', %s, %s,"
        " 3, 'test' FROM mine WHERE code = %s",
        ([f"unit:{MINE_Z}/u/11121"], raised_us - 1, raised_us + 1, MINE_Z),
    )
    world.conn.execute(
        "INSERT INTO plan_record (plan_id, event, principal, role, reason, recorded_at)"
        " SELECT plan_id, 'approved', 'county', 'county_officer', '', now() FROM plan"
    )
    world.conn.commit()
    with world.client("zhenxiong") as client:
        before = client.get("/api/v1/alarms/1").json()
        answer = client.get("/api/v1/alarms/1/signatures").json()
        after = client.get("/api/v1/alarms/1").json()
        other = client.get("/api/v1/alarms/2/signatures").json()
    with world.client("suijiang") as client:
        foreign = client.get("/api/v1/alarms/1/signatures")
    schemas_trust.SignatureList.model_validate(answer)
    assert [item["signature"] for item in answer["items"]] == [
        "jump_and_return",
        "blasting",
    ]
    assert answer["items"][0]["numbers"]["back_after_s"] == 20.0
    assert (before["raised_at"], before["rank"]) == (after["raised_at"], after["rank"])
    assert (other["items"], foreign.status_code) == ([], 404)
