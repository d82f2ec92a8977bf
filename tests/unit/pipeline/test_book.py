"""PointBook: rows, definitions and points that mines make up."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan

import pytest

from gasmon.ingest.decode import Definition
from gasmon.pipeline.book import PROVISIONAL_PER_MINE, PointBook, merged, provisional
from gasmon.points import MineDef, PointDef, PointKey
from tests.fix_pipeline import MINE, START_US

KEY = PointKey(MINE, "01", "001A01")
POINT = PointDef(KEY, sensor_type="0001", quantity="CH4", alarm_high=1.0, rev=1)


def definition(
    *points: PointDef,
    rev: int = 1,
    refused: dict[PointKey, tuple[str, ...]] | None = None,
) -> Definition:
    """What a mine told."""
    mine = MineDef(MINE, MINE[:6], rev=rev)
    return Definition(0, mine, rev, 0, START_US, points, refused or {})


def test_an_empty_book_admits_known_areas_only() -> None:
    """A mine outside the city is not taken; a process may own a part of the city."""
    assert PointBook().admits(MINE)
    assert not PointBook().admits("110101000001")
    assert not PointBook(["530602"]).admits(MINE)


def test_rows_follow_short_numbers_and_systems() -> None:
    """A short number is safety monitoring's, unless only drainage defines it."""
    book = PointBook()
    drainage = PointKey(MINE, "02", "001A01")
    book.define(definition(replace(POINT, key=drainage)))
    assert book.rows(MINE, ("001A01", "none")).tolist() == [0, -1]
    book.define(definition(replace(POINT, key=drainage), POINT, rev=2))
    assert book.rows(MINE, ("001A01",)).tolist() == [1]
    assert book.rows_by_key([drainage, KEY]).tolist() == [0, 1]
    assert book.quantity(1) == "CH4"


def test_rows_never_move() -> None:
    """A point keeps its row when other points and mines come."""
    book = PointBook()
    book.provision([KEY], [None])
    book.provision([PointKey("530602000001", "01", "1")], [None])
    book.define(definition(POINT, replace(POINT, key=KEY._replace(no="0"))))
    assert book.table.row_of(KEY) == 0
    assert sorted(book.rows_of_mine(MINE).tolist()) == [0, 2]


def test_the_first_definition_counts_since_ever() -> None:
    """Readings that came before it are judged by it as well."""
    book = PointBook()
    book.define(definition(replace(POINT, effective_from_us=START_US - 5)))
    (version,) = book.fresh()
    assert version.effective_from_us == 0
    assert book.fresh() == []


def test_a_revision_that_is_not_newer_changes_nothing() -> None:
    """Retained definitions come again at every connection."""
    book = PointBook()
    assert book.define(definition(POINT, rev=5))
    stricter = replace(POINT, alarm_high=0.5)
    assert book.define(definition(stricter, rev=5)) == []
    assert book.define(definition(stricter, rev=4)) == []
    assert book.define(definition(stricter, rev=6)) == [
        replace(stricter, effective_from_us=START_US)
    ]


def test_an_unchanged_point_makes_no_version() -> None:
    """NaN equals NaN here, and origin and revision are no attribute."""
    told = replace(POINT, rev=9, cut_high=nan)
    assert merged(told, POINT, (), START_US) is None


def test_a_refused_limit_keeps_its_last_good_value() -> None:
    """A contradictory limit must not leave a sensor without any."""
    told = replace(POINT, alarm_high=nan, place="新位置")
    version = merged(told, POINT, ("alarm_high",), START_US)
    assert version is not None
    assert (version.alarm_high, version.place) == (1.0, "新位置")
    dropped = merged(replace(POINT, alarm_high=nan), POINT, (), START_US)
    assert dropped is not None
    assert isnan(dropped.alarm_high)


def test_a_definition_replaces_a_provisional_point() -> None:
    """Even one that says nothing new: from then on it is defined."""
    book = PointBook()
    book.provision([KEY], [None])
    book.fresh()
    told = replace(provisional(KEY, None), source="points", rev=1)
    assert len(book.define(definition(told))) == 1
    assert [p.source for p in book.fresh()] == ["points"]


@pytest.mark.parametrize(
    ("newest_us", "since_us"),
    [(START_US - 7, START_US - 6), (START_US + 7, START_US), (-(2**61), 1)],
)
def test_a_first_definition_counts_from_the_newest_reading(
    newest_us: int, since_us: int
) -> None:
    """Of an unknown point no limit was in force; a clock ahead delays nothing."""
    book = PointBook()
    book.provision([KEY], [None])
    told = book.define(definition(POINT), lambda row: newest_us)
    assert [p.effective_from_us for p in told] == [since_us]


def test_two_definitions_of_one_moment_make_two_versions() -> None:
    """As the database has them: a version begins after the one before."""
    book = PointBook()
    for rev in (1, 2, 3):
        book.define(definition(replace(POINT, alarm_high=rev / 10), rev=rev))
    begins = [p.effective_from_us for p in book.fresh()]
    assert begins == [0, START_US, START_US + 1]


def test_what_a_former_process_made_of_a_definition_is_taken_as_it_is() -> None:
    """Its versions, not the told ones; what is known already makes none."""
    book, again = PointBook(), PointBook()
    for one in (book, again):
        one.provision([KEY], [None])
        one.fresh()
    told = definition(POINT)
    standing = book.define(told, lambda row: START_US - 5)
    for _ in range(2):
        again.take(told.mine, standing)
    assert again.fresh() == book.fresh() == standing
    assert again.rev_of(MINE) == 1


@pytest.mark.parametrize(
    ("sensor_type", "quantity", "kind"),
    [("0001", "CH4", "MN"), ("9999", "UNKNOWN", "MN"), (None, "UNKNOWN", "MN")],
)
def test_a_provisional_point_is_what_its_type_says(
    sensor_type: str | None, quantity: str, kind: str
) -> None:
    """A full code tells the type; a legal limit may apply at once."""
    point = provisional(KEY, sensor_type)
    assert (point.quantity, point.value_kind) == (quantity, kind)
    assert point.source == "provisional"


def test_a_mine_cannot_make_up_points_for_ever() -> None:
    """Noise fills its own mine's allowance, not the memory and not other mines."""
    book = PointBook()
    keys = [PointKey(MINE, "01", f"{i:04d}") for i in range(PROVISIONAL_PER_MINE)]
    assert min(book.provision(keys, [None] * len(keys))) == 0
    more = [PointKey(MINE, "01", "X"), PointKey("530602000001", "01", "X")]
    rows = book.provision(more, [None, None]).tolist()
    assert rows == [-1, PROVISIONAL_PER_MINE]


def test_ids_come_with_the_commit() -> None:
    """Points without a number are listed once each until the database told it."""
    book = PointBook()
    other = KEY._replace(no="002A01")
    rows = book.provision([KEY, other], [None, None])
    assert [p.key for p in book.without_id(rows[[0, 1, 0]])] == [KEY, other]
    book.set_ids({KEY: 17})
    assert book.point_id.tolist() == [17, 0]
    assert [p.key for p in book.without_id(rows)] == [other]


def test_loading_lays_mines_out_as_neighbours() -> None:
    """Versions of one point share its row; the newest one is current."""
    book = PointBook()
    first = replace(POINT, point_id=7)
    later = replace(first, effective_from_us=START_US, alarm_high=0.8)
    other = replace(POINT, key=PointKey("530602000001", "01", "1"), point_id=9)
    book.load([MineDef(MINE, MINE[:6], rev=3)], [later, other, first])
    assert book.point_id.tolist() == [9, 7]
    assert book.table.current[1].alarm_high == 0.8
    assert [p.effective_from_us for p in book.fresh()] == [0, 0, START_US]
    assert book.define(definition(POINT, rev=3)) == []
