"""A mine's daily monitoring report, from its sensors and its alarms."""

from __future__ import annotations

from dataclasses import replace

from gasmon.alarms.rule_kinds import KIND_SPECS
from gasmon.reports.mine_day import ALARMS, CUT_OFFS, FEEDS, PointDay, mine_day
from gasmon.reports.sheet import MINE_COLUMNS, sheet
from gasmon.units import US_PER_H, US_PER_MIN
from tests.fix_reports import DAY, FACT, NEXT

POINT = PointDay(
    FACT.subject, "0001", FACT.place, "CH4", "%", 1.0, 1.5, 1.0,
    5000, 12, 0.4, 0.1, 1.4, FACT.peak_us, 720,
)  # fmt: skip
CUT = replace(
    FACT, alarm_id=2, kind="cut_off", cleared_us=FACT.raised_us + 2 * US_PER_MIN
)
QUIET = replace(FACT, alarm_id=3, planned=True, raised_us=DAY + 5 * US_PER_H)
FEED = replace(
    FACT,
    alarm_id=4,
    kind="feed_abnormal",
    subject="530627000001/11121",
    place="11121采煤工作面",
    cleared_us=None,
)


def test_each_sensor_with_its_alarms_and_cut_offs() -> None:
    """Numbers of the day, times within it; planned ones and feeds apart."""
    quiet = replace(QUIET, cleared_us=QUIET.raised_us + US_PER_MIN)
    sensor, unit = mine_day([POINT], [FACT, CUT, quiet, FEED], DAY, NEXT)

    assert (sensor["mean"], sensor["max"]) == (0.4, 1.4)
    assert (sensor["type_zh"], sensor["alarm"]) == ("环境瓦斯", 1.0)
    assert (sensor["coverage_pct"], unit["coverage_pct"]) == (50.0, None)
    assert sensor["max_at"] == "2024-10-04T01:01:00.000+08:00"
    assert sensor["alarms"] == {"n": 1, "s": 360.0, "ongoing": 0}
    assert sensor["cut_offs"] == {"n": 1, "s": 120.0, "ongoing": 0}
    assert sensor["feeds"]["n"] == 0
    assert sensor["planned"] == {"n": 1, "s": 60.0, "ongoing": 0}
    assert (unit["subject"], unit["mean"], unit["n"]) == (FEED.subject, None, 0)
    assert unit["feeds"] == {"n": 1, "s": 23 * 3600.0, "ongoing": 1}


def test_an_alarm_over_midnight_lasts_in_both_days_and_began_in_one() -> None:
    """What was over before, and other kinds, are not in it."""
    over = replace(FACT, raised_us=DAY - US_PER_H, cleared_us=DAY + US_PER_MIN)
    gone = replace(FACT, raised_us=DAY - US_PER_H, cleared_us=DAY - US_PER_MIN)
    other = replace(FACT, kind="sensor_break")
    unit = replace(FEED, kind="extent_over_limit")
    (sensor,) = mine_day([POINT], [over, gone, other, unit], DAY, NEXT)

    assert sensor["alarms"] == {"n": 0, "s": 60.0, "ongoing": 0}


def test_a_sensor_that_was_silent_is_there_with_nothing() -> None:
    """None, which a sheet leaves empty: never 0."""
    silent = PointDay(
        "530627000001-01-002A01", "9999", "总回", "CH4", "%", *(None,) * 3, 0, 3,
        *(None,) * 4, 0,
    )  # fmt: skip
    (row,) = mine_day([silent], [], DAY, NEXT)
    _, line = sheet([row], MINE_COLUMNS).decode("utf-8-sig").splitlines()

    assert row["mean"] is row["max"] is row["max_at"] is None
    assert line == "530627000001-01-002A01,总回,,%,,,,,,,,0,3,0.0" + ",0,0.0" * 4


def test_every_kind_of_the_columns_is_one_of_the_engine() -> None:
    """A renamed kind would count nothing for ever."""
    assert {*ALARMS, *CUT_OFFS, *FEEDS} <= set(KIND_SPECS)
