"""What two people approved about single points, as rules behind those of the site."""

from __future__ import annotations

import pytest

from gasmon.alarms.rule_changes import (
    MARK,
    LimitChange,
    parts_of,
    rule_text,
    with_changes,
)
from gasmon.alarms.rule_explain import explain
from gasmon.alarms.rules import RuleSet, default_rules, parse_rules, resolve
from gasmon.alarms.snapshot import fingerprint
from gasmon.errors import ConfigError
from gasmon.points import MineDef, PointDef, PointKey

MINE = MineDef("530627004499", "530627", kind="high_gas")
KEY = PointKey(MINE.code, "01", "001A01")
POINT = PointDef(KEY, quantity="CH4", uom="%", place_class="FACE_T1")
RETURN = LimitChange(7, str(KEY), 100, place_class="TOTAL_RETURN")


def approved(*changes: LimitChange) -> RuleSet:
    """The shipped rules with these behind them."""
    return with_changes(default_rules(), rule_text(changes))


def test_a_place_class_that_was_approved_chooses_law_and_levels() -> None:
    """The law's row is that of the place, and so is the level; for this point alone."""
    rules = approved(RETURN)
    assert resolve(POINT, rules, MINE).rule == "law:TOTAL_RETURN"
    other = PointDef(PointKey(MINE.code, "01", "001A02"), quantity="CH4",
                     place_class="FACE_T1")  # fmt: skip
    assert resolve(other, rules, MINE).rule == "law:FACE_T1"
    assert explain(rules, POINT, MINE).subject.place_class == "TOTAL_RETURN"
    here, there = (
        r.params("over_limit", POINT, MINE) for r in (rules, default_rules())
    )
    assert here is not None
    assert there is not None
    assert rules.levels[here.level] != default_rules().levels[there.level]
    assert fingerprint(rules) != fingerprint(default_rules())


def test_texts_with_points_are_read_again_as_they_were_written() -> None:
    """They go through snapshots and logs as text, and are taken back like limits."""
    gone = LimitChange(8, f"{MINE.code}-01-001A02", 100, retired=True)
    rules = approved(RETURN, gone)
    again = parse_rules(rules.text, rules.name)
    assert again.points == rules.points
    assert [(one.place_class, one.retired) for one in again.points] == [
        ("TOTAL_RETURN", False),
        ("", True),
    ]
    assert again.corrected(POINT).place_class == "TOTAL_RETURN"
    unknown = PointDef(PointKey(MINE.code, "01", "001A02"), place_class="FACE_T1")
    assert again.corrected(unknown) is unknown
    assert with_changes(rules, "") is default_rules()
    assert parts_of(rules.text)[0] == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("point = 3", "x.toml:1: [[point]] is no array"),
        ('[[point]]\nkey = "a"\n', "[[point]] 1: changes of points are approved, not"),
        (f'[[point]]\nkey = "a"\n{MARK}', "x.toml:1: [[point]] 1: changes of points"),
        (f'{MARK}[[point]]\nkey = "a"\nplace_class = "MOON"\n', "place class 'MOON'"),
        (f'{MARK}[[point]]\nkey = "a"\ncolour = 1\n', "colour"),
        (f'{MARK}[[point]]\nkey = "a"\n[[point]]\nkey = "a"\n', "a is there twice"),
    ],
)
def test_what_nobody_approved_is_refused_with_its_line(text: str, says: str) -> None:
    """A site's file corrects no points; that takes two people."""
    with pytest.raises(ConfigError) as caught:
        parse_rules(text, "x.toml")
    assert says in str(caught.value)
