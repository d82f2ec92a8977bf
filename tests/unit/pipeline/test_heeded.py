"""Which of a mine's definitions is the newest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gasmon.ingest.clocks import AHEAD_US
from gasmon.ingest.decode import Definition
from gasmon.pipeline.heeded import Heeded, heeded_of
from gasmon.points import MineDef, PointDef, PointKey
from gasmon.units import US_PER_MS
from tests.fix_examples import examples
from tests.fix_pipeline import MINE, at


def told(rev: int, written: float, arrived: float) -> Definition:
    """A definition; both times in seconds."""
    mine = MineDef(MINE, MINE[:6], rev=rev)
    return Definition(0, mine, rev, at(written) // US_PER_MS, at(arrived), (), {})


def test_a_higher_revision_counts_whatever_its_clock_says() -> None:
    """A gateway's clock may be set back; its own count is what it promises."""
    known = Heeded.of(told(7, 10, 11), None)
    assert not known.is_older(told(8, -500, 20))


def test_a_gateway_that_counts_anew_is_heard() -> None:
    """What it writes after the one in force had come is newer."""
    known = Heeded.of(told(7, 10, 11), None)
    assert known.is_older(told(1, 10.5, 20))
    assert not known.is_older(told(1, 12, 20))
    assert not known.is_older(told(7, 12, 20))


def test_a_clock_ahead_proves_nothing() -> None:
    """Neither now nor, for one that counted, when our clock has come so far."""
    known = Heeded.of(told(7, 10, 11), None)
    assert known.is_older(told(1, 500, 20))
    ahead = Heeded.of(told(8, 500, 20), known)
    assert ahead.told_us == at(20) + AHEAD_US
    again = Heeded.of(told(1, 60, 60), ahead)
    assert again.is_older(told(8, 500, 600))


def test_a_start_knows_what_the_versions_tell() -> None:
    """The highest revision of any point, and when the one in force had come."""
    point = PointDef(PointKey(MINE, "01", "1"), rev=9)
    made_up = PointDef(PointKey(MINE, "01", "2"))
    mine = MineDef(MINE, MINE[:6], rev=2, told_us=at(5))
    nobody = MineDef("530627000001", "530627")
    known = heeded_of([mine, nobody], [point, made_up])
    assert known == {MINE: Heeded(2, 9, at(5))}


@given(st.data())
@examples(100)
def test_nothing_that_was_sent_before_wins_again(data: st.DataObject) -> None:
    """Whatever counted, in any generation of revisions and after a start as well."""
    known: Heeded | None = None
    sent: list[Definition] = []
    for second in range(0, 20 * data.draw(st.integers(2, 6)), 20):
        one = told(data.draw(st.integers(0, 5)), second, second + 1)
        if known is None or not known.is_older(one):
            known = Heeded.of(one, known)
            sent.append(one)
    assert known is not None
    after_start = Heeded(known.rev, known.highest, known.told_us)
    for old in sent[:-1]:
        arrived = told(old.rev, 0, 500).arrived_us
        again = Definition(0, old.mine, old.rev, old.ts_ms, arrived, (), {})
        assert known.is_older(again)
        assert after_start.is_older(again)
