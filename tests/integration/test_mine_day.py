"""A mine's daily monitoring report of real readings, over HTTP and by command."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gasmon.api.schemas_statistics import MineDayAnswer
from gasmon.cli import main
from gasmon.domain import states
from gasmon.points import PointKey
from gasmon.reports.period import day_of
from gasmon.units import US_PER_H, US_PER_MIN, US_PER_S
from tests.fix_api import MINE_S, MINE_Z, World, write_readings

DAY = date(2026, 11, 23)
NOON_US = day_of(DAY).from_us + 12 * US_PER_H
NAN = float("nan")


@pytest.fixture
def measured(both_world: World) -> World:
    """Methane of one mine around noon, with an over-limit and a cut-off."""
    world = both_world
    values: list[tuple[float | None, int]] = [
        (0.4, 0), (1.6, 0), (1.6, 0), (0.4, 0), (9.0, states.CALIBRATION), (None, 0),
        (NAN, 0),
    ]  # fmt: skip
    rows = [(NOON_US + n * US_PER_S, *row) for n, row in enumerate(values)]
    before = [(day_of(DAY).from_us - 1, 4.0, 0), (day_of(DAY).to_us, 4.0, 0)]
    write_readings(
        world.conn, world.ids[PointKey(MINE_Z, "01", "001A01")], [*rows, *before]
    )
    at = {"raised_at_us": NOON_US + US_PER_S, "peak_at_us": NOON_US + US_PER_S}
    for kind, minutes in (("over_limit", 6), ("cut_off", 2)):
        world.record(
            world.event(kind=kind, happened_at_us=at["raised_at_us"], **at),
        )
        ended = at["raised_at_us"] + minutes * US_PER_MIN
        world.record(
            world.event(kind=kind, event="cleared", happened_at_us=ended, **at)
        )
    world.conn.commit()
    return world


def test_each_sensor_of_a_mine_with_its_mean_and_its_alarms(measured: World) -> None:
    """Good readings of that day alone; the first moment of the maximum."""
    asked = {"mine": MINE_Z, "day": str(DAY)}
    with measured.client("dispatcher") as client:
        told = client.get("/api/v1/statistics/mine", params=asked).json()
        sheet = client.get("/api/v1/statistics/mine/export", params=asked)

    MineDayAnswer.model_validate(told)
    methane, carbon = told["items"]
    assert methane["subject"] == f"{MINE_Z}-01-001A01"
    assert (methane["n"], methane["n_bad"]) == (4, 3)
    assert methane["mean"] == pytest.approx(1.0)
    assert (methane["min"], methane["max"]) == (0.4, 1.6)
    limits = (methane["alarm"], methane["cut_off"], methane["restore"])
    assert limits == (1.0, None, None)
    assert methane["coverage_pct"] == 0.1
    assert methane["max_at"] == "2026-11-23T12:00:01.000+08:00"
    assert methane["alarms"] == {"n": 1, "s": 360.0, "ongoing": 0}
    assert methane["cut_offs"] == {"n": 1, "s": 120.0, "ongoing": 0}
    assert (carbon["quantity"], carbon["n"], carbon["mean"]) == ("CO", 0, None)
    lines = list(csv.reader(io.StringIO(sheet.content.decode("utf-8-sig"))))
    assert [line[7] for line in lines[1:]] == ["1.0", ""]
    assert measured.conn.execute(
        "SELECT principal, subject, detail->>'rows' FROM audit"
        " WHERE action = 'statistics.export'"
    ).fetchall() == [("dispatcher", f"mine-{MINE_Z}-{DAY}.csv", "2")]
    measured.conn.commit()
    nobody_sees_a_mine_that_is_not_his(measured)
    the_command_says_the_same(measured, told)


def nobody_sees_a_mine_that_is_not_his(world: World) -> None:
    """404 outside of one's scope, 422 for what names none."""

    def status(who: str, **asked: Any) -> int:
        with world.client(who) as client:
            return client.get("/api/v1/statistics/mine", params=asked).status_code

    assert status("county", mine=MINE_S) == 404
    assert status("city_officer", mine="530627009999") == 404
    assert status("county") == 422
    assert status("county", mine=MINE_Z, area="zhenxiong") == 422


def the_command_says_the_same(world: World, told: dict[str, Any]) -> None:
    """As JSON; a mine that there is not is a matter of usage."""
    url = ("--set", f"database.url={world.dsn}")
    words = ("statistics", "mine", "--day", str(DAY), *url, "--mine")
    assert main([*words, "530627009999"]) == 2
    assert main([*words, MINE_Z, "--json"]) == 0
    assert told["until"] == told["to"]


def test_the_report_as_text_and_as_a_file(
    measured: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With names that people read, and a row in the audit for the file."""
    words = ["statistics", "mine", "--mine", MINE_Z, "--day", str(DAY)]
    words += ["--set", f"database.url={measured.dsn}"]
    file = tmp_path / "mine.csv"
    assert main(words) == 0
    assert main([*words, "--json"]) == 0
    text, _, said = capsys.readouterr().out.rpartition("\n{")
    assert main([*words, "--csv", str(file)]) == 0

    assert "监测日报" in text
    assert "1.600  12:00:01" in text
    assert json.loads("{" + said)["items"][0]["max"] == 1.6
    assert file.read_bytes().startswith("\ufeff测点".encode())
    n = measured.conn.execute(
        "SELECT count(*) FROM audit WHERE action = 'statistics.export'"
        " AND principal = 'operator'"
    ).fetchone()
    measured.conn.commit()
    assert n == (1,)
