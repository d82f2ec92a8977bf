"""A snapshot at any moment, loaded by another engine, changes nothing that follows."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.snapshot import dump, load
from gasmon.points import MineDef, PointTable
from tests.engine_world import START_US, Entry, Life, Reading, World, comparable, feed
from tests.fix_examples import examples
from tests.property.test_engine import logs, worlds


def shuffled(world: World, rng: random.Random) -> AlarmEngine:
    """An engine that knows the same points and mines in another order."""
    keys = sorted(set(world.table.keys))
    mines = [mine.code for mine in world.table.mines]
    rng.shuffle(keys)
    rng.shuffle(mines)
    versions = sorted(
        world.versions, key=lambda p: (keys.index(p.key), p.effective_from_us)
    )
    table = PointTable().extended([MineDef(c, c[:6]) for c in mines], versions)
    engine = AlarmEngine(world.rules, world.patience)
    engine.adopt(table, versions, START_US + 10**12)
    return engine


def translated(log: list[Entry], world: World, table: PointTable) -> list[Entry]:
    """The same log with the rows and mines of another table."""
    out: list[Entry] = []
    for entry in log:
        if isinstance(entry, Reading):
            row = table.index[world.table.keys[entry.row]]
            entry = replace(entry, row=row)
        elif isinstance(entry, Life):
            code = world.table.mines[entry.mine].code
            entry = replace(entry, mine=table.mine_index[code])
        out.append(entry)
    return out


def without_rows(said: list[AlarmEvent]) -> list[tuple[str, str]]:
    """Events by their contents, without what only this process numbers."""
    return comparable([replace(event, row=-1) for event in said])


@examples(17, more=3)
@given(st.data())
def test_a_snapshot_at_any_moment_changes_nothing(data: st.DataObject) -> None:
    """Snapshot, load with rows in another order, and the rest: the same events."""
    world, log = data.draw(worlds()), data.draw(logs())
    cut = data.draw(st.integers(0, len(log)))
    whole = world.engine()
    # A tick ends where the snapshot is taken; cuts change nothing by themselves.
    expected = without_rows(feed(whole, log, {cut}))
    first = world.engine()
    said = feed(first, log[:cut])
    second = shuffled(world, random.Random(data.draw(st.integers(0, 99))))
    assert load(second, dump(first)) == world.table.n
    said += feed(second, translated(log[cut:], world, second.table))
    assert without_rows(said) == expected
    assert second.n_late == whole.n_late


@examples(10, more=2)
@given(st.data())
def test_a_snapshot_of_a_snapshot_is_the_same(data: st.DataObject) -> None:
    """Loading and dumping again gives the same bytes."""
    world, log = data.draw(worlds()), data.draw(logs())
    first, second = world.engine(), world.engine()
    feed(first, log)
    taken = dump(first)
    load(second, taken)
    assert dump(second) == taken
