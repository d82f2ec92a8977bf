"""How often a mine may define itself."""

from __future__ import annotations

from dataclasses import replace

from gasmon.batch import Packet
from gasmon.ingest.dedupe import SeenFrames
from gasmon.pipeline import definition_rate
from gasmon.pipeline.definition_rate import DefinitionRate
from gasmon.pipeline.evaluate import Evaluator
from gasmon.units import US_PER_S
from tests.fix_pipeline import (
    CH4,
    MINE,
    Live,
    at,
    defined,
    frame,
    spoken,
    told_state,
)

HIGH = [("001A01", 1.6, 0)]


def revs(n: int, begin: int = 1, second: float = 0) -> list[Packet]:
    """Definitions one after the other."""
    return [defined(rev=begin + i, second=second) for i in range(n)]


def test_what_is_above_the_limit_waits_and_the_newest_is_taken() -> None:
    """Those that it replaces are counted by one refusal and never read."""
    rate = DefinitionRate(3)
    told = revs(10)
    passed, refused = rate.pass_on(told, at(0))
    assert passed == told[:3]
    assert [(r.reason, r.mine, r.n) for r in refused] == [
        ("definitions_too_often", MINE, 6)
    ]
    assert rate.pass_on([], at(19)) == ([], [])
    passed, refused = rate.pass_on([], at(20))
    assert (passed, refused) == ([replace(told[9], arrived_us=at(20))], [])
    assert rate.pass_on([], at(600)) == ([], [])


def test_other_packets_and_mines_do_not_wait() -> None:
    """Data passes at once and in order, and so does what decoding refuses."""
    rate = DefinitionRate(1)
    other = defined(mine="530627000001")
    nonsense = Packet("gasmon/v1/x/points", b"", at(0))
    packets = [defined(), frame(1, HIGH), defined(rev=2), other, nonsense]
    passed, refused = rate.pass_on(packets, at(0))
    assert passed == [packets[0], packets[1], other, nonsense]
    assert refused == []


def test_no_limit_is_no_limit() -> None:
    """A replay of a file takes what was sent."""
    told = revs(500)
    assert DefinitionRate(None).pass_on(told, at(0)) == (told, [])


def test_a_clock_that_steps_back_gives_nothing_and_takes_nothing() -> None:
    """The room fills with time that passes forwards."""
    rate = DefinitionRate(1)
    rate.pass_on(revs(2), at(100))
    assert rate.pass_on([], at(50))[0] == []
    assert len(rate.pass_on([], at(110))[0]) == 1


def test_full_buckets_are_forgotten() -> None:
    """Made-up mines take no memory for good; what waits is kept."""
    rate = DefinitionRate(1)
    for number in range(definition_rate._BUCKETS):
        rate._filled(f"gasmon/v1/530628/530628{number:06d}/points", at(0))
    rate.pass_on(revs(2), at(1))
    assert len(rate._buckets) == definition_rate._BUCKETS + 1
    rate.pass_on([defined(mine="530602000001")], at(61))
    assert len(rate._buckets) == 2
    assert len(rate._waiting) == 0


def test_a_flood_costs_the_frames_beside_it_nothing() -> None:
    """They are judged by what counted before; the newest definition follows."""
    live = Live()
    live.evaluator = Evaluator(
        live.book, live.engine, SeenFrames(), definitions_per_minute=2
    )
    strict = replace(CH4, alarm_high=0.5, clear_high=0.5, restore_high=0.5)
    flood = [defined(strict, rev=rev) for rev in range(2, 50)]
    judged = live.take(defined(), *flood, frame(1, [("001A01", 0.2, 0)]))
    assert live.book.rev_of(MINE) == 2
    assert [r.n for r in judged.rejects] == [46]
    live.evaluator.evaluate([], now_us=at(40) + US_PER_S)
    assert live.book.rev_of(MINE) == 49
    assert spoken(live.take(frame(50, [("001A01", 0.7, 0)]))) == [
        ("over_limit", "raised")
    ]


def test_a_flood_of_births_and_wills_is_no_flood_of_alarms() -> None:
    """A link that breaks without end is told every two seconds; its end is told."""
    live = Live()
    live.evaluator = Evaluator(
        live.book, live.engine, SeenFrames(), definitions_per_minute=30
    )
    live.take(defined(), frame(1, [("001A01", 0.2, 0)]))
    words = ("offline", "online")
    flood = [told_state(words[k % 2], 2 + k / 1000) for k in range(1000)]
    judged = live.take(*flood)
    assert len(judged.events) == 30
    assert [(r.reason, r.mine, r.n) for r in judged.rejects] == [
        ("states_too_often", MINE, 969)
    ]
    live.take(told_state("offline", 3.5))
    events = live.take(marks=[6]).events
    assert [(e.kind, e.event) for e in events] == [("link_break", "raised")]
