"""The rule file: which limits apply and why, which level, and what is refused."""

from __future__ import annotations

from math import isnan, nan

import pytest

from gasmon import domain
from gasmon.alarms.kinds import ALL_KINDS, STANDING_KINDS
from gasmon.alarms.rules import (
    QUANTITIES,
    default_rules,
    parse_rules,
    refuse_contradictions,
    resolve,
)
from gasmon.errors import ConfigError
from gasmon.points import LIMIT_FIELDS, PointDef
from tests.engine_world import World, feed, live, point
from tests.rule_texts import DEFAULT

RULES = default_rules()


def limits(of: PointDef, extra: str = "") -> tuple[dict[str, float], str]:
    """The given limits by name, and where they come from."""
    rules = parse_rules(DEFAULT + extra, "site.toml")
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


def test_a_site_replaces_a_row_of_the_law() -> None:
    """A [[limit]] of the same place and quantity counts instead."""
    row = '\n[[limit]]\nplace_class = "FACE_T1"\nquantity = "CH4"\nalarm_high = 0.9\n'
    found, rule = limits(point(), row)
    assert found == {"alarm_high": 0.9, "clear_high": 0.9}
    assert rule == "law:FACE_T1"


def test_a_site_adds_a_place_or_a_quantity() -> None:
    """Without a place class the row is for the quantity anywhere."""
    row = '\n[[limit]]\nquantity = "DUST"\nalarm_high = 4\nclear_high = 3\n'
    found, rule = limits(point(quantity="DUST", place_class="X"), row)
    assert found == {"alarm_high": 4.0, "clear_high": 3.0}
    assert rule == "law:DUST"


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
    """A kind without a level is a fault."""
    for kind in ALL_KINDS:
        for quantity in QUANTITIES:
            assert RULES.level_of(kind, quantity, None, after_rise=False) >= 0


def test_the_first_row_that_fits_counts() -> None:
    """An intake's methane row stands before methane's row."""
    intake = RULES.level_of("over_limit", "CH4", "FACE_T3", after_rise=False)
    face = RULES.level_of("over_limit", "CH4", "FACE_T1", after_rise=False)
    assert (intake, face) == (0, 1)


def test_a_row_for_after_a_rise_is_passed_over_otherwise() -> None:
    """The red row is not for any break."""
    after = RULES.level_of("sensor_break", "CH4", None, after_rise=True)
    plain = RULES.level_of("sensor_break", "CH4", None, after_rise=False)
    assert RULES.levels[after].after_rise
    assert not RULES.levels[plain].after_rise


# What is refused

BASE = DEFAULT.split("# ---- levels")[1].split("----\n", 1)[1]
OLDER = BASE.split("# ---- about clocks")[0]
LEVEL = """[[level]]
kind = "over_limit"
bands = [{ factor = 1.0, steps = [["0s", "red"]] }]
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = ", "site.toml: "),
        ("what = 1\n", "site.toml: unknown key 'what'"),
        ("delays = 3\n", "[delays]: 3 is not a table"),
        ("[delays]\nof = '1s'\n", "[delays]: unknown key 'of'"),
        ("[delays]\non = 5\n", "[delays] on: 5 is not a duration"),
        ("[delays]\noff = 'soon'\n", "[delays] off: 'soon' is not a duration"),
        ("[own_limits]\nstricter = 'CH4'\n", "stricter = 'CH4' is not a list"),
        ("[own_limits]\nstricter = ['CH5']\n", "unknown stricter 'CH5'"),
        ("[own_limits]\nstricter = [['CH4']]\n", "unknown stricter ['CH4']"),
        ("[after_rise]\nfraction = 'x'\n", "fraction = 'x' is not a number"),
        ("[after_rise]\nfraction = true\n", "fraction = True is not a number"),
        ("[after_rise]\nfraction = inf\n", "fraction = inf is not finite"),
        ("level = 3\n", "[[level]]: 3 is not an array of tables"),
        ("level = [3]\n", "[[level]] 1: 3 is not a table"),
        (
            "[[limit]]\nalarm_high = 1\n",
            "[[limit]] 1: unknown or missing quantity None",
        ),
        ("[[limit]]\nquantity = 'CH5'\n", "unknown or missing quantity 'CH5'"),
        ("[[limit]]\nquantity = ['CH4']\n", "unknown or missing quantity ['CH4']"),
        (
            "[[limit]]\nquantity = 'CH4'\nalarm = 1\n",
            "[[limit]] 1: unknown key 'alarm'",
        ),
        (
            "[[limit]]\nquantity = 'CH4'\nplace_class = 3\n",
            "[[limit]] 1: place_class = 3 is not a name",
        ),
        (
            "[[limit]]\nquantity = 'CH4'\nalarm_high = 1\nclear_high = 2\n",
            "[[limit]] 1: clear_high 2 is above alarm_high 1",
        ),
        (LEVEL.replace("over_limit", "over"), "[[level]] 1: unknown kind 'over'"),
        (LEVEL.replace("factor", "faktor"), "[[level]] 1: unknown key 'faktor'"),
        (LEVEL.replace("1.0", "1.5"), "the first band begins at the limit"),
        (LEVEL.replace("factor", "at_least"), "the first band begins at the limit"),
        (
            LEVEL.replace("factor = 1.0", "factor = 1.0, at_least = 2"),
            "a band needs either factor or at_least",
        ),
        (LEVEL.replace('"red"', '"purple"'), "unknown level 'purple'"),
        (LEVEL.replace('["0s", "red"]', '["0s"]'), "['0s'] is not [duration, level]"),
        (LEVEL.replace('["0s", "red"]', "7"), "7 is not [duration, level]"),
        (LEVEL.replace('["0s", "red"]', ""), "0 steps; 1 to 4 are possible"),
        (LEVEL.replace('[["0s", "red"]]', '"red"'), "steps = 'red' is not a list"),
        (LEVEL.replace("{ factor", "3, { factor"), "[[level]] 1: 3 is not a table"),
        (LEVEL + "quantity = 'CH4'\n", "quantity = 'CH4' is not a list"),
        (LEVEL + "quantity = ['CH5']\n", "unknown quantity 'CH5'"),
        (LEVEL + "place_class = ['FACE_T33']\n", "unknown place_class 'FACE_T33'"),
        (LEVEL + "after_rise = true\n", "after_rise = True is for sensor_break"),
        (
            LEVEL.replace('["0s", "red"]', '["5s", "blue"], ["1s", "red"]'),
            "durations and levels of a band must rise",
        ),
        (
            LEVEL.replace('["0s", "red"]', '["1s", "red"], ["5s", "blue"]'),
            "durations and levels of a band must rise",
        ),
        (
            LEVEL.replace("over_limit", "cut_off").replace(
                "] }]", "] }, { factor = 2.0, steps = [] }]"
            ),
            "2 bands; 1 to 1 are possible",
        ),
    ],
)
def test_what_is_wrong_with_a_rule_file_is_named(text: str, says: str) -> None:
    """Nothing mistyped is silently ignored."""
    with pytest.raises(ConfigError) as refused:
        parse_rules(text, "site.toml")
    assert says in str(refused.value)


def test_a_missing_kind_is_named() -> None:
    """A file with one level row says what else it needs."""
    with pytest.raises(ConfigError, match=r"no .*level.* for kind 'cut_off'"):
        parse_rules(LEVEL, "site.toml")


def test_a_file_from_before_the_standing_kinds_gets_their_shipped_rows() -> None:
    """A site's file must not keep ingest from starting; its own row wins."""
    older = parse_rules(OLDER, "site.toml")
    for kind in STANDING_KINDS:
        shipped = RULES.levels[RULES.level_of(kind, "", None, after_rise=False)]
        assert older.levels[older.level_of(kind, "", None, after_rise=False)] == shipped
    own = '[[level]]\nkind = "our_clock"\nbands = [{ factor = 1.0, steps = ['
    newer = parse_rules(f'{OLDER}\n{own}["0s", "red"]] }}]', "site.toml")
    row = newer.levels[newer.level_of("our_clock", "", None, after_rise=False)]
    assert row.bands[0].steps == ((0, 4),)
    assert sum(level.kind == "our_clock" for level in newer.levels) == 1


def test_a_file_of_levels_alone_is_enough() -> None:
    """Everything else has a default; the law is the shipped one."""
    rules = parse_rules(BASE, "levels.toml")
    assert (rules.on_delay_us, rules.off_delay_us) == (0, 0)
    assert (rules.rise_fraction, rules.rise_within_us) == (0.8, 300_000_000)
    assert rules.stricter == frozenset()
    assert rules.legal == RULES.legal


def test_a_band_may_be_absolute() -> None:
    """Carbon monoxide is graded in ppm, not in multiples of the limit."""
    co = point(quantity="CO", place_class=None)
    said = feed(World.of(co).engine(), [live(0, 99.9, 1), live(0, 100.0, 2)])
    levels = [(e.event, e.level) for e in said if e.kind == "over_limit"]
    assert levels == [("raised", "blue"), ("level", "yellow")]
