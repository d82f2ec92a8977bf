"""Pre-warnings are the same however the log is cut, ordered, repeated or interrupted.

Frames are atomic, as everywhere where a rule looks at several points; the engine is the
whole one, so that its clock marks, snapshots and open alarms take part.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast import ForecastEngine
from gasmon.alarms.forecast_speak import Warned
from gasmon.alarms.kinds import FORECAST_KINDS
from gasmon.alarms.snapshot import dump, load
from gasmon.batch import ReadingBatch
from gasmon.points import MineDef, PointTable
from gasmon.units import US_PER_S
from tests.engine_world import START_US, Reading, World, batch_of, comparable, point
from tests.fix_examples import examples

MINES = ("530627000001", "530627000002")

WORLD = World.of(
    *(
        made
        for mine in MINES
        for made in (
            point("001A01", mine=mine, unit_slug="11", place_class="FACE_T2"),
            point("001A02", mine=mine, unit_slug="11", place_class="FACE_T1"),
            point("002A01", mine=mine, place_class="TOTAL_RETURN"),
            point("003A01", mine=mine, unit_slug="11", quantity="PRODUCTION"),
            # A limit that changes on the way.
            point(
                "001A01", mine=mine, unit_slug="11", place_class="FACE_T2",
                alarm_high=0.9, effective_from_us=START_US + 3600 * US_PER_S,
            ),
        )
    )
)  # fmt: skip

Frame = tuple[Reading, ...]
Entry = Frame | int
"""A frame, or a clock mark."""


def log_of(seed: int, n: int = 260) -> list[Entry]:
    """Methane that wanders about its limit, gaps, bad values, and a mine that stops."""
    rng = np.random.default_rng(seed)
    level = np.full(WORLD.table.n, 0.75)
    made: list[Entry] = []
    stops = int(rng.integers(n // 3, n))
    for k in range(n):
        level += rng.normal(0, 0.04, len(level)) + 0.03 * (0.82 - level)
        at = START_US + k * 25 * US_PER_S
        for mine in range(2):
            if rng.random() < 0.03 or (mine == 1 and stops < k < stops + 60):
                continue
            made.append(
                tuple(
                    Reading(
                        row,
                        float(k // 40 % 2)
                        if WORLD.table.current[row].quantity == "PRODUCTION"
                        else round(float(level[row]), 2),
                        at,
                        at + 2000 + mine,
                        state=4 if rng.random() < 0.01 else 0,
                    )
                    for row in WORLD.table.rows[mine]
                )
            )
        made.append(at + 10_000)
    return made


def engine(table: PointTable) -> AlarmEngine:
    """An engine whose forecast may speak often."""
    made = AlarmEngine(
        WORLD.rules,
        WORLD.patience,
        forecast=ForecastEngine(WORLD.rules, per_day=40.0),
    )
    made.adopt(table, WORLD.versions, START_US)
    return made


def feed(
    made: AlarmEngine, log: Sequence[Entry], cuts: Sequence[int] = ()
) -> tuple[list[AlarmEvent], list[Warned]]:
    """What is said of the future, with as few ticks as the log's order allows."""
    said: list[AlarmEvent] = []
    readings: list[Reading] = []
    marks: list[int] = []
    assert made.forecast is not None

    def tick() -> None:
        if readings or marks:
            batch = batch_of(readings) if readings else ReadingBatch.empty()
            said.extend(made.tick(batch, now_us=START_US, marks=marks))
        readings.clear()
        marks.clear()

    for number, entry in enumerate(log):
        if number in cuts or (marks and isinstance(entry, tuple)):
            tick()
        if isinstance(entry, tuple):
            readings.extend(entry)
        else:
            marks.append(entry)
    tick()
    own = [replace(e, row=-1) for e in said if e.kind in FORECAST_KINDS]
    return own, made.forecast.take()


def stored(warned: Sequence[Warned], table: PointTable) -> list[tuple[str, str]]:
    """Pre-warnings by the name of their point, in an order of their own."""
    return sorted((str(table.keys[w.row]), repr(replace(w, row=-1))) for w in warned)


def elsewhere(rng: random.Random) -> PointTable:
    """The same points and mines in another order."""
    versions = list(WORLD.versions)
    rng.shuffle(versions)
    mines = [MineDef(code, code[:6]) for code in MINES]
    rng.shuffle(mines)
    return PointTable().extended(
        mines, sorted(versions, key=lambda p: p.effective_from_us)
    )


def moved(log: Sequence[Entry], table: PointTable) -> list[Entry]:
    """The same log with the rows of another table."""
    return [
        tuple(replace(r, row=table.index[WORLD.table.keys[r.row]]) for r in entry)
        if isinstance(entry, tuple)
        else entry
        for entry in log
    ]


@examples(2, more=3)
@given(st.data())
def test_any_cut_redelivery_and_restart_give_the_same_pre_warnings(
    data: st.DataObject,
) -> None:
    """Cut between any frames, repeated, and interrupted by a restart anywhere."""
    log = log_of(data.draw(st.integers(0, 999)))
    whole, warned = feed(engine(WORLD.table), log)
    assert whole
    n = len(log)
    cuts = data.draw(st.lists(st.integers(0, n), max_size=40))
    stop = data.draw(st.integers(0, n))
    again = data.draw(st.integers(0, 20))
    first = engine(WORLD.table)
    said, told = feed(first, log[:stop], cuts)
    known = stored(told, WORLD.table)
    table = elsewhere(random.Random(data.draw(st.integers(0, 99))))
    second = engine(table)
    load(second, dump(first))
    # What was under way when the process ended comes again.
    under_way = log[max(0, stop - again) : stop]
    repeated = [entry for entry in under_way if isinstance(entry, tuple)]
    more, told = feed(second, moved([*repeated, *log[stop:]], table), [stop + 3])
    assert comparable(said + more) == comparable(whole)
    assert sorted(known + stored(told, table)) == stored(warned, WORLD.table)


@examples(1, more=3)
@given(st.integers(0, 999), st.integers(0, 99))
def test_the_order_of_mines_changes_no_pre_warning(seed: int, shuffle: int) -> None:
    """Frames of one moment in any order of their mines."""
    log, rng = log_of(seed), random.Random(shuffle)
    turned: list[Entry] = []
    moment: list[Entry] = []
    for entry in log:
        if isinstance(entry, tuple):
            moment.append(entry)
            continue
        rng.shuffle(moment)
        turned += [*moment, entry]
        moment = []
    whole, _ = feed(engine(WORLD.table), log)
    assert comparable(feed(engine(WORLD.table), turned)[0]) == comparable(whole)


def test_the_alarms_are_the_same_with_and_without_a_forecast() -> None:
    """It only adds: no alarm comes, goes or changes because of it."""
    log = log_of(7)
    bare = World.engine(WORLD)
    other = engine(WORLD.table)
    said: list[list[AlarmEvent]] = []
    for made in (bare, other):
        events: list[AlarmEvent] = []
        for entry in log:
            if isinstance(entry, tuple):
                events += made.tick(batch_of(entry), now_us=START_US)
            else:
                events += made.tick(
                    ReadingBatch.empty(), now_us=START_US, marks=[entry]
                )
        said.append([e for e in events if e.kind not in FORECAST_KINDS])
    assert said[0]
    assert comparable(said[0]) == comparable(said[1])
