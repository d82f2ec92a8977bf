"""The engine's promises, for any log of readings, signs of life and clock marks."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.engine import AlarmEngine, LivingAlarm, Patience
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.rules import RuleSet, parse_rules
from gasmon.points import PointDef
from gasmon.units import US_PER_S
from tests.engine_world import (
    START_US,
    Entry,
    Life,
    Mark,
    Reading,
    World,
    at,
    comparable,
    facts,
    feed,
    feed_scalar,
    point,
)
from tests.fix_examples import examples
from tests.rule_texts import alone

MINES = ("530627000001", "530627000002", "530627000003")

REST = """
[[rule]]
kind = "cut_off"
levels = [{ factor = 1.0, steps = [["0s", "orange"], ["5min", "red"]] }]
[[rule]]
kind = "low_limit"
levels = [{ factor = 1.0, steps = [["0s", "yellow"], ["10min", "orange"]] }]
[[rule]]
kind = "low_cut_off"
levels = [{ factor = 1.0, steps = [["30s", "orange"]] }]
[[rule]]
kind = "over_range"
levels = [{ factor = 1.0, steps = [["0s", "red"]] }]
[[rule]]
kind = "sensor_break"
after_rise = true
levels = [{ factor = 1.0, steps = [["0s", "orange"], ["1min", "red"]] }]
[[rule]]
kind = "sensor_break"
levels = [{ factor = 1.0, steps = [["0s", "blue"], ["2min", "yellow"]] }]
[[rule]]
kind = "substation_not_reachable"
levels = [{ factor = 1.0, steps = [["0s", "blue"]] }]
[[rule]]
kind = "calibration"
levels = [{ factor = 1.0, steps = [["0s", "ungraded"], ["30min", "blue"]] }]
[[rule]]
kind = "unknown_state"
levels = [{ factor = 1.0, steps = [["0s", "yellow"]] }]
[[rule]]
kind = "no_data"
levels = [{ factor = 1.0, steps = [["0s", "blue"], ["1min", "yellow"]] }]
[[rule]]
kind = "link_break"
levels = [{ factor = 1.0, steps = [["1min", "blue"], ["5min", "orange"]] }]
[[rule]]
kind = "link_break"
match = { area = ["530627"] }
levels = [{ factor = 1.0, steps = [["0s", "blue"], ["2min", "yellow"]] }]
[[rule]]
kind = "link_break"
match = { mine = ["530627000002"] }
levels = [{ factor = 1.0, steps = [["30s", "yellow"]] }]
"""

VALUES = (
    0.0, 0.05, 0.24, 0.3, 0.4, 0.5, 0.6, 0.7, 0.74, 0.75, 0.8, 0.99, 1.0, 1.1, 1.2,
    1.49, 1.5, 2.0, 2.99, 3.0, 4.5, 18.0, 19.0, 24.0, 100.0, 500.0,
)  # fmt: skip
STATES = (1, 2, 4, 5, 8, 9, 16, 17, 32, 64, 128, 129, 256, 130, 12)


WHOM = (
    "quantity = ['CH4']",
    "quantity = ['CH4', 'CO', 'O2'], place_class = ['FACE_T3']",
    "mine = ['530627000001']",
    "mine = ['530627000002']",
    "area = ['530627']",
    "point = ['530627000002-01-001A01']",
)


@st.composite
def delays(draw: st.DrawFn) -> str:
    """Rules that give nothing but delays, of any kinds with limits, for anybody."""
    chosen = st.tuples(
        st.sampled_from(["over_limit", "cut_off", "low_limit", "low_cut_off"]),
        st.sampled_from(WHOM),
    )
    own = draw(st.lists(chosen, max_size=3, unique=True))
    lasting = st.sampled_from([0, 4, 25, 70])
    texts = []
    for kind, whom in own:
        given = [f"on_delay = '{draw(lasting)}s'", f"off_delay = '{draw(lasting)}s'"]
        part = draw(st.sampled_from([given[:1], given[1:], given]))
        texts.append(
            f"[[rule]]\nkind = '{kind}'\nmatch = {{ {whom} }}\n"
            f"with = {{ {', '.join(part)} }}\n"
        )
    return "".join(texts)


@st.composite
def rule_files(draw: st.DrawFn) -> RuleSet:
    """Rule files with any delays and any bands of an over-limit."""
    on, off = draw(st.sampled_from([0, 0, 7, 30])), draw(st.sampled_from([0, 0, 10]))
    factors = sorted(draw(st.sets(st.sampled_from([1.2, 1.5, 2.0, 3.0]), max_size=2)))
    colours = ("ungraded", "blue", "yellow", "orange", "red")
    bands: list[str] = []
    worst = 0  # what is reached in a band is not less than in the one below it
    for factor in (1.0, *factors):
        n = draw(st.integers(1, 3))
        after = sorted(draw(st.sets(st.integers(0, 200), min_size=n, max_size=n)))
        ranks = sorted(draw(st.sets(st.integers(0, 4), min_size=n, max_size=n)))
        ranks[-1] = max(worst, ranks[-1])
        worst = ranks[-1]
        steps = ", ".join(
            f'["{seconds}s", "{colours[rank]}"]'
            for seconds, rank in zip(after, ranks, strict=True)
        )
        bands.append(f"{{ factor = {factor}, steps = [{steps}] }}")
    text = f"""
[delays]
on = "{on}s"
off = "{off}s"
[own_limits]
stricter = ["CH4", "O2"]
[[rule]]
kind = "over_limit"
levels = [{", ".join(bands)}]
{REST}{draw(delays())}"""
    return parse_rules(alone(text), "drawn.toml")


def _points() -> list[PointDef]:
    one, two, three = MINES
    own: dict[str, Any] = {
        "alarm_high": 0.8,
        "clear_high": 0.6,
        "cut_high": 1.2,
        "restore_high": 0.7,
    }
    low: dict[str, Any] = {
        "alarm_low": 0.5,
        "clear_low": 0.75,
        "cut_low": 0.24,
        "restore_low": 0.3,
    }
    return [
        point("001A01", mine=one, range_high=4.0),
        point("002A01", mine=one, quantity="CO", place_class=None, range_high=1000.0),
        point("003D01", mine=one, quantity="UNKNOWN", place_class=None),
        point("001A01", mine=two, place_class="FACE_T3", **own),
        point("002A01", mine=two, quantity="O2", place_class=None),
        point(
            "003A01", mine=two, quantity="AIR_VELOCITY", place_class=None,
            value_kind="KG", **low,
        ),
        point("001A01", mine=three, place_class=None, **own),
    ]  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Three mines, seven points, some with a later version."""
    versions = _points()
    for number in draw(st.sets(st.sampled_from([0, 3, 6]), max_size=2)):
        high = draw(st.sampled_from([0.3, 0.7, 0.75]))
        versions.append(
            replace(
                versions[number],
                effective_from_us=at(draw(st.integers(0, 400))),
                place_class=draw(st.sampled_from(["FACE_T1", "FACE_T3", None])),
                alarm_high=high,
                clear_high=nan,
            )
        )
    patience = Patience(
        point_us=draw(st.sampled_from([20, 90])) * US_PER_S,
        mine_us=draw(st.sampled_from([15, 60, 10_000])) * US_PER_S,
        calibration_us=draw(st.sampled_from([0, 40, 1800])) * US_PER_S,
        late_us=draw(st.sampled_from([0, 10, 120])) * US_PER_S,
        gap_us=draw(st.sampled_from([10**9, 40, 10])) * US_PER_S,
    )
    return World.of(*versions, rules=draw(rule_files()), patience=patience)


def _value(draw: st.DrawFn) -> float:
    return draw(
        st.one_of(st.sampled_from(VALUES), st.sampled_from(VALUES), st.just(nan))
    )


@st.composite
def logs(
    draw: st.DrawFn, n_points: int = 7, in_order: bool = False, most: int = 60
) -> list[Entry]:
    """Readings of several cycles, delayed, out of order and repeated, with marks."""
    log: list[Entry] = []
    given: list[Reading] = []
    clock = START_US
    for _ in range(draw(st.integers(1, most))):
        clock += draw(st.sampled_from([0, 1, 3, 5, 5, 20, 61, 300])) * US_PER_S
        what = draw(st.integers(0, 19))
        if what < 3:
            back = 0 if in_order else draw(st.sampled_from([0, 0, 0, 40])) * US_PER_S
            log.append(Mark(clock - back))
        elif what == 3:
            log.append(Life(draw(st.integers(0, 2)), draw(st.booleans()), clock))
        elif what == 4 and given and not in_order:
            log.append(replace(draw(st.sampled_from(given)), arrived_us=clock))
        else:
            behind = 0 if in_order else draw(st.sampled_from([0, 0, 0, 4, 30, 400]))
            reading = Reading(
                row=draw(st.integers(0, n_points - 1)),
                value=_value(draw),
                at_us=clock - behind * US_PER_S,
                arrived_us=clock,
                state=draw(st.one_of(st.just(0), st.just(0), st.sampled_from(STATES))),
            )
            given.append(reading)
            log.append(reading)
    return log


def _cuts(log: list[Entry]) -> st.SearchStrategy[set[int]]:
    return st.sets(st.integers(0, len(log)))


EXAMPLES = examples(15, more=3)


@EXAMPLES
@given(st.data())
def test_any_cut_gives_the_same_events(data: st.DataObject) -> None:
    """It makes no difference how the log is cut into ticks."""
    world, log = data.draw(worlds()), data.draw(logs())
    whole = comparable(feed(world.engine(), log))
    cut = comparable(feed(world.engine(), log, data.draw(_cuts(log))))
    assert cut == whole
    single = comparable(feed(world.engine(), log, range(len(log))))
    assert single == whole


@EXAMPLES
@given(worlds(), logs())
def test_the_arrays_agree_with_plain_ifs(world: World, log: list[Entry]) -> None:
    """The vectorised engine says exactly what the scalar reference says."""
    reference = world.scalar()
    feed_scalar(reference, log)
    assert facts(feed(world.engine(), log)) == facts(reference.said)


@EXAMPLES
@given(worlds(), logs())
def test_each_alarm_has_one_life(world: World, log: list[Entry]) -> None:
    """Raised once, cleared at most once and not before, and its level only rises."""
    lives: dict[str, list[AlarmEvent]] = {}
    said = feed(world.engine(), log)
    for event in said:
        lives.setdefault(event.key, []).append(event)
    for life in lives.values():
        words = [event.event for event in life]
        assert words[0] == "raised"
        assert words.count("raised") == 1
        assert "cleared" not in words[:-1]
        ranks = [event.rank for event in life]
        assert ranks == sorted(ranks)
        begun = life[0].raised_at_us
        assert all(e.happened_at_us >= begun for e in life if e.event == "cleared")
    ids = [event.event_id for event in said]
    assert len(ids) == len(set(ids))


def _living(engine: AlarmEngine) -> dict[str, object]:
    s, n = engine.state, engine.state.n
    return {
        name: getattr(s, name)[:n].tolist()
        for name in ("phase", "raised_us", "rank", "unknown", "slot_due_us", "level")
    }


@EXAMPLES
@given(st.data())
def test_redelivery_changes_nothing(data: st.DataObject) -> None:
    """Readings that are given again, at any later place, say and change nothing."""
    world, log = data.draw(worlds()), data.draw(logs(most=40))
    # A repeat is a sign of life of its mine; that is not looked at here.
    deaf = Patience(10**15, 10**15, world.patience.calibration_us)
    world = replace(world, patience=deaf)
    log = [entry for entry in log if not isinstance(entry, Life)]
    again: list[Entry] = []
    for number, entry in enumerate(log):
        again.append(entry)
        before = [e for e in log[: number + 1] if isinstance(e, Reading)]
        if before:
            again.extend(data.draw(st.lists(st.sampled_from(before), max_size=2)))
    once, twice = world.engine(), world.engine()
    assert comparable(feed(twice, again)) == comparable(feed(once, log))
    assert repr(_living(twice)) == repr(_living(once))


def _cleared(said: list[AlarmEvent]) -> dict[str, int]:
    return {e.key: e.happened_at_us for e in said if e.event == "cleared"}


@EXAMPLES
@given(st.data())
def test_unknown_never_clears(data: st.DataObject) -> None:
    """Losing readings, or what they say, never ends an alarm earlier."""
    world = data.draw(worlds())
    log: list[Entry] = []
    newest: dict[int, int] = {}
    for entry in data.draw(logs(in_order=True)):
        if isinstance(entry, Reading):
            # Of two values at one time the first counts; losing it is another matter.
            if entry.at_us <= newest.get(entry.row, 0):
                continue
            newest[entry.row] = entry.at_us
            entry = replace(entry, state=entry.state & ~4)
        log.append(entry)
    honoured = replace(world.patience, calibration_us=10**15)
    world = replace(world, patience=honoured)
    # With an off-delay, two good readings around a lost bad one do prove the end.
    ways = ["null", "fault", "substation", "paused", "calibration"]
    slow = any(rule.given.get("off_delay") for rule in world.rules.rules)
    if world.rules.off_delay_us == 0 and not slow:
        ways.append("lost")
    poorer: list[Entry] = []
    for entry in log:
        if not isinstance(entry, Reading) or data.draw(st.booleans()):
            poorer.append(entry)
            continue
        way = data.draw(st.sampled_from(ways))
        if way == "null":
            poorer.append(replace(entry, value=nan))
        elif way != "lost":
            bits = {"fault": 128, "substation": 16, "paused": 64, "calibration": 4}
            poorer.append(replace(entry, state=entry.state | bits[way]))
    rich, poor = feed(world.engine(), log), feed(world.engine(), poorer)
    ended, known = _cleared(rich), {event.key for event in rich}
    for key, moment in _cleared(poor).items():
        # Links are heard by any frame, so a lost one can only end them later too.
        if key in known:
            assert moment >= ended.get(key, moment + 1), key


@EXAMPLES
@given(st.data())
def test_the_order_of_mines_does_not_matter(data: st.DataObject) -> None:
    """Readings of different mines that arrive together may be in any order."""
    world = data.draw(worlds())
    log = [e for e in data.draw(logs()) if isinstance(e, Reading)]
    clock = at(1000)
    log = [replace(entry, arrived_us=clock) for entry in log]
    order = data.draw(st.permutations(range(3)))
    mine_of = world.table.mine_of
    moved = sorted(log, key=lambda entry: order[int(mine_of[entry.row])])
    marks: list[Entry] = [Mark(clock + k * 30 * US_PER_S) for k in range(5)]
    straight = comparable(feed(world.engine(), [*log, *marks]))
    assert comparable(feed(world.engine(), [*moved, *marks])) == straight


def _open(said: list[AlarmEvent]) -> dict[str, AlarmEvent]:
    """The newest event of each alarm that has not ended."""
    alarms: dict[str, AlarmEvent] = {}
    for event in said:
        if event.event == "cleared":
            alarms.pop(event.key, None)
        else:
            alarms[event.key] = event
    return alarms


def _resumed(world: World, event: AlarmEvent) -> LivingAlarm:
    return LivingAlarm(
        kind=event.kind,
        row=event.row,
        mine=world.table.mine_index[event.mine],
        raised_us=event.raised_at_us,
        rank=event.rank,
        peak=nan if event.peak is None else event.peak,
        peak_at_us=event.peak_at_us or event.raised_at_us,
    )


@EXAMPLES
@given(st.data())
def test_a_restart_repeats_nothing_and_ends_what_is_over(data: st.DataObject) -> None:
    """Resumed alarms are not raised again, and good values end them."""
    world, log = data.draw(worlds()), data.draw(logs(in_order=True))
    cut = data.draw(st.integers(0, len(log)))
    before = feed(world.engine(), log[:cut])
    living = _open(before)
    engine = world.engine()
    engine.resume([_resumed(world, event) for event in living.values()])
    lasts = max([START_US, *(_time(entry) for entry in log)])
    fine = {"O2": 20.0, "AIR_VELOCITY": 2.0}
    # Near enough to one another that they prove the end of a rise, too.
    good: list[Entry] = [
        Reading(row, fine.get(p.quantity, 0.0), when, when)
        for step in range(8)
        for row, p in enumerate(world.table.current)
        for when in [lasts + (600 + 30 * step) * US_PER_S]
    ]
    after = feed(engine, [*log[cut:], *good])
    open_now = {(e.subject, e.kind): key for key, e in living.items()}
    for event in after:
        name = (event.subject, event.kind)
        if name in open_now:
            assert event.event != "raised"
            assert event.key == open_now[name]
            if event.event == "level":
                assert event.rank > living[event.key].rank
            if event.event == "cleared":
                del open_now[name]
    assert open_now == {}
    assert _open(after) == {} or all(e.late for e in _open(after).values())


def _time(entry: Entry) -> int:
    return entry.at_us if isinstance(entry, Reading | Mark) else entry.arrived_us


@EXAMPLES
@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(VALUES)), max_size=20),
)
def test_a_reading_is_judged_with_the_version_of_its_own_time(
    starts: list[int], series: list[tuple[int, float]]
) -> None:
    """Whatever was defined since, the limit is the one in force at the reading."""
    limits = [0.3 + 0.1 * k for k in range(len(starts))]
    starts = [0, *sorted(starts)[1:]]
    versions = [
        point(quantity="PRESSURE_DIFF", place_class=None, alarm_high=limit,
              effective_from_us=0 if k == 0 else at(start))
        for k, (start, limit) in enumerate(zip(starts, limits, strict=True))
    ]  # fmt: skip
    world = World.of(*versions)
    engine = world.engine()
    last = -1
    raised = None
    for second, value in sorted(series):
        said = feed(engine, [Reading(0, value, at(second), at(second))])
        if second == last:
            continue
        last = second
        in_force = [
            limit
            for start, limit in zip(starts, limits, strict=True)
            if start <= second
        ][-1]
        over = value >= in_force
        assert any(e.event == "raised" for e in said) == (over and raised is None)
        assert any(e.event == "cleared" for e in said) == (
            not over and raised is not None
        )
        raised = in_force if over and raised is None else raised if over else None
        for event in said:
            if event.event == "raised":
                assert event.limit == in_force


@given(st.integers(1, 999), st.sampled_from([0.1, 0.25, 0.5, 0.7, 0.75, 1.0, 24.0]))
def test_bands_begin_exactly_at_multiples(thousandths: int, alarm: float) -> None:
    """A value written as n x A in decimals is in the band that begins there."""
    band = round(1.0 + thousandths / 1000, 3)
    text = (
        '[[rule]]\nkind = "over_limit"\nlevels = [{ factor = 1.0, steps = [["0s", '
        f'"blue"]] }}, {{ factor = {band}, steps = [["0s", "red"]] }}]\n{REST}'
    )
    rules = parse_rules(alone(text), "bands.toml")
    written = float(f"{band * alarm:.6f}")
    own = point(quantity="PRESSURE_DIFF", place_class=None, alarm_high=alarm)
    said = feed(
        World.of(own, rules=rules).engine(), [Reading(0, written, at(1), at(1))]
    )
    assert [event.level for event in said] == ["red"]
