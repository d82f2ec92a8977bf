"""The spool: order, limits, what is told, and where the space goes."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gasmon.errors import ConfigError
from gasmon.pipeline import outage
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.spool import Spool, SpoolFull
from tests.fix_pipeline import MINE, Live, at, frame
from tests.fix_spool import Turns, seqs

KB, MB = 1024, 1024 * 1024


def small(folder: Path, **sizes: int) -> Spool:
    """A spool with a reserve that is quickly made."""
    return Spool(folder, **({"reserve_bytes": MB, "segment_bytes": 64 * KB} | sizes))


def drained(spool: Spool, book: PointBook, n: int = 7) -> list[int]:
    """Drain everything; the frames in the order in which they came."""
    found = []
    while waiting := spool.oldest(book, n):
        for turn in waiting:
            found += seqs(turn.judged)
        spool.done(waiting[-1].id, at(10_000))
    return found


def test_turns_leave_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    """Over many files and a restart, into a book that knows nothing."""
    turns, spool = Turns(), small(tmp_path)
    for seq in range(1, 101):
        assert turns.append(spool, seq)
    spool.close()
    spool = small(tmp_path)
    assert len(list(tmp_path.glob("*.sqlite"))) > 2
    assert (spool.n_turns, spool.oldest_at_us) == (100, at(1))
    for seq in range(101, 151):
        turns.append(spool, seq)
    assert drained(spool, PointBook()) == list(range(1, 151))
    assert (spool.n_turns, spool.oldest_at_us) == (0, None)
    spool.close()


def test_what_is_not_done_comes_again(tmp_path: Path) -> None:
    """A drain that was cut off goes on behind the last committed turn, exactly."""
    turns, spool = Turns(), small(tmp_path)
    for seq in range(1, 61):
        turns.append(spool, seq)
    book = turns.live.book
    assert [seqs(w.judged) for w in spool.oldest(book, 2)] == [[1], [2]]
    assert [seqs(w.judged) for w in spool.oldest(book, 2)] == [[1], [2]]
    for n in range(1, 31):
        (turn,) = spool.oldest(book)
        assert seqs(turn.judged) == [n]
        assert turn.at_us == at(n) == spool.oldest_at_us
        spool.done(turn.id, at(100))
    spool.close()
    spool = small(tmp_path)
    assert spool.n_turns == 30
    assert drained(spool, book) == list(range(31, 61))
    spool.close()


def test_turns_may_come_while_others_go(tmp_path: Path) -> None:
    """Live turns queue behind the backlog; none is told twice."""
    turns, spool = Turns(), small(tmp_path)
    found: list[int] = []
    for seq in range(1, 121):
        turns.append(spool, seq)
        if seq > 20 and seq % 3 == 0:
            waiting = spool.oldest(turns.live.book, 4)
            found += [n for turn in waiting for n in seqs(turn.judged)]
            spool.done(waiting[-1].id, at(seq))
    found += drained(spool, turns.live.book)
    assert found == list(range(1, 121))
    spool.close()


def test_drained_files_give_their_space_back(tmp_path: Path) -> None:
    """File by file during the drain, and at its end next to nothing is left."""
    turns, spool = Turns(600), small(tmp_path, segment_bytes=256 * KB)
    for seq in range(1, 201):
        turns.append(spool, seq)
    full = spool.size_bytes
    on_disk = sum(p.stat().st_size for p in tmp_path.glob("turns-*"))
    assert on_disk == full > 600 * KB
    waiting = spool.oldest(turns.live.book, 100)
    spool.done(waiting[-1].id, at(1000))
    assert spool.size_bytes < 0.7 * full
    drained(spool, turns.live.book)
    assert spool.size_bytes < MB
    spool.close()
    assert sum(p.stat().st_size for p in tmp_path.glob("turns-*")) < MB


def test_at_the_limit_readings_stop_and_alarms_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Loudly; the facts use the reserve's space, and readings return after a drain."""
    turns, spool = Turns(600), small(tmp_path, limit_bytes=2 * MB)
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= MB
    seq = 1
    while turns.append(spool, seq):
        seq += 1
    assert "takes no readings any more" in caplog.text
    assert spool.readings_refused
    told = outage.problem(spool, at(600), since_start=False)
    assert f"no room for readings any more ({spool.n_refused} were not kept)" in told
    caplog.clear()
    outage.warn(spool, at(600))
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
    assert f"{spool.n_refused} were not kept; alarms go on" in caplog.text
    assert spool.minutes_left(at(seq)) == 0
    assert not (tmp_path / "reserve").exists()
    assert 1.5 * MB < spool.size_bytes < 2.1 * MB
    for more in range(seq + 1, seq + 11):
        assert not turns.append(spool, more)
    assert spool.n_refused == 11 * 600
    book, events, rejects, found = turns.live.book, 0, [], []
    while waiting := spool.oldest(book, 16):
        for turn in waiting:
            events += len(turn.judged.events)
            rejects += turn.judged.rejects
            found += seqs(turn.judged)
        spool.done(waiting[-1].id, at(5000))
    assert found == list(range(1, seq))
    # Over limit and cut-off, raised by one frame and cleared by the next.
    assert events == 2 * (seq + 10)
    assert [(r.reason, r.mine, r.n) for r in rejects] == 11 * [
        ("readings_lost", MINE, 600)
    ]
    caplog.set_level(logging.WARNING)
    assert turns.append(spool, seq + 11)
    assert (tmp_path / "reserve").exists()
    spool.close()


def test_facts_end_with_the_reserve(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """When limit and reserve are used up it is an error that names them."""
    turns = Turns(10)
    spool = small(tmp_path, limit_bytes=512 * KB, reserve_bytes=256 * KB)

    def fill() -> None:
        for seq in range(1, 5000):
            turns.append(spool, seq)

    with pytest.raises(SpoolFull, match="786432 bytes, are used up"):
        fill()
    n = spool.n_turns
    assert spool.size_bytes <= 768 * KB
    told = outage.problem(spool, at(1), since_start=False)
    outage.warn(spool, at(1))
    for words in (told, caplog.text):
        assert outage.STOPPED in words
        assert "alarms go on" not in words.replace(outage.STOPPED, "")
    spool.close()
    again = small(tmp_path, limit_bytes=512 * KB, reserve_bytes=256 * KB)
    assert again.n_turns == n
    assert len(drained(again, turns.live.book)) < n, "some are facts only"
    assert turns.append(again, 6000)
    assert not again.takes_nothing
    again.close()


def test_minutes_left_is_room_over_rate(tmp_path: Path) -> None:
    """Nothing is said before ten seconds, while draining, or when nothing comes."""
    turns, spool = Turns(), small(tmp_path, limit_bytes=50 * MB)
    assert spool.minutes_left(at(0)) is None
    book, total = turns.live.book, 0
    for second in range(61):
        judged = turns.take(second + 1)
        total += spool.append(judged, book.table, at(second)).n_bytes
        if second < 9:
            assert spool.minutes_left(at(second)) is None
    left = spool.minutes_left(at(60))
    room = 50 * MB - spool.size_bytes
    assert left == pytest.approx(room / total, rel=0.05), "a minute took `total`"
    assert spool.minutes_left(at(60 + 301)) is None, "nothing came for five minutes"
    waiting = spool.oldest(book, 61)
    spool.done(waiting[-1].id, at(62))
    assert spool.minutes_left(at(62)) is None, "it is emptying"
    turns.append(spool, 100, second=-1000)
    assert spool.minutes_left(at(-1000)) is None, "the clock stepped back"
    spool.close()


def test_points_of_waiting_turns_are_told_at_once(tmp_path: Path) -> None:
    """A new process can provision them all without reading a turn."""
    turns, spool = Turns(30), small(tmp_path)
    for seq in range(1, 81):
        turns.append(spool, seq)
    spool.close()
    spool = small(tmp_path)
    assert spool.points() == sorted(turns.live.book.table.keys)
    assert drained(spool, turns.live.book) == list(range(1, 81))
    spool.close()


def test_a_turn_without_readings_is_whole(tmp_path: Path) -> None:
    """Marks and a lost link need no readings; nothing is called refused."""
    live, spool = Live(), small(tmp_path)
    judged = live.take(marks=[5])
    appended = spool.append(judged, live.book.table, at(5))
    assert appended.stored_readings
    (turn,) = spool.oldest(live.book)
    assert list(turn.judged.marks) == [at(5)]
    assert turn.judged.rejects == []
    spool.close()


def test_a_folder_has_one_process(tmp_path: Path) -> None:
    """The second is refused by name; after the first ends, it may."""
    spool = small(tmp_path)
    with pytest.raises(ConfigError, match="in use by another process"):
        small(tmp_path)
    spool.close()
    small(tmp_path).close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file in its place is the operator's mistake."""
    (tmp_path / "spool").write_text("")
    with pytest.raises(ConfigError, match="spool"):
        small(tmp_path / "spool")


def test_a_city_in_one_turn_is_cut_by_size(tmp_path: Path) -> None:
    """However many turns are asked for, they end at some megabytes."""
    live, spool = Live(), small(tmp_path, segment_bytes=8 * MB)
    mines = [f"530627{i:06d}" for i in range(40)]
    values = [(f"{i:03d}A01", i * 0.7371 % 1, 0) for i in range(250)]
    for seq in range(1, 4):
        judged = live.take(*(frame(seq, values, mine=mine) for mine in mines))
        spool.append(judged, live.book.table, at(seq))
    waiting = spool.oldest(live.book, 100)
    assert [turn.judged.n_readings for turn in waiting] == [10_000] * 3
    spool.close()
