"""Turns, suspects and snapshots: who is blamed for what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.quiet import QuietTable
from gasmon.batch import Packet
from gasmon.clock import ManualClock
from gasmon.ingest.order import Ordered
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.judging import BLAMELESS_MOST, SNAPSHOT_APART_S, Judging
from gasmon.pipeline.suspects import FAILURES_MOST, NothingJudged, Poisoned, Suspects
from tests.fix_pipeline import Live, at, defined, frame, told_state

POISON = 1.2345


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


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Values over which judging fails; empty means over every one."""
    tick, bad = AlarmEngine.tick, [POISON]

    def tried(engine: AlarmEngine, batch: Any, **more: Any) -> Any:
        if batch.n and (not bad or np.isin(batch.value, bad).any()):
            raise MemoryError("no room")
        return tick(engine, batch, **more)

    monkeypatch.setattr(AlarmEngine, "tick", tried)
    return bad


def of_mine(number: int, value: float, seq: int = 1) -> Packet:
    """A frame of one of several mines."""
    return frame(seq, [("001A01", value, 0)], mine=f"53062700{number:04d}")


def outcome(suspects: Suspects, packets: list[Packet]) -> list[Judged]:
    """What an ingest gives out that begins anew as often as it must.

    The broker sends all of it again each time, for nothing is acknowledged.
    """
    while True:
        try:
            return list(judging(suspects).turns(Ordered(packets), ()))
        except Poisoned:
            continue


def refused(turns: list[Judged]) -> list[str]:
    return [reject.topic for turn in turns for reject in turn.rejects]


def test_a_mistake_that_hits_every_frame_refuses_none(failing: list[float]) -> None:
    """Three mines in a row, nothing judged well: it is us, and the broker keeps all."""
    failing.clear()
    suspects = Suspects()
    packets = [of_mine(n, 0.1) for n in range(1, 9)]
    with pytest.raises(NothingJudged, match="a mistake of ours") as told:
        outcome(suspects, packets)
    assert isinstance(told.value.__cause__, MemoryError)
    assert suspects.n_failed == 4, "the turn of all of them, then three alone"
    assert suspects.problem is not None
    assert "530627000001, 530627000002, 530627000003" in suspects.problem


@pytest.mark.usefixtures("failing")
def test_two_mines_that_break_us_are_refused_once_a_third_is_well() -> None:
    """What failed alone is refused and acknowledged with what was judged well."""
    suspects = Suspects()
    bad = [of_mine(1, POISON), of_mine(2, POISON)]
    good = of_mine(3, 0.1)
    turns = outcome(suspects, [*bad, good])
    assert refused(turns) == [packet.topic for packet in bad]
    (judged,) = (turn for turn in turns if turn.rejects)
    assert (judged.n_readings, list(judged.packets)) == (1, [good, *bad])
    assert suspects.problem is None
    # One that comes again is known.
    (again,) = outcome(suspects, [bad[1]])
    assert (refused([again]), list(again.packets)) == ([bad[1].topic], [bad[1]])


@pytest.mark.usefixtures("failing")
def test_what_failed_is_known_when_its_gateway_sends_it_again() -> None:
    """It is missing between its neighbours, so asked for: no new beginning."""
    suspects = Suspects()
    bad = of_mine(1, POISON)
    outcome(suspects, [bad, of_mine(3, 0.1)])
    again = replace(bad, topic=bad.topic.removesuffix("data") + "backfill")
    (turn,) = list(judging(suspects).turns(Ordered([again]), ()))
    assert (refused([turn]), list(turn.packets)) == ([again.topic], [again])


@pytest.mark.usefixtures("failing")
def test_what_failed_alone_waits_while_nothing_is_judged_well() -> None:
    """A birth message that is taken well proves nothing; the next reading does."""
    suspects, live = Suspects(), Live()
    bad, more = of_mine(1, POISON), of_mine(2, POISON)
    for packet in (bad, more):
        with pytest.raises(Poisoned):
            list(judging(suspects).turns(Ordered([packet]), ()))
    each = judging(suspects, live)
    (turn,) = each.turns(Ordered([bad, told_state("online", 2), more]), ())
    assert (turn.rejects, len(turn.packets)) == ([], 1)
    assert suspects.n_failed == 2
    # The connection broke meanwhile, and one of them came once more.
    (turn,) = each.turns(Ordered([bad, of_mine(3, 0.1)]), ())
    assert refused([turn]) == [bad.topic, more.topic]
    assert len(turn.packets) == 4


def test_a_site_of_one_mine_ends_after_a_hundred_failures(
    failing: list[float],
) -> None:
    """There is no other mine that could show whose mistake it is."""
    failing.clear()
    suspects = Suspects()
    for seq in range(1, FAILURES_MOST):
        with pytest.raises(Poisoned):
            list(judging(suspects).turns(Ordered([of_mine(1, 0.1, seq)]), ()))
    with pytest.raises(NothingJudged, match=f"failed {FAILURES_MOST} times in a row"):
        list(judging(suspects).turns(Ordered([of_mine(1, 0.1, FAILURES_MOST)]), ()))


@pytest.mark.usefixtures("failing")
def test_many_mines_that_break_us_among_others_that_do_not_end_nothing() -> None:
    """The row begins anew with each reading that is judged well between them."""
    values = {1: POISON, 2: POISON, 3: 0.1, 4: POISON, 5: POISON, 6: 0.1}
    packets = [of_mine(number, value) for number, value in values.items()]
    turns = outcome(Suspects(), packets)
    sent = [packet.topic for packet in packets]
    assert refused(turns) == [sent[0], sent[1], sent[3], sent[4]]
    assert sum(turn.n_readings for turn in turns) == 2
