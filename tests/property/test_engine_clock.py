"""A jump of our clock raises, worsens and ends nothing in the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.engine import Patience
from gasmon.alarms.events import AlarmEvent
from gasmon.units import US_PER_S
from tests.engine_world import (
    START_US,
    Entry,
    Mark,
    Reading,
    World,
    at,
    feed,
    live,
    point,
)
from tests.fix_examples import examples

CYCLE_S = 5
JUMPS = st.integers(-7200, 7200).filter(lambda s: not -1 < s < 1)
PATIENCE = Patience(gap_us=11 * US_PER_S)
WORLD = World.of(
    point("001A01", mine="530627000001"),
    point("001A01", mine="530627000002", place_class="FACE_T3"),
    point("002A01", mine="530627000002", quantity="CO", place_class=None),
    patience=PATIENCE,
)
VALUES = st.sampled_from([0.1, 0.1, 0.9, 1.2, 1.2, 1.6, 3.5, 30.0])


def day(values: list[tuple[float, ...]], shift: Callable[[int], int]) -> list[Entry]:
    """A cycle of all points and a mark each, by a clock of ours that is shifted."""
    log: list[Entry] = [Mark(START_US)]
    for number, row_values in enumerate(values):
        now_us = at(number * CYCLE_S)
        ours_us = now_us + shift(number) * US_PER_S
        log.append(Mark(ours_us))
        log += [Reading(r, v, now_us, ours_us) for r, v in enumerate(row_values)]
        log.append(Mark(ours_us + US_PER_S))
    return log


@dataclass(frozen=True)
class Fact:
    """What of an event the mine's time decides."""

    event: str
    kind: str
    subject: str
    raised_at_us: int
    happened_at_us: int
    rank: int
    value: float | None


def told(said: list[AlarmEvent]) -> list[Fact]:
    """In the order of an event's own time, which is not that of our clock."""
    facts = [
        Fact(
            e.event,
            e.kind,
            e.subject,
            e.raised_at_us,
            e.happened_at_us,
            e.rank,
            e.value,
        )
        for e in said
    ]
    return sorted(facts, key=repr)


@examples(30)
@given(
    st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=5, max_size=90),
    st.lists(st.tuples(st.integers(0, 90), JUMPS), min_size=1, max_size=4),
)
def test_what_is_said_is_what_the_frames_say(
    values: list[tuple[float, ...]], jumps: list[tuple[int, int]]
) -> None:
    """The same events at the same times of the mines, wherever our clock jumps to."""

    def shift(number: int) -> int:
        return sum(seconds for since, seconds in jumps if since <= number)

    steady = told(feed(WORLD.engine(), day(values, lambda _: 0)))
    assert told(feed(WORLD.engine(), day(values, shift))) == steady
    assert not [fact for fact in steady if fact.kind in ("link_break", "no_data")]


@examples(30)
@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=5, max_size=90), JUMPS)
def test_a_clock_of_ours_that_is_wrong_all_day_says_the_same(
    values: list[tuple[float, ...]], wrong_s: int
) -> None:
    """Durations and delays run in the time of the mines."""
    steady = told(feed(WORLD.engine(), day(values, lambda _: 0)))
    assert told(feed(WORLD.engine(), day(values, lambda _: wrong_s))) == steady


def test_a_backlog_does_not_worsen_what_it_ends() -> None:
    """Two hours old, over for 10 s: marks in between make no hour of it."""
    log: list[Entry] = [live(0, 0.1, 0), Mark(at(1))]
    for number, value in enumerate((1.2, 1.2, 0.1)):
        come_us = at(7200 + number)
        log.append(Reading(0, value, at(10 + 5 * number), come_us))
        log.append(Mark(come_us + US_PER_S // 2))
    patient = Patience(mine_us=10**15, point_us=10**15)
    said = feed(replace(WORLD, patience=patient).engine(), log)
    over = [e for e in said if e.kind == "over_limit"]
    assert [(e.event, e.level) for e in over] == [
        ("raised", "blue"),
        ("cleared", "blue"),
    ]


def test_a_mine_that_falls_silent_is_judged_by_our_time() -> None:
    """What was delayed by an hour is an hour older once nothing comes any more."""
    log: list[Entry] = [Reading(0, 1.2, at(0), at(3600)), Mark(at(3601))]
    log += [Mark(at(3601 + second)) for second in range(1, 70)]
    said = feed(WORLD.engine(), log)
    words = [(e.event, e.kind, e.level) for e in said]
    broken = words.index(("raised", "link_break", "ungraded"))
    # The other mine was never heard either.
    assert ("level", "over_limit", "orange") in words[broken:]
    assert not [w for w in words[:broken] if w[0] == "level"]


def test_a_real_silence_is_told_after_a_jump_too() -> None:
    """It counts from the jump at the latest, in either direction."""
    for jump_s in (-3600, 3600):
        log: list[Entry] = [live(0, 0.1, 0), live(1, 0.1, 0), Mark(at(1))]
        log += [Mark(at(jump_s + second)) for second in range(2, 75)]
        said = feed(WORLD.engine(), log)
        assert [e.kind for e in said if e.event == "raised"] == ["link_break"] * 2
        assert all(e.arrived_at_us <= at(jump_s + 65) for e in said)


def test_a_broken_link_does_not_get_worse_by_a_jump() -> None:
    """Its level rises after as long as it takes, and ends not before it began."""
    log: list[Entry] = [Mark(START_US + second * US_PER_S) for second in range(120)]
    for jump_s in (3 * 3600, -3 * 3600):
        after = [Mark(at(jump_s + second)) for second in range(120, 3500, 10)]
        back = [live(row, 0.1, jump_s + 3500) for row in range(3)]
        said = feed(WORLD.engine(), [*log, *after, *back])
        words = [e.event for e in said if e.kind == "link_break"]
        assert words == ["raised", "raised", "cleared", "cleared"]
        assert all(
            e.happened_at_us >= e.raised_at_us for e in said if e.kind == "link_break"
        )
