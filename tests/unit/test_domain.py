"""The shipped tables: complete, consistent, found by what people know."""

from __future__ import annotations

from math import isnan

import pytest

from gasmon import domain
from gasmon.domain import states


def test_the_city_comes_first() -> None:
    """Then its counties; only the city has no mines of its own."""
    city, *counties = domain.areas()
    assert (city.platform, city.mines) == ("city", 0)
    assert sum(area.mines for area in counties) == 259
    assert [a.code for a in counties] == sorted(a.code for a in counties)
    assert sum(area.platform == "county" for area in counties) == 3


def test_codes_and_slugs_are_unique() -> None:
    """Either finds its area."""
    areas = domain.areas()
    for names in ([a.code for a in areas], [a.slug for a in areas]):
        assert len(set(names)) == len(names)
    for area in areas:
        assert domain.area_by(area.code) is area
        assert domain.area_by(area.slug) is area
        assert len(area.code) == 6


def test_an_unknown_area_is_refused() -> None:
    """With its name."""
    with pytest.raises(KeyError, match="999999"):
        domain.area_by("999999")


def test_sensor_types_name_their_quantity() -> None:
    """0001 is environmental methane; what is not in the dictionary is unknown."""
    assert domain.quantity_of("0001") == "CH4"
    assert domain.quantity_of("1008") == "SMOKE"
    assert domain.quantity_of("9999") == "UNKNOWN"
    kinds = {known.value_kind for known in domain.sensor_types().values()}
    assert kinds <= {"MN", "KG", "LJ", "DT"}
    assert all(known.name_zh for known in domain.sensor_types().values())


def test_every_mapped_type_is_in_the_dictionary() -> None:
    """A quantity for a code that does not exist would never be used."""
    known = domain.sensor_types()
    assert set(domain._QUANTITIES) <= set(known)


def test_limits_do_not_contradict_themselves() -> None:
    """An end is not above its limit, a cut-off not below its alarm."""
    for row in domain.limits():
        assert not row.clear_high > row.alarm_high
        assert not row.restore_high > row.cut_high
        assert not row.cut_high < row.alarm_high
        assert not (isnan(row.alarm_high) and isnan(row.alarm_low))
        assert row.confidence


def test_limits_are_found_once() -> None:
    """One row for a place class and quantity."""
    pairs = [(row.place_class, row.quantity) for row in domain.limits()]
    assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize(
    ("place", "alarm", "cut"),
    [
        ("FACE_T1", 1.0, 1.5),
        ("FACE_T2", 1.0, 1.0),
        ("FACE_T3", 0.5, 0.5),
        ("COAL_BUNKER", 1.5, 1.5),
    ],
)
def test_some_limits_of_the_standard(place: str, alarm: float, cut: float) -> None:
    """AQ 1029-2019 table 1, as every inspector knows it."""
    row = next(row for row in domain.limits() if row.place_class == place)
    assert (row.alarm_high, row.cut_high) == (alarm, cut)


def test_state_bits_are_named_in_both_languages() -> None:
    """Each bit once; together they are all that is known."""
    assert set(states.WORDS_ZH) == set(states.WORDS_EN)
    assert sum(states.WORDS_ZH) == states.KNOWN
    assert states.NO_VALUE & (states.ALARM | states.CUT_OFF | states.CALIBRATION) == 0
