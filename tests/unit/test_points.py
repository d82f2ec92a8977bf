"""PointTable: rows that never move."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gasmon.points import MineDef, PointDef, PointKey, PointTable, lay_out

ONE, TWO = "530627000001", "530627000002"
KEYS = st.builds(
    PointKey, st.sampled_from([ONE, TWO]), st.just("01"), st.sampled_from("ABCDE")
)


def test_a_key_reads_as_one_word() -> None:
    """Mine, system and number."""
    assert str(PointKey(ONE, "01", "001A01")) == "530627000001-01-001A01"


def test_an_empty_table_knows_nothing() -> None:
    """No rows, no mines."""
    table = PointTable()
    assert table.n == 0
    assert table.row_of(PointKey(ONE, "01", "A")) is None
    assert table.rows_of_mine(ONE).tolist() == []


def test_a_fresh_layout_keeps_mines_together() -> None:
    """Points of one mine are neighbours, versions are not points."""
    keys = [PointKey(mine, "01", no) for no in "BA" for mine in (TWO, ONE)]
    points = [PointDef(key, effective_from_us=t) for key in keys for t in (5, 0)]
    table = lay_out([MineDef(TWO, "530627"), MineDef(ONE, "530627")], points)
    assert [str(key) for key in table.keys] == sorted(str(key) for key in keys)
    assert table.rows_of_mine(ONE).tolist() == [0, 1]
    assert table.mines[table.mine_index[TWO]].code == TWO
    assert table.mine_of.tolist() == [1, 1, 0, 0]
    assert {point.effective_from_us for point in table.current} == {5}


def test_a_mine_that_was_not_told_is_made_up() -> None:
    """From its code; its area are the first six digits."""
    table = lay_out([], [PointDef(PointKey(ONE, "01", "A"))])
    assert table.mines == (MineDef(ONE, "530627"),)


def test_a_mine_told_anew_is_replaced() -> None:
    """Its index stays."""
    table = lay_out([MineDef(ONE, "530627"), MineDef(TWO, "530627")], [])
    told = table.extended([MineDef(ONE, "530627", name="One", kind="outburst")])
    assert [mine.name for mine in told.mines] == ["One", ""]
    assert told.mine_index == table.mine_index


def test_a_newer_version_keeps_its_row() -> None:
    """Only what is current changes; the old table stays as it was."""
    point = PointDef(PointKey(ONE, "01", "A"), uom="%")
    table = lay_out([], [point])
    newer = table.extended(points=[replace(point, uom="ppm")])
    assert (newer.n, newer.current[0].uom, table.current[0].uom) == (1, "ppm", "%")


@given(st.lists(st.lists(KEYS, max_size=6), max_size=5))
def test_rows_never_move(steps: list[list[PointKey]]) -> None:
    """However the table grows, a row means what it meant."""
    table = PointTable()
    for keys in steps:
        larger = table.extended(points=[PointDef(key) for key in keys])
        assert larger.keys[: table.n] == table.keys
        table = larger
        for key in keys:
            row = table.row_of(key)
            assert row is not None
            assert table.keys[row] == key
            assert row in table.rows_of_mine(key.mine)
            assert table.mines[table.mine_of[row]].code == key.mine
    assert len(set(table.keys)) == table.n
    assert sum(len(rows) for rows in table.rows) == table.n
