"""The rule file: which limits apply and why, which level, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan

import pytest

from gasmon import domain
from gasmon.alarms.rule_kinds import KINDS
from gasmon.alarms.rule_match import Subject
from gasmon.alarms.rules import (
    QUANTITIES,
    default_rules,
    parse_rules,
    refuse_contradictions,
    resolve,
)
from gasmon.errors import ConfigError
from gasmon.points import LIMIT_FIELDS, MineDef, PointDef
from tests.engine_world import World, feed, live, point

RULES = default_rules()


def limits(of: PointDef, extra: str = "") -> tuple[dict[str, float], str]:
    """The given limits by name, and where they come from."""
    rules = parse_rules(extra, "site.toml")
    resolved = resolve(of, rules)
    named = zip(LIMIT_FIELDS, resolved.limits, strict=True)
    return {name: limit for name, limit in named if not isnan(limit)}, resolved.rule


# Limits


def test_every_legal_row_is_found_by_place_and_quantity() -> None:
    """Each line of the law's table applies to a point of its class and quantity."""
    for row in domain.limits():
        found, rule = limits(point(place_class=row.place_class, quantity=row.quantity))
        for name in ("alarm_high", "cut_high", "alarm_low"):
            law = getattr(row, name)
            assert found.get(name) == (None if isnan(law) else law)
        assert rule == f"law:{row.place_class}"


def test_the_law_by_quantity_when_the_place_has_no_row() -> None:
    """Carbon monoxide has one limit wherever it hangs."""
    found, rule = limits(point(quantity="CO", place_class="FACE_T1"))
    assert (found["alarm_high"], rule) == (24.0, "law:CO")


def test_nobody_said_where_it_hangs() -> None:
    """The strictest legal methane limit, until somebody does."""
    found, rule = limits(point(place_class=None))
    assert rule == "strictest:CH4"
    assert (found["alarm_high"], found["cut_high"]) == (0.5, 0.5)


def test_a_quantity_without_law_and_limits_has_none() -> None:
    """It is watched for silence and bits only."""
    assert limits(point(quantity="HUMIDITY", place_class=None)) == ({}, "none")


def test_a_mine_may_be_stricter_than_the_law() -> None:
    """Its lower limits win, and it is said that they are its own."""
    found, rule = limits(point(alarm_high=0.8, clear_high=0.7))
    assert (found["alarm_high"], found["clear_high"], rule) == (0.8, 0.7, "mine")
    assert found["cut_high"] == 1.5


def test_a_mine_cannot_be_looser_than_the_law() -> None:
    """Methane limits above the law's are not used."""
    found, rule = limits(point(alarm_high=3.0, clear_high=2.9, cut_high=4.0))
    assert (found["alarm_high"], found["clear_high"]) == (1.0, 1.0)
    assert (found["cut_high"], rule) == (1.5, "law:FACE_T1")


def test_the_higher_low_limit_is_the_stricter() -> None:
    """Oxygen: 19 % binds more than the law's 18 %; 10 % does not."""
    assert limits(point(quantity="O2", place_class=None, alarm_low=19.0))[0] == {
        "alarm_low": 19.0,
        "clear_low": 19.0,
    }
    found, rule = limits(point(quantity="O2", place_class=None, alarm_low=10.0))
    assert (found["alarm_low"], rule) == (18.0, "law:O2")


def test_for_other_quantities_the_mine_knows_better() -> None:
    """The law's velocity depends on the airway; what is not given is the law's."""
    found, rule = limits(
        point(quantity="AIR_VELOCITY", place_class=None, alarm_high=10.0)
    )
    assert (found["alarm_high"], found["alarm_low"], rule) == (10.0, 0.25, "mine")


def test_own_limits_where_the_law_has_none() -> None:
    """They are used as they are, an end that is missing is the limit itself."""
    own = point(
        quantity="PRESSURE_DIFF", place_class=None,
        alarm_high=5.0, cut_high=6.0, alarm_low=1.0, cut_low=0.5,
    )  # fmt: skip
    assert limits(own) == (
        {
            "alarm_high": 5.0, "clear_high": 5.0, "cut_high": 6.0, "restore_high": 6.0,
            "alarm_low": 1.0, "clear_low": 1.0, "cut_low": 0.5, "restore_low": 0.5,
        },
        "mine",
    )  # fmt: skip


def test_an_end_without_its_limit_is_dropped() -> None:
    """Nothing ends that cannot begin."""
    own = point(quantity="PRESSURE_DIFF", place_class=None, clear_high=5.0)
    assert limits(own) == ({}, "mine")


def ruled(selects: str, gives: str, kind: str = "over_limit", name: str = "own") -> str:
    """A rule that gives limits or anything else."""
    return (
        f'\n[[rule]]\nname = "{name}"\nkind = "{kind}"\nmatch = {{ {selects} }}\n'
        f"with = {{ {gives} }}\n"
    )


def test_a_site_is_stricter_than_the_law() -> None:
    """A rule for the place counts; what it does not give is the law's."""
    row = ruled('quantity = ["CH4"], place_class = ["FACE_T1"]', "alarm_high = 0.9")
    found, rule = limits(point(), row)
    assert (found["alarm_high"], found["clear_high"], rule) == (0.9, 0.9, "rule:own")
    assert (found["cut_high"], found["restore_high"]) == (1.5, 1.0)


def test_a_site_gives_a_quantity_limits_that_the_law_has_none_for() -> None:
    """Without a place class the rule is for the quantity anywhere."""
    row = ruled('quantity = ["DUST"]', "alarm_high = 4, clear_high = 3")
    found, rule = limits(point(quantity="DUST", place_class="X"), row)
    assert found == {"alarm_high": 4.0, "clear_high": 3.0}
    assert rule == "rule:own"


def test_the_law_stays_the_floor_where_a_rule_names_no_place() -> None:
    """0.9 for a county's methane is stricter at a face and nothing at an intake."""
    row = ruled('quantity = ["CH4"], area = ["zhenxiong"]', "alarm_high = 0.9")
    assert limits(point(), row)[0]["alarm_high"] == 0.9
    found, rule = limits(point(place_class="FACE_T3"), row)
    assert (found["alarm_high"], rule) == (0.5, "law:FACE_T3")
    found, rule = limits(point(place_class=None), row)
    assert (found["alarm_high"], rule) == (0.5, "strictest:CH4")


def test_the_mine_and_the_rule_the_stricter_counts() -> None:
    """For methane; for velocity the mine knows its airway, the rule comes second."""
    row = ruled('quantity = ["CH4"], place_class = ["FACE_T1"]', "alarm_high = 0.9")
    assert limits(point(alarm_high=0.8), row)[1] == "mine"
    assert limits(point(alarm_high=0.95), row)[0]["alarm_high"] == 0.9
    row = ruled('quantity = ["AIR_VELOCITY"]', "alarm_high = 6.0")
    windy = point(quantity="AIR_VELOCITY", place_class=None)
    assert limits(windy, row)[0]["alarm_high"] == 6.0
    assert limits(replace(windy, alarm_high=10.0), row)[0]["alarm_high"] == 10.0


def test_the_kind_of_the_mine_counts() -> None:
    """A row for outburst mines binds those, and all of which the kind is unknown."""
    intake = point(place_class="HEADING_T4", alarm_high=1.0, cut_high=1.5)
    alarm = {
        kind: resolve(intake, RULES, MineDef(intake.key.mine, "530627", kind=kind))
        for kind in ("low_gas", "high_gas", "outburst", "unknown")
    }
    assert alarm["outburst"].limits[0] == alarm["unknown"].limits[0] == 0.5
    assert alarm["low_gas"].limits[0] == alarm["high_gas"].limits[0] == 1.0
    assert alarm["low_gas"].rule == "law:HEADING"
    bare = replace(intake, alarm_high=nan, cut_high=nan)
    low = resolve(bare, RULES, MineDef(intake.key.mine, "530627", kind="low_gas"))
    assert (low.limits[0], low.rule) == (0.5, "law:HEADING_T4")


def test_a_mine_with_little_gas_is_not_without_law() -> None:
    """Own limits above those of every heading are not used."""
    intake = point(place_class="HEADING_T4", alarm_high=3.0)
    low = resolve(intake, RULES, MineDef(intake.key.mine, "530627", kind="low_gas"))
    assert (low.limits[0], low.limits[2], low.rule) == (1.0, 1.5, "law:HEADING")


def test_each_limit_says_where_it_stands() -> None:
    """The law's file and line, the rule's file and line, or the mine."""
    row = ruled('quantity = ["CH4"], place_class = ["FACE_T1"]', "alarm_high = 0.9")
    rules = parse_rules(row, "site.toml")
    origin = resolve(point(cut_high=1.2), rules).origin
    law = "gasmon/domain/limits.csv:3"
    assert origin[:4] == ("site.toml:6", law, "mine", law)
    assert origin[4:] == ("",) * 4


@pytest.mark.parametrize(
    "bad",
    [
        {"clear_high": 2.0, "alarm_high": 1.0},
        {"restore_high": 2.0, "cut_high": 1.0},
        {"alarm_high": 2.0, "cut_high": 1.0},
        {"alarm_low": 2.0, "clear_low": 1.0},
        {"cut_low": 2.0, "restore_low": 1.0},
        {"cut_low": 2.0, "alarm_low": 1.0},
        {"alarm_low": 2.0, "alarm_high": 1.0},
    ],
)
def test_contradictions_are_named(bad: dict[str, float]) -> None:
    """Both fields and both numbers stand in the error."""
    values = tuple(bad.get(name, nan) for name in LIMIT_FIELDS)
    with pytest.raises(ConfigError) as refused:
        refuse_contradictions(values, "point X")
    text = str(refused.value)
    assert text.startswith("point X: ")
    assert all(f"{name} {number:g}" in text for name, number in bad.items())


# Levels


def test_every_kind_has_a_level_for_every_quantity() -> None:
    """A kind that is never off and has no level somewhere is a fault."""
    for kind in (spec.name for spec in KINDS if spec.always):
        for quantity in QUANTITIES:
            assert RULES.book.level(kind, Subject(quantity=quantity)) >= 0


def test_the_most_specific_row_counts() -> None:
    """An intake's methane row is more specific than methane's row."""
    intake = RULES.book.level("over_limit", Subject("CH4", "FACE_T3"))
    face = RULES.book.level("over_limit", Subject("CH4", "FACE_T1"))
    assert (intake, face) == (0, 1)


def test_a_row_for_after_a_rise_is_passed_over_otherwise() -> None:
    """The red row is not for any break."""
    methane = Subject("CH4")
    after = RULES.book.params("sensor_break/after_rise", methane)
    assert after is not None
    plain = RULES.book.level("sensor_break", methane)
    assert RULES.levels[after.level].after_rise
    assert not RULES.levels[plain].after_rise


def test_a_band_may_be_absolute() -> None:
    """Carbon monoxide is graded in ppm, not in multiples of the limit."""
    co = point(quantity="CO", place_class=None)
    said = feed(World.of(co).engine(), [live(0, 99.9, 1), live(0, 100.0, 2)])
    levels = [(e.event, e.level) for e in said if e.kind == "over_limit"]
    assert levels == [("raised", "blue"), ("level", "yellow")]
