"""Alarms about what holds or does not: one life each, whatever our clock does."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.events import RANK_NAMES, AlarmEvent
from gasmon.alarms.kinds import STANDING_KINDS
from gasmon.alarms.quiet import Quiet, QuietTable
from gasmon.alarms.rules import default_rules
from gasmon.alarms.standing import DELAYS, STEP_US, Condition, StandingAlarms
from gasmon.units import US_PER_MIN, US_PER_S
from tests.engine_world import START_US, at

MINE = "530627004499"
CLOCK = Condition("clock_wrong", "mine", MINE, "530627", MINE, {"offset_s": 3600.0})
OURS = Condition("our_clock", "link", "platform-clock", "530600")
SPOOL = Condition("spool_filling", "link", "platform-database", "530600")


def standing() -> StandingAlarms:
    """Nothing stands yet, with the shipped levels."""
    return StandingAlarms(default_rules())


def look(
    alarms: StandingAlarms, begin_s: int, end_s: int, *holding: Condition
) -> list[AlarmEvent]:
    """A look each second, from one to the other, while these hold."""
    said: list[AlarmEvent] = []
    for second in range(begin_s, end_s + 1):
        said += alarms.judge(holding, at(second))
    return said


def words(said: list[AlarmEvent]) -> list[tuple[str, str, float]]:
    """(event, level, second) of each."""
    return [
        (e.event, RANK_NAMES[e.rank], (e.happened_at_us - START_US) / US_PER_S)
        for e in said
    ]


def test_there_are_delays_for_each_kind() -> None:
    """A kind without them would never be told."""
    assert set(DELAYS) == set(STANDING_KINDS)


def test_it_is_told_rises_by_duration_and_ends_after_its_delay() -> None:
    """One alarm with one key, from the first look to the end of the delay."""
    alarms = standing()
    said = look(alarms, 0, 3800, CLOCK) + look(alarms, 3801, 4500)

    assert words(said) == [
        ("raised", "blue", 120.0),
        ("level", "yellow", 3720.0),
        ("cleared", "yellow", 4401.0),
    ]
    assert len({event.key for event in said}) == 1
    raised = said[0]
    assert (raised.subject, raised.area, raised.mine) == (
        f"mine:{MINE}", "530627", MINE,
    )  # fmt: skip
    assert raised.explain["offset_s"] == 3600.0
    assert alarms.n_raised == 0


def test_what_holds_shorter_than_its_delay_is_not_told() -> None:
    """A database that restarts in half a minute is no alarm."""
    alarms = standing()
    assert look(alarms, 0, 59, SPOOL) == []
    assert look(alarms, 60, 70) == []
    assert words(look(alarms, 71, 140, SPOOL)) == [("raised", "blue", 131.0)]


def test_what_is_gone_for_a_moment_goes_on() -> None:
    """Within the delay of its end it is the same alarm, and says nothing."""
    alarms = standing()
    said = look(alarms, 0, 10, OURS) + look(alarms, 11, 60) + look(alarms, 61, 90, OURS)
    assert words(said) == [("raised", "yellow", 0.0)]


def test_the_condition_may_give_a_higher_level_which_latches() -> None:
    """As the minutes of the spool do."""
    alarms = standing()
    said = look(alarms, 0, 100, SPOOL)
    said += look(alarms, 101, 110, replace(SPOOL, rank=3))
    said += look(alarms, 111, 120, SPOOL)
    assert words(said) == [("raised", "blue", 60.0), ("level", "orange", 101.0)]


def test_a_restart_goes_on_with_the_alarm() -> None:
    """The same key, the latched level, and the time while the process was away."""
    alarms = standing()
    alarms.restore(CLOCK, at(0), 1, now_us=at(3000))
    said = look(alarms, 3000, 3700, CLOCK) + look(alarms, 3701, 4400)
    assert words(said) == [("level", "yellow", 3600.0), ("cleared", "yellow", 4301.0)]
    assert said[0].raised_at_us == at(0)


def test_what_is_over_after_a_restart_is_ended() -> None:
    """Nobody else would."""
    alarms = standing()
    alarms.restore(OURS, at(0), 2, now_us=at(100))
    assert words(look(alarms, 100, 170)) == [("cleared", "yellow", 160.0)]


@pytest.mark.parametrize("step_s", [-3600, 3600])
def test_a_step_of_our_clock_neither_tells_nor_worsens_nor_ends(step_s: int) -> None:
    """Durations are added up from look to look."""
    alarms = standing()
    said = look(alarms, 0, 100, OURS, SPOOL)
    assert len(said) == 2
    assert look(alarms, 101 + step_s, 200 + step_s, OURS, SPOOL) == []
    # Gone: both end a minute later by the clock that counts now.
    ended = look(alarms, 201 + step_s, 270 + step_s)
    assert {event.event for event in ended} == {"cleared"}
    assert all(e.happened_at_us >= e.raised_at_us for e in ended)


def test_after_a_step_back_the_next_alarm_has_a_key_of_its_own() -> None:
    """It begins after the end of the one before, whatever the clock shows."""
    alarms = standing()
    first = look(alarms, 1000, 1000, OURS) + look(alarms, 1001, 1070)
    second = look(alarms, 990, 1000, OURS)
    assert [e.event for e in first] == ["raised", "cleared"]
    assert second[0].event == "raised"
    assert second[0].raised_at_us > first[1].happened_at_us


def test_planned_work_at_the_mine_keeps_it_quiet() -> None:
    """The window's name and that it is planned go with the event."""
    window = Quiet("plan:7", f"mine:{MINE}", at(0), at(100), rank_ceiling=2)
    of_mine = replace(CLOCK, kind="our_clock")
    (event,) = standing().judge([of_mine], at(1), QuietTable.of([window]))
    assert (event.quiet, event.planned) == ("plan:7", True)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 5, 61, 700, -3600, 7200]),
            st.lists(st.sampled_from([CLOCK, OURS, SPOOL, replace(SPOOL, rank=4)])),
        ),
        max_size=60,
    )
)
def test_each_alarm_has_one_life(looks: list[tuple[int, list[Condition]]]) -> None:
    """Raised once, ended at most once and not before, one open, levels only rise."""
    alarms, clock = standing(), START_US
    open_now: dict[tuple[str, str], AlarmEvent] = {}
    ids: list[str] = []
    for seconds, holding in looks:
        clock += seconds * US_PER_S
        for event in alarms.judge(holding, clock):
            slot = (event.subject, event.kind)
            ids.append(event.event_id)
            if event.event == "raised":
                assert slot not in open_now
            else:
                assert event.key == open_now[slot].key
                assert event.rank >= open_now[slot].rank
                assert event.happened_at_us >= event.raised_at_us
            if event.event == "cleared":
                del open_now[slot]
            else:
                open_now[slot] = event
    assert len(ids) == len(set(ids))
    assert len(open_now) == alarms.n_raised


@given(st.lists(st.sampled_from([-7200, -1, 0, 1, 3, 100, 7200]), min_size=2))
def test_no_series_of_steps_makes_it_worse_before_its_time(steps: list[int]) -> None:
    """At most STEP_US counts between two looks."""
    alarms, clock = standing(), START_US
    for seconds in steps:
        clock += seconds * US_PER_S
        said = alarms.judge([OURS], clock)
        if any(event.event == "level" for event in said):
            counted = sum(min(max(0, s * US_PER_S), STEP_US) for s in steps)
            assert counted >= 30 * US_PER_MIN


def test_the_order_of_looks_gives_rising_times() -> None:
    """Of one alarm, while the clock goes forward."""
    alarms = standing()
    said = look(alarms, 0, 2000, OURS)
    assert all(a.happened_at_us <= b.happened_at_us for a, b in pairwise(said))
    assert words(said)[-1] == ("level", "orange", 1800.0)
