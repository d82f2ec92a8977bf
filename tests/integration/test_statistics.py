"""Statistics of real rows over HTTP and by command: scopes, drills, exports, bounds."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from gasmon.cli import main
from gasmon.clock import SystemClock
from gasmon.store import statistics
from gasmon.store.scope import Scope
from gasmon.units import US_PER_H, US_PER_MIN, iso_us
from tests.fix_api import MINE_S, MINE_Z, SUIJIANG, ZHENXIONG, World


def told(world: World, who: str, path: str, status: int = 200, **query: Any) -> Any:
    """What the server says to somebody."""
    with world.client(who) as client:
        answer = client.get(f"/api/v1{path}", params=query)
    assert answer.status_code == status, answer.text
    return answer.json() if "json" in answer.headers["content-type"] else answer


def since(world: World) -> str:
    """A range that begins before everything in this world."""
    return iso_us(world.now_us - 5 * US_PER_H)


def row(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The row of this name."""
    (found,) = [item for item in items if item["name"] == name]
    return found


@pytest.fixture
def busy(world: World) -> World:
    """Alarms of two counties: over, open, in a drill, a pre-warning, a break."""
    at = world.now_us
    world.record(world.event(peak=2.5))
    world.record(
        world.event(event="cleared", value=0.4, happened_at_us=at + 4 * US_PER_MIN)
    )
    world.record(world.event(no="001A02", kind="over_limit", peak=60.0))
    world.record(world.event(mine=MINE_S, peak=1.2))
    world.record(world.event(kind="forecast", rank=0))
    broken = {
        "kind": "link_break",
        "raised_at_us": at - 2 * US_PER_H,
        "happened_at_us": at - 2 * US_PER_H,
    }
    world.record(world.event(mine=MINE_S, no="001A02", **broken))
    world.conn.execute("INSERT INTO run (run, name) VALUES (7, 'drill')")
    world.record(world.event(run=7, peak=9.0))
    world.conn.execute("UPDATE mine SET created_at = created_at - interval '3 hours'")
    world.conn.commit()
    return world


def test_counts_times_maxima_and_links(
    busy: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No drill, no pre-warning, nobody else's county; open ones last until now."""
    page = told(busy, "county", "/statistics", period="range", **{"from": since(busy)})

    (mine,) = page["items"]
    assert mine["name"] == ZHENXIONG
    assert (mine["alarms"], mine["over_limit"]["n"]) == (2, 2)
    assert mine["over_limit"]["ongoing"] == 1
    assert mine["over_limit"]["s"] > 4 * 60 + 9 * 60
    assert mine["over_limit"]["by_grade"] == [0, 1, 0]
    assert mine["peak"]["value"] == 2.5
    assert mine["online"]["pct"] == 100.0
    assert (mine["online"]["registered"], mine["online"]["linked"]) == (2, 2)

    a_break_of_the_link_is_time_offline(busy)
    too_many_alarms_are_refused_and_not_counted_short(busy, monkeypatch)


def a_break_of_the_link_is_time_offline(busy: World) -> None:
    """Two hours and ten minutes of about three; the others were there all the time."""
    page = told(
        busy, "city_officer", "/statistics", period="range", by="mine", sort="online",
        **{"from": since(busy)},
    )  # fmt: skip

    first = page["items"][0]
    assert first["name"] == MINE_S
    assert 20 < first["online"]["pct"] < 40
    assert first["online"]["breaks"] == 1
    assert [item["online"]["pct"] for item in page["items"][1:]] == [100.0, 100.0]


def test_what_was_confirmed_and_handled_in_time(busy: World) -> None:
    """The first marks of each tier; what was withdrawn does not count."""
    with busy.client("county") as client:
        for verb, body in (
            ("confirm", {}),
            ("handle", {"text": "已派人检查", "cause_code": "gas_emission"}),
        ):
            done = client.post(f"/api/v1/alarms/1/actions/{verb}", json=body)
            assert done.status_code == 200, done.text
    source = statistics.read(
        busy.conn,
        Scope(None, None),
        statistics.Wanted(0, SystemClock().now_us(), ZHENXIONG),
    )
    facts = {fact.alarm_id: fact for fact in source.facts}
    assert set(facts[1].confirmed) == set(facts[1].handled) == {"county"}
    assert facts[1].cause_code == "gas_emission"

    number = done.json()["records"][-1]["record_id"]
    with busy.client("county") as client:
        body = {"refers_to": number, "text": "报警号写错"}
        gone = client.post("/api/v1/alarms/1/actions/withdraw", json=body)
        assert gone.status_code == 200, gone.text
    source = statistics.read(
        busy.conn,
        Scope(None, None),
        statistics.Wanted(0, SystemClock().now_us(), None, MINE_Z),
    )
    facts = {fact.alarm_id: fact for fact in source.facts}
    assert facts[1].handled == {}
    assert facts[1].cause_code is None
    busy.conn.commit()


def test_causes_are_counted_as_they_stand(busy: World) -> None:
    """The newest record's, as corrected; a withdrawn one takes its correction along."""

    def do(verb: str, **body: Any) -> int:
        with busy.client("county") as client:
            done = client.post(f"/api/v1/alarms/1/actions/{verb}", json=body)
        assert done.status_code == 200, done.text
        return int(done.json()["records"][-1]["record_id"])

    def counted() -> dict[str, int]:
        page = told(
            busy, "county", "/statistics", period="range", by="cause",
            **{"from": since(busy)},
        )  # fmt: skip
        return {item["name"]: item["alarms"] for item in page["items"]}

    assert counted() == {"none": 2}
    first = do("confirm", cause_code="interference")
    last = do("handle", text="已派人检查", cause_code="gas_emission")
    assert counted() == {"gas_emission": 1, "none": 1}
    do("correct", refers_to=first, text="并非干扰", cause_code="ventilation")
    assert counted() == {"gas_emission": 1, "none": 1}
    do("correct", refers_to=last, text="查明是放炮", cause_code="blasting")
    assert counted() == {"blasting": 1, "none": 1}
    do("withdraw", refers_to=last, text="报警号写错")
    assert counted() == {"ventilation": 1, "none": 1}


def test_the_daily_report_and_its_sheet(busy: World) -> None:
    """Every alarm of the day, with its end or 'ongoing'; its export in the audit."""
    day = iso_us(busy.now_us)[:10]
    report = told(busy, "city_officer", "/statistics/daily", day=day)
    with busy.client("viewer") as client:
        sheet = client.get("/api/v1/statistics/daily/export", params={"day": day})

    assert report["total"]["over_limit"]["n"] == report["over_limits_all"] == 3
    assert {one["ongoing"] for one in report["over_limits"]} == {True, False}
    assert sheet.headers["content-type"].startswith("text/csv")
    assert f"daily-{day}.csv" in sheet.headers["content-disposition"]
    lines = list(csv.reader(io.StringIO(sheet.content.decode("utf-8-sig"))))
    assert {line[2] for line in lines[1:]} == {"绥江县"}
    rows = busy.conn.execute(
        "SELECT principal, detail->>'rows', detail->'asked'->>'day' FROM audit"
        " WHERE action = 'statistics.export'"
    ).fetchall()
    busy.conn.commit()
    assert rows == [("viewer", str(len(lines) - 1), day)]
    what_is_not_understood_is_refused(busy)


def what_is_not_understood_is_refused(world: World) -> None:
    """Ranges without begin or beyond a year, and what there is not."""
    for query in (
        {"period": "range"},
        {"period": "year"},
        {"period": "range", "from": "2020-01-01T00:00:00+08:00"},
        {"by": "colour"},
        {"sort": "luck"},
        {"day": "yesterday"},
        {"area": "atlantis"},
        {"limit": "0"},
        {"unknown": "1"},
    ):
        told(world, "county", "/statistics", 422, **query)


def too_many_alarms_are_refused_and_not_counted_short(
    busy: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report over a part of the alarms would be wrong without saying so."""
    monkeypatch.setattr(statistics, "MOST_ALARMS", 3)

    query = {"period": "range", "from": since(busy)}
    refused = told(busy, "city_officer", "/statistics", 422, **query)
    assert "more than 3 alarms" in refused["detail"]
    told(busy, "county", "/statistics", 200, **query)


def test_the_command_says_the_same(
    busy: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON, as text and as a file, whose making is in the audit."""
    url = f"database.url={busy.dsn}"

    def said(*words: str, code: int = 0) -> str:
        assert main(["statistics", *words, "--set", url]) == code
        return capsys.readouterr().out

    span = ("--period", "range", "--from", since(busy))
    page = json.loads(said("table", *span, "--by", "area", "--json"))
    assert row(page["items"], SUIJIANG)["alarms"] == 2
    assert "镇雄县" in said("table", *span)
    day = iso_us(busy.now_us)[:10]
    assert "报警日报" in said("daily", "--day", day)
    assert json.loads(said("daily", "--day", day, "--json"))["over_limits_all"] == 3
    file = tmp_path / "day.csv"
    assert "行 rows" in said("daily", "--day", day, "--csv", str(file))
    assert file.read_bytes().startswith("\ufeff编号".encode())
    told = said("table", *span, "--by", "mine", "--csv", str(file), "--json")
    assert json.loads(told) == {"file": str(file), "rows": 3}
    n = busy.conn.execute(
        "SELECT count(*) FROM audit WHERE action = 'statistics.export'"
    ).fetchone()
    busy.conn.commit()
    assert n == (2,)
    for wrong in (
        ("daily", "--day", "soon"),
        ("daily", "--area", "atlantis"),
        ("table", "--period", "range"),
        ("table", "--day", day, "--csv", str(tmp_path / "none" / "x.csv")),
    ):
        said(*wrong, code=2)
