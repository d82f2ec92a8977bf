"""The promises for late readings, for any backlog in any pieces."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from math import nan

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.snapshot import dump, load
from gasmon.units import US_PER_S
from tests.engine_world import (
    Entry,
    Mark,
    Reading,
    World,
    at,
    comparable,
    facts,
    feed,
    feed_scalar,
    live,
    mark,
    point,
)
from tests.fix_examples import examples
from tests.property.test_engine import rule_files, worlds
from tests.property.test_engine_snapshot import shuffled, translated, without_rows

EXAMPLES = examples(8, more=3)
CYCLE_S = 5

# Harmless, between end and limit, beyond alarm, beyond cut-off, far beyond.
LEVELS = (0.3, 0.3, 0.3, 0.7, 1.0, 1.2, 1.5, 3.2)
CALM = [Mark(at(3000 + 130 * k)) for k in range(3)]


def series(rng: random.Random) -> list[float]:
    """Values of one point, each staying for a while."""
    out: list[float] = []
    for _ in range(rng.randint(1, 6)):
        out += [rng.choice((*LEVELS, nan))] * rng.randint(1, 12)
    return out


def pieces(rng: random.Random, backlog: list[Reading]) -> list[Reading]:
    """A backlog in ranges, in any order of ranges, some of them twice."""
    cuts = sorted({rng.randrange(len(backlog)) for _ in range(rng.randint(0, 4))})
    ranges = [backlog[a:b] for a, b in pairwise([0, *cuts, len(backlog)]) if a < b]
    rng.shuffle(ranges)
    again = [rng.choice(ranges) for _ in range(rng.randint(0, 2))]
    step = rng.choice((1, -1))
    return [one for part in (*ranges, *again) for one in part[::step]]


def late_readings(values: list[float], row: int = 0) -> list[Reading]:
    """A backlog of one point, all of it arriving within a moment."""
    return [
        Reading(row, value, at(CYCLE_S * k), at(2500))
        for k, value in enumerate(values, 1)
    ]


def backlog_log(rng: random.Random) -> list[Entry]:
    """Live readings, a gap, and what was in the gap, in pieces between live ones."""
    log: list[Entry] = []
    backlog: list[Reading] = []
    rows = rng.choice([(0,), (0, 3), (0, 6)])
    for row in rows:
        log.append(Reading(row, rng.choice(LEVELS), at(1), at(1)))
        backlog += late_readings(series(rng), row)
    now = 1000
    parts = pieces(rng, backlog)
    while parts:
        now += rng.choice([1, 5, 30, 130])
        kind = rng.randrange(10)
        if kind < 3:
            value, row = rng.choice((*LEVELS, nan)), rng.choice(rows)
            state = rng.choice([0, 0, 128, 4, 1])
            log.append(Reading(row, value, at(now), at(now), state))
        elif kind < 5:
            log.append(Mark(at(now)))
        else:
            n = rng.randint(1, 20)
            log += [
                replace(
                    one,
                    arrived_us=at(now),
                    state=rng.choice([0] * 12 + [4, 8, 16, 128]),
                )
                for one in parts[:n]
            ]
            parts = parts[n:]
    if rng.random() < 0.5:
        log += [Reading(row, 0.2, at(now + 9), at(now + 9)) for row in rows]
    return [*log, *[Mark(at(now + 10 + 150 * k)) for k in range(3)]]


def seeds() -> st.SearchStrategy[random.Random]:
    """A source of everything that is not worth shrinking."""
    return st.integers(0, 2**32).map(random.Random)


def backlogs() -> st.SearchStrategy[list[Entry]]:
    """Logs with a backlog."""
    return seeds().map(backlog_log)


@EXAMPLES
@given(worlds(), backlogs())
def test_a_backlog_is_judged_as_plain_ifs_would(world: World, log: list[Entry]) -> None:
    """The vectorised engine says exactly what the scalar reference says."""
    reference = world.scalar()
    feed_scalar(reference, log)
    assert facts(feed(world.engine(), log)) == facts(reference.said)


@EXAMPLES
@given(st.data())
def test_any_cut_of_a_backlog_gives_the_same_events(data: st.DataObject) -> None:
    """It makes no difference in which batches the pieces come."""
    world, log = data.draw(worlds()), data.draw(backlogs())
    whole = comparable(feed(world.engine(), log))
    cuts = data.draw(st.sets(st.integers(0, len(log))))
    assert comparable(feed(world.engine(), log, cuts)) == whole
    assert comparable(feed(world.engine(), log, range(len(log)))) == whole


@EXAMPLES
@given(worlds(), backlogs())
def test_each_alarm_of_a_backlog_has_one_life(world: World, log: list[Entry]) -> None:
    """Raised once, ended once at most and not before, no two of one kind at once."""
    open_now: dict[tuple[str, str], str] = {}
    keys: set[str] = set()
    spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for event in feed(world.engine(), log):
        name = (event.subject, event.kind)
        if event.event == "raised":
            assert event.key not in keys
            keys.add(event.key)
        if event.event == "cleared":
            assert event.happened_at_us >= event.raised_at_us
            spans.setdefault(name, []).append(
                (event.raised_at_us, event.happened_at_us)
            )
        if event.late:
            assert event.quiet == "late"
            continue
        if event.event == "raised":
            assert name not in open_now
            open_now[name] = event.key
        elif event.event == "cleared":
            assert open_now.pop(name) == event.key
    for own in spans.values():
        own.sort()
        for (_, ended), (begun, _) in pairwise(own):
            assert begun >= ended


def _records(said: list[AlarmEvent]) -> list[tuple[object, ...]]:
    return sorted(
        (e.event, e.kind, e.raised_at_us, e.happened_at_us, e.rank, e.peak,
         e.peak_at_us, e.late)
        for e in said
        if e.late
    )  # fmt: skip


@EXAMPLES
@given(st.data())
def test_the_order_of_a_backlog_does_not_matter(data: st.DataObject) -> None:
    """In order, backwards, by ranges, twice: the records are as if it came in order.

    Promised where newer good values prove that all of it is over, and where it comes
    within the time that a record waits.
    """
    world = World.of(point(range_high=4.0), rules=data.draw(rule_files()))
    rng = data.draw(seeds())
    backlog = late_readings([0.3, *series(rng), *[0.3] * 16])
    around: list[Entry] = [live(0, 0.3, 2), live(0, 0.3, 2000)]
    straight = feed(world.engine(), [*around, *backlog, *CALM])
    moved = pieces(rng, backlog)
    assert _records(feed(world.engine(), [*around, *moved, *CALM])) == _records(
        straight
    )
    # And they are what a live engine would have said, but for the unknown values.
    good = [one for one in backlog if one.value == one.value]
    lives = feed(world.engine(), [replace(one, arrived_us=one.at_us) for one in good])
    kinds = {"over_limit", "cut_off"}
    assert sorted(
        (e.kind, e.raised_at_us, e.happened_at_us, e.rank, e.peak)
        for e in lives
        if e.event == "cleared" and e.kind in kinds
    ) == [
        (e.kind, e.raised_at_us, e.happened_at_us, e.rank, e.peak)
        for e in sorted(
            (e for e in straight if e.late and e.event == "cleared"),
            key=lambda e: (e.kind, e.raised_at_us),
        )
    ]


@EXAMPLES
@given(st.data())
def test_a_snapshot_within_a_backlog_changes_nothing(data: st.DataObject) -> None:
    """What waits, what is held and what is known goes on after a restart."""
    world, log = data.draw(worlds()), data.draw(backlogs())
    cut = data.draw(st.integers(0, len(log)))
    expected = without_rows(feed(world.engine(), log, {cut}))
    first = world.engine()
    said = feed(first, log[:cut])
    second = shuffled(world, data.draw(seeds()))
    load(second, dump(first))
    said += feed(second, translated(log[cut:], world, second.table))
    assert without_rows(said) == expected
    again = world.engine()
    load(again, dump(first))
    assert dump(again) == dump(first)


def test_six_minutes_in_two_hours_are_one_quiet_record() -> None:
    """The proof: a 2 h buffer with a 6-min over-limit, right times, silent."""
    world = World.of(point(range_high=4.0))
    values = [0.3] * 600 + [1.2] * 72 + [0.3] * 768
    backlog = [
        Reading(0, value, at(10 + 5 * k), at(8000 + k // 60))
        for k, value in enumerate(values)
    ]
    around = [live(0, 0.3, 5), live(0, 0.3, 7999)]
    log = [*around, *backlog, mark(8030), live(0, 0.3, 8199), mark(8200)]
    said = [e for e in feed(world.engine(), log) if e.kind in ("over_limit", "cut_off")]
    assert [(e.event, e.happened_at_us, e.late, e.quiet) for e in said] == [
        ("raised", at(10 + 5 * 600), True, "late"),
        ("cleared", at(10 + 5 * 672), True, "late"),
    ]
    assert {e.level for e in said} == {"yellow"}
    assert said[-1].happened_at_us - said[-1].raised_at_us == 360 * US_PER_S
