"""Chattering: how often a value crossed its limit is told, also when delays hide it."""

from __future__ import annotations

from gasmon.alarms.crossings import MOST_KEPT, Crossings, chatters
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.snapshot import dump, load
from gasmon.units import US_PER_S, iso_us
from tests.engine_world import World, at, feed, live, point
from tests.rule_texts import LIMITS_ALONE, delayed, rule_set

WORLD = World.of(point(), rules=rule_set(LIMITS_ALONE))


def swings(*seconds: float) -> list:  # type: ignore[type-arg]
    """Over the limit at these seconds, and back below it five seconds later."""
    return [one for s in seconds for one in (live(0, 1.2, s), live(0, 0.2, s + 5))]


def crossed(said: list[AlarmEvent]) -> list[tuple[str, int, bool]]:
    """(event, crossings, chattering) of each event that tells of them."""
    return [
        (e.event, e.explain["crossings_10min"], e.explain["chattering"])
        for e in said
        if "crossings_10min" in e.explain
    ]


def test_a_single_crossing_is_not_worth_a_word() -> None:
    """Nearly every alarm has one."""
    assert crossed(feed(WORLD.engine(), swings(0))) == []


def test_three_within_a_minute_are_chattering() -> None:
    """From the third one on; those of the last ten minutes are counted."""
    said = feed(WORLD.engine(), swings(0, 40, 60, 700))
    assert crossed(said) == [
        ("raised", 2, False),
        ("cleared", 2, False),
        ("raised", 3, True),
        ("cleared", 3, True),
    ]
    times = [iso_us(at(second)) for second in (0, 40, 60)]
    assert said[4].explain["crossed_at"] == times


def test_what_an_off_delay_hides_is_told() -> None:
    """One alarm all the time, and each crossing in it."""
    world = World.of(point(), rules=delayed("0s", "60s"))
    log = [*swings(0, 20, 40), live(0, 0.2, 120)]
    said = [e for e in feed(world.engine(), log) if e.kind == "over_limit"]
    assert [e.event for e in said] == ["raised", "cleared"]
    assert crossed(said) == [("cleared", 3, True)]


def test_what_an_on_delay_swallowed_is_told() -> None:
    """Two that were too short, and one that lasted."""
    world = World.of(point(), rules=delayed("8s"))
    log = [*swings(0, 20), live(0, 1.2, 30), live(0, 1.2, 40)]
    said = [e for e in feed(world.engine(), log) if e.kind == "over_limit"]
    assert crossed(said) == [("raised", 3, True)]


def test_a_restart_remembers_crossings() -> None:
    """In a snapshot; those of points that are gone are left out."""
    before = WORLD.engine()
    feed(before, swings(0, 20))
    after = WORLD.engine()
    load(after, dump(before))
    assert crossed(feed(after, [live(0, 1.2, 40)])) == [("raised", 3, True)]
    strange = World.of(point("009A01")).engine()
    load(strange, dump(before))
    assert list(strange.state.crossings.all()) == []


def test_the_oldest_crossings_are_forgotten() -> None:
    """So that a broken sensor does not fill the memory."""
    kept = Crossings()
    for second in range(MOST_KEPT + 10):
        kept.note(0, 0, second * US_PER_S)
    assert len(list(kept.all())) == MOST_KEPT
    assert len(kept.until(0, 0, 100 * US_PER_S)) == MOST_KEPT


def test_chattering_needs_three() -> None:
    """Within one minute, wherever in the window."""
    assert not chatters([0, US_PER_S])
    assert not chatters([0, 40 * US_PER_S, 70 * US_PER_S])
    assert chatters([0, 40 * US_PER_S, 70 * US_PER_S, 100 * US_PER_S])
