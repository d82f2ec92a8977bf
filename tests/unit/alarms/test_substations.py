"""A substation that is silent as a whole is one alarm, and its points are children."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest

from gasmon.alarms.engine import AlarmEngine, LivingAlarm, Patience
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.reconcile import living, reconcile
from gasmon.alarms.snapshot import dump, load
from gasmon.alarms.substations import substation_of
from gasmon.points import PointDef, PointKey
from gasmon.units import US_PER_S
from tests.engine_world import Entry, World, at, feed, live, mark, point
from tests.rule_texts import rule_set

MINE = "530627000001"
OWN = f"substation:{MINE}-01-001"
POINTS = (
    point("001A01", unit_slug="face"),
    point("001A02", unit_slug="face"),
    point("001A03", unit_slug="face"),
    point("002A01"),
)
WORLD = World.of(*POINTS)
"""Three points on substation 001, and a point of another that goes on sending."""


def told(said: list[AlarmEvent]) -> list[tuple[str, str, float]]:
    """(kind, event, seconds)."""
    return [(e.kind, e.event, (e.happened_at_us - at(0)) / US_PER_S) for e in said]


def cycles(rows: tuple[int, ...], begin: int, end: int) -> list[Entry]:
    """A frame of these points each 10 s, with a mark after each."""
    return [
        entry
        for s in range(begin, end, 10)
        for entry in (*(live(row, 0.1, s) for row in rows), mark(s))
    ]


def silent(engine: AlarmEngine) -> list[AlarmEvent]:
    """All points, then all but those of substation 001; it is silent at 90 s."""
    return feed(engine, [*cycles((0, 1, 2, 3), 0, 10), *cycles((3,), 10, 101)])


def define(engine: AlarmEngine, *versions: PointDef) -> None:
    """Let the engine know newer versions."""
    engine.adopt(engine.table.extended((), versions), versions, at(0))


@pytest.mark.parametrize(
    ("no", "number"),
    [("001A03", "001"), ("12D1", "12"), ("00001M1234", "00001"), ("fan", None),
     ("1", None), ("123456A01", None), ("001A", None), ("001A01x", None)],
)  # fmt: skip
def test_the_number_of_a_point_tells_its_substation(
    no: str, number: str | None
) -> None:
    """Digits, a letter and a channel; anything else tells of none."""
    name = number and f"{MINE}-02-{number}"
    key = PointKey(MINE, "02", no)
    assert substation_of(PointDef(key)) == name
    assert substation_of(PointDef(key, substation="7")) == f"{MINE}-02-7"


def test_a_silent_substation_is_one_alarm() -> None:
    """It says which points hang on it and what they last said."""
    said = silent(WORLD.engine())
    assert told(said) == [("substation_break", "raised", 90)]
    (event,) = said
    assert (event.subject, event.unit, event.level) == (OWN, "face", "blue")
    assert event.explain["cause"] == "silence"
    assert [(p["no"], p["value"]) for p in event.explain["points"]] == [
        ("001A01", 0.1),
        ("001A02", 0.1),
        ("001A03", 0.1),
    ]
    assert event.explain["text"]["en"] == "substation silent with all its points"


def test_a_substation_with_points_of_several_units_is_of_none() -> None:
    """Then it is an incident of its own."""
    world = World.of(*POINTS[:2], point("001A03", unit_slug="b"), POINTS[3])
    (event,) = silent(world.engine())
    assert event.unit is None


def test_a_living_alarm_of_a_child_becomes_unknown() -> None:
    """Silence is no end of it, and the next value makes it known."""
    engine = WORLD.engine()
    feed(engine, [live(0, 1.2, 0), *(live(row, 0.1, 0) for row in (1, 2, 3)), mark(0)])
    said = feed(engine, cycles((3,), 10, 101))
    assert told(said) == [
        ("substation_break", "raised", 90),
        ("over_limit", "unknown", 90),
    ]
    assert told(feed(engine, [live(0, 1.2, 105)])) == [
        ("substation_break", "cleared", 105),
        ("over_limit", "known", 105),
    ]


def test_the_first_fresh_reading_ends_it_and_the_others_count_anew() -> None:
    """A repeated reading is none; who does not come for the whole time is silent."""
    engine = WORLD.engine()
    silent(engine)
    assert feed(engine, [live(0, 0.1, 0), mark(105)]) == []
    said = feed(engine, [*cycles((1, 3), 110, 120), *cycles((1, 3), 120, 201)])
    assert told(said) == [
        ("substation_break", "cleared", 110),
        ("no_data", "raised", 200),
        ("no_data", "raised", 200),
    ]
    assert said[0].explain["silent_s"] == 20


def test_a_frame_with_several_of_its_points_ends_it_once() -> None:
    """And nobody of them is silent after it."""
    engine = WORLD.engine()
    silent(engine)
    said = feed(engine, cycles((0, 1, 2, 3), 110, 251))
    assert told(said) == [("substation_break", "cleared", 110)]


def test_what_was_told_before_stays_told() -> None:
    """A point that was silent first keeps its alarm; the other two are one."""
    engine = WORLD.engine()
    log = [*cycles((0, 1, 2, 3), 0, 10), *cycles((1, 2, 3), 10, 51)]
    assert told(feed(engine, [*log, *cycles((3,), 60, 141)])) == [
        ("no_data", "raised", 90),
        ("substation_break", "raised", 140),
    ]
    assert told(feed(engine, [live(0, 0.1, 150)])) == [
        ("substation_break", "cleared", 150),
        ("no_data", "cleared", 150),
    ]


def test_a_single_point_that_falls_silent_last_speaks_for_itself() -> None:
    """Two were told already: one more is no news of the substation."""
    engine = WORLD.engine()
    log = [*cycles((0, 1, 2, 3), 0, 10), *cycles((2, 3), 10, 51)]
    said = feed(engine, [*log, *cycles((3,), 60, 141)])
    assert [kind for kind, *_ in told(said)] == ["no_data"] * 3


def test_its_level_rises_and_goes_on_under_other_rules() -> None:
    """After an hour it is yellow; turned off, it keeps what it has."""
    engine = World.of(*POINTS, patience=Patience(mine_us=10**12)).engine()
    silent(engine)
    said = feed(engine, [live(3, 0.1, 3600), mark(3700)])
    assert told(said)[0] == ("substation_break", "level", 3690)
    assert said[0].level == "yellow"
    off = '[[rule]]\nkind = "substation_break"\nenabled = false\n'
    engine.change_rules(rule_set(off), at(3700))
    (end, *_) = feed(engine, [mark(3701), live(0, 0.1, 3710)])
    assert (end.event, end.level, end.explain["level_rule"]) == (
        "cleared",
        "yellow",
        None,
    )


def test_where_the_kind_is_off_each_point_says_so() -> None:
    """As if there were no substations."""
    off = '[[rule]]\nkind = "substation_break"\nenabled = false\n'
    said = silent(World.of(*POINTS, rules=rule_set(off)).engine())
    assert told(said) == [("no_data", "raised", 90)] * 3


def test_time_that_nobody_lived_through_makes_it_no_worse() -> None:
    """Two hours in which we stood still are no duration."""
    engine = World.of(*POINTS, patience=Patience(gap_us=10 * US_PER_S)).engine()
    silent(engine)
    assert feed(engine, [mark(7300), live(3, 0.1, 7305), mark(7305)]) == []


def test_retired_points_do_not_count() -> None:
    """Neither for the silence of the others, nor to hold an alarm."""
    engine = WORLD.engine()
    feed(engine, cycles((0, 1, 2, 3), 0, 10))
    define(engine, replace(POINTS[2], retired=True, effective_from_us=at(5)))
    said = feed(engine, cycles((3,), 10, 101))
    assert told(said) == [("substation_break", "raised", 90)]
    for row in (0, 1):
        assert feed(engine, [mark(105 + row)]) == []
        gone = replace(POINTS[row], retired=True, effective_from_us=at(105))
        define(engine, gone)
    (end,) = feed(engine, [mark(110)])
    assert (end.kind, end.event) == ("substation_break", "cleared")
    assert end.explain["cause"] == "retired"


def test_a_new_point_of_a_silent_substation_is_silent_with_it() -> None:
    """It says nothing of its own until something comes."""
    engine = WORLD.engine()
    silent(engine)
    define(engine, point("001A04"))
    assert feed(engine, cycles((3,), 110, 251)) == []
    assert told(feed(engine, [live(4, 0.1, 260)])) == [
        ("substation_break", "cleared", 260)
    ]


def test_a_restart_goes_on_with_it() -> None:
    """From a snapshot, in an engine with its rows in another order."""
    before = WORLD.engine()
    silent(before)
    data = dump(before)
    other = World.of(point("000A01"), *POINTS[:2], point("001A09"), POINTS[3])
    after = other.engine()
    load(after, data)
    assert living(after) == {("substation_break", OWN)}
    row = after.table.index[POINTS[1].key]
    (end,) = feed(after, [live(row, 0.1, 130)])
    assert (end.kind, end.raised_at_us) == ("substation_break", at(90))
    strange = World.of(point("009A01"), point("009A02")).engine()
    load(strange, data)
    assert living(strange) == set()


def test_what_is_recorded_as_open_counts() -> None:
    """One that is open goes on, another is forgotten, one nobody knows stays."""
    engine = WORLD.engine()
    open_ = LivingAlarm("substation_break", -1, 0, at(50), 1, nan, at(50), subject=OWN)
    strange = replace(open_, subject=f"substation:{MINE}-01-777")
    engine.resume([open_, strange])
    assert living(engine) == {("substation_break", OWN)}
    assert reconcile(engine, [open_]) == ([], [])
    again = replace(open_, raised_us=at(60))
    assert reconcile(engine, [again]) == (
        [("substation_break", OWN)],
        [("substation_break", OWN)],
    )
    assert told(feed(engine, [live(0, 0.1, 70)])) == [
        ("substation_break", "cleared", 70)
    ]


def test_points_hang_on_the_substation_that_is_defined() -> None:
    """Numbers that tell of none, or of another one, are defined to hang on one."""
    world = World.of(
        point("001A01"),
        point("002A01", substation="9"),
        point("002A02"),
        point("fan", substation="9"),
    )
    said = feed(
        world.engine(), [*cycles((0, 1, 2, 3), 0, 10), *cycles((0, 2), 10, 101)]
    )
    assert told(said) == [("substation_break", "raised", 90)]
    assert said[0].subject == f"substation:{MINE}-01-9"


def test_a_point_that_is_moved_away_speaks_for_itself() -> None:
    """And a silent substation on which nothing hangs any more ends."""
    engine = WORLD.engine()
    silent(engine)
    define(engine, replace(POINTS[0], substation="5", effective_from_us=at(102)))
    assert told(feed(engine, [live(3, 0.1, 105), mark(105)])) == [
        ("no_data", "raised", 90)
    ]
    later = {"substation": "6", "effective_from_us": at(110)}
    define(engine, *(replace(each, **later) for each in POINTS[1:3]))
    said = feed(engine, [live(3, 0.1, 115), mark(115)])
    assert ("substation_break", "cleared", 115) in told(said)
    # They come to one that is not silent: two that fall silent together are.
    assert ("substation_break", "raised", 90) in told(said)
    assert {e.subject for e in said} == {OWN, f"substation:{MINE}-01-6"}


def test_a_point_that_comes_to_a_silent_one_is_silent_with_it() -> None:
    """As a new one is, until any of them comes."""
    engine = WORLD.engine()
    silent(engine)
    define(engine, replace(POINTS[3], substation="001", effective_from_us=at(101)))
    assert told(feed(engine, [live(3, 0.1, 105)])) == [
        ("substation_break", "cleared", 105)
    ]
