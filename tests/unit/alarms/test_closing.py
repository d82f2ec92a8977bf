"""Closing rules: what closes by itself, what needs people, what a file may say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gasmon.alarms.closing import (
    ClosingFacts,
    ClosingRule,
    default_closing,
    load_closing,
    parse_closing,
)
from gasmon.errors import ConfigError
from gasmon.units import US_PER_MIN

GRADED = ClosingFacts("over_limit", 2, False, 0, confirmed=True, cause=True)
LAST = '[[close]]\nname = "rest"\nneeds = ["cleared"]\n'


def closed_by(facts: ClosingFacts) -> str | None:
    """The name of the shipped row that closes this by itself."""
    row = default_closing().closes_by_itself(facts)
    return None if row is None else row.name


def test_ungraded_and_planned_alarms_close_by_themselves_once_cleared() -> None:
    """Nobody need look at them; while they are raised they stay."""
    plain = replace(GRADED, confirmed=False, cause=False)
    assert closed_by(replace(plain, rank=0)) == "ungraded"
    assert closed_by(replace(plain, planned=True)) == "planned"
    assert closed_by(replace(plain, rank=0, cleared_for_us=None)) is None
    assert all(row.asks_nobody for row in default_closing().rows[:2])


@pytest.mark.parametrize("missing", ["confirmed", "cause"])
def test_others_close_only_when_confirmed_and_with_a_cause(missing: str) -> None:
    """Each of the two is needed, and its lack is named."""
    lacking = replace(GRADED, **{missing: False})
    row = default_closing().row_for(lacking)
    why = row.lacks(lacking)
    assert closed_by(GRADED) == "handled"
    assert closed_by(lacking) is None
    assert why is not None
    assert {"confirmed": "nobody", "cause": "no cause"}[missing] in why.en
    assert not row.asks_nobody


def test_an_open_alarm_is_not_closed_whatever_else_is_there() -> None:
    """Only the value's end clears it."""
    still_on = replace(GRADED, cleared_for_us=None)
    why = default_closing().row_for(still_on).lacks(still_on)
    assert why is not None
    assert "not cleared" in why.en


def test_a_row_may_wait_and_may_be_about_kinds() -> None:
    """``after`` counts from the clearing; other kinds go on to the next row."""
    rules = parse_closing(
        '[[close]]\nname = "links"\nkinds = ["link_break"]\nneeds = ["cleared"]\n'
        'after = "10min"\n' + LAST,
        "t",
    )
    link = replace(GRADED, kind="link_break")
    early = replace(link, cleared_for_us=10 * US_PER_MIN - 1)
    late = replace(link, cleared_for_us=10 * US_PER_MIN)
    assert rules.closes_by_itself(early) is None
    assert rules.closes_by_itself(late) is rules.rows[0]
    assert rules.row_for(GRADED) is rules.rows[1]
    assert isinstance(rules.rows[0], ClosingRule)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[close", "t:"),
        ("[other]", "unknown section 'other'"),
        ("", "must fit every alarm"),
        ("close = 3", "t [[close]]: 3 is not an array"),
        ("close = [3]", "3 is not a table"),
        ('[[close]]\nname = "a"\nneeds = ["cleared"]\nplanned = true', "must fit"),
        (LAST + LAST, "1 hides the rows after it"),
        ("[[close]]\nneeds = ['cleared']", "name = None"),
        (LAST + "color = 1", "unknown key 'color'"),
        (LAST + "planned = 1", "planned = 1"),
        (LAST + "kinds = 'x'", "kinds = 'x'"),
        (LAST + "kinds = ['']", "kinds = ['']"),
        (LAST + "ranks = ['pink']", "unknown ranks 'pink'"),
        (LAST + "after = 'soon'", "'soon' is not a duration"),
        ("[[close]]\nname = 'a'\nneeds = ['confirmed']", "must name 'cleared'"),
        ("[[close]]\nname = 'a'\nneeds = ['luck']", "unknown needs 'luck'"),
        ("[[close]]\nname = 'a'", "0 needs"),
    ],
)
def test_a_wrong_file_is_refused_by_name(text: str, says: str) -> None:
    """Nothing mistyped is silently ignored."""
    with pytest.raises(ConfigError) as error:
        parse_closing(text, "t")
    assert says in str(error.value)


def test_a_site_names_its_file(tmp_path: Path) -> None:
    """Without one the shipped rows count; one that is not there is named."""
    file = tmp_path / "own.toml"
    file.write_text(LAST, "utf-8")
    assert load_closing(None) == default_closing()
    assert load_closing(file).rows[0].name == "rest"
    with pytest.raises(ConfigError, match=r"life\.closing_file .*gone"):
        load_closing(tmp_path / "gone.toml")
