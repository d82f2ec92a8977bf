"""Upload files are put back in order after a reconnect, and never held for long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gasmon.batch import FrameKey, Packet
from gasmon.ingest import order
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.order import Resequencer
from gasmon.ingest.order_files import peek_second
from gasmon.ingest.topics import data_topic, file_topic
from gasmon.ingest.upload.profile import Profile
from gasmon.ingest.upload.receive import second_of
from gasmon.ingest.upload.records import Header
from gasmon.ingest.upload.write import write_file
from tests.fix_pipeline import AREA, MINE, at

OTHER = "530627000001"


def a_file(
    second: int, file_type: str = "CDSS", mine: str = MINE, generation: int = 2
) -> Packet:
    """A file of a second that only has a header; its number is the second's."""
    header = Header(mine, "示范煤矿", at(second))
    data = write_file(file_type, header, (), Profile(encoding="gbk"))
    topic = file_topic(AREA, mine, file_type)
    return Packet(topic, data, at(0), generation=generation, mid=second)


def mids(packets: object) -> list[int]:
    """Numbers of packets made by `a_file`."""
    assert isinstance(packets, list | tuple)
    return [packet.mid for packet in packets]


@pytest.fixture
def reseq() -> Resequencer:
    """The file of second 5 of one mine was taken."""
    seen = SeenFrames()
    seen.add(FrameKey(0, MINE, "file", second_of(at(5)) << 22 | 77))
    return Resequencer(seen, hold_s=12)


def test_files_leave_by_their_times_at_the_end_of_the_hold(reseq: Resequencer) -> None:
    """Both types of values in one line; later ones pass as they come."""
    came = [a_file(30), a_file(20, "FZSS"), a_file(20)]
    first = reseq.order(came, 100.0)
    assert (mids(first.packets), mids(first.held)) == ([], [30, 20, 20])
    assert (reseq.n_held, reseq.next_wakeup_s()) == (3, 112.0)
    assert mids(reseq.order([a_file(10)], 111.9).packets) == []
    out = reseq.order([a_file(40), a_file(35)], 112.0).packets
    assert mids(out) == [10, 20, 20, 30, 40, 35]
    assert [p.topic[-4:] for p in out[1:3]] == ["FZSS", "CDSS"]
    assert (reseq.n_held, reseq.next_wakeup_s()) == (0, None)
    assert (reseq.n_reordered, reseq.n_given_up) == (4, 0)


def test_another_connection_prolongs_no_hold(reseq: Resequencer) -> None:
    """A link that flaps must not keep a file for good."""
    reseq.order([a_file(30)], 100.0)
    assert mids(reseq.order([a_file(20, generation=3)], 110.0).packets) == []
    assert reseq.next_wakeup_s() == 112.0
    assert mids(reseq.order([], 112.0).packets) == [20, 30]
    late = a_file(40, generation=3)
    assert mids(reseq.order([late], 113.0).held) == [40]
    assert mids(reseq.order([], 122.0).packets) == [40]


@pytest.mark.parametrize(
    "packet",
    [
        a_file(5),
        a_file(4),
        a_file(30, mine=OTHER),
        a_file(30, "CDDY"),
        a_file(30, "YCBJ"),
        replace(a_file(30), mid=0),
        replace(a_file(30), payload=b"530627004499;x~||"),
        replace(a_file(30), payload=b"530627004499;x;2026-02-30 11:00:00~||"),
        replace(a_file(30), topic=file_topic(AREA, MINE, "CDSS")[:-4] + "DSS"),
        replace(a_file(30), topic="gasmon/v1/x/file/CDSS"),
    ],
    ids=lambda packet: f"{packet.topic[-25:]}-{packet.mid}-{packet.payload[-8:]!r}",
)
def test_what_cannot_be_too_early_is_not_held(
    reseq: Resequencer, packet: Packet
) -> None:
    """What is not newer, of a mine without a past, of a type that has no order, of the
    drop folder, or without a time or a topic that can be read."""
    assert reseq.order([packet], 100.0).packets == [packet]
    assert reseq.n_held == 0


def test_a_mine_that_sends_too_much_is_let_go(reseq: Resequencer) -> None:
    """In order as far as it came; of frames nothing is kept back for it."""
    many = [a_file(s) for s in range(order.PER_MINE + 10, 9, -1)]
    out = reseq.order(many, 100.0)
    assert mids(out.packets) == sorted(mids(many))
    assert reseq.n_held == 0


def test_a_backlog_of_all_is_let_go_at_the_limit() -> None:
    """The limit is one for files and frames; then nothing is held any more."""
    seen = SeenFrames()
    seen.add(FrameKey(0, MINE, "file", second_of(at(5)) << 22))
    reseq = Resequencer(seen, hold_s=12, limit=3)
    out = reseq.order([a_file(30), a_file(20), a_file(10), a_file(9)], 100.0)
    assert mids(out.packets) == [10, 20, 30, 9]
    assert (reseq.n_held, reseq.n_reordered) == (0, 3)


def test_frames_do_not_wait_behind_files(reseq: Resequencer) -> None:
    """Another mine's gateway goes on."""
    frame = Packet(data_topic(AREA, OTHER), b"{}", 0, False, 2, 1)
    assert reseq.order([a_file(30), frame], 100.0).packets == [frame]


def test_the_time_of_a_file_is_its_headers() -> None:
    """Whatever stands before it, and far into a record of its own it is not sought."""
    wide = b";".join([b"530627004499", b"x", b"2026-07-16", b"2026-07-16 11:00:00"])
    assert peek_second(wide + b"~") == peek_second(b"530627004499;2026/7/16 11:00:00^")
    assert peek_second(b"x" * 1000 + b"2026-07-16 11:00:00") is None
    assert peek_second(b"") is None
