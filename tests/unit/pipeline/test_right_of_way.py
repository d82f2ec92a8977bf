"""Storing stands aside for judging and for events, each transaction for a while."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from gasmon.clock import ManualClock, SystemClock
from gasmon.pipeline import right_of_way
from gasmon.pipeline.right_of_way import GIVE_WAY_S, TELLING_S, RightOfWay
from tests.fix_wait import wait_until


class Storing:
    """A thread that stands aside; a transaction of its own each time."""

    def __init__(self, way: RightOfWay) -> None:
        self.passed = threading.Event()
        self._way = way
        self._thread = threading.Thread(target=self._run)

        self._thread.start()

    def has_passed(self) -> bool:
        """Once nothing is in its way."""
        self._thread.join(20)
        return self.passed.is_set()

    def _run(self) -> None:
        # A machine under load may take longer than one transaction waits.
        while not self._way.give_way():
            self._way.allow(is_patient=True)
        self.passed.set()


def test_storing_stands_aside_while_frames_are_judged() -> None:
    """And goes on as soon as they are."""
    way = RightOfWay(SystemClock())
    assert way.give_way()
    with way.judging():
        storing = Storing(way)
        assert not storing.passed.wait(3 * GIVE_WAY_S)
    assert storing.has_passed()


def test_storing_stands_aside_for_every_turn_that_set_out() -> None:
    """Also where judging ends between them."""
    way = RightOfWay(SystemClock())
    way.set_out()
    way.set_out()
    with way.judging():
        pass
    storing = Storing(way)
    way.arrive()
    assert not storing.passed.wait(3 * GIVE_WAY_S)
    way.arrive()
    assert storing.has_passed()


def test_a_transaction_stands_aside_for_a_while_in_all() -> None:
    """However many parts it has; one of a backlog not at all."""
    way = RightOfWay(SystemClock())
    way.set_out()
    way.allow(is_patient=True)
    wait_until(lambda: not way.give_way() and way._left_s <= 0, 20, "time is used up")
    way.allow(is_patient=False)
    assert not way.give_way()
    assert way._left_s == 0
    way.arrive()
    assert way.give_way()


def test_storing_lets_events_be_told_when_they_are_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another process does that, on the same processors."""
    clock = ManualClock(0)
    slept: list[float] = []
    monkeypatch.setattr(right_of_way, "time", SimpleNamespace(sleep=slept.append))
    way = RightOfWay(clock)
    way.allow(is_patient=True)
    way.set_out()
    way.arrive()
    assert way.give_way()
    assert slept == [pytest.approx(TELLING_S)]
    clock.advance(TELLING_S)
    assert way.give_way()
    assert len(slept) == 1, "then no more"
    way.allow(is_patient=False)
    way.set_out()
    way.arrive()
    assert way.give_way()
    assert len(slept) == 1, "a backlog cannot wait"
    clock.advance(TELLING_S)
    way.allow(is_patient=True)
    way.set_out()
    way.arrive(is_recorded=False)
    assert way.give_way()
    assert len(slept) == 1, "nobody is told"


def test_judging_that_fails_leaves_the_way_clear() -> None:
    """Its thread ends; what was judged before is stored all the same."""
    way = RightOfWay(SystemClock())
    try:
        with way.judging():
            raise RuntimeError("judging failed")
    except RuntimeError:
        pass
    assert way.give_way()
