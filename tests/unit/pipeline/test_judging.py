"""Turns, suspects and snapshots: who is blamed for what."""

from __future__ import annotations

from typing import Any

import pytest

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.quiet import QuietTable
from gasmon.clock import ManualClock
from gasmon.ingest.order import Ordered
from gasmon.pipeline.judging import BLAMELESS_MOST, SNAPSHOT_APART_S, Judging
from gasmon.pipeline.suspects import Poisoned, Suspects
from tests.fix_pipeline import Live, at, defined, frame


def judging(suspects: Suspects, live: Live | None = None) -> Judging:
    """One with an evaluator of its own, as after each new beginning."""
    live = live or Live()
    live.take(defined())
    return Judging(live.evaluator, suspects, ManualClock(at(5)), 60.0, QuietTable)


def test_no_packet_is_blamed_for_what_time_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Marks that fail are tried alone, and end the process after a few tries."""
    tick = AlarmEngine.tick

    def failing(engine: AlarmEngine, batch: Any, **more: Any) -> Any:
        if more.get("marks"):
            raise ZeroDivisionError("a mark")
        return tick(engine, batch, **more)

    monkeypatch.setattr(AlarmEngine, "tick", failing)
    suspects = Suspects()
    packets = [frame(n, [("001A01", 0.1, 0)]) for n in (1, 2, 3)]
    with pytest.raises(Poisoned):
        list(judging(suspects).turns(Ordered(packets), [at(5)]))
    for _ in range(BLAMELESS_MOST):
        with pytest.raises(Poisoned):
            list(judging(suspects).turns(Ordered(packets), [at(5)]))
    with pytest.raises(ZeroDivisionError):
        list(judging(suspects).turns(Ordered(packets), [at(5)]))
    assert suspects.sift(packets) == (packets, [])


def test_a_snapshot_that_fails_costs_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told and left out; nothing is judged twice or refused for it."""
    suspects, live = Suspects(), Live()
    each = judging(suspects, live)

    def failing(_: int) -> Any:
        raise ZeroDivisionError("no snapshot")

    monkeypatch.setattr(live.evaluator, "snapshot", failing)
    packets = [frame(1, [("001A01", 1.6, 0)])]
    (judged,) = each.turns(Ordered(packets), ())
    assert judged.snapshot is None
    assert [event.kind for event in judged.events] == ["over_limit", "cut_off"]
    assert suspects.n_tried == 0


def test_snapshots_that_are_wanted_soon_keep_a_distance() -> None:
    """One with the next turn, the next one a second later, however often wanted."""
    live, clock = Live(), ManualClock(at(5))
    live.take(defined())
    each = Judging(live.evaluator, Suspects(), clock, 60.0, QuietTable)

    def is_taken(seq: int) -> bool:
        (judged,) = each.turns(Ordered([frame(seq, [("001A01", 0.1, 0)])]), ())
        return judged.snapshot is not None

    assert is_taken(1)
    assert not is_taken(2)
    each.remember_soon()
    assert not is_taken(3)
    clock.advance(SNAPSHOT_APART_S)
    assert is_taken(4)
    clock.advance(SNAPSHOT_APART_S)
    assert not is_taken(5)
    each.remember_soon()
    assert is_taken(6)
