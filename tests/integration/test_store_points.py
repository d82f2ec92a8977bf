"""Versions of definitions on a real database."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan

import pytest

from gasmon import domain
from gasmon.pipeline.book import provisional
from gasmon.points import MineDef, PointDef, PointKey, UnitDef
from gasmon.store import db, points
from gasmon.store.definitions import ATTRIBUTES, Change, _same, save_definitions
from gasmon.store.retired import load_history
from gasmon.units import US_PER_H, US_PER_S, to_datetime

MINE = "530627004499"
T0 = 1_795_000_000 * US_PER_S
KEY = PointKey(MINE, "01", "001A01")


def mine(rev: int | None = 1, **fields: object) -> MineDef:
    """The mine's word of itself."""
    told = MineDef(
        MINE, MINE[:6], "一号煤矿", units=(UnitDef("11121", "face"),), rev=rev
    )
    return replace(told, **fields)  # type: ignore[arg-type]


def point(key: PointKey = KEY, **fields: object) -> PointDef:
    """One methane sensor."""
    told = PointDef(
        key=key,
        rev=1,
        sensor_type="0001",
        quantity="CH4",
        place_class="FACE_T1",
        place="工作面",
        unit_slug="11121",
        uom="%",
        range_low=0.0,
        range_high=4.0,
        alarm_high=1.0,
        clear_high=1.0,
        relations=("D-002", "D-003"),
    )
    return replace(told, **fields)  # type: ignore[arg-type]


def save(
    conn: db.Connection, told: MineDef, *defs: PointDef, at_us: int = T0
) -> list[Change]:
    """Save and commit."""
    changes = save_definitions(conn, told, defs, now_us=at_us)
    conn.commit()
    return changes


@pytest.fixture
def conn(store_conn: db.Connection) -> db.Connection:
    """A database with the shipped areas."""
    points.ensure_areas(store_conn)
    points.ensure_areas(store_conn)
    row = store_conn.execute("SELECT count(*) FROM area").fetchone()
    assert row == (len(domain.areas()),)
    store_conn.commit()
    return store_conn


def test_the_first_definition_counts_since_ever(conn: db.Connection) -> None:
    """What is loaded is what was told, with its point's id."""
    changes = save(conn, mine(), point())
    assert Change(KEY, "defined", None, "001A01", T0) in changes
    (version,) = points.load_point_versions(conn)
    expected = point(point_id=version.point_id)
    assert version.point_id > 0
    for name in ATTRIBUTES:
        assert _same(version, expected, name), name
    assert (version.key, version.effective_from_us) == (KEY, 0)
    assert (version.alarm_high, version.range_high) == (1.0, 4.0)
    assert isnan(version.cut_high)
    assert points.load_mines(conn) == [mine()]
    assert points.load_mine_ids(conn) == {MINE: 1}


def test_a_change_is_a_new_version(conn: db.Connection) -> None:
    """Only what differs makes a version, from its moment on, logged old → new."""
    other = PointKey(MINE, "02", "9")
    save(conn, mine(), point(), point(other))
    raised = point(alarm_high=1.5, relations=("D-002",))
    changes = save(conn, mine(2), raised, point(other), at_us=T0 + US_PER_H)
    assert changes == [
        Change(KEY, "alarm_high", "1.0", "1.5", T0 + US_PER_H),
        Change(KEY, "relations", "D-002, D-003", "D-002", T0 + US_PER_H),
    ]
    moments = [v.effective_from_us for v in points.load_point_versions(conn, MINE)]
    assert moments == [0, T0 + US_PER_H, 0]
    rows = conn.execute(
        "SELECT attribute, old_value, new_value FROM point_change"
        " WHERE attribute = 'alarm_high'"
    ).fetchall()
    assert rows == [("alarm_high", "1.0", "1.5")]


def test_a_limit_given_and_taken(conn: db.Connection) -> None:
    """NaN and null are the same: not given."""
    save(conn, mine(), point())
    assert save(conn, mine(2), point(cut_high=nan)) == []
    (given,) = save(conn, mine(3), point(cut_high=1.5))
    assert (given.old, given.new) == (None, "1.5")


def test_an_old_revision_changes_nothing(conn: db.Connection) -> None:
    """Retained and repeated messages are harmless; a file without rev is compared."""
    save(conn, mine(5), point())
    assert save(conn, mine(5), point(alarm_high=9.0)) == []
    assert save(conn, mine(4), point(alarm_high=9.0)) == []
    assert len(save(conn, mine(None), point(alarm_high=9.0))) == 1


def test_a_revision_that_begins_anew_counts_when_it_came_later(
    conn: db.Connection,
) -> None:
    """A start knows when the definitions in force came; written twice it is one."""
    save(conn, mine(9), point())
    assert len(save(conn, mine(1), point(alarm_high=0.5), at_us=T0 + 5)) == 1
    (told,) = points.load_mines(conn)
    assert (told.rev, told.told_us) == (1, T0 + 5)
    assert save(conn, mine(1), point(alarm_high=0.7), at_us=T0 + 5) == []


def test_versions_are_never_rewritten(conn: db.Connection) -> None:
    """A definition for the same or an earlier moment begins after the newest."""
    save(conn, mine(), point())
    save(conn, mine(2), point(alarm_high=2.0, effective_from_us=T0))
    save(conn, mine(3), point(alarm_high=3.0, effective_from_us=T0 - 5))
    versions = points.load_point_versions(conn)
    assert [v.effective_from_us for v in versions] == [0, T0, T0 + 1]
    assert [v.alarm_high for v in versions] == [1.0, 2.0, 3.0]


def test_points_are_retired_and_come_back(conn: db.Connection) -> None:
    """A point that is not named any more is hidden, never deleted."""
    other = PointKey(MINE, "01", "001A02")
    save(conn, mine(), point(), point(other))
    changes = save(conn, mine(2, units=()), point())
    assert changes == [Change(other, "retired", "false", "true", T0)]
    assert [v.key for v in points.load_point_versions(conn)] == [KEY]
    assert len(points.load_point_versions(conn, retired=True)) == 2
    assert points.load_mines(conn)[0].units == ()
    back = save(conn, mine(3), point(), point(other))
    assert back == [Change(other, "retired", "true", "false", T0)]
    again = [v for v in points.load_point_versions(conn) if v.key == other]
    assert [v.effective_from_us for v in again] == [0, T0]


def test_provisional_points(conn: db.Connection) -> None:
    """What sends without being defined gets a row; its definition adds a version."""
    ids = points.ensure_points(conn, [KEY, KEY], T0)
    assert points.ensure_points(conn, [KEY], T0) == ids
    assert points.ensure_points(conn, [], T0) == {}
    (version,) = points.load_point_versions(conn)
    assert (version.source, version.effective_from_us) == ("provisional", 0)
    save(conn, mine(), point(), at_us=T0 + 5)
    sources = [
        (v.source, v.effective_from_us) for v in points.load_point_versions(conn)
    ]
    assert sources == [("provisional", 0), ("points", T0 + 5)]
    row = conn.execute("SELECT provisional FROM point").fetchone()
    assert row == (False,)


def test_a_retired_point_that_sends_stays_retired(conn: db.Connection) -> None:
    """Its readings count, under the attributes it had; only its mine takes it back."""
    other = PointKey(MINE, "01", "001A02")
    save(conn, mine(), point(), point(other))
    save(conn, mine(2), point())
    points.ensure_points(conn, [other], T0)
    row = conn.execute(
        "SELECT provisional, retired_at FROM point WHERE no = %s", (other.no,)
    ).fetchone()
    assert row == (False, to_datetime(T0))
    assert points.load_point_versions(conn, retired=True)[-1].alarm_high == 1.0


def test_retirements_are_versions_of_their_own(conn: db.Connection) -> None:
    """Who judges must know since when; also of a point that came back since."""
    other = PointKey(MINE, "01", "001A02")
    save(conn, mine(), point(), point(other))
    save(conn, mine(2), point(), at_us=T0 + 5)
    save(conn, mine(3), point(), point(other), at_us=T0 + 9)
    history = [v for v in load_history(conn) if v.key == other]
    assert [(v.effective_from_us, v.retired) for v in history] == [
        (0, False),
        (T0 + 5, True),
        (T0 + 9, False),
    ]
    assert [v.alarm_high for v in history] == [1.0] * 3


def test_a_point_that_was_made_up_is_retired_when_told(conn: db.Connection) -> None:
    """Its number meant another point; one that is not stored yet is kept as retired."""
    stored, fresh = (PointKey(MINE, "01", no) for no in ("1", "2"))
    points.ensure_points(conn, [stored], T0)
    gone = [
        point(key, retired=True, source="provisional", effective_from_us=T0 + 7)
        for key in (stored, fresh)
    ]
    save(conn, mine(), point(), *gone, at_us=T0 + 7)
    points.ensure_points(conn, [fresh], T0 + 8)
    rows = conn.execute(
        "SELECT no, provisional, retired_at FROM point WHERE no <> %s ORDER BY no",
        (KEY.no,),
    ).fetchall()
    since = to_datetime(T0 + 7)
    assert rows == [("1", True, since), ("2", True, since)]
    last = {v.key: v for v in load_history(conn)}
    assert [last[key].retired for key in (KEY, stored, fresh)] == [False, True, True]


def test_a_made_up_point_keeps_what_its_type_tells(conn: db.Connection) -> None:
    """After a restart the law's limit for it counts as before."""
    typed = provisional(KEY, "0001")
    points.ensure_points(conn, [KEY], T0, {KEY: typed})
    (version,) = points.load_point_versions(conn)
    assert (version.sensor_type, version.quantity) == ("0001", "CH4")
    assert (version.value_kind, version.uom) == (typed.value_kind, typed.uom)


def test_a_mine_of_nowhere(conn: db.Connection) -> None:
    """A code whose county nobody shipped is kept all the same."""
    code = "990000000001"
    number = points.ensure_mine(conn, code, T0)
    assert points.ensure_mine(conn, code, T0) == number
    save(conn, MineDef(code, "990000", "外地煤矿"))
    assert [m.name for m in points.load_mines(conn)] == ["外地煤矿"]


def test_text_that_postgresql_refuses(conn: db.Connection) -> None:
    """A NUL in a name is left out; the definition is not refused whole."""
    save(conn, mine(name="一\x00号"), point(place="回\x00风"))
    assert points.load_mines(conn)[0].name == "一号"
    assert points.load_point_versions(conn)[0].place == "回风"
