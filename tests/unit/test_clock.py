"""A steady clock: what it does about a step of the clock that it was made from."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasmon.clock import PATIENCE_S, STEP_US, VOTE_US, SteadyClock
from gasmon.units import US_PER_H, US_PER_S

START_US = 1_790_000_000 * US_PER_S


@dataclass
class Machine:
    """A machine's clock, moved by hand: time passes, or the wall time is set."""

    passed_s: float = 100.0
    wrong_us: int = 0

    def now_us(self) -> int:
        return START_US + round(self.passed_s * US_PER_S) + self.wrong_us

    def monotonic_s(self) -> float:
        return self.passed_s

    def true_us(self) -> int:
        return self.now_us() - self.wrong_us


def look(
    clock: SteadyClock, machine: Machine, seconds: int, bias_us: int | None
) -> int:
    """A look each second; returns how far it was moved in all [µs]."""
    moved_us = 0
    for _ in range(seconds):
        machine.passed_s += 1
        moved_us += clock.look(bias_us)
    return moved_us


@pytest.mark.parametrize("step_us", [-US_PER_H, -STEP_US, STEP_US, 10**15])
def test_a_step_is_noticed_at_once_and_not_followed(step_us: int) -> None:
    """The clock goes on as if nothing had happened."""
    machine = Machine()
    clock = SteadyClock(machine)
    assert clock.noticed_us is None
    machine.wrong_us = step_us
    before_us = clock.now_us()
    assert clock.look() == 0
    assert clock.now_us() == before_us == machine.true_us()
    assert clock.noticed_us == before_us
    assert clock.steering.error_us == step_us


def test_who_has_judged_nothing_may_begin_again_where_the_clock_is() -> None:
    """A standby that takes over after days need not ask anybody."""
    machine = Machine()
    clock = SteadyClock(machine)
    machine.wrong_us = US_PER_H
    clock.look()
    clock.restart()
    assert clock.now_us() == machine.now_us()
    assert clock.noticed_us is None


@pytest.mark.parametrize("step_us", [-US_PER_H, VOTE_US, US_PER_H])
def test_witnesses_for_the_steady_clock_keep_it_for_as_long_as_they_are_there(
    step_us: int,
) -> None:
    """However long the system's clock is wrong; set right, nothing is left of it."""
    machine = Machine()
    clock = SteadyClock(machine)
    machine.wrong_us = step_us
    assert look(clock, machine, 5_000, -US_PER_S) == 0
    assert clock.now_us() == machine.true_us()
    assert clock.noticed_us is not None
    machine.wrong_us = 0
    clock.look(-US_PER_S)
    assert clock.noticed_us is None


def test_patience_counts_from_the_last_time_that_witnesses_were_against_it() -> None:
    """When they are gone the system's clock is not followed that moment."""
    machine = Machine()
    clock = SteadyClock(machine)
    machine.wrong_us = US_PER_H
    look(clock, machine, 5_000, 0)
    assert look(clock, machine, round(PATIENCE_S) - 2, None) == 0
    assert look(clock, machine, 10, None) == US_PER_H


@pytest.mark.parametrize("wrong_us", [-US_PER_H, US_PER_H])
def test_a_clock_that_was_wrong_from_the_start_is_set_right_with_witnesses(
    wrong_us: int,
) -> None:
    """They said so before; now the system's clock agrees with them."""
    machine = Machine(wrong_us=wrong_us)
    clock = SteadyClock(machine)
    assert look(clock, machine, 100, -wrong_us) == 0
    machine.wrong_us = 0
    clock.look(-wrong_us)
    assert clock.look(-wrong_us) == -wrong_us
    assert clock.now_us() == machine.true_us()
    assert clock.noticed_us is None


def test_without_witnesses_a_step_is_followed_once_it_has_stood_long_enough() -> None:
    """A step meanwhile begins the time anew."""
    machine = Machine()
    clock = SteadyClock(machine)
    machine.wrong_us = US_PER_H
    assert look(clock, machine, 500, None) == 0
    machine.wrong_us = 2 * US_PER_H
    assert look(clock, machine, round(PATIENCE_S), None) == 0
    assert look(clock, machine, 5, None) == 2 * US_PER_H
    assert clock.now_us() == machine.now_us()


@pytest.mark.parametrize("bias_us", [None, 0])
def test_time_in_which_nobody_looked_is_no_patience(bias_us: int | None) -> None:
    """A process that was stopped hears the witnesses before it follows a step."""
    machine = Machine()
    clock = SteadyClock(machine)
    machine.wrong_us = US_PER_H
    look(clock, machine, 100, bias_us)
    machine.passed_s += 7_200
    assert look(clock, machine, 60, None) == 0
    assert look(clock, machine, 60, 0) == 0
    assert clock.now_us() == machine.true_us()
    assert look(clock, machine, round(PATIENCE_S) - 1, None) == 0
    assert look(clock, machine, 5, None) == US_PER_H


def test_witnesses_in_the_middle_decide_nothing() -> None:
    """Half-way between both clocks is no vote."""
    machine = Machine()
    clock = SteadyClock(machine)
    machine.wrong_us = 80 * US_PER_S
    assert look(clock, machine, round(PATIENCE_S), 40 * US_PER_S) == 0
    assert look(clock, machine, 5, 40 * US_PER_S) == 80 * US_PER_S


@pytest.mark.parametrize("bias_us", [-8 * US_PER_S, 0, 3 * US_PER_S])
def test_a_small_step_is_followed_whatever_slow_networks_say(bias_us: int) -> None:
    """A correction of three seconds is below what frames take to come."""
    machine = Machine()
    clock = SteadyClock(machine)
    machine.wrong_us = 3 * US_PER_S
    assert look(clock, machine, round(PATIENCE_S), bias_us) == 0
    assert look(clock, machine, 5, bias_us) == 3 * US_PER_S


@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.integers(-(US_PER_S // 2), US_PER_S // 2)),
        max_size=50,
    )
)
def test_drift_is_taken_back_without_a_step(moves: list[tuple[int, int]]) -> None:
    """Time goes on forward, and never faster or slower than by a thousandth."""
    machine = Machine()
    clock = SteadyClock(machine)
    for seconds, wrong_us in moves:
        machine.wrong_us = wrong_us
        before_us = clock.now_us()
        machine.passed_s += seconds
        clock.look()
        passed_us = clock.now_us() - before_us
        if clock.noticed_us is None:
            assert abs(passed_us - seconds * US_PER_S) <= seconds * 1_000 + 1
        assert passed_us > 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 5, 60]),
            st.sampled_from([0, 0, -US_PER_H, US_PER_H, 100 * US_PER_S]),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_with_right_witnesses_no_series_of_steps_moves_a_right_clock(
    moves: list[tuple[int, int, bool]],
) -> None:
    """As long as they are heard at least once in the time of patience."""
    machine = Machine()
    clock = SteadyClock(machine)
    unheard_s = 0
    for seconds, wrong_us, is_heard in moves:
        machine.wrong_us = wrong_us
        machine.passed_s += seconds
        unheard_s = 0 if is_heard else unheard_s + seconds
        if unheard_s >= PATIENCE_S - 60:
            unheard_s, is_heard = 0, True
        clock.look(-US_PER_S if is_heard else None)
        assert abs(clock.now_us() - machine.true_us()) < STEP_US
