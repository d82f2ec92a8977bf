"""Silence: of a mine, of a point beside its mine, and a clock that steps back."""

from __future__ import annotations

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.events import AlarmEvent
from gasmon.domain import states
from gasmon.points import MineDef, lay_out
from gasmon.units import US_PER_S
from tests.engine_world import (
    Entry,
    Life,
    Mark,
    Reading,
    World,
    at,
    feed,
    live,
    mark,
    point,
)

TWO = World.of(point("001A01"), point("002A01"))
"""One mine with two points; a point is silent after 90 s, a mine after 60 s."""


def told(said: list[AlarmEvent]) -> list[tuple[str, str, float]]:
    """(kind, event, seconds)."""
    return [(e.kind, e.event, (e.happened_at_us - at(0)) / US_PER_S) for e in said]


def cycle(row: int, begin: int, end: int) -> list[Entry]:
    """A good value each 10 s, with a mark after each."""
    return [e for s in range(begin, end, 10) for e in (live(row, 0.1, s), mark(s))]


def test_a_broken_link_is_one_alarm() -> None:
    """Silent points under a silent mine say nothing of their own."""
    said = feed(TWO.engine(), [live(0, 0.1, 0), live(1, 0.1, 0), mark(59), mark(300)])
    assert told(said) == [("link_break", "raised", 60)]
    assert said[0].explain["cause"] == "silence"
    assert said[0].subject == "mine:530627000001"


def test_a_link_ends_with_the_first_sign_of_life() -> None:
    """And no point is silent before its mine was back for its whole patience."""
    log: list[Entry] = [
        live(0, 0.1, 0),
        live(1, 0.1, 0),
        mark(200),
        *cycle(0, 200, 291),
    ]
    said = feed(TWO.engine(), log)
    assert told(said) == [
        ("link_break", "raised", 60),
        ("link_break", "cleared", 200),
        ("no_data", "raised", 290),
    ]
    assert said[1].explain["silent_s"] == 140


def test_a_birth_is_a_sign_of_life() -> None:
    """A mine that reports for duty need not have sent a value."""
    said = feed(TWO.engine(), [mark(61), Life(0, True, at(70)), mark(80)])
    assert told(said) == [("link_break", "raised", 60), ("link_break", "cleared", 70)]
    assert feed(TWO.engine(), [Life(0, True, at(50)), mark(109)]) == []


def test_a_last_will_breaks_the_link_at_once_and_once() -> None:
    """The broker knows before the silence is long."""
    said = feed(
        TWO.engine(), [live(0, 0.1, 1), Life(0, False, at(5)), Life(0, False, at(6))]
    )
    assert told(said) == [("link_break", "raised", 5)]
    assert said[0].explain["cause"] == "last_will"
    assert said[0].explain["heard_last"].endswith("+08:00")


def test_a_will_between_readings_of_one_tick() -> None:
    """Signs stand between the readings among which they arrived."""
    log: list[Entry] = [live(0, 1.2, 1), Life(0, False, at(2)), live(0, 1.2, 3)]
    assert told(feed(TWO.engine(), log)) == [
        ("over_limit", "raised", 1),
        ("link_break", "raised", 2),
        ("over_limit", "unknown", 2),
        ("link_break", "cleared", 3),
        ("over_limit", "known", 3),
    ]


def test_the_level_of_a_link_rises_with_time() -> None:
    """60, 120 and 180 minutes; a late mark finds them all at their own moments."""
    said = feed(TWO.engine(), [mark(60), mark(4 * 3600)])
    assert [(e.level, e.happened_at_us) for e in said] == [
        ("ungraded", at(60)),
        ("blue", at(60 + 3600)),
        ("yellow", at(60 + 7200)),
        ("orange", at(60 + 10800)),
    ]


def test_a_silent_point_beside_its_mine() -> None:
    """It alone is silent; its living alarm holds, unknown."""
    log = [live(1, 1.2, 0), *cycle(0, 0, 101), live(1, 1.2, 105)]
    said = feed(TWO.engine(), log)
    assert told(said) == [
        ("over_limit", "raised", 0),
        ("no_data", "raised", 90),
        ("over_limit", "unknown", 90),
        ("over_limit", "known", 105),
        ("no_data", "cleared", 105),
    ]


def test_the_silence_of_a_point_is_told_once_and_its_level_rises() -> None:
    """Blue, and yellow after an hour."""
    said = feed(TWO.engine(), cycle(0, 0, 3800))
    assert [(e.event, e.level, e.happened_at_us) for e in said] == [
        ("raised", "blue", at(90)),
        ("level", "yellow", at(3690)),
    ]


def test_a_paused_point_that_falls_silent_is_one_alarm() -> None:
    """It already has no data."""
    log = [live(1, None, 0, states.PAUSED), *cycle(0, 0, 200)]
    assert told(feed(TWO.engine(), log)) == [("no_data", "raised", 0)]


def test_a_delayed_value_ends_silence_not_before_it_began() -> None:
    """Its own time is older than the silence, which is reckoned by arrival."""
    log = [live(1, 0.1, 0), *cycle(0, 0, 101), Reading(1, 0.1, at(20), at(110))]
    said = feed(TWO.engine(), log)
    assert told(said) == [("no_data", "raised", 90), ("no_data", "cleared", 90)]


def test_a_step_back_of_our_clock_hides_no_silence() -> None:
    """An hour back: what falls silent then is noticed after its patience."""
    back = -3600
    log: list[Entry] = [
        live(0, 0.1, 0), live(1, 0.1, 0), mark(1),
        *[Reading(0, 0.1, at(s), at(back + s)) for s in (10, 20)],
        mark(back + 21), mark(back + 81),
    ]  # fmt: skip
    said = feed(TWO.engine(), log)
    assert told(said) == [("link_break", "raised", back + 81)]


def test_a_step_back_of_our_clock_invents_nothing() -> None:
    """Mines and points that go on sending stay quiet, before and after."""
    back = -3600
    log: list[Entry] = [*cycle(0, 0, 50), *cycle(1, 50, 60)]
    for s in range(60, 400, 10):
        log += [
            Reading(0, 0.1, at(s), at(back + s)),
            Reading(1, 0.1, at(s), at(back + s)),
            Mark(at(back + s)),
        ]
    assert feed(TWO.engine(), log) == []


def test_a_link_does_not_end_before_it_began() -> None:
    """Our clock steps back while the link is broken."""
    said = feed(TWO.engine(), [mark(100), live(0, 0.1, 10)])
    assert told(said) == [("link_break", "raised", 60), ("link_break", "cleared", 60)]


def test_two_breaks_never_have_one_key() -> None:
    """A will, a frame and a will in the same microsecond are two alarms."""
    said = feed(
        TWO.engine(), [Life(0, False, at(5)), live(0, 0.1, 5), Life(0, False, at(5))]
    )
    assert [e.event for e in said] == ["raised", "cleared", "raised"]
    assert said[0].key != said[2].key


def test_two_silences_never_have_one_key() -> None:
    """Silence by arrival ends where it began; a pause begins at that very time."""
    log = [live(1, 0.1, 0), *cycle(0, 0, 101), Reading(1, 0.1, at(20), at(110))]
    log.append(live(1, None, 90, states.PAUSED))
    said = [e for e in feed(TWO.engine(), log) if e.event == "raised"]
    assert [e.raised_at_us for e in said] == [at(90), at(90) + 1]


def test_a_mine_without_points_can_be_silent() -> None:
    """A mine that was told of and never defined anything."""
    engine = AlarmEngine(TWO.rules)
    engine.adopt(lay_out([MineDef("530627000009", "530627")], []), [], at(0))
    assert told(feed(engine, [mark(61)])) == [("link_break", "raised", 60)]


def test_nothing_is_silent_where_nothing_is_known() -> None:
    """An engine without mines takes marks and says nothing."""
    engine = AlarmEngine(TWO.rules)
    assert feed(engine, [mark(1000)]) == []
