"""The plan of the city: counts, codes, places, subsets."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from gasmon import domain
from gasmon.errors import ConfigError
from simulators.furnish import limits_for
from simulators.layout import (
    N_DRAINAGE,
    PLATFORM_COUNTIES,
    build_city,
    choose_mines,
    find_mine,
    shares,
)
from simulators.names import mine_names
from simulators.plan import CityPlan


@pytest.fixture(scope="module")
def plan() -> CityPlan:
    """The city of seed 1."""
    return build_city(1)


def test_each_county_has_exactly_its_mines(plan: CityPlan) -> None:
    """The numbers of mines are those of the table of areas, 259 in all."""
    expected = {area.slug: area.mines for area in domain.areas() if area.mines}
    assert Counter(mine.slug for mine in plan.mines) == expected
    assert len(plan.mines) == 259


def test_29_mines_drain_and_they_are_the_gassy_ones(plan: CityPlan) -> None:
    """Drainage, gas class and points of system 02 agree in every mine."""
    assert sum(mine.drainage for mine in plan.mines) == N_DRAINAGE
    for mine in plan.mines:
        assert mine.drainage == (mine.kind in ("high_gas", "outburst"))
        assert mine.drainage == any(point.system == "02" for point in mine.points)


def test_codes_and_names_are_distinct_and_well_formed(plan: CityPlan) -> None:
    """A mine code is its area and six digits; nothing appears twice."""
    codes = [mine.code for mine in plan.mines]
    assert len(set(codes)) == len({mine.name for mine in plan.mines}) == 259
    for mine in plan.mines:
        assert len(mine.code) == 12
        assert mine.code.isdigit()
        assert mine.code.startswith(mine.area)


def test_points_are_about_58_a_mine_with_numbers_unique_in_it(plan: CityPlan) -> None:
    """15,000 points in the city; a number means one point of its mine."""
    assert 14_500 < plan.n_points < 15_500
    for mine in plan.mines:
        numbers = [point.no for point in mine.points]
        assert len(set(numbers)) == len(numbers)
        assert all(len(no) <= 8 for no in numbers)
        units = {unit.unit_id for unit in mine.units}
        assert all(point.unit_id in units for point in mine.points)
        assert all(point.sensor_type in domain.sensor_types() for point in mine.points)


def test_methane_points_carry_the_limits_of_their_place(plan: CityPlan) -> None:
    """The corner of a face cuts at 1.5 %, its return at 1.0 %; relations exist."""
    mine = plan.mines[0]
    corner = next(p for p in mine.points if p.place_class == "FACE_T0")
    assert corner.place.endswith("采煤工作面回风隅角T0")
    assert corner.limits["alarm_high"] == 1.0
    assert corner.limits["cut_high"] == 1.5
    numbers = {point.no for point in mine.points}
    for point in mine.points:
        for relation in point.relations:
            kind, no, _name = relation.split("-")
            assert kind == "D"
            assert no in numbers


def test_limits_of_unknown_places_are_none() -> None:
    """A quantity without a row of the law has no limit, nor a restore without a cut."""
    assert limits_for("CH4", "NOWHERE") == {}
    assert limits_for("CO", "") == {"alarm_high": 24.0, "clear_high": 24.0}


def test_the_seed_decides_everything() -> None:
    """The same seed gives an equal plan, another seed another one."""
    assert build_city.__wrapped__(7) == build_city(7)
    assert build_city(7) != build_city(8)


@pytest.mark.parametrize("n_mines", [3, 11, 20, 100, 259])
def test_a_subset_keeps_the_counties_that_matter(plan: CityPlan, n_mines: int) -> None:
    """Any 3 mines or more include the platform counties; 11 or more all counties."""
    chosen = choose_mines(plan, n_mines)
    counties = {mine.slug for mine in chosen.mines}
    assert len(chosen.mines) == n_mines
    assert counties.issuperset(PLATFORM_COUNTIES)
    assert len(counties) == min(n_mines, 11)
    assert {mine.code for mine in chosen.mines} <= {mine.code for mine in plan.mines}
    assert all(mine in plan.mines for mine in chosen.mines[:3])


def test_a_subset_of_counties_keeps_only_them(plan: CityPlan) -> None:
    """Counties are named by slug or code."""
    chosen = choose_mines(plan, None, ("weixin", "530626"))
    assert Counter(m.slug for m in chosen.mines) == {"weixin": 46, "suijiang": 21}


def test_impossible_subsets_are_refused_with_the_numbers(plan: CityPlan) -> None:
    """Too many mines and unknown counties name what was asked for."""
    with pytest.raises(ConfigError, match="260 mines asked for, there are 1 to 259"):
        choose_mines(plan, 260)
    with pytest.raises(ConfigError, match="'atlantis'"):
        choose_mines(plan, 1, ("atlantis",))


def test_a_mine_is_found_by_code_and_by_county(plan: CityPlan) -> None:
    """A county stands for its first mine."""
    i = find_mine(plan, "zhenxiong")
    assert plan.mines[i].slug == "zhenxiong"
    assert find_mine(plan, plan.mines[i].code) == i
    with pytest.raises(ConfigError, match="530600000000"):
        find_mine(plan, "530600000000")


def test_shares_add_up() -> None:
    """Largest remainders give away every unit."""
    assert shares([1, 1, 1], 4) == [2, 1, 1]
    assert sum(shares([12, 8, 4, 26, 94], 29)) == 29


def test_names_run_out_loudly() -> None:
    """More mines than names is an error, not a repeated name."""
    with pytest.raises(ValueError, match="only 272"):
        mine_names(273, Random(1))
