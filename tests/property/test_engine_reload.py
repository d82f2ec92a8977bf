"""Other rules while it runs: as if they had been known from the beginning."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.rule_history import adopt_under
from gasmon.alarms.rules import RuleSet
from gasmon.alarms.snapshot import dump, history_in, load
from tests.engine_world import (
    START_US,
    Entry,
    Mark,
    World,
    comparable,
    feed,
)
from tests.fix_examples import examples
from tests.property.test_engine import logs, rule_files, worlds

EXAMPLES = examples(9, more=3)


def moment_of(entry: Entry) -> int:
    """When the engine is given it [µs UTC]."""
    return entry.at_us if isinstance(entry, Mark) else entry.arrived_us


def versioned(world: World, later: list[tuple[int, RuleSet]]) -> AlarmEngine:
    """An engine that knows from the beginning which rules count when."""
    engine = AlarmEngine(world.rules, world.patience)
    adopt_under(engine, world.table, world.versions, later, START_US)
    return engine


@st.composite
def changes(draw: st.DrawFn, log: list[Entry]) -> list[tuple[int, int, RuleSet]]:
    """Places in the log at which rules are told, and from when they count.

    Never from before what was judged by then: that is not judged again.
    """
    found: list[tuple[int, int, RuleSet]] = []
    after_us = START_US
    for place in sorted(draw(st.sets(st.integers(0, len(log)), max_size=3))):
        judged_us = [moment_of(entry) for entry in log[:place]]
        ahead_us = draw(st.sampled_from([1, 1, 5_000_000, 60_000_000]))
        after_us = max([after_us, *judged_us]) + ahead_us
        found.append((place, after_us, draw(rule_files())))
    return found


def parts(
    log: list[Entry], told: list[tuple[int, int, RuleSet]]
) -> list[tuple[list[Entry], tuple[int, RuleSet] | None]]:
    """Stretches of the log, each with the rules that are told behind it."""
    out: list[tuple[list[Entry], tuple[int, RuleSet] | None]] = []
    begin = 0
    for place, from_us, rules in told:
        out.append((log[begin:place], (from_us, rules)))
        begin = place
    return [*out, (log[begin:], None)]


@EXAMPLES
@given(st.data())
def test_rules_told_at_any_boundary_are_as_if_known_before(
    data: st.DataObject,
) -> None:
    """Reload at any boundary gives what one run with versions of the rules gives."""
    world, log = data.draw(worlds()), data.draw(logs())
    told = data.draw(changes(log))
    whole = versioned(world, [(from_us, rules) for _, from_us, rules in told])
    cuts = {place for place, _, _ in told}
    expected = comparable(feed(whole, log, cuts))
    engine = world.engine()
    said = []
    for stretch, change in parts(log, told):
        said += feed(engine, stretch)
        if change is not None:
            engine.change_rules(change[1], change[0])
    assert comparable(said) == expected


@EXAMPLES
@given(st.data())
def test_a_restart_between_changes_of_rules_changes_nothing(
    data: st.DataObject,
) -> None:
    """A snapshot brings along the rules that were in force."""
    world, log = data.draw(worlds()), data.draw(logs())
    told = data.draw(changes(log))
    cut = data.draw(st.integers(0, len(log)))
    cuts = {cut, *(place for place, _, _ in told)}
    whole, engine = world.engine(), world.engine()
    expected, said = [], []
    for number in range(len(log) + 1):
        for place, from_us, rules in told:
            if place == number:
                whole.change_rules(rules, from_us)
                engine.change_rules(rules, from_us)
        if number == cut:
            taken = dump(engine)
            known = [(told.from_us, told.rules()) for told in history_in(taken)]
            engine = AlarmEngine(known[0][1], world.patience)
            later = known[1:]
            adopt_under(engine, world.table, world.versions, later, START_US)
            load(engine, taken)
        if number in cuts or number == 0:
            end = min([c for c in cuts if c > number], default=len(log))
            expected += feed(whole, log[number:end])
            said += feed(engine, log[number:end])
    assert comparable(said) == comparable(expected)


@EXAMPLES
@given(st.data())
def test_no_alarm_ends_because_rules_were_told(data: st.DataObject) -> None:
    """A change by itself says nothing, raises nothing and takes nothing back."""
    world, log = data.draw(worlds()), data.draw(logs())
    rules = data.draw(rule_files())
    engine = world.engine()
    feed(engine, log)
    n = engine.state.n
    before = {
        name: getattr(engine.state, name)[:n].copy()
        for name in ("phase", "raised_us", "rank", "unknown", "peak")
    }
    links = engine.links.raised_us.copy(), engine.links.rank.copy()
    engine.change_rules(rules, max(map(moment_of, log), default=START_US) + 1)
    for name, column in before.items():
        assert repr(getattr(engine.state, name)[:n].tolist()) == repr(column.tolist())
    assert (engine.links.raised_us == links[0]).all()
    assert (engine.links.rank == links[1]).all()


@EXAMPLES
@given(st.data())
def test_equal_rules_change_nothing(data: st.DataObject) -> None:
    """The same contents again: not one line more, and the same events."""
    world, log = data.draw(worlds()), data.draw(logs())
    place = data.draw(st.integers(0, len(log)))
    plain, told = world.engine(), world.engine()
    expected = feed(plain, log, {place})
    said = feed(told, log[:place])
    n_lines = told.rules.n
    newest_us = max(version.effective_from_us for version in world.versions)
    told.change_rules(replace(world.rules), max(newest_us, START_US))
    assert told.rules.n == n_lines
    said += feed(told, log[place:])
    assert comparable(said) == comparable(expected)
