"""Tables, rankings, the daily report and their CSV, from the same alarms."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date

import pytest

from gasmon.alarms.escalation_rules import default_escalation
from gasmon.errors import BadRequest
from gasmon.reports.daily import all_listed, daily_report
from gasmon.reports.facts import AlarmFact
from gasmon.reports.period import day_of
from gasmon.reports.report import BY, SORTS, Source, change_pct, heading, table
from gasmon.reports.sheet import LIST_COLUMNS, TABLE_COLUMNS, sheet
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_MIN
from tests.fix_reports import DAY, FACT, LINK, NEXT

RULES = default_escalation()
TODAY = day_of(date(2024, 10, 4))
OTHER = "530629000001"
YESTERDAY = replace(
    FACT,
    alarm_id=2,
    raised_us=FACT.raised_us - US_PER_DAY,
    cleared_us=FACT.raised_us - US_PER_DAY + US_PER_MIN,
    peak_us=FACT.raised_us - US_PER_DAY,
)
ELSEWHERE = [
    replace(
        FACT,
        alarm_id=10 + n,
        area="530629",
        mine=OTHER,
        mine_name="=cmd|矿",
        subject=f"{OTHER}-01-00{n}A01",
        cleared_us=FACT.raised_us + US_PER_MIN,
        peak=1.1,
    )
    for n in range(2)
]
BREAK = replace(
    FACT,
    alarm_id=20,
    kind="link_break",
    subject=OTHER,
    area="530629",
    mine=OTHER,
    quantity="",
    peak=None,
    peak_us=None,
    raised_us=DAY,
    cleared_us=DAY + 6 * US_PER_H,
    rank=1,
)
OURS = replace(BREAK, alarm_id=30, kind="our_clock", mine=None, subject="gasmon")
ALARMS: list[AlarmFact] = [FACT, YESTERDAY, *ELSEWHERE, BREAK, OURS]
LINKS = [LINK, replace(LINK, mine=OTHER, area="530629", name="=cmd|矿")]
SOURCE = Source(ALARMS, LINKS).whole()


def test_the_day_of_these_tests_is_that_day() -> None:
    """Midnight in Beijing."""
    assert (TODAY.from_us, TODAY.to_us) == (DAY, NEXT)


def test_counties_with_their_mines_and_the_day_before() -> None:
    """The one with more alarms first; changes against yesterday; links of its mines."""
    first, second = table(SOURCE, TODAY, RULES, NEXT)

    assert (first["name"], first["alarms"]) == ("530629", 4)
    assert first["online"]["pct"] == pytest.approx(75.0)
    assert first["online"]["breaks"] == 1
    assert (second["name"], second["alarms"]) == ("530627", 1)
    assert second["before"] == {
        "alarms": 1,
        "planned": 0,
        "over_limit": 1,
        "over_s": 60.0,
        "online_pct": 100.0,
    }
    assert second["change_pct"]["over_s"] == 500.0
    assert first["change_pct"]["alarms"] is None
    assert second["peak"]["place"] == FACT.place


def test_what_is_about_no_mine_is_in_the_county_and_in_no_mine() -> None:
    """An alarm of gasmon's own clock."""
    mines = table(SOURCE, TODAY, RULES, NEXT, by="mine")

    assert [row["alarms"] for row in mines] == [3, 1]
    assert table(SOURCE, TODAY, RULES, NEXT, by="all")[0]["alarms"] == 5


def test_points_and_kinds_have_no_links() -> None:
    """And a name that people can read."""
    points = table(SOURCE, TODAY, RULES, NEXT, by="point", sort="over_s")
    kinds = table(SOURCE, TODAY, RULES, NEXT, by="kind")

    assert points[0]["name"] == FACT.subject
    assert points[0]["label"] == "坪上煤矿 11121回风巷T2"
    assert points[0]["online"] is kinds[0]["online"] is None
    assert [row["name"] for row in kinds] == ["over_limit", "link_break", "our_clock"]


def test_causes_and_alarms_that_have_none_yet() -> None:
    """Each alarm under the cause that stands; its name in both languages."""
    blasted = [replace(fact, cause_code="blasting") for fact in ELSEWHERE]
    rows = table(Source([FACT, *blasted], LINKS), TODAY, RULES, NEXT, by="cause")
    report = daily_report(Source([FACT], LINKS), TODAY, RULES, NEXT)

    assert [(row["name"], row["alarms"], row["online"]) for row in rows] == [
        ("blasting", 2, None),
        ("none", 1, None),
    ]
    assert [row["label"] for row in rows] == [
        "放炮作业 blasting",
        "未填写 not recorded",
    ]
    assert [row["name"] for row in report["causes"]] == ["none"]


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("alarms", OTHER),
        ("over_limit", OTHER),
        ("over_s", LINK.mine),
        ("peak", LINK.mine),
        ("online", OTHER),
        ("planned", LINK.mine),
        ("name", LINK.mine),
    ],
)
def test_rankings(sort: str, first: str) -> None:
    """Most first, the lowest online rate first, equal ones by code."""
    assert set(SORTS) == {
        "alarms", "over_limit", "over_s", "peak", "online", "planned", "name"
    }  # fmt: skip
    rows = table(SOURCE, TODAY, RULES, NEXT, by="mine", sort=sort, limit=1)

    assert [row["name"] for row in rows] == [first]


def test_what_cannot_be_grouped_or_ranked_is_refused() -> None:
    """With what can."""
    with pytest.raises(BadRequest, match=", ".join(BY)):
        table(SOURCE, TODAY, RULES, NEXT, by="colour")
    with pytest.raises(BadRequest, match="over_s"):
        table(SOURCE, TODAY, RULES, NEXT, sort="luck")


def test_no_change_is_0_and_nothing_before_is_none() -> None:
    """A change against 0 would be infinite."""
    assert (change_pct(3, 3), change_pct(3, 0), change_pct(0, 4)) == (0.0, None, -100.0)


def test_the_daily_report_lists_what_touched_the_day() -> None:
    """Totals, rankings with alarms only, over-limits the worst first, breaks."""
    still_on = replace(FACT, alarm_id=40, cleared_us=None, rank=4, raised_us=DAY - 1)
    now_us = DAY + 12 * US_PER_H
    report = daily_report(
        Source([*ALARMS, still_on], LINKS).whole(), TODAY, RULES, now_us
    )

    assert report["total"]["alarms"] == 5
    assert report["total"]["carried_in"] == 1
    assert [row["name"] for row in report["areas"]] == ["530627", "530629"]
    assert report["over_limits_all"] == 4
    worst = report["over_limits"][0]
    assert (worst["alarm_id"], worst["ongoing"], worst["cleared_at"]) == (
        40,
        True,
        None,
    )
    assert worst["in_period_s"] == 12 * 3600
    assert worst["lasted_s"] == pytest.approx(12 * 3600)
    assert [row["alarm_id"] for row in report["breaks"]] == [20]
    assert report["breaks_all"] == 1
    assert heading(TODAY, now_us)["until"].startswith("2024-10-04T12:00")


def rows_of(content: bytes) -> list[list[str]]:
    """What a spreadsheet reads."""
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def test_sheets_hold_every_row_and_no_formula() -> None:
    """A name that is a formula is text; what is missing is empty; not over is said."""
    made = rows_of(sheet(table(SOURCE, TODAY, RULES, NEXT, by="mine"), TABLE_COLUMNS))
    open_one = replace(FACT, alarm_id=40, cleared_us=None, mine_name="", place="")
    source = Source([*ALARMS, open_one], LINKS)
    listed = rows_of(sheet(all_listed(source, TODAY, NEXT), LIST_COLUMNS))

    assert len({len(row) for row in made}) == 1
    assert made[1][:3] == [OTHER, "'=cmd|矿", "威信县"]
    assert len(listed) == 1 + 6
    assert all(row[3] != "=cmd|矿" for row in listed)
    ongoing = next(row for row in listed if row[0] == "40")
    assert ongoing[3] == LINK.mine
    assert "未解除 ongoing" in ongoing


def test_an_area_that_is_none_of_ours_keeps_its_code() -> None:
    """A neighbour's mine."""
    foreign = replace(FACT, area="520222", mine="520222000001")

    made = rows_of(
        sheet(table(Source([foreign], []), TODAY, RULES, NEXT), TABLE_COLUMNS)
    )
    assert made[1][1] == "520222"
