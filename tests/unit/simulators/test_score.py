"""From a record to a sheet: what gives points, and what never may."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gasmon.errors import ConfigError
from simulators.criteria import load, parse, shipped, timed
from simulators.drill_record import DrillRecord, Entry, Missing
from simulators.score import Result, Sheet, score
from tests.drill_records import ALARM, GOOD, GOOD_ENTRIES, entry

STANDARD = load("standard")


def result(sheet: Sheet, name: str) -> Result:
    """The line of a criterion."""
    return next(r for r in sheet.results if r.criterion.name == name)


def with_entries(*entries: Entry) -> DrillRecord:
    """The good drill with other records of its alarm."""
    return replace(GOOD, alarms=(replace(GOOD.alarms[0], entries=entries),))


def test_a_good_drill_has_all_points() -> None:
    """And says how long everything took, from where it is counted."""
    sheet = score(GOOD, STANDARD)

    assert sheet.is_passed
    assert (sheet.points, sheet.share) == (sheet.of_points, 1.0)
    took = {r.criterion.name: r.took_s for r in sheet.results}
    assert took["detection"] == 6.0
    assert took["told"] == 1.0
    assert took["mine-confirmed"] == 24.0
    assert took["withdrawal"] == 94.0
    assert took["delivered"] == 0.4
    assert took["status-told"] == 30.0
    assert took["false-found"] == 20.0


def test_nothing_done_is_no_points_for_people() -> None:
    """The platform's own lines stay; the drill is not passed."""
    sheet = score(with_entries(), STANDARD)
    met = {r.criterion.name for r in sheet.results if r.is_met}
    assert met == {"alarms", "detection", "told", "delivered"}
    assert not sheet.is_passed


def test_a_must_that_is_missed_fails_whatever_the_points() -> None:
    """No withdrawal order: 90 of 100 points and not passed."""
    kept = [e for e in GOOD_ENTRIES if "撤人" not in e.note]
    handled = entry("handled", 160.0, "mine", note="加强通风")
    sheet = score(with_entries(*kept, handled), STANDARD)
    assert not result(sheet, "withdrawal").is_met
    assert sheet.share >= STANDARD.pass_share
    assert not sheet.is_passed


def test_a_withdrawn_record_counts_for_nothing() -> None:
    """What somebody took back was not done."""
    taken_back = [replace(e, stands=False) for e in GOOD_ENTRIES]
    assert score(with_entries(*taken_back), STANDARD) == score(with_entries(), STANDARD)


def test_only_participants_count() -> None:
    """Where they are named."""
    named = replace(GOOD, participants=("county-duty",))
    sheet = score(named, STANDARD)
    assert result(sheet, "county-confirmed").is_met
    assert not result(sheet, "mine-confirmed").is_met


def test_a_missing_alarm_fails_what_would_have_been_done_about_it() -> None:
    """Nobody confirms what did not come."""
    missing = Missing(("cut_off",), "演练一号煤矿 heading", "bursts", (3, 4), 1)
    sheet = score(replace(GOOD, missing=(missing,)), STANDARD)
    assert not result(sheet, "alarms").is_met
    confirmed = result(sheet, "mine-confirmed")
    assert [item.is_met for item in confirmed.items] == [True, False]
    assert confirmed.points == confirmed.criterion.points / 2
    assert confirmed.took_s is None
    # The first alarm came, and that is what detection asks for.
    assert result(sheet, "detection").is_met


def test_without_any_alarm_nothing_is_met() -> None:
    """No empty criterion passes by itself."""
    missing = Missing(("over_limit",), "", "bursts", (), 1)
    sheet = score(replace(GOOD, alarms=(), missing=(missing,)), STANDARD)
    assert sheet.points == 0
    sheet = score(replace(GOOD, alarms=(), missing=()), STANDARD)
    assert sheet.points == 0


def test_an_unexpected_alarm_costs_and_an_allowed_one_does_not() -> None:
    """Of the first criterion alone; nobody must confirm it for the sheet."""
    other = replace(ALARM, alarm_id=2, kind="rapid_rise", cause="")
    good = GOOD.alarms
    allowed = replace(GOOD, alarms=(*good, replace(other, fits="allowed")))
    assert score(allowed, STANDARD) == score(GOOD, STANDARD)
    sheet = score(
        replace(GOOD, alarms=(*good, replace(other, fits="unexpected"))), STANDARD
    )
    assert result(sheet, "alarms").points == 5
    assert result(sheet, "mine-confirmed").is_met


@pytest.mark.parametrize("ended_by", ["stopped", "real_alarm"])
def test_a_drill_that_was_broken_off_is_not_passed(ended_by: str) -> None:
    """However good it was until then."""
    assert not score(replace(GOOD, ended_by=ended_by), STANDARD).is_passed


def test_a_named_platform_that_nobody_told_fails() -> None:
    """Also where the ledger has never heard of it; without names all that it knows."""
    both = replace(GOOD, platforms=("zhenxiong", "weixin"))
    delivered = result(score(both, STANDARD), "delivered")
    assert [item.is_met for item in delivered.items] == [True, False]
    assert result(score(replace(GOOD, platforms=()), STANDARD), "delivered").is_met


def test_an_inject_that_was_not_given_is_not_met() -> None:
    """The drill ended before."""
    sheet = score(replace(GOOD, calls=GOOD.calls[:1]), STANDARD)
    assert not result(sheet, "false-found").is_met
    assert result(sheet, "status-told").is_met


def test_times_of_injects_follow_from_the_seed() -> None:
    """The same seed, the same times; another, others; all within their jitter."""
    one, same, other = (timed(STANDARD.injects, seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    for at_s, inject in one:
        assert inject.at_s <= at_s <= inject.at_s + inject.jitter_s


def test_the_shipped_sheets_are_read() -> None:
    """Each has a hundred points, so that people can count in their heads."""
    assert shipped() == ["standard"]
    for name in shipped():
        assert sum(c.points for c in load(name).criteria) == 100


HEAD = '[sheet]\nzh = "试"\nen = "trial"\n'
CRITERION = (
    '[[criterion]]\nname = "a"\nzh = "甲"\nen = "a"\nmeasure = "record"\n'
    'events = ["confirmed"]\nwithin = "1min"\npoints = 5\n'
)
FAULTS = {
    "no sheet": (CRITERION, r"trial.toml: one table \[sheet\]"),
    "no criterion": (HEAD, r"trial.toml:1: no \[\[criterion\]\]"),
    "share": (HEAD + "pass_pct = 120\n" + CRITERION, "trial.toml:4: pass_pct: 0 to"),
    "a table nobody knows": (HEAD + "[[wolf]]\n", "trial.toml:4: unknown table"),
    "a key nobody knows": (HEAD + CRITERION + "wolf = 1\n", "unknown key 'wolf'"),
    "measure": (
        HEAD + CRITERION.replace('"record"', '"luck"'),
        "trial.toml:8: measure = 'luck': one of",
    ),
    "event": (
        HEAD + CRITERION.replace("confirmed", "danced"),
        "trial.toml:9: events: 'danced': one of",
    ),
    "no events": (
        HEAD + CRITERION.replace('["confirmed"]', "[]"),
        "trial.toml:9: events: at least one",
    ),
    "points": (
        HEAD + CRITERION.replace("points = 5", "points = -5"),
        "trial.toml:11: points: 0 or more",
    ),
    "an inject nobody gives": (
        HEAD + CRITERION.replace('"record"', '"inject"') + 'inject = "b"\n',
        r"trial.toml:12: no \[\[inject\]\] is called 'b'",
    ),
    "twice": (HEAD + CRITERION + CRITERION, r"two tables \[\[criterion\]\].* a"),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_wrong_sheet_is_named(fault: str) -> None:
    """With file and line."""
    text, says = FAULTS[fault]
    with pytest.raises(ConfigError, match=says):
        parse(text, "trial.toml", "trial")


def test_a_sheet_nobody_wrote_is_named(tmp_path: Path) -> None:
    """By its name, or by its path."""
    with pytest.raises(ConfigError, match="no sheet 'wolf'; there are standard"):
        load("wolf")
    with pytest.raises(ConfigError, match=r"wolf\.toml"):
        load(f"{tmp_path}/wolf.toml")
