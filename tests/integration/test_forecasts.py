"""Pre-warnings on a real database: stored, judged by readings, and who sees them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gasmon import cli
from gasmon.alarms.forecast_speak import Warned
from gasmon.alarms.rules import default_rules
from gasmon.api.schemas import Scoreboard
from gasmon.duty.forecasts import find_outcomes, forecast_limits
from gasmon.errors import BadRequest
from gasmon.points import PointKey
from gasmon.settings import StorageSettings
from gasmon.store import forecasts
from gasmon.store.db import Connection
from gasmon.store.forecast_score import Wanted, score
from gasmon.store.partitions import open_partitions
from gasmon.store.scope import Scope
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_S, to_datetime
from tests.fix_api import MINE_S, MINE_Z, MINE_Z2, SUIJIANG, ZHENXIONG, World
from tests.integration.test_stream import dial
from tests.integration.test_stream_live import dial as dial_live
from tests.integration.test_stream_live import frame

ALL = Scope(None, None)
RULES = default_rules()
KIND = {"kind": "forecast", "rank": 0, "value": 0.9, "peak": 0.9}


# Who is told


def pre_warn(world: World, mine: str = MINE_Z) -> int:
    """Raise a pre-warning that stays open; gives the outbox's last number."""
    return world.record(world.event(mine, explain={"advisory": False}, **KIND))


async def test_a_county_is_not_told_of_pre_warnings(world: World) -> None:
    """Neither live, nor in the snapshot, nor when it resumes; a mine is."""
    before = await asyncio.to_thread(pre_warn, world)
    async with dial(world, "zhenxiong") as county, dial(world, "dispatcher") as mine:
        assert (await county.subscribe())["alarms"] == []
        assert [a["kind"] for a in (await mine.subscribe())["alarms"]] == ["forecast"]
        await asyncio.to_thread(pre_warn, world, MINE_Z2)
        last = await asyncio.to_thread(world.raise_alarm, MINE_Z)
        for client in (county, mine):
            await client.take_to(last)
            assert [e["kind"] for _, e in client.events] == ["over_limit"] * 2
    async with dial(world, "zhenxiong") as county, dial(world, "dispatcher") as mine:
        for client in (county, mine):
            await client.subscribe(resume=(world.epoch(), before - 1))
            await client.take_to(last)
        assert [e["kind"] for _, e in county.events] == ["over_limit"] * 2
        assert [e["kind"] for _, e in mine.events] == [
            "forecast", "over_limit", "over_limit",
        ]  # fmt: skip


async def test_a_page_of_one_mine_shows_its_pre_warnings(world: World) -> None:
    """The page of the mine does, the page of the county does not."""
    async with (
        dial_live(world, "county", f"?mine={MINE_Z}") as of_mine,
        dial_live(world, "county") as of_county,
    ):
        for socket in (of_mine, of_county):
            await frame(socket, "snapshot")
        await asyncio.to_thread(pre_warn, world)
        await asyncio.to_thread(world.raise_alarm, MINE_Z)
        assert (await frame(of_mine, "alarm"))["data"]["kind"] == "forecast"
        assert (await frame(of_county, "alarm"))["data"]["kind"] == "over_limit"


def kinds(world: World, who: str, **query: Any) -> list[str]:
    """Kinds of the alarms that are listed."""
    with world.client(who) as client:
        page = client.get("/api/v1/alarms", params=query).json()
    assert page["total"] == len(page["items"])
    return sorted(item["kind"] for item in page["items"])


def test_lists_and_counts_of_a_county_leave_pre_warnings_out(world: World) -> None:
    """Who asks for a mine, a point or the kind sees them; nobody has to confirm."""
    pre_warn(world)
    key = f"{MINE_Z}-01-001A01"
    assert kinds(world, "county") == []
    assert kinds(world, "city_officer", area=ZHENXIONG) == []
    for query in ({"mine": MINE_Z}, {"point": key}, {"kind": "forecast"}):
        assert kinds(world, "county", **query) == ["forecast"]
    assert kinds(world, "dispatcher") == ["forecast"]
    assert kinds(world, "dispatcher", confirmed="false") == []
    with world.client("county") as client:
        item = client.get("/api/v1/alarms", params={"mine": MINE_Z}).json()["items"][0]
        assert (item["state"], item["explain"]) == ("confirmed", {"advisory": False})
        assert "预测预警" in item["text"]["zh"]
        one = client.get(f"/api/v1/alarms/{item['alarm_id']}")
        assert one.status_code == 200
        for path in ("/api/v1/areas", "/api/v1/mines"):
            for row in client.get(path).json()["items"]:
                assert (row["open_alarms"], row["unconfirmed"]) == (0, 0)
        assert client.get("/api/v1/incidents").json()["items"] == []
        incident = client.get(f"/api/v1/incidents/{item['incident_id']}")
        assert incident.status_code == 404


def test_a_pre_warning_is_no_part_of_the_units_incident(world: World) -> None:
    """It neither opens one nor keeps one open."""
    pre_warn(world)
    world.raise_alarm(MINE_Z)
    with world.client("county") as client:
        params = {"state": "all"}
        found = client.get("/api/v1/incidents", params=params).json()["items"]
    assert [(i["kinds"], i["closed_at"] is None) for i in found] == [
        (["over_limit"], False)
    ]


# What became of them


class Ground:
    """Readings and pre-warnings of the world's points, by seconds of its beginning."""

    def __init__(self, world: World) -> None:
        self.conn: Connection = world.conn
        self.world = world
        self.begin_us = world.now_us - 2 * US_PER_H
        open_partitions(self.conn, StorageSettings()).ensure_ahead(
            self.conn, self.begin_us
        )

    def point(self, mine: str = MINE_Z) -> int:
        return self.world.ids[PointKey(mine, "01", "001A01")]

    def readings(
        self, values: Sequence[float], begin_s: int = 0, mine: str = MINE_Z
    ) -> None:
        """One reading each 30 s; NaN is none."""
        for k, value in enumerate(values):
            if np.isnan(value):
                continue
            at = to_datetime(self.begin_us + (begin_s + 30 * k) * US_PER_S)
            self.conn.execute(
                "INSERT INTO reading (at, arrived_at, value, point_id, run, state)"
                " VALUES (%s, %s, %s, %s, 0, 0)",
                (at, at, value, self.point(mine)),
            )

    def warn(self, second: int, model: str = "forecast", mine: str = MINE_Z) -> None:
        """A pre-warning, or what a baseline would have said."""
        raised_us = self.begin_us + second * US_PER_S
        warned = Warned(
            row=0, model=model, raised_us=raised_us, limit=1.0, horizon_s=600,
            probability=0.4, threshold=0.3, last_value=0.9, ewma_1min=0.88,
            advisory=False,
        )  # fmt: skip
        for _ in range(2):  # what is told twice is there once
            forecasts.append(self.conn, 0, [self.point(mine)], [warned], raised_us)

    def search_from(self, second: int) -> None:
        """The search has come this far."""
        at = to_datetime(self.begin_us + second * US_PER_S)
        self.conn.execute("INSERT INTO forecast_search VALUES (0, %s, %s)", (at, at))

    def heard(self, second: int) -> None:
        """The newest frame that is stored arrived then."""
        at = to_datetime(self.begin_us + second * US_PER_S)
        self.conn.execute("UPDATE mine_latest SET arrived_at = %s", (at,))

    def job(self, second: int) -> str:
        """The duty's job at a moment."""
        now_us = self.begin_us + second * US_PER_S
        return find_outcomes(self.conn, RULES, StorageSettings(), now_us)

    def board(self, by: str = "all", second: int = 7200, **more: Any) -> dict[str, Any]:
        """The scoreboard of the day before a moment."""
        to_us = self.begin_us + second * US_PER_S
        wanted = Wanted(to_us - US_PER_DAY, to_us, by, **more)
        return score(self.conn, ALL, wanted)


@pytest.fixture
def ground(world: World) -> Ground:
    """Two onsets at one mine, one of them warned of; readings missing at another."""
    made = Ground(world)
    made.search_from(0)
    calm = [0.6] * 30
    made.readings([*calm, 1.1, *calm, 1.2, *calm])
    made.readings([*calm, *[float("nan")] * 20, *calm], mine=MINE_S)
    made.warn(900 - 420)  # 7 min before the first onset
    made.warn(900 - 60, "ewma_1min")
    made.warn(1900)  # false
    made.warn(700, mine=MINE_S)  # its readings stop at 900
    return made


def outcomes(ground: Ground) -> list[tuple[Any, ...]]:
    """(mine's place in the test, model, outcome, lead) in order."""
    return ground.conn.execute(
        "SELECT m.code, f.model, f.outcome, f.lead_s FROM forecast f"
        " JOIN point USING (point_id) JOIN mine m USING (mine_id)"
        " ORDER BY m.code, f.raised_at"
    ).fetchall()


WANTED = [
    (MINE_S, "forecast", "unknown", None),
    (MINE_Z, "forecast", "hit", 420.0),
    (MINE_Z, "ewma_1min", "hit", 60.0),
    (MINE_Z, "forecast", "false", None),
]


def test_the_job_finds_outcomes_and_onsets_in_the_readings(ground: Ground) -> None:
    """Only when the time is over and what is delayed had time to come."""
    assert ground.job(900).startswith("0 outcomes")
    assert ground.job(3600).startswith("4 outcomes, 2 onsets")
    assert outcomes(ground) == WANTED
    # An unknown one is looked at again for a day, the others are not.
    assert ground.job(3700).startswith("1 outcomes, 0 onsets")
    ground.readings([0.6] * 20, begin_s=900, mine=MINE_S)
    ground.job(3800)
    assert outcomes(ground)[0] == (MINE_S, "forecast", "false", None)


def test_the_scoreboard_counts_hits_misses_and_false_ones(ground: Ground) -> None:
    """Beside the baselines; per mine, point and area."""
    ground.job(3600)
    board = ground.board()
    assert board["days"] == round((3600 - 300) / 86400, 3)
    (item,) = board["items"]
    own = item["forecast"]
    assert (own["n_onsets"], own["n_warned_of"], own["n_missed"]) == (2, 1, 1)
    assert (own["n_warned"], own["n_hits"], own["n_false"]) == (3, 1, 1)
    assert (own["n_unknown"], own["n_undecided"]) == (1, 0)
    assert (own["n_early"], own["median_lead_s"]) == (1, 420.0)
    assert own["false_per_day"] == round(1 / (3300 / 86400), 3)
    ewma, last = item["ewma_1min"], item["last_value"]
    assert (ewma["n_warned_of"], ewma["n_early"], ewma["n_false"]) == (1, 0, 0)
    assert (last["n_warned"], last["n_missed"], last["median_lead_s"]) == (0, 2, None)
    assert [i["name"] for i in ground.board("mine")["items"]] == [MINE_S, MINE_Z]
    assert [i["name"] for i in ground.board("area")["items"]] == [SUIJIANG, ZHENXIONG]
    only = ground.board("point", area=SUIJIANG)["items"]
    assert [i["name"] for i in only] == [f"{MINE_S}-01-001A01"]
    assert ground.board(mine=MINE_Z2)["items"] == []
    with pytest.raises(BadRequest, match="by 'day'"):
        ground.board("day")


def test_the_scoreboard_can_be_computed_again_from_the_readings(
    ground: Ground,
) -> None:
    """Found again after everything that was found is forgotten."""
    ground.job(3600)
    before = ground.board("point"), outcomes(ground)
    now_us = ground.begin_us + 3600 * US_PER_S
    limits = forecast_limits(ground.conn, RULES)
    done = forecasts.recompute(ground.conn, 0, limits, ground.begin_us, now_us)
    assert done == (4, 2)
    assert (ground.board("point"), outcomes(ground)) == before
    # Also where nobody has searched yet.
    ground.conn.execute("DELETE FROM forecast_search")
    forecasts.recompute(ground.conn, 0, limits, ground.begin_us, now_us)
    assert ground.board("point") == before[0]


def test_a_search_goes_on_where_it_stopped_and_takes_its_time(ground: Ground) -> None:
    """Late readings within half an hour are found; a long absence is made up for."""
    ground.job(1500)
    assert ground.board(second=1500)["items"][0]["forecast"]["n_onsets"] == 1
    ground.conn.execute("DELETE FROM forecast_search")
    # The first search begins at its own time.
    assert "0 onsets" in ground.job(3600)
    begun, done = forecasts.searched(ground.conn, 0) or (0, 0)
    assert begun == done == ground.begin_us + 3300 * US_PER_S
    days = 5 * US_PER_DAY // US_PER_S
    ground.heard(3600 + days)
    ground.job(3600 + days)
    assert (forecasts.searched(ground.conn, 0) or (0, 0))[1] == done + 2 * US_PER_DAY


def test_what_a_spool_still_holds_is_searched_when_it_is_written(
    ground: Ground,
) -> None:
    """Behind an outage of hours the job comes before the readings do."""
    ground.job(3600)
    hours = 7 * 3600
    ground.heard(3600)
    assert "0 onsets" in ground.job(3600 + hours)
    ground.readings([*[0.6] * 30, 1.1, *[0.6] * 30], begin_s=5400)
    ground.heard(3600 + hours)
    assert "1 onsets" in ground.job(3660 + hours)


def test_what_has_no_readings_any_more_is_deleted(ground: Ground) -> None:
    """With the retention of readings."""
    days = StorageSettings().reading_retention_days * US_PER_DAY // US_PER_S
    told = ground.job(days + 7200)
    assert told.endswith("4 deleted")
    assert outcomes(ground) == []


def test_the_scoreboard_over_http_shows_ones_own(ground: Ground) -> None:
    """The page's model, the scope of who asks, and what cannot be asked."""
    ground.job(3600)
    ground.conn.commit()
    path = "/api/v1/forecasts/score"
    with ground.world.client("county") as client:
        found = client.get(path, params={"by": "mine", "days": 1}).json()
        Scoreboard.model_validate(found)
        assert [item["name"] for item in found["items"]] == [MINE_Z]
        for wrong in ({"by": "day"}, {"days": 0}, {"area": "nowhere"}, {"x": 1}):
            assert client.get(path, params=wrong).status_code in (400, 422)
    with ground.world.client("city_officer") as client:
        params = {"by": "mine", "mine": MINE_S}
        found = client.get(path, params=params).json()
        assert [item["name"] for item in found["items"]] == [MINE_S]


def test_the_command_shows_the_scoreboard_and_recomputes_it(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON and for people; wrong numbers are usage errors."""
    ground.conn.commit()

    def run(*words: str) -> int:
        flags = ["--set", f"database.url={ground.world.dsn}"]
        return cli.main(["forecast", *words, *flags])

    assert run("recompute", "--days", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"outcomes": 4, "onsets": 2}
    assert run("score", "--days", "2", "--by", "mine", "--area", "zhenxiong",
               "--json") == 0  # fmt: skip
    board = json.loads(capsys.readouterr().out)
    assert [item["name"] for item in board["items"]] == [MINE_Z]
    assert board["items"][0]["forecast"]["median_lead_s"] == 420.0
    assert run("score") == 0
    assert "预测 forecast" in capsys.readouterr().out
    assert run("recompute") == 0
    assert "4 个预警结果" in capsys.readouterr().out
    assert run("score", "--days", "0") == 2
    assert run("score", "--area", "nowhere") == 2
    assert run("score", "--mine", MINE_Z2) == 0
    assert "没有预警" in capsys.readouterr().err


def test_limits_are_those_of_forecast_points(ground: Ground) -> None:
    """Methane at a face; carbon monoxide there is none."""
    found = forecast_limits(ground.conn, RULES)
    assert [(one.point_id, one.limit) for one in found] == [
        (ground.point(mine), 1.0) for mine in (MINE_S, MINE_Z, MINE_Z2)
    ]
