"""What a snapshot keeps, what it refuses, and what changed rules do to it."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np
import pytest

from gasmon.alarms import packing, snapshot
from gasmon.alarms.engine import AlarmEngine, Patience
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.packing import BadPacking
from gasmon.alarms.rules import RuleSet, default_rules, parse_rules
from gasmon.alarms.snapshot import dump, excuse_absence, fingerprint, load
from gasmon.points import MineDef, PointTable
from tests.engine_world import START_US, Mark, World, at, feed, live, mark, point
from tests.rule_texts import NO_PRE_WARNING, alone

HIGH = point("001A01", alarm_high=1.0, clear_high=0.9)
OTHER = point("002A01", mine="530627000002")


def world(rules: RuleSet | None = None) -> World:
    """Two mines with a point each."""
    return World.of(HIGH, OTHER, rules=rules)


def loaded(data: bytes, into: World | None = None) -> AlarmEngine:
    """A new engine that went on from a snapshot."""
    engine = (into or world()).engine()
    assert load(engine, data) == 2
    return engine


def test_a_living_alarm_goes_on() -> None:
    """It is not raised again, its level rises when it is due, and it ends once."""
    before = world().engine()
    (raised,) = feed(before, [live(0, 1.4, 10)])
    after = loaded(dump(before))
    said = feed(after, [live(0, 1.45, 20), live(0, 0.2, 30)])
    assert [e.event for e in said if e.event == "raised"] == []
    assert said[-1].event == "cleared"
    assert {e.key for e in said} == {raised.key}
    assert (said[-1].peak, said[-1].limit) == (1.45, raised.limit)


def test_an_unfinished_delay_goes_on() -> None:
    """A pending alarm is raised at the moment it would have been."""
    text = '[delays]\non = "30s"\n[[rule]]\nkind = "over_limit"\n'
    text += 'levels = [{ factor = 1.0, steps = [["0s", "red"]] }]\n'
    rules = parse_rules(alone(text + _REST) + NO_PRE_WARNING, "delay.toml")
    before = world(rules).engine()
    assert feed(before, [live(0, 1.4, 10)]) == []
    after = loaded(dump(before), world(rules))
    (raised,) = feed(after, [mark(41)])
    assert (raised.event, raised.raised_at_us) == ("raised", at(40))


def test_what_was_told_is_not_told_again() -> None:
    """A late reading inside an alarm that ended is no news after the restart."""
    before = world().engine()
    feed(before, [live(0, 1.4, 10), live(0, 0.2, 60)])
    late = replace(live(0, 1.2, 30), arrived_us=at(70))
    calm = mark(200)
    assert "raised" not in _words(feed(loaded(dump(before)), [late, calm]))
    assert "raised" in _words(feed(world().engine(), [live(0, 0.2, 60), late, calm]))


def test_a_late_record_goes_on() -> None:
    """What waits to be told is told after the restart, once."""
    before = world().engine()
    backlog = [
        replace(live(0, v, s), arrived_us=at(70)) for v, s in ((1.4, 30), (0.2, 40))
    ]
    assert feed(before, [live(0, 0.2, 60), *backlog]) == []
    after = loaded(dump(before))
    said = [e for e in feed(after, [mark(190), mark(400)]) if e.kind == "over_limit"]
    assert [(e.event, e.happened_at_us) for e in said] == [
        ("raised", at(30)),
        ("cleared", at(40)),
    ]


def _words(said: list[AlarmEvent]) -> list[str]:
    return [e.event for e in said if e.kind == "over_limit"]


def test_a_broken_link_goes_on() -> None:
    """It is not raised twice; the first frame ends it."""
    before = world().engine()
    feed(before, [live(0, 0.1, 1), live(1, 0.1, 1)])
    (broken, _) = feed(before, [mark(62)])
    assert broken.kind == "link_break"
    after = loaded(dump(before))
    said = feed(after, [mark(63), live(0, 0.1, 64)])
    assert [(e.event, e.key) for e in said] == [("cleared", broken.key)]


def test_points_that_are_gone_and_points_that_are_new() -> None:
    """The one is left out, the other begins like a new one."""
    before = world().engine()
    feed(before, [live(0, 1.4, 8), live(0, 0.2, 9), live(0, 1.4, 10)])
    feed(before, [live(1, 0.3, 10), Mark(at(11))])
    third = point("003A01", mine="530627000003")
    later = World.of(OTHER, third).engine()
    assert load(later, dump(before)) == 1
    row = later.table.index[OTHER.key]
    assert later.state.last_value[row] == 0.3
    new = later.table.index[third.key]
    assert np.isnan(later.state.last_value[new])
    assert later.state.last_arrived_us[new] == START_US
    assert not later.state.busy.any()


def test_the_line_is_found_by_its_time() -> None:
    """An alarm raised under an older version keeps that version's limit."""
    newer = replace(HIGH, alarm_high=0.8, clear_high=0.7, effective_from_us=at(50))
    newest = replace(HIGH, alarm_high=0.6, clear_high=0.5, effective_from_us=at(80))
    before = world().engine()
    before.adopt(before.table, [newer], START_US)
    (raised,) = feed(before, [live(0, 0.9, 60)])
    assert raised.limit == 0.8
    after = AlarmEngine(default_rules())
    mines = [MineDef("530627000002", "530627"), MineDef("530627000001", "530627")]
    versions = [OTHER, HIGH, newer, newest]
    after.adopt(PointTable().extended(mines, versions), versions, START_US)
    assert load(after, dump(before)) == 2
    row = after.table.index[HIGH.key]
    ended = feed(after, [live(row, 0.1, 90)])
    assert [(e.event, e.limit, e.key) for e in ended] == [("cleared", 0.8, raised.key)]


def test_new_rules_judge_what_lives_anew() -> None:
    """A reached level stays; the new file's levels and delays count from now on."""
    old, new = _rules(0, "blue", "30s"), _rules(20, "red", "5s")
    before = world(old).engine()
    said = feed(before, [live(0, 1.4, 10), live(1, 1.4, 30), mark(41)])
    assert [e.level for e in said] == ["blue"]
    after = loaded(dump(before), world(new))
    assert fingerprint(old) != fingerprint(new)
    # The pending one of the second mine is raised at its new delay.
    (second,) = feed(after, [mark(42)])
    assert (second.event, second.level, second.raised_at_us) == (
        "raised",
        "ungraded",
        at(35),
    )
    again = feed(after, [mark(61)])
    assert sorted((e.event, e.level, e.happened_at_us) for e in again) == [
        ("level", "red", at(55)),
        ("level", "red", at(60)),
    ]


def test_a_break_after_a_rise_stays_one_under_new_rules() -> None:
    """Its level row is found again in the other file."""
    old, new = _rules(0, "blue", "0s"), _rules(20, "red", "0s")
    before = world(old).engine()
    feed(before, [live(0, 0.99, 10), live(0, None, 20, state=128)])
    after = loaded(dump(before), world(new))
    row = new.levels[int(after.state.level[0, 5])]
    assert (row.kind, row.after_rise) == ("sensor_break", True)


def test_rules_have_a_number_of_their_contents() -> None:
    """Equal rules, equal number; any change shows."""
    assert fingerprint(default_rules()) == fingerprint(default_rules())
    changed = replace(default_rules(), rise_fraction=0.7)
    assert fingerprint(changed) != fingerprint(default_rules())


@pytest.mark.parametrize("place", [0, 7, 8, 23, 24, 30, 500, -1])
def test_a_damaged_snapshot_is_refused(place: int) -> None:
    """Any flipped bit is found, and the engine is as before."""
    data = bytearray(dump(world().engine()))
    data[place] ^= 1
    engine = world().engine()
    with pytest.raises(BadPacking, match=r"checksum|begins with"):
        load(engine, bytes(data))
    assert dump(engine) == dump(world().engine())


@pytest.mark.parametrize("length", [0, 5, 20, 27, 100])
def test_a_cut_snapshot_is_refused(length: int) -> None:
    """A file that ends too early is no snapshot."""
    with pytest.raises(BadPacking):
        load(world().engine(), dump(world().engine())[:length])


def test_a_snapshot_of_another_kind_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another run, and another version's columns."""
    drill = AlarmEngine(default_rules(), run=7)
    with pytest.raises(BadPacking, match="of run 7, not of 0"):
        load(world().engine(), dump(drill))
    data = dump(world().engine())
    monkeypatch.setattr(snapshot, "MAX_BANDS", 9)
    with pytest.raises(BadPacking, match="another version"):
        load(world().engine(), data)


def test_an_empty_engine_can_be_kept() -> None:
    """No points, no mines: nothing to load."""
    empty = AlarmEngine(default_rules())
    assert load(AlarmEngine(default_rules()), dump(empty)) == 0


def test_our_absence_is_nobodys_silence() -> None:
    """What was silent for 50 s before we went is silent for 50 s when we are back."""
    patience = Patience(point_us=90_000_000, mine_us=60_000_000)
    base = World.of(HIGH, OTHER, patience=patience)
    before = base.engine()
    feed(before, [live(0, 0.1, 0), live(1, 0.1, 45), mark(50)])
    after = base.engine()
    load(after, dump(before))
    excuse_absence(after, at(650))
    said = feed(after, [mark(650), mark(659), mark(661), mark(704), mark(706)])
    raised = [(e.mine[-1], e.happened_at_us) for e in said if e.event == "raised"]
    assert raised == [("1", at(660)), ("2", at(705))]


def test_an_absence_that_was_none_changes_nothing() -> None:
    """No mark yet, or a clock that went back."""
    engine = world().engine()
    feed(engine, [live(0, 0.1, 5)])
    before = dump(engine)
    excuse_absence(engine, at(500))
    assert dump(engine) == before
    feed(engine, [mark(10)])
    before = dump(engine)
    excuse_absence(engine, at(3))
    assert dump(engine) == before


def test_arrays_come_back_as_they_were() -> None:
    """Any shape, also none, and a NaN."""
    arrays: dict[str, packing.Array] = {
        "a": np.asarray([[1, 2], [3, 4]], np.int16),
        "none": np.empty((0, 5), np.float64),
        "yes": np.asarray([True, False]),
        "x": np.asarray([nan, -0.0]),
        "every_second": np.arange(10)[::2],
    }
    header, back = packing.unpack(b"12345678", packing.pack(b"12345678", {}, arrays))
    assert header == {}
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


_REST = "".join(
    f'[[rule]]\nkind = "{kind}"\nlevels = [{{ factor = 1.0, steps = [["0s", "blue"]]'
    " }]\n"
    for kind in (
        "cut_off", "low_limit", "low_cut_off", "over_range",
        "substation_not_reachable", "calibration", "unknown_state", "no_data",
        "link_break",
    )
)  # fmt: skip
_REST += """
[[rule]]
kind = "sensor_break"
after_rise = true
levels = [{ factor = 1.0, steps = [["0s", "red"]] }]
[[rule]]
kind = "sensor_break"
levels = [{ factor = 1.0, steps = [["0s", "blue"]] }]
"""


def _rules(after_s: int, colour: str, delay: str) -> RuleSet:
    """Over-limit with one step, more steps before it when it is not at once."""
    steps = f'["{after_s}s", "{colour}"]'
    if after_s:
        steps = f'["0s", "ungraded"], {steps}'
    # A row more in front, so that the rows have other numbers.
    front = '[[rule]]\nkind = "over_limit"\nmatch = { quantity = ["CO"] }\n'
    front += 'levels = [{ factor = 1.0, steps = [["0s", "red"]] }]\n'
    text = f'[delays]\non = "{delay}"\n{front if after_s else ""}'
    text += (
        f'[[rule]]\nkind = "over_limit"\nlevels = [{{ factor = 1.0, steps = [{steps}]'
    )
    return parse_rules(alone(f"{text} }}]\n{_REST}") + NO_PRE_WARNING, "drawn.toml")
