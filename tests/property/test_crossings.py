"""The raw crossing is always in the journal: as an alarm's begin, or by itself."""

from __future__ import annotations

import random
from dataclasses import replace
from math import isnan
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.crossings import Crossing
from gasmon.alarms.engine import Patience
from gasmon.alarms.snapshot import dump, load
from gasmon.units import US_PER_S
from tests.engine_world import (
    Entry,
    Life,
    Mark,
    Reading,
    World,
    at,
    crossings,
    feed,
    feed_scalar,
)
from tests.fix_examples import examples
from tests.property.test_engine import logs, worlds
from tests.property.test_engine_snapshot import shuffled, translated

EXAMPLES = examples(5, more=6)


def _crossed(world: World, log: list[Entry], cuts: Any = ()) -> list[tuple[Any, ...]]:
    crossed: list[Crossing] = []
    feed(world.engine(), log, cuts, crossed=crossed)
    return crossings(world, crossed)


@EXAMPLES
@given(worlds(), logs())
def test_the_arrays_agree_with_plain_ifs_on_crossings(
    world: World, log: list[Entry]
) -> None:
    """The vectorised engine notes exactly what the scalar reference notes."""
    reference = world.scalar()
    feed_scalar(reference, log)
    assert _crossed(world, log) == sorted(reference.crossed, key=repr)


@EXAMPLES
@given(st.data())
def test_any_cut_gives_the_same_crossings(data: st.DataObject) -> None:
    """It makes no difference how the log is cut into ticks."""
    world, log = data.draw(worlds()), data.draw(logs())
    cuts = data.draw(st.sets(st.integers(0, len(log))))
    whole = _crossed(world, log)
    assert _crossed(world, log, cuts) == whole
    assert _crossed(world, log, range(len(log))) == whole


@EXAMPLES
@given(st.data())
def test_the_order_of_mines_changes_no_crossing(data: st.DataObject) -> None:
    """Readings of different mines that arrive together may be in any order."""
    world = data.draw(worlds())
    clock = at(1000)
    log: list[Reading] = [
        replace(entry, arrived_us=clock)
        for entry in data.draw(logs())
        if isinstance(entry, Reading)
    ]
    order = data.draw(st.permutations(range(3)))
    moved = sorted(log, key=lambda entry: order[int(world.table.mine_of[entry.row])])
    marks = [Mark(clock + k * 30 * US_PER_S) for k in range(5)]
    assert _crossed(world, [*moved, *marks]) == _crossed(world, [*log, *marks])


@EXAMPLES
@given(st.data())
def test_what_is_given_again_crosses_nothing_new(data: st.DataObject) -> None:
    """Readings that come again, at any later place, are no crossings of their own."""
    world, log = data.draw(worlds()), data.draw(logs(most=40))
    deaf = Patience(10**15, 10**15, world.patience.calibration_us)
    world = replace(world, patience=deaf)
    log = [entry for entry in log if not isinstance(entry, Life)]
    again: list[Entry] = []
    for number, entry in enumerate(log):
        again.append(entry)
        before = [e for e in log[: number + 1] if isinstance(e, Reading)]
        if before:
            again.extend(data.draw(st.lists(st.sampled_from(before), max_size=2)))
    assert _crossed(world, again) == _crossed(world, log)


@EXAMPLES
@given(st.data())
def test_a_restart_at_any_moment_changes_no_crossing(data: st.DataObject) -> None:
    """Snapshot, load with rows in another order, and the rest: the same crossings."""
    world, log = data.draw(worlds()), data.draw(logs())
    cut = data.draw(st.integers(0, len(log)))
    expected = _crossed(world, log, {cut})
    first, crossed = world.engine(), list[Crossing]()
    feed(first, log[:cut], crossed=crossed)
    second = shuffled(world, random.Random(data.draw(st.integers(0, 99))))
    load(second, dump(first))
    more: list[Crossing] = []
    feed(second, translated(log[cut:], world, second.table), crossed=more)
    moved = replace(world, table=second.table)
    assert sorted(crossings(world, crossed) + crossings(moved, more), key=repr) == (
        expected
    )


@EXAMPLES
@given(st.data())
def test_no_crossing_is_without_a_record(data: st.DataObject) -> None:
    """Of good values in order: each one that newly goes beyond is in the journal."""
    world = data.draw(worlds())
    world = replace(world, versions=world.versions[:7], patience=Patience(10**15))
    log: list[Entry] = []
    newest: dict[int, int] = {}
    for entry in data.draw(logs(in_order=True)):
        if not isinstance(entry, Reading) or isnan(entry.value):
            continue
        if entry.at_us > newest.get(entry.row, 0):
            newest[entry.row] = entry.at_us
            log.append(replace(entry, state=0))
    crossed: list[Crossing] = []
    engine = world.engine()
    events = feed(engine, log, crossed=crossed)
    noted = {(c.row, c.at_us) for c in crossed if c.kind == "over_limit"}
    # Without a delay an alarm is raised by the value itself.
    noted |= {
        (e.row, e.happened_at_us)
        for e in events
        if e.kind == "over_limit" and e.event == "raised"
    }
    below: dict[int, bool] = {}
    for entry in log:
        assert isinstance(entry, Reading)
        lines = engine.rules.lines
        line = int(engine.rules.head[entry.row])
        beyond = bool(entry.value >= lines.limits[line, 0])
        if beyond and below.get(entry.row, True):
            assert (entry.row, entry.at_us) in noted
        below[entry.row] = not beyond
