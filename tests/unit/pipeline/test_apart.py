"""A turn in pieces, suspects, and histories that are handed over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gasmon.pipeline.apart import pieces, plain, refusal
from gasmon.pipeline.evaluate import Snapshot
from gasmon.pipeline.handover import Handed, late_part
from gasmon.pipeline.kept import KeptSnapshot
from gasmon.pipeline.merge import merge
from gasmon.pipeline.suspects import Suspects
from tests.fix_pipeline import MINE, Live, at, defined, frame

SNAPSHOT = Snapshot(7, at(3), 2, b"memory" * 50)


def test_pieces_hold_everything_once() -> None:
    """Written one after the other they store what the whole would have stored."""
    live = Live()
    bad = replace(frame(2, []), payload=b"{")
    judged = live.take(defined(), frame(1, [("001A01", 1.6, 0)]), bad, marks=[5])
    named = list(pieces(judged))
    names = [name for name, _ in named]
    assert names[:3] == [
        f"definition rev 1 of mine {MINE}",
        "readings and newest values",
        "the engine's log",
    ]
    assert names[3].startswith("refusal not_json of gasmon/v1/")
    assert [name.split("/")[2] for name in names[4:]] == ["over_limit", "cut_off"]
    whole = merge([piece for _, piece in named])
    for field in ("batches", "events", "rejects", "definitions", "steps", "latest"):
        assert getattr(whole, field) == getattr(judged, field), field
    assert (whole.newest, whole.online) == (judged.newest, judged.online)
    assert list(whole.marks) == list(judged.marks)


def test_what_is_refused_is_told_in_words() -> None:
    """The event goes on bare; people read what was wrong with it."""
    event = Live().take(defined(), frame(1, [("001A01", 1.6, 0)])).events[0]
    assert plain(event) == replace(event, explain={})
    told = refusal("event x", "a\x00b" + "c" * 3000, 0, at(1))
    assert (told.reason, told.where, told.n) == ("not_storable", "store", 1)
    assert told.detail.startswith("event x: ab")
    assert len(told.detail) < 2001


def test_suspects_stand_alone_in_their_order() -> None:
    """Each of a failed turn is tried by itself; the one at fault is refused."""
    packets = [frame(n, [("001A01", n / 10, 0)]) for n in range(1, 6)]
    suspects = Suspects()
    assert list(suspects.groups(packets)) == [packets]
    assert suspects.blame(packets[1:3], ValueError("no"))
    assert list(suspects.groups(packets)) == [
        packets[:1],
        [packets[1]],
        [packets[2]],
        packets[3:],
    ]
    assert list(suspects.groups([])) == [[]]
    assert suspects.sift(packets) == (packets, [])
    assert suspects.blame([packets[2]], ValueError("no"))
    taken, failed = suspects.sift(packets)
    assert (taken, failed) == ([*packets[:2], *packets[3:]], [packets[2]])
    reject = suspects.refusal(packets[2])
    assert (reject.reason, reject.size) == ("judge_failed", len(packets[2].payload))
    assert "ValueError: no" in reject.detail
    assert not suspects.blame([], ValueError("only time passed"))


def test_a_handed_over_history_changes_nothing_present() -> None:
    """Readings and alarms are late; no newest values, definitions or log."""
    live = Live()
    judged = live.take(defined(), frame(1, [("001A01", 1.6, 0)]))
    late = late_part(judged)
    assert late.batches == judged.batches
    for present in ("definitions", "latest", "newest", "online", "steps", "marks"):
        assert not getattr(late, present), present
    assert late.events == [], "they come in the end, all at once"
    handed = Handed()
    handed.note(judged.events)
    fall = live.take(frame(2, [("001A01", 0.2, 0)])).events
    handed.note(event for event in fall if event.kind == "cut_off")
    whole = handed.whole()
    assert [(event.kind, event.event) for event in whole] == [
        ("over_limit", "raised"),
        ("over_limit", "cleared"),
        ("cut_off", "raised"),
        ("cut_off", "cleared"),
    ]
    assert all(event.late for event in whole)
    assert whole[1].happened_at_us == judged.events[0].happened_at_us
    assert whole[1].explain == {"ended": "handed over to another process"}


def test_an_alarm_from_before_that_history_is_left_to_its_successor() -> None:
    """Whoever went on with it knows better whether it lives: no end is told."""
    live = Live()
    live.take(defined(), frame(1, [("001A01", 1.6, 0)]))
    later = live.take(frame(2, [("001A01", 1.6, 0)], second=600)).events
    fall = live.take(frame(3, [("001A01", 0.2, 0)], second=601)).events
    assert [event.event for event in later] == ["level", "level"]
    handed = Handed()
    handed.note([*later, *fall])
    assert handed.whole() == []


def test_a_snapshot_beside_the_spool_comes_back(tmp_path: Path) -> None:
    """The newest one, whole or not at all."""
    kept = KeptSnapshot(tmp_path)
    assert kept.read() is None
    kept.write(replace(SNAPSHOT, step=3))
    kept.write(SNAPSHOT)
    assert kept.read() == SNAPSHOT
    path = tmp_path / "engine.snapshot"
    path.write_bytes(path.read_bytes()[:-1])
    assert kept.read() is None
    kept.forget()
    kept.forget()
    assert not path.exists()


def test_a_full_disk_keeps_the_snapshot_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the old one is touched before the new one is whole."""
    kept = KeptSnapshot(tmp_path)
    kept.write(SNAPSHOT)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    kept.write(replace(SNAPSHOT, step=8))
    assert kept.read() == SNAPSHOT
    assert not list(tmp_path.glob("*.new"))


def test_a_snapshot_leaves_alarms_their_space(tmp_path: Path) -> None:
    """Where it would take more than may be used the one before stays."""
    kept = KeptSnapshot(tmp_path)
    assert kept.write(SNAPSHOT, leave_bytes=1)
    assert not kept.write(replace(SNAPSHOT, step=8), leave_bytes=2**62)
    assert kept.read() == SNAPSHOT
