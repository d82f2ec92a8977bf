"""What a mine does to its own limits: looser than the law, or changed in an alarm."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest

from gasmon.alarms.own_limits import Changed, Looser, changes_of_limits, looser_than_law
from gasmon.alarms.rules import default_rules
from gasmon.points import MineDef, PointDef, PointKey

CODE = "530627004499"
MINE = MineDef(CODE, CODE[:6], kind="high_gas")
FACE = PointDef(
    PointKey(CODE, "01", "001A01"), quantity="CH4", place_class="FACE_T1", uom="%",
    alarm_high=1.0, clear_high=1.0, cut_high=1.5, restore_high=1.0,
)  # fmt: skip
OXYGEN = replace(FACE, quantity="O2", alarm_high=nan, clear_high=nan, cut_high=nan,
                 restore_high=nan)  # fmt: skip
STRICTER = default_rules().stricter


def found(point: PointDef, mine: MineDef = MINE) -> tuple[Looser, ...]:
    """Its limits that the law does not allow."""
    return looser_than_law(point, mine, STRICTER)


@pytest.mark.parametrize(
    ("point", "limits"),
    [
        (FACE, ()),
        (replace(FACE, alarm_high=0.8), ()),
        (replace(FACE, alarm_high=1.2), (("alarm_high", 1.2, 1.0),)),
        (
            replace(FACE, clear_high=1.1, cut_high=2.0),
            (("clear_high", 1.1, 1.0), ("cut_high", 2.0, 1.5)),
        ),
        # Nobody says where it hangs: at no place may methane be at 1.6 %.
        (replace(FACE, place_class=None, alarm_high=1.5), ()),
        (
            replace(FACE, place_class=None, alarm_high=1.6),
            (("alarm_high", 1.6, 1.5),),
        ),
        # A mine knows its own airways, and what is gone is judged by nobody.
        (replace(FACE, quantity="AIR_VELOCITY", alarm_high=15.0), ()),
        (replace(FACE, alarm_high=1.2, retired=True), ()),
        (replace(OXYGEN, alarm_low=18.0), ()),
    ],
)
def test_a_limit_is_looser_on_the_wrong_side_of_the_laws(
    point: PointDef, limits: tuple[tuple[str, float, float], ...]
) -> None:
    """Each of the eight by itself; what is not given is none."""
    assert found(point) == limits


def test_a_lower_limit_is_looser_when_it_is_lower() -> None:
    """Oxygen at 17 % is too late."""
    limits = looser_than_law(replace(OXYGEN, alarm_low=17.0), MINE, {"O2"})
    assert limits == (Looser("alarm_low", 17.0, 18.0),)


def test_where_the_law_has_a_row_for_other_mines_the_family_binds() -> None:
    """An intake of a mine with little gas may be judged as a face."""
    intake = replace(FACE, place_class="FACE_T3", cut_high=1.5)
    low = replace(MINE, kind="low_gas")
    assert [one.name for one in found(intake)] == [
        "alarm_high", "clear_high", "cut_high", "restore_high",
    ]  # fmt: skip
    assert found(intake, low) == ()


def test_what_decides_no_limit_changes_none() -> None:
    """Nor does a first definition; a limit that is not given equals itself."""
    other = replace(FACE, alarm_high=0.8, place_class=None, place="x", rev=2)
    assert changes_of_limits(FACE, other) == (
        Changed("alarm_high", 1.0, 0.8),
        Changed("place_class", "FACE_T1", None),
    )
    assert changes_of_limits(FACE, replace(FACE, place="x")) == ()
    assert changes_of_limits(FACE, FACE) == ()
    assert changes_of_limits(replace(FACE, source="provisional"), other) == ()
