"""What is waited for, and what floods: only time that somebody looked at counts."""

from __future__ import annotations

from gasmon.pipeline.patience import STEP_S, Flood, Patience

TURN_S = 0.25


def over_after(patience: Patience, from_s: float) -> float:
    """When something that holds from now on has held for too long [s]."""
    now_s = from_s
    while not patience.look(True, now_s):
        now_s += TURN_S
    return now_s - from_s


def test_patience_lasts_as_long_as_it_is_set() -> None:
    """And begins anew when nothing holds, and when it is over."""
    patience = Patience(30.0)
    assert over_after(patience, 100.0) == 30.25
    assert over_after(patience, 131.0) == 30.25
    patience.look(True, 170.0)
    patience.look(True, 171.0)
    patience.look(False, 172.0)
    assert over_after(patience, 180.0) == 30.25
    patience.look(True, 220.0)
    patience.look(True, 221.0)
    patience.forgive()
    assert over_after(patience, 230.0) == 30.25


def test_a_machine_that_stood_still_lost_no_patience() -> None:
    """A minute in which nobody looked counts as a moment."""
    patience = Patience(30.0)
    assert not patience.look(True, 100.0)
    assert not patience.look(True, 160.0)
    assert over_after(patience, 160.0) == 30.25 - STEP_S


def flood_after(flood: Flood, from_s: float) -> float:
    """When a window that is full from now on is a flood [s]."""
    now_s = from_s
    while not flood.look(True, now_s):
        now_s += TURN_S
    return now_s - from_s


def test_a_window_full_for_long_is_a_flood() -> None:
    """One that empties between is none."""
    flood = Flood(10.0)
    assert flood_after(flood, 100.0) == 10.25
    flood.look(True, 120.0)
    flood.look(True, 121.0)
    assert not flood.look(False, 122.0)
    assert flood_after(flood, 122.0) == 10.25


def test_the_pace_of_a_turn_is_no_standing_still() -> None:
    """At ten frames a second a turn of 32 comes each 3.2 s."""
    flood, now_s = Flood(10.0), 100.0
    while not flood.look(True, now_s, 3.2):
        now_s += 3.2
    assert 110.0 < now_s < 114.0


def test_what_came_in_an_outage_is_worked_off_before_it_is_a_flood() -> None:
    """As long as nobody looked, before the outage and behind it."""
    flood = Flood(10.0)
    assert not flood.look(True, 100.0)
    back_s = 160.0
    assert not flood.look(True, back_s)
    after_s = flood_after(flood, back_s)
    assert 60.0 < after_s < 70.0
    flood.look(False, 300.0)
    assert flood_after(flood, 360.0) == 60.0 - STEP_S + 10.25 - STEP_S
