"""The copy beside the spool: whole, or not there."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gasmon.alarms.events import AlarmEvent
from gasmon.batch import FrameKey, Packet
from gasmon.errors import DependencyError
from gasmon.ingest.dedupe import DUMPED, SeenFrames
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.kept import BOOTS, KeptSnapshot
from gasmon.pipeline.localcopy import FILL_MINES, LocalCopy
from gasmon.pipeline.openalarms import OpenAlarms, RecordDiffers, alarms_of
from gasmon.pipeline.ownership import OwnerRecord
from gasmon.pipeline.past import FromCopy, read_copy
from gasmon.pipeline.recent import Recent, has_recent
from gasmon.pipeline.spool import Spool
from gasmon.points import MineDef
from tests.fix_pipeline import CH4, MINE, Live, at, defined, frame

FENCING = {"*": 7}


class Kept:
    """A folder, and the process that keeps it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = KeptSnapshot(folder)
        OwnerRecord(folder).write(FENCING)
        self.copy = LocalCopy(folder, self.files)
        self.live = Live()
        self.copy.fill((), ())
        self.copy.begin((), ())

    def take(
        self, *packets: Packet, written: bool = True, has_room: bool = True
    ) -> Judged:
        """One turn that is safe."""
        judged = self.live.take(*packets)
        table = self.live.book.table
        if written:
            self.copy.wrote(judged, table, has_room=has_room)
        self.copy.note(judged, table)
        return judged

    def keep(self, *, leave_bytes: int = 0) -> bool:
        """A snapshot as of now."""
        snapshot = self.live.evaluator.snapshot(at(100))
        return self.copy.keep(snapshot, leave_bytes)

    def whole(self) -> None:
        """A mine with an open alarm, and a copy of that."""
        self.copy.work()
        self.take(defined(), frame(1, [("001A01", 1.2, 0)]))
        assert self.keep()
        assert self.copy.is_whole

    def read(self, scopes: Sequence[str] = ("*",)) -> FromCopy:
        """What a start would read; the process is gone."""
        self.copy.close()
        spool = Spool(self.folder, reserve_bytes=0)
        try:
            return read_copy(self.folder, self.files, spool, scopes, 0)
        finally:
            spool.close()


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def steps_of(past: FromCopy) -> list[int]:
    """Of the turns behind the snapshot."""
    book = PointBook()
    book.load(*past.points())
    turns = list(past._recent.replay(book))
    past.close()
    return [step.number for judged in turns for step in judged.steps]


def test_a_copy_holds_what_a_start_reads(kept: Kept) -> None:
    """Points, frames, clocks, what is open and confirmed, and the turns since."""
    kept.whole()
    kept.take(frame(2, [("001A01", 1.6, 0)]))
    last = kept.take(frame(3, [("001A01", 1.1, 0), ("009A09", 3.0, 0)]))
    ranks = {"elsewhere": 1}
    kept.copy.confirm(ranks)

    past = kept.read()

    mines, versions = past.points()
    assert [mine.rev for mine in mines] == [1]
    assert [(p.key.no, p.alarm_high) for p in versions] == [("001A01", 1.0)]
    assert [alarm.kind for alarm in past.open_alarms()] == ["over_limit"]
    assert past.ranks == ranks
    assert past.fencing == FENCING
    assert past.boots() == {MINE: "k3f9"}
    seen = SeenFrames()
    past.know_frames(seen, 0)
    assert not seen.is_new(FrameKey(0, MINE, "k3f9", 1))
    assert list(past.logged(PointBook(), 0)) == []
    assert [s.step for s in past.snapshots()] == [past.snapshot.step]
    assert steps_of(past)[-1] == last.steps[-1].number


def test_turns_behind_a_snapshot_are_forgotten(kept: Kept) -> None:
    """Only what it does not hold is judged again."""
    kept.whole()
    kept.take(frame(2, [("001A01", 1.1, 0)]))
    assert kept.keep()
    assert steps_of(kept.read()) == []


def test_a_turn_that_holds_the_snapshot_in_its_midst_is_kept(kept: Kept) -> None:
    """Turns are merged: what comes behind the snapshot's step is not in it."""
    kept.copy.work()
    first = kept.live.take(defined(), frame(1, [("001A01", 1.2, 0)]))
    snapshot = kept.live.evaluator.snapshot(at(1))
    second = kept.live.take(frame(2, [("001A01", 1.2, 0)]))
    table = kept.live.book.table
    both = replace(second, steps=[*first.steps, *second.steps])
    both.batches = [*first.batches, *second.batches]
    both.definitions = first.definitions
    kept.copy.wrote(both, table, has_room=True)
    kept.copy.note(both, table)
    assert kept.copy.keep(snapshot)
    assert second.steps[-1].number in steps_of(kept.read())


def test_definitions_come_with_the_next_snapshot(kept: Kept) -> None:
    """Later versions are added, and a provisional point as well."""
    kept.whole()
    more = replace(CH4, alarm_high=0.5, clear_high=0.5)
    kept.take(defined(more, rev=2, second=5), written=False)
    kept.take(frame(6, [("009A09", 3.0, 0)]), written=False)
    assert kept.keep()
    mines, versions = kept.read().points()
    assert [mine.rev for mine in mines] == [2]
    found = [(p.key.no, p.effective_from_us, p.source) for p in versions]
    assert found == [
        ("001A01", 0, "points"),
        ("001A01", at(5), "points"),
        ("009A09", 0, "provisional"),
    ]


def test_it_is_filled_some_mines_at_a_time(tmp_path: Path) -> None:
    """A snapshot before that is kept, but nobody may start from it alone."""
    kept = Kept(tmp_path)
    mines = [MineDef(f"5306270{n:05d}", "530627") for n in range(FILL_MINES + 1)]
    kept.copy.fill(mines, ())
    assert not kept.copy.work()
    assert kept.keep()
    assert not kept.copy.is_whole
    assert kept.copy.work()
    assert not kept.copy.work()
    assert kept.keep()
    assert kept.copy.is_whole
    assert len(kept.read().points()[0]) == FILL_MINES + 1


def test_a_copy_that_must_not_grow_is_given_up(kept: Kept) -> None:
    """The spool's reserve is for alarms; the snapshot alone is kept."""
    kept.whole()
    step = kept.live.evaluator.step
    kept.take(frame(2, [("001A01", 1.1, 0)]), has_room=False)
    assert not has_recent(kept.folder)
    assert kept.keep(leave_bytes=1)
    assert not kept.copy.is_whole
    found = kept.files.read()
    assert found is not None
    assert found.step > step
    assert kept.keep()
    assert kept.copy.is_whole, "it comes back with the room"


def test_a_full_spool_leaves_the_copy_whole(kept: Kept) -> None:
    """It need not grow while the database is away: a start needs it then."""
    kept.whole()
    kept.take(frame(2, [("001A01", 1.6, 0)]), written=False)
    assert not kept.keep(leave_bytes=2**62), "that is more than the disk has"
    assert kept.keep(leave_bytes=1)
    assert kept.copy.is_whole
    kinds = {alarm.kind for alarm in kept.read().open_alarms()}
    assert kinds == {"over_limit", "cut_off"}


def failing(*_: Any, **__: Any) -> None:
    raise sqlite3.OperationalError("database or disk is full")


@pytest.mark.parametrize("name", ["append", "confirm"])
def test_what_is_not_written_costs_the_copy_alone(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A hole in it would be an alarm that nobody knows of."""
    kept.whole()
    with monkeypatch.context() as patched:
        patched.setattr(Recent, name, failing)
        kept.take(frame(2, [("001A01", 1.1, 0)]))
        kept.copy.confirm({"a": 1})
    assert not kept.copy.is_whole
    assert not has_recent(kept.folder)
    with pytest.raises(DependencyError, match="whole and ours"):
        kept.read()
    assert kept.keep()
    assert kept.copy.is_whole, "from the next snapshot on there is one again"


def test_definitions_that_are_not_written_are_not_left_out(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them the turns that tell of them may not be forgotten."""
    kept.whole()
    kept.take(defined(replace(CH4, alarm_high=0.5), rev=2, second=5))
    with monkeypatch.context() as patched:
        patched.setattr("gasmon.pipeline.bookcopy.BookCopy.write", failing)
        assert kept.keep()
    assert not has_recent(kept.folder)
    assert kept.keep()
    assert kept.copy.is_whole
    assert [mine.rev for mine in kept.read().points()[0]] == [2]


def test_filling_that_fails_waits_for_the_next_snapshot(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once, not with every turn."""
    with monkeypatch.context() as patched:
        patched.setattr("gasmon.pipeline.bookcopy.BookCopy.write", failing)
        assert [kept.copy.work() for _ in range(3)] == [False] * 3
    assert caplog.text.count("is not filled") == 1
    assert kept.keep()
    assert not kept.copy.is_whole
    assert kept.copy.work()


def test_a_snapshot_that_is_not_kept_forgets_no_turn(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before and all turns since are as good."""
    kept.whole()
    last = kept.take(frame(2, [("001A01", 1.1, 0)]))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("gasmon.pipeline.wholefile.os.fsync", full)
        assert not kept.keep()
    assert kept.copy.is_whole
    assert steps_of(kept.read())[-1] == last.steps[-1].number


def test_drained_turns_that_a_snapshot_holds_are_not_written_again(kept: Kept) -> None:
    """A long outage is drained without a second copy of it."""
    kept.whole()
    old = kept.take(frame(2, [("001A01", 1.1, 0)]), written=False)
    assert kept.keep()
    kept.copy.wrote(old, kept.live.book.table, has_room=True)
    assert steps_of(kept.read()) == []


def test_a_copy_goes_on_after_a_start_from_it(kept: Kept) -> None:
    """The next process adds to it at once, and knows what the turns told."""
    kept.whole()
    told = kept.take(frame(2, [("009A09", 3.0, 0)]))
    past = kept.read()
    past.close()
    again = LocalCopy(kept.folder, kept.files)
    again.fill(*past.points())
    again.go_on(past)
    again.begin(past.open_alarms(), past.clocks())
    again.note(told, kept.live.book.table)
    assert again.is_whole
    kept.copy = again
    kept.take(frame(3, [("001A01", 1.1, 0)]))
    assert kept.keep()
    versions = kept.read().points()[1]
    assert [p.key.no for p in versions] == ["001A01", "009A09"]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("owner.json", b"{", "of nobody"),
        ("owner.json", b'{"530627": 7}', "of 530627"),
        ("engine.snapshot", b"", "no snapshot"),
        ("book.sqlite", b"no database", "cannot be read"),
        ("recent.sqlite", b"no database", "cannot be read"),
        ("recent.sqlite", b"", "whole and ours"),
    ],
)
def test_a_folder_that_cannot_be_trusted_is_refused(
    kept: Kept, name: str, content: bytes, why: str
) -> None:
    """Each part of it, torn or of somebody else."""
    kept.whole()
    kept.copy.close()
    (kept.folder / name).write_bytes(content)
    with pytest.raises(DependencyError, match=why):
        kept.read()


def test_a_kept_snapshot_of_an_earlier_version_is_no_copy(kept: Kept) -> None:
    """It tells nothing of open alarms."""
    kept.whole()
    kept.files.write(kept.live.evaluator.snapshot(at(2)))
    with pytest.raises(DependencyError, match="no snapshot"):
        kept.read()


def test_open_alarms_follow_what_is_said() -> None:
    """Levels and ends, the same twice, and confirmations up to their level."""
    live, alarms = Live(), OpenAlarms()
    said: list[AlarmEvent] = []
    said += live.take(defined(), frame(1, [("001A01", 1.2, 0)])).events
    alarms.follow([*said, *said])
    (told,) = alarms.told({said[0].key: said[0].rank})
    assert told["confirmed_by"] == ("any",)
    (known,) = alarms_of([told])
    assert known.confirmed_by == ("any",)
    (doubted,) = alarms_of([told], {said[0].key: said[0].rank - 1})
    assert doubted.confirmed_by == ()
    alarms.require_same([known])
    with pytest.raises(RecordDiffers, match=r"over_limit .*001A01 is not open"):
        alarms.require_same([])
    alarms.follow(live.take(frame(2, [("001A01", 0.2, 0)])).events)
    with pytest.raises(RecordDiffers, match=r"over_limit .*001A01 is open"):
        alarms.require_same([known])


def test_of_many_differences_some_are_told() -> None:
    """The rest are counted."""
    live, alarms = Live(), OpenAlarms()
    (event,) = live.take(defined(), frame(1, [("001A01", 1.2, 0)])).events
    alarms.follow([replace(event, subject_id=f"{n:02d}") for n in range(23)])
    with pytest.raises(RecordDiffers, match=r"point 19 is not open; 3 more$"):
        alarms.require_same([])


def test_frames_that_are_dumped_are_known_as_seen() -> None:
    """With the newest stretches of each boot, in order of last use."""
    seen, again = SeenFrames(), SeenFrames()
    for seq in range(0, 2 * DUMPED + 4, 2):
        seen.add(FrameKey(0, MINE, "a", seq), seq, seq + 1)
    seen.add(FrameKey(0, MINE, "b", 5), 7, 6)
    seen.add(FrameKey(3, MINE, "drill", 5))
    again.restore(0, seen.dump(0))
    assert again.dump(0) == seen.dump(0)
    assert again.is_new(FrameKey(0, MINE, "a", 0))
    assert not again.is_new(FrameKey(0, MINE, "a", 2 * DUMPED), 2 * DUMPED)
    assert again.is_new(FrameKey(0, MINE, "b", 5), 8, 7)
    assert again.is_new(FrameKey(3, MINE, "drill", 5))


def test_what_we_called_ourselves_is_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The last few names; a torn file is told and forgotten."""
    files = KeptSnapshot(tmp_path)
    assert files.boots() == []
    for number in range(BOOTS + 1):
        files.write_boot(f"b{number}")
    files.write_boot("b2")
    assert files.boots() == [*(f"b{n}" for n in (1, *range(3, BOOTS + 1))), "b2"]
    (tmp_path / "boots.json").write_bytes(b"[")
    assert files.boots() == []
    assert "boots.json" in caplog.text
