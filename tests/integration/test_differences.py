"""What a mine tells of itself, held against what it measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gasmon import cli
from gasmon.api.routes_differences import DifferenceList
from gasmon.duty.differences import find_differences
from gasmon.duty.drainage import midnight_us
from gasmon.points import PointKey
from gasmon.settings import StorageSettings
from gasmon.store.drainage import day_of
from gasmon.store.mine_events import (
    ToldEvent,
    ToldStatistic,
    save,
    save_statistics,
)
from gasmon.store.partitions import open_partitions
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_MIN, US_PER_S
from tests.fix_api import MINE_Z, World, write_readings

NO = "001A01"


class Yesterday:
    """A mine's day: one over-limit at 10:00, five minutes, up to 1.60 %."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.begin_us = midnight_us(world.now_us) - US_PER_DAY + 10 * US_PER_H
        conn = world.conn
        open_partitions(conn, StorageSettings()).ensure(
            conn, np.array([self.begin_us]), world.now_us
        )
        conn.commit()
        rows = [
            (
                self.begin_us + (minute - 30) * US_PER_MIN,
                1.6 if minute == 32 else 1.2 if 30 <= minute < 35 else 0.4,
                0,
            )
            for minute in range(60)
        ]
        write_readings(conn, world.ids[PointKey(MINE_Z, "01", NO)], rows)
        end_us = self.begin_us + 5 * US_PER_MIN
        raised = {"raised_at_us": self.begin_us, "happened_at_us": self.begin_us}
        world.record(world.event(MINE_Z, **raised))
        cleared = {"raised_at_us": self.begin_us, "happened_at_us": end_us}
        world.record(world.event(MINE_Z, event="cleared", **cleared))
        self.event = ToldEvent(
            mine=MINE_Z,
            system="01",
            no=NO,
            kind="001",
            started_us=self.begin_us,
            ended_us=end_us,
            peak=1.6,
            peak_us=self.begin_us + 2 * US_PER_MIN,
            mean=1.3,
            cause="",
            measure="",
            entered_by="",
            arrived_us=end_us,
        )
        self.before = replace(
            self.event,
            started_us=self.begin_us - 5 * US_PER_DAY,
            ended_us=self.begin_us - 5 * US_PER_DAY + US_PER_MIN,
        )
        """Proves that the mine does report what happens."""

    def tell(self, *events: ToldEvent) -> None:
        """The mine's own system tells these."""
        save(self.world.conn, 0, events)
        self.world.conn.commit()

    def found(self) -> list[dict[str, Any]]:
        """What the job finds, as the county sees it."""
        conn, now_us = self.world.conn, self.world.now_us
        find_differences(conn, StorageSettings(), now_us)
        conn.commit()
        with self.world.client("county") as client:
            day = day_of(self.begin_us).isoformat()
            got = client.get("/api/v1/differences", params={"day": day})
        assert got.status_code == 200, got.text
        DifferenceList.model_validate(got.json())
        items: list[dict[str, Any]] = got.json()["items"]
        return items


@pytest.fixture
def day(world: World) -> Yesterday:
    """The day as it was measured and judged."""
    return Yesterday(world)


def kinds(items: list[dict[str, Any]]) -> list[str]:
    """What differs."""
    return [item["kind"] for item in items]


def test_an_honest_mine_differs_in_nothing(day: Yesterday) -> None:
    """Told again and again while it lasted, and closed by its end."""
    still = replace(day.event, ended_us=None, peak=1.2)
    day.tell(day.before, still, still, day.event, still)
    assert day.found() == []
    rows = day.world.conn.execute(
        "SELECT n_told, peak, ended_at IS NOT NULL FROM mine_event"
        " ORDER BY started_at DESC LIMIT 1"
    ).fetchall()
    assert rows == [(4, 1.6, True)]


def test_an_over_limit_that_is_not_reported_is_found(day: Yesterday) -> None:
    """By point and time; told later, it is gone from the list."""
    day.tell(day.before)
    (item,) = day.found()
    assert (item["kind"], item["point"], item["ours"]) == (
        "not_reported",
        f"01-{NO}",
        1.6,
    )
    day.tell(day.event)
    assert day.found() == []


def test_a_mine_that_never_tells_anything_owes_no_reports(day: Yesterday) -> None:
    """One that speaks JSON without events is not accused."""
    assert day.found() == []


def test_an_altered_maximum_is_found(day: Yesterday) -> None:
    """1.02 % told, 1.60 % measured."""
    day.tell(replace(day.event, peak=1.02))
    (item,) = day.found()
    assert (item["kind"], item["ours"], item["theirs"]) == (
        "maximum_differs",
        1.6,
        1.02,
    )


def test_an_event_that_was_not_measured_is_found(day: Yesterday) -> None:
    """What the mine saw and did not send."""
    later_us = day.begin_us + 20 * US_PER_MIN
    other = replace(day.event, started_us=later_us, ended_us=later_us + US_PER_MIN)
    day.tell(day.event, replace(other, peak=None))
    assert kinds(day.found()) == ["not_measured"]


def test_calibrations_in_a_batch_are_found(day: Yesterday) -> None:
    """Five points within a minute; four, or one after the other, are work."""

    def calibrated(n: int, apart_s: int, hour: int) -> None:
        begin_us = day.begin_us + hour * US_PER_H
        day.tell(
            *(
                replace(
                    day.event,
                    kind="007",
                    no=f"{hour}A{i}",
                    peak=None,
                    started_us=begin_us + i * apart_s * US_PER_S,
                    ended_us=begin_us + US_PER_H,
                )
                for i in range(n)
            )
        )

    day.tell(day.event)
    calibrated(4, 10, 1)
    calibrated(8, 300, 2)
    assert day.found() == []
    calibrated(6, 10, 5)
    (item,) = day.found()
    assert (item["kind"], item["n"], item["point"]) == ("calibration_batch", 6, None)


def test_an_altered_statistic_is_found_with_the_next_look(day: Yesterday) -> None:
    """A five-minute maximum that hides the over-limit; honest ones are forgotten."""

    def told(minute: int, highest: float) -> ToldStatistic:
        started_us = day.begin_us + minute * US_PER_MIN
        ended_us = started_us + 5 * US_PER_MIN - US_PER_S
        return ToldStatistic(
            MINE_Z, "01", NO, started_us, ended_us, highest, 0.4, 0.5, ended_us
        )

    save_statistics(day.world.conn, 0, [told(-5, 0.4), told(0, 0.98), told(5, 0.41)])
    (item,) = day.found()
    assert (item["kind"], item["ours"], item["theirs"]) == (
        "statistic_differs",
        1.6,
        0.98,
    )
    rows = day.world.conn.execute("SELECT count(*) FROM mine_statistic").fetchall()
    assert rows == [(0,)]
    assert kinds(day.found()) == ["statistic_differs"]


def test_the_command_lists_a_day(
    day: Yesterday, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For people, and 4 when something differs."""
    token = tmp_path / "token"
    token.write_text(day.world.tokens["county"], "utf-8")
    url = day.world.api.base.removesuffix("/api/v1")
    words = ["mines", "differences", "--day", day_of(day.begin_us).isoformat()]
    words += ["--url", url, "--token-file", str(token)]
    assert cli.main(words) == 0
    assert "没有差异" in capsys.readouterr().out
    day.tell(day.before)
    day.found()
    assert cli.main(words) == 4
    assert "未上报 not reported" in capsys.readouterr().out
