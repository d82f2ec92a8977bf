"""Drainage over the whole path: readings, the job, HTTP and command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gasmon import cli
from gasmon.api.schemas_drainage import DrainageDays, DrainageList
from gasmon.duty.drainage import count_days, midnight_us
from gasmon.points import MineDef, PointDef, PointKey, UnitDef
from gasmon.settings import StorageSettings
from gasmon.store import latest, points
from gasmon.store.definitions import save_definitions
from gasmon.store.drainage import day_of
from gasmon.store.partitions import open_partitions
from gasmon.units import US_PER_H, US_PER_MIN
from tests.fix_api import MINE_S, MINE_Z, World, write_readings

PLACE = ("02", "003A03")
POINTS: dict[str, tuple[str, str, float]] = {
    "003A01": ("0022", "CH4_PIPE", 30.0),
    "003A02": ("0025", "PIPE_PRESSURE", -20.0),
    "003A03": ("0036", "PIPE_FLOW", 100.0),
    "003A04": ("0023", "PIPE_TEMP", 25.0),
    "004A01": ("0006", "SUCTION", 99.0),
}
"""The check case, and a suction on another substation that is none of it."""

STANDARD = 100 * (64 / 101.325) * (293 / 298)


def station(
    world: World, mine: str, nos: list[str], kpa: float | None
) -> dict[str, int]:
    """Give a mine a drainage station; returns ids by number."""
    units = (UnitDef("drainage", "drainage", "地面抽采泵站"),)
    defined = [
        PointDef(
            key=PointKey(mine, "02", no),
            sensor_type=POINTS[no][0],
            quantity=POINTS[no][1],
            place="主管路",
            unit_slug="drainage",
        )
        for no in nos
    ]
    about = MineDef(mine, mine[:6], "抽采矿", "outburst", kpa, units, 2)
    save_definitions(world.conn, about, defined, now_us=world.now_us)
    keys = [point.key for point in defined]
    ids = points.ensure_points(world.conn, keys, world.now_us)
    packed = np.zeros(len(nos), dtype=latest.LATEST_DTYPE)
    for at, no in enumerate(nos):
        value = POINTS[no][2]
        packed[at] = (ids[PointKey(mine, "02", no)], 0, value, world.now_us, 0)
    row = latest.MineLatest(mine, True, "b", 1, world.now_us, world.now_us, packed)
    latest.upsert_latest(world.conn, 0, [row])
    world.conn.commit()
    return {key.no: number for key, number in ids.items()}


@pytest.fixture
def drained(world: World) -> World:
    """One whole station, and one of a mine that never told its air pressure."""
    ids = station(world, MINE_Z, list(POINTS), 84.0)
    station(world, MINE_S, ["003A01", "003A03"], None)
    day_us = midnight_us(world.now_us) - 24 * US_PER_H
    open_partitions(world.conn, StorageSettings()).ensure(
        world.conn, np.array([day_us]), world.now_us
    )
    world.conn.commit()
    for no, point_id in ids.items():
        # Yesterday from 1 to 3 o'clock, with a calibration from 2:00 to 2:30.
        rows = [
            (
                day_us + US_PER_H + minute * US_PER_MIN,
                POINTS[no][2],
                4 if no == "003A01" and 60 <= minute < 90 else 0,
            )
            for minute in range(121)
        ]
        write_readings(world.conn, point_id, rows)
    world.conn.commit()
    return world


def get(world: World, who: str, path: str, **query: Any) -> Any:
    """An answer of the API."""
    with world.client(who) as client:
        found = client.get(f"/api/v1{path}", params=query)
        assert found.status_code == 200, found.text
        return found.json()


def test_a_day_is_counted_over_true_times_and_shown_with_its_gaps(
    drained: World,
) -> None:
    """62.10 and 18.63 m³/min for an hour and a half; 22.5 h were not measured."""
    said = count_days(drained.conn, StorageSettings(), drained.now_us)
    drained.conn.commit()
    assert said == "2 days, 1 places not computed"

    listed = get(drained, "county", "/drainage")
    DrainageList.model_validate(listed)
    (mine,) = listed["items"]
    (place,) = mine["places"]
    assert (mine["mine"], place["point"], place["missing"]) == (
        MINE_Z,
        "-".join(PLACE),
        [],
    )
    assert (place["now"]["standard_m3_min"], place["now"]["pure_m3_min"]) == (
        round(STANDARD, 4),
        round(STANDARD * 0.3, 4),
    )
    # How much air the mine moves is not measured: no rate is made up.
    assert mine["drained_m3_min"] == round(STANDARD * 0.3, 4)
    assert (mine["ventilated_m3_min"], mine["rate_pct"]) == (None, None)

    day = str(midnight_day(drained))
    told = get(
        drained, "county", "/drainage/days", mine=MINE_Z, **{"from": day, "to": day}
    )
    DrainageDays.model_validate(told)
    (yesterday,) = told["items"]
    covered_min = 59 + 30
    assert yesterday["covered_h"] == pytest.approx(covered_min / 60, abs=0.002)
    assert yesterday["gap_h"] == pytest.approx(24 - covered_min / 60, abs=0.002)
    assert yesterday["n_gaps"] == 3
    assert yesterday["mixed_m3"] == pytest.approx(STANDARD * covered_min, abs=0.01)
    assert yesterday["pure_m3"] == pytest.approx(STANDARD * 0.3 * covered_min, abs=0.01)


def midnight_day(world: World) -> Any:
    """Yesterday in Beijing."""
    return day_of(midnight_us(world.now_us) - US_PER_H)


def test_what_is_not_known_is_named_and_not_computed(drained: World) -> None:
    """Also: nobody sees the stations of another county."""
    (mine,) = get(drained, "viewer", "/drainage")["items"]
    assert mine["mine"] == MINE_S
    (place,) = mine["places"]
    assert place["missing"] == ["gauge", "temperature", "atmosphere"]
    assert place["now"]["flow_m3_min"] == 100
    assert place["now"]["standard_m3_min"] is None
    assert (place["day"], mine["drained_m3_min"]) == (None, None)
    assert get(drained, "viewer", "/drainage", mine=MINE_Z)["items"] == []


def test_commands_show_stations_and_report_a_month(
    drained: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For people and as JSON; what is no month is refused."""
    count_days(drained.conn, StorageSettings(), drained.now_us)
    drained.conn.commit()
    token = tmp_path / "token"
    token.write_text(drained.tokens["county"], "utf-8")
    url = drained.api.base.removesuffix("/api/v1")
    flags = ["--url", url, "--token-file", str(token)]

    assert cli.main(["drainage", "ls", *flags]) == 0
    shown = capsys.readouterr().out
    assert "02-003A03" in shown
    assert "纯量 pure 18.63 m³/min" in shown
    month = f"{midnight_day(drained):%Y-%m}"
    assert cli.main(["drainage", "report", MINE_Z, month, *flags]) == 0
    assert "合计 sum" in capsys.readouterr().out
    year = month[:4]
    assert cli.main(["drainage", "report", MINE_Z, year, "--json", *flags]) == 0
    assert len(json.loads(capsys.readouterr().out)["items"]) >= 1
    for wrong in ("2026-13", "11-2026", "1999"):
        assert cli.main(["drainage", "report", MINE_Z, wrong, *flags]) == 2
