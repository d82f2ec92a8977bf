"""Definitions before, between and after frames: the same alarms are open in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.kinds import SLOT_OF
from gasmon.alarms.reconcile import living
from gasmon.alarms.rules import default_rules
from gasmon.alarms.steps import Step, give
from gasmon.batch import Packet
from gasmon.domain import states
from gasmon.ingest.payloads import Item, PointInfo
from gasmon.pipeline.book import PointBook
from gasmon.points import PointDef
from tests.fix_examples import examples
from tests.fix_pipeline import CH4, MINE, Live, at, defined, frame

NOS = ("1", "2", "3")
POINTS = st.builds(
    lambda no, type_, alarm: replace(
        CH4, no=no, type=type_, alarm_high=alarm, clear_high=alarm
    ),
    st.just("1"),
    st.sampled_from(["0001", "0004", "0010", "0000"]),
    st.sampled_from([0.3, 0.5, 0.8, 1.0]),
)
VALUES = st.sampled_from([None, 0.0, 0.2, 0.4, 0.6, 0.9, 1.2, 1.7, 5.0])
STATES = st.sampled_from(
    [0, 0, 0, 0, states.ALARM, states.CALIBRATION, states.SENSOR_FAULT]
)


@st.composite
def definitions(
    draw: st.DrawFn, rev: int, second: float, *, some: bool = False
) -> Packet:
    """All points of the mine, or some of them, under some types and limits."""
    nos = draw(st.sets(st.sampled_from(NOS), min_size=1)) if some else set(NOS)
    points: list[PointInfo] = [replace(draw(POINTS), no=no) for no in sorted(nos)]
    return defined(*points, rev=rev, second=second)


@st.composite
def frames(draw: st.DrawFn, seq: int) -> Packet:
    """A frame of all points."""
    items: list[Item] = [(no, draw(VALUES), draw(STATES)) for no in NOS]
    return frame(seq, items)


def open_of(engine: AlarmEngine) -> list[Any]:
    """What lives, with the moments since when."""
    s = engine.state
    return sorted(
        (kind, row, int(s.raised_us[row, SLOT_OF[kind]]))
        for kind, row in living(engine)
        if kind in SLOT_OF and isinstance(row, int)
    )


@given(frames(1), definitions(1, 2), st.booleans())
@examples(30, more=2)
def test_a_definition_before_or_after_its_frame_is_the_same(
    sent: Packet, told: Packet, marked: bool
) -> None:
    """Which topic the broker delivers first decides about no alarm."""
    after = Live()
    after.take(sent)
    if marked:
        after.take(marks=[1.5])
    after.take(told)
    before = Live()
    before.take(replace(told, arrived_us=at(0)), sent)
    assert open_of(after.engine) == open_of(before.engine)


class Noted(PointBook):
    """A book that keeps every version that it ever told of."""

    def __init__(self) -> None:
        super().__init__()
        self.versions: list[PointDef] = []

    def fresh(self) -> list[PointDef]:
        told = super().fresh()
        self.versions += told
        return told


@st.composite
def stories(draw: st.DrawFn) -> list[Packet | float]:
    """Frames, definitions and clock marks of one mine, in order of time."""
    out: list[Packet | float] = []
    apart = draw(st.sampled_from([1, 20]))  # points may turn silent in between
    for second in range(1, apart * draw(st.integers(2, 12)), apart):
        what = draw(st.integers(0, 3))
        if what == 0:
            out.append(draw(definitions(second, second + 0.5, some=True)))
        elif what == 1:
            out.append(second + 0.5)
        else:
            out.append(draw(frames(second)))
    return out


def lived(story: Sequence[Packet | float]) -> tuple[Live, Noted, list[Step]]:
    """What the process makes of it that lives through it."""
    live, book = Live(), Noted()
    live.book = live.evaluator.book = book
    steps: list[Step] = []
    for entry in story:
        if isinstance(entry, Packet):
            steps += live.take(entry).steps
        else:
            steps += live.take(marks=[entry]).steps
    return live, book, steps


@given(stories())
@examples(30, more=2)
def test_a_restart_that_knows_all_definitions_judges_the_same(
    story: list[Packet | float],
) -> None:
    """The log tells when a value was judged again; the versions say by which line."""
    live, book, steps = lived(story)
    again = AlarmEngine(default_rules(), live.engine.patience)
    again.adopt(book.table, book.versions, at(0))
    for step in steps:
        give(again, step)
    assert open_of(again) == open_of(live.engine)


@given(stories(), definitions(1000, 300.5))
@examples(25)
def test_the_newest_reading_is_always_judged_by_the_newest_definition(
    story: list[Packet | float], told: Packet
) -> None:
    """What lies over its limit now is open, whatever came in which order."""
    live, _, _ = lived(story)
    live.take(told)
    strict = AlarmEngine(default_rules(), live.engine.patience)
    table = live.book.table
    strict.adopt(table, table.current, at(0))
    s, rows = live.engine.state, live.book.rows(MINE, NOS)
    heard = [row for row in rows.tolist() if s.last_at_us[row] > 0]
    by_value = ("over_limit", "cut_off")
    for row in heard:
        no = table.keys[row].no
        sent: Item = (no, _number(s.last_value[row]), int(s.last_state[row]))
        fresh = Live()
        fresh.take(replace(told, arrived_us=at(0)), frame(1, [sent]))
        wanted = {kind for kind, _ in living(fresh.engine) if kind in by_value}
        found = {kind for kind, index in living(live.engine) if index == row}
        assert wanted <= found


def _number(value: float) -> float | None:
    return None if value != value else float(value)
