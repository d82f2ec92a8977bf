"""What relations between points promise, for any log of frames and clock marks."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from math import isnan, nan

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.engine import AlarmEngine, LivingAlarm, Patience
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.relation_kinds import PIPE_CO, RELATION_KINDS, RELATION_NAMES
from gasmon.alarms.rules import RuleSet, parse_rules
from gasmon.alarms.snapshot import dump, load
from gasmon.points import MineDef, PointDef, PointTable, UnitDef
from gasmon.units import US_PER_S
from tests.engine_world import (
    START_US,
    Entry,
    Life,
    Mark,
    Reading,
    World,
    comparable,
    facts,
    feed,
    point,
)
from tests.fix_examples import examples
from tests.scalar_relations import ScalarRelations

MINES = ("530627000001", "530627000002")
UNITS = (UnitDef("face", "face"), UnitDef("pumps", "drainage"))


@dataclass(frozen=True)
class Frame:
    """What came of one mine at once."""

    mine: int
    readings: tuple[Reading, ...]


Part = Frame | Life | Mark


def _points(mine: str) -> list[PointDef]:
    def at(unit: str | None, no: str, quantity: str, place: str | None = None, **more):  # type: ignore[no-untyped-def]
        return point(
            no, mine=mine, quantity=quantity, place_class=place, unit_slug=unit, **more
        )

    return [
        at("face", "001A01", "CH4", "FACE_T1"),
        at("face", "001A02", "CH4", "FACE_T2"),
        at("face", "001A03", "AIR_VELOCITY"),
        at("face", "001D01", "FAN_LOCAL", value_kind="KG"),
        at("face", "001D02", "DUCT", value_kind="KG"),
        at("face", "001D03", "FEED", value_kind="KG"),
        at("face", "001D04", "EQUIPMENT", value_kind="KG"),
        at("face", "001D05", "DOOR", value_kind="KG"),
        at("face", "001D06", "DOOR", value_kind="KG"),
        at("pumps", "002D01", "EQUIPMENT", value_kind="KG"),
        at("pumps", "002A01", "PIPE_PRESSURE", uom="kPa"),
        at("pumps", "002A02", "PIPE_CO"),
        at("pumps", "002A03", "CH4", relations=("D-001D03-馈电",)),
        at("face", "001C01", "BREAKER", value_kind="KG"),
        at(None, "003D01", "FAN_MAIN", value_kind="KG"),
        at(None, "003D02", "FAN_MAIN", value_kind="KG", relations=("Z-003D01-主扇",)),
        at(None, "003D03", "POWER", value_kind="DT"),
    ]


VALUES = {
    "CH4": (0.2, 0.2, 0.6, 1.0, 1.6, 3.0),
    "AIR_VELOCITY": (0.1, 1.0),
    "PIPE_PRESSURE": (1.0, -20.0),
    "PIPE_CO": (4.0, 9.0, 14.0, 25.0),
}
STATES = (1, 2, 4, 8, 16, 64, 128)
N_POINTS = len(_points(MINES[0]))


@st.composite
def rule_files(draw: st.DrawFn) -> RuleSet:
    """The shipped rules with delays that a log of minutes can see."""
    text = '[delays]\non = "%ds"\n' % draw(st.sampled_from([0, 0, 20]))  # noqa: UP031
    for spec in RELATION_KINDS:
        on, off = draw(st.sampled_from([0, 10, 40])), draw(st.sampled_from([0, 0, 25]))
        given_ = f'on_delay = "{on}s", off_delay = "{off}s"'
        if spec.param("window"):
            given_ += ', window = "60s"'
        text += f'[[rule]]\nkind = "{spec.name}"\nwith = {{ {given_} }}\n'
    return parse_rules(text, "drawn.toml")


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Two mines with one unit of nearly everything."""
    patience = Patience(
        point_us=draw(st.sampled_from([20, 90])) * US_PER_S,
        mine_us=draw(st.sampled_from([15, 60, 10_000])) * US_PER_S,
        gap_us=draw(st.sampled_from([10**9, 40])) * US_PER_S,
    )
    versions = [p for mine in MINES for p in _points(mine)]
    return World.of(*versions, rules=draw(rule_files()), patience=patience, units=UNITS)


@st.composite
def logs(draw: st.DrawFn, world: World, in_order: bool = False) -> list[Part]:
    """Frames of some or all points, some with samples, delayed or sent again."""
    parts: list[Part] = []
    clock = START_US
    for _ in range(draw(st.integers(1, 14))):
        # Two frames of one mine never arrive in the same microsecond.
        clock += draw(st.sampled_from([1, 5, 15, 15, 30, 61])) * US_PER_S
        what = draw(st.integers(0, 9))
        if what < 2:
            parts.append(Mark(clock))
        elif what == 2 and not in_order:
            parts.append(Life(draw(st.integers(0, 1)), draw(st.booleans()), clock))
        elif what == 3 and not in_order:
            frames = [part for part in parts if isinstance(part, Frame)]
            if frames:
                parts.append(_arrived(draw(st.sampled_from(frames)), clock))
        else:
            for mine in draw(st.sampled_from([(0,), (1,), (0, 1), (0, 1)])):
                parts.append(_frame(draw, world, mine, clock, in_order))
    return parts


def _arrived(frame: Frame, clock: int) -> Frame:
    again = tuple(replace(reading, arrived_us=clock) for reading in frame.readings)
    return Frame(frame.mine, again)


def _frame(
    draw: st.DrawFn, world: World, mine: int, clock: int, in_order: bool
) -> Frame:
    behind = 0 if in_order else draw(st.sampled_from([0, 0, 0, 4, 50])) * US_PER_S
    left_out = draw(st.sets(st.integers(0, N_POINTS - 1), max_size=4))
    strange = draw(st.sets(st.integers(0, N_POINTS - 1), max_size=2))
    # One number makes all values: a frame has many, and a draw of each is slow.
    rng = random.Random(draw(st.integers(0, 2**16)))
    samples = (0,) if in_order else draw(st.sampled_from([(0,), (0,), (0, 3)]))
    readings = []
    for row in world.table.rows[mine]:
        if row - world.table.rows[mine][0] in left_out:
            continue
        taken = rng.sample(samples, rng.randint(1, len(samples)))
        for back in sorted(taken, reverse=True):
            quantity = world.table.current[row].quantity
            value = rng.choice(VALUES.get(quantity, (0.0, 1.0)))
            state = 0
            if row - world.table.rows[mine][0] in strange:
                value = rng.choice((value, nan))
                state = rng.choice((0, *STATES))
            at = clock - behind - back * US_PER_S
            readings.append(Reading(row, value, at, clock, state))
    return Frame(mine, tuple(readings))


def flat(parts: list[Part]) -> tuple[list[Entry], list[int]]:
    """The log entry by entry, and where parts begin in it."""
    log: list[Entry] = []
    begins = []
    for part in parts:
        begins.append(len(log))
        log.extend(part.readings if isinstance(part, Frame) else [part])
    return log, begins


EXAMPLES = examples(9, more=3)


@EXAMPLES
@given(st.data())
def test_any_cut_between_frames_gives_the_same_events(data: st.DataObject) -> None:
    """One tick, ticks cut anywhere between frames, and a tick for each frame."""
    world = data.draw(worlds())
    log, begins = flat(data.draw(logs(world)))
    whole = comparable(feed(world.engine(), log))
    cuts = data.draw(st.sets(st.sampled_from(begins)))
    assert comparable(feed(world.engine(), log, cuts)) == whole
    assert comparable(feed(world.engine(), log, begins)) == whole


@EXAMPLES
@given(st.data())
def test_relations_agree_with_plain_ifs(data: st.DataObject) -> None:
    """The arrays say exactly what the scalar reference says."""
    world = data.draw(worlds())
    parts = data.draw(logs(world))
    reference = ScalarRelations(world.scalar())
    for part in parts:
        if isinstance(part, Mark):
            reference.mark(part.at_us)
        elif isinstance(part, Life):
            reference.points.sign(part.mine, part.online, part.arrived_us)
        elif part.readings:
            told = [
                (r.row, r.value, r.at_us, r.arrived_us, r.state) for r in part.readings
            ]
            reference.frame(part.mine, told)
    said = feed(world.engine(), flat(parts)[0])
    assert facts(said) == facts(reference.points.said)


@EXAMPLES
@given(st.data())
def test_the_order_of_mines_does_not_matter(data: st.DataObject) -> None:
    """Frames of two mines that arrive together may be in either order, or mixed."""
    world = data.draw(worlds())
    parts = data.draw(logs(world))
    swapped = list(parts)
    for n in range(len(parts) - 1):
        one, two = swapped[n], swapped[n + 1]
        if isinstance(one, Frame) and isinstance(two, Frame) and one.mine != two.mine:
            swapped[n : n + 2] = [two, one]
    straight = comparable(feed(world.engine(), flat(parts)[0]))
    assert comparable(feed(world.engine(), flat(swapped)[0])) == straight


@EXAMPLES
@given(st.data())
def test_frames_that_come_again_say_nothing(data: st.DataObject) -> None:
    """A repeat at any later place changes no relation."""
    world = data.draw(worlds())
    deaf = Patience(world.patience.point_us, 10**15)
    world = replace(world, patience=deaf)
    parts = [p for p in data.draw(logs(world, in_order=True)) if isinstance(p, Frame)]
    again: list[Part] = []
    for n, part in enumerate(parts):
        again.append(part)
        for repeat in data.draw(st.lists(st.sampled_from(parts[: n + 1]), max_size=2)):
            # Later than it and before the next one.
            again.append(_arrived(repeat, part.readings[0].arrived_us + len(again)))
    once = feed(world.engine(), flat(list(parts))[0])
    assert comparable(feed(world.engine(), flat(again)[0])) == comparable(once)


def _shuffled(world: World, rng: random.Random) -> AlarmEngine:
    """An engine that knows the same points and mines in another order."""
    mines, versions = [m.code for m in world.table.mines], list(world.versions)
    rng.shuffle(mines)
    rng.shuffle(versions)
    table = PointTable().extended([MineDef(c, c[:6], units=UNITS) for c in mines])
    table = table.extended((), versions)
    engine = AlarmEngine(world.rules, world.patience)
    engine.adopt(table, versions, START_US + 10**12)
    return engine


def _translated(log: list[Entry], world: World, table: PointTable) -> list[Entry]:
    out: list[Entry] = []
    for entry in log:
        if isinstance(entry, Reading):
            key = world.table.keys[entry.row]
            entry = replace(entry, row=table.index[key])
        elif isinstance(entry, Life):
            code = world.table.mines[entry.mine].code
            entry = replace(entry, mine=table.mine_index[code])
        out.append(entry)
    return out


def _plain(said: list[AlarmEvent]) -> list[tuple[str, str]]:
    """Events without rows and without the order in which points are named."""
    plain = []
    for event in said:
        named = sorted(map(repr, event.explain.get("points", ())))
        plain.append(replace(event, row=-1, explain={**event.explain, "points": named}))
    return comparable(plain)


@EXAMPLES
@given(st.data())
def test_a_snapshot_between_any_two_frames_changes_nothing(
    data: st.DataObject,
) -> None:
    """Snapshot, load with rows in another order, and the rest: the same events."""
    world = data.draw(worlds())
    log, begins = flat(data.draw(logs(world)))
    cut = data.draw(st.sampled_from([*begins, len(log)]))
    expected = _plain(feed(world.engine(), log, {cut}))
    first = world.engine()
    said = feed(first, log[:cut])
    second = _shuffled(world, random.Random(data.draw(st.integers(0, 99))))
    load(second, dump(first))
    said += feed(second, _translated(log[cut:], world, second.table))
    assert _plain(said) == expected


def _cleared(said: list[AlarmEvent]) -> dict[str, int]:
    return {e.key: e.happened_at_us for e in said if e.event == "cleared"}


@EXAMPLES
@given(st.data())
def test_unknown_never_clears_a_relation(data: st.DataObject) -> None:
    """Losing what readings say never ends an alarm earlier.

    Not of a rise: with a lost value goes the low one that it is measured from. And not
    of a point that was never heard: it cannot be told from one that is no more there.
    """
    world = data.draw(worlds())
    parts = [
        p for p in data.draw(logs(world, in_order=True)) if not isinstance(p, Life)
    ]
    rng = random.Random(data.draw(st.integers(0, 2**16)))
    honoured = replace(world.patience, calibration_us=10**15)
    world = replace(world, patience=honoured)
    rich: list[Part] = []
    poor: list[Part] = []
    heard: set[int] = set()
    for part in parts:
        if isinstance(part, Frame):
            plain = tuple(replace(r, state=r.state & 3) for r in part.readings)
            part = Frame(part.mine, plain)
        rich.append(part)
        poor.append(_poorer(part, rng, heard) if isinstance(part, Frame) else part)
    before = feed(world.engine(), flat(rich)[0])
    ended, known = _cleared(before), {event.key for event in before}
    for key, moment in _cleared(feed(world.engine(), flat(poor)[0])).items():
        if key in known and "link_break" not in key and PIPE_CO not in key:
            assert moment >= ended.get(key, moment + 1), key


def _poorer(frame: Frame, rng: random.Random, heard: set[int]) -> Frame:
    """Spoil some readings, none before a point's first good one."""
    readings = []
    for reading in frame.readings:
        way = rng.randint(0, 7) if reading.row in heard else 7
        if not isnan(reading.value):
            heard.add(reading.row)
        if way == 0:
            reading = replace(reading, value=nan)
        elif way in (1, 2, 3):
            reading = replace(reading, state=reading.state | (0, 16, 64, 128)[way])
        readings.append(reading)
    return Frame(frame.mine, tuple(readings))


@EXAMPLES
@given(st.data())
def test_each_alarm_of_a_relation_has_one_life(data: st.DataObject) -> None:
    """Raised once, ended at most once and not before, and its level only rises."""
    world = data.draw(worlds())
    lives: dict[str, list[AlarmEvent]] = {}
    for event in feed(world.engine(), flat(data.draw(logs(world)))[0]):
        if event.kind in RELATION_NAMES:
            lives.setdefault(event.key, []).append(event)
    open_now: set[tuple[str, str]] = set()
    for life in lives.values():
        words = [event.event for event in life]
        assert words[0] == "raised"
        assert words.count("raised") == 1
        assert "cleared" not in words[:-1]
        assert [e.rank for e in life] == sorted(e.rank for e in life)
        assert all(e.happened_at_us >= life[0].raised_at_us for e in life)
        slot = (life[0].subject, life[0].kind)
        assert slot not in open_now
        if words[-1] != "cleared":
            open_now.add(slot)


@EXAMPLES
@given(st.data())
def test_a_restart_from_open_alarms_repeats_none(data: st.DataObject) -> None:
    """Without a snapshot: what was told is not raised again while it lasts."""
    world = data.draw(worlds())
    log, begins = flat(data.draw(logs(world, in_order=True)))
    cut = data.draw(st.sampled_from(begins))
    open_now: dict[str, AlarmEvent] = {}
    for event in feed(world.engine(), log[:cut]):
        open_now[event.key] = event
        if event.event == "cleared":
            del open_now[event.key]
    told = {k: e for k, e in open_now.items() if e.kind in RELATION_NAMES}
    engine = world.engine()
    engine.resume(
        LivingAlarm(
            kind=event.kind,
            row=-1,
            mine=world.table.mine_index[event.mine],
            raised_us=event.raised_at_us,
            rank=event.rank,
            peak=nan,
            peak_at_us=event.raised_at_us,
            subject=event.subject,
        )
        for event in told.values()
    )
    assert set(engine.relations.living()) == {
        (event.kind, event.subject) for event in told.values()
    }
    slots = {(event.kind, event.subject): event for event in told.values()}
    for event in feed(engine, log[cut:]):
        own = slots.get((event.kind, event.subject))
        if own is None:
            continue
        assert event.key == own.key
        assert event.event != "raised"
        assert event.rank >= own.rank
        if event.event == "cleared":
            del slots[event.kind, event.subject]
