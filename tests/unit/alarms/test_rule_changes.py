"""Approved changes of limits as rules behind those of the site."""

from __future__ import annotations

import pytest

from gasmon.alarms.rule_changes import (
    MARK,
    UNNAMED,
    LimitChange,
    in_force,
    parts_of,
    rule_text,
    that_fit,
    with_changes,
)
from gasmon.alarms.rules import RuleSet, default_rules, parse_rules, resolve
from gasmon.errors import ConfigError
from gasmon.points import MineDef, PointDef, PointKey

MINE = "530627004499"
POINT = f"{MINE}-01-001A01"
SITE_TEXT = """[[rule]]
kind = "over_limit"
match = { quantity = ["CH4"] }
with = { alarm_high = 0.9, clear_high = 0.85 }
"""
SITE = parse_rules(SITE_TEXT, "site.toml")
STRICT = LimitChange(17, POINT, 100, (("alarm_high", 0.8), ("clear_high", 0.7)))
BACK = LimitChange(18, POINT, 200, ())
OTHER = LimitChange(19, f"{MINE}-01-001A02", 150, (("cut_high", 1.2),))


def alarm_high(rules: RuleSet, no: str = "001A01") -> tuple[float, str]:
    """The limit of a point at a coal face, and what it is called."""
    key = PointKey(MINE, "01", no)
    point = PointDef(key, quantity="CH4", place_class="FACE_T1", uom="%")
    found = resolve(point, rules, MineDef(MINE, MINE[:6], kind="high_gas"))
    return found.limits[0], found.rule


def test_an_approved_change_counts_at_its_point_alone() -> None:
    """Before the site's own rule, and the alarm's explanation names it."""
    rules = with_changes(SITE, rule_text([STRICT]))
    assert alarm_high(rules) == (0.8, "rule:change 17")
    assert alarm_high(rules, "001A02")[0] == 0.9
    assert (rules.name, parts_of(rules.text)[0]) == ("site.toml", SITE_TEXT)
    assert alarm_high(parse_rules(rules.text, rules.name))[0] == 0.8


def test_without_a_file_of_the_site_the_shipped_rules_stand_behind_it() -> None:
    """And they are as shipped once the last change was taken back."""
    rules = with_changes(default_rules(), rule_text([STRICT]))
    assert (alarm_high(rules)[0], rules.name) == (0.8, UNNAMED)
    assert with_changes(rules, "") is default_rules()


def test_rules_with_the_same_changes_are_the_same_rules() -> None:
    """Nothing is read again, and nothing becomes a version of the rules."""
    rules = with_changes(SITE, rule_text([STRICT]))
    assert with_changes(rules, parts_of(rules.text)[1]) is rules
    assert with_changes(SITE, "") is SITE
    assert with_changes(rules, "") == SITE


def test_the_newest_change_of_each_point_counts_from_its_time() -> None:
    """A later one replaces it; one without limits takes it back."""
    changes = (OTHER, BACK, STRICT)
    assert in_force(changes, 99) == ()
    assert in_force(changes, 100) == (STRICT,)
    assert in_force(changes, 150) == (STRICT, OTHER)
    assert in_force(changes, 200) == (BACK, OTHER)
    assert alarm_high(with_changes(SITE, rule_text([BACK]))) == (0.9, "rule:over_limit")


def test_a_change_that_became_impossible_leaves_the_others_in_force() -> None:
    """The site's file says something else now; whose fault it is is said."""
    point = f"{MINE}-01-001A03"
    wrong = LimitChange(20, point, 1, (("alarm_high", 0.6),))
    changes = (STRICT, wrong, OTHER)
    match = f'mine = ["{MINE}"], point = ["{point}"]'
    own = SITE_TEXT.replace('quantity = ["CH4"]', match)
    site = parse_rules(own, "site.toml")
    with pytest.raises(ConfigError, match="are as specific and fit the same"):
        with_changes(site, rule_text(changes))
    kept, why = that_fit(site, changes)
    assert kept == (STRICT, OTHER)
    assert why is not None
    assert why.startswith(f"change 20 of {MINE}-01-001A03: site.toml:")
    assert that_fit(SITE, (STRICT,)) == ((STRICT,), None)


def test_a_text_without_changes_has_no_mark() -> None:
    """So a site's file is what it was, byte for byte."""
    assert rule_text([]) == ""
    assert MARK not in SITE_TEXT
    assert parts_of(SITE_TEXT) == (SITE_TEXT, "")
