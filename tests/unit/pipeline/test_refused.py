"""A flood of garbage is counted whole and kept in part."""

from __future__ import annotations

from gasmon.batch import Packet
from gasmon.ingest.topics import data_topic
from gasmon.pipeline.refused import WHOLE_MOST
from tests.fix_pipeline import AREA, MINE, Live, at, defined, frame

NEIGHBOUR = "530627000001"


def garbage(n: int, mine: str = MINE) -> list[Packet]:
    """Messages that nobody can read."""
    topic = data_topic(AREA, mine)
    return [Packet(topic, b"{%d" % k, at(1)) for k in range(n)]


def test_a_flood_of_garbage_is_counted_and_kept_in_part() -> None:
    """One more stands for the rest; a neighbour's few are all kept."""
    live = Live()
    live.take(defined(), defined(mine=NEIGHBOUR))
    rejects = live.take(*garbage(400), *garbage(3, NEIGHBOUR)).rejects
    flood = [r for r in rejects if r.mine == MINE]
    assert [r.n for r in flood] == [1] * WHOLE_MOST + [400 - WHOLE_MOST]
    assert [r.first_bytes for r in flood[:2]] == [b"{0", b"{1"]
    assert [r.n for r in rejects if r.mine == NEIGHBOUR] == [1, 1, 1]


def test_refused_readings_are_all_kept() -> None:
    """A contradiction is evidence, however many there are."""
    live = Live()
    live.take(defined())
    twice = [("001A01", value, 0) for value in (0.2, 0.3)]
    frames = [frame(seq, twice) for seq in range(1, 40)]
    rejects = live.take(*frames).rejects
    assert [r.reason for r in rejects] == ["contradiction"] * 39
