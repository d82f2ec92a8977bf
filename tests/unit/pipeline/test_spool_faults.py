"""The spool under kill -9, full disks and damaged files."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gasmon.clock import SystemClock
from gasmon.errors import DependencyError
from gasmon.pipeline import outage
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Snapshot
from gasmon.pipeline.gauges import Shown, show
from gasmon.pipeline.kept import KeptSnapshot
from gasmon.pipeline.reserve import Reserve
from gasmon.pipeline.spool import Spool, SpoolFull
from gasmon.pipeline.wholefile import write_whole
from gasmon.telemetry import Metrics
from tests.fix_pipeline import at
from tests.fix_spool import Turns, seqs

ROOT = Path(__file__).parents[3]
KB, MB = 1024, 1024 * 1024


def small(folder: Path, **sizes: int) -> Spool:
    """A spool with a reserve that is quickly made."""
    return Spool(folder, **({"reserve_bytes": MB, "segment_bytes": 64 * KB} | sizes))


def drained(spool: Spool) -> list[int]:
    """Drain everything; the frames in the order in which they came."""
    found, book = [], PointBook()
    while waiting := spool.oldest(book, 5):
        found += [seq for turn in waiting for seq in seqs(turn.judged)]
        spool.done(waiting[-1].id, at(10_000))
    return found


@pytest.mark.parametrize("after", [1, 7, 60, 150])
def test_nothing_told_is_lost_by_kill_9(tmp_path: Path, after: int) -> None:
    """All that the dead process reported is there, once and in order."""
    told = 0
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fix_spool", str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            told = int(line)
            if told == after:
                child.kill()
    spool = small(tmp_path)
    found = drained(spool)
    # The last append may have been written and not been reported any more.
    assert found == list(range(1, len(found) + 1))
    assert told <= len(found) <= told + 1
    assert spool.n_corrupt == 0
    spool.close()


def test_logs_left_by_a_death_are_no_hindrance(tmp_path: Path) -> None:
    """Those of a deleted file go; those of a file being made are SQLite's business."""
    files = spooled(tmp_path)
    beside = [
        f"turns-{n:012d}.sqlite{log}" for n in (1, 2) for log in ("-wal", "-journal")
    ]
    for name in beside:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "turns-000000000061.sqlite").write_bytes(b"")
    (tmp_path / "turns-000000000061.sqlite-journal").write_bytes(b"")
    spool = small(tmp_path)
    assert not any((tmp_path / name).exists() for name in beside[2:])
    assert spool.n_turns == 60
    assert drained(spool) == list(range(1, 61))
    assert not files[0].exists()
    spool.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "gasmon-test", str(folder)],
        capture_output=True,
        text=True,
    )
    if made.returncode != 0:
        pytest.skip(f"NO FULL-DISK TEST: mounting a tmpfs needs root: {made.stderr}")
    yield folder
    # Lazily: a test that failed may still hold a file, and a mount left behind would
    # trouble every later run.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def breaking(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], object]]]:
    """A file system of its own, and what makes it read-only as a disk's fault does."""
    image, folder = tmp_path / "image", tmp_path / "ext4"
    image.write_bytes(bytes(32 * MB))
    folder.mkdir()
    options = ["-o", "loop,errors=remount-ro", str(image), str(folder)]
    for command in (["mkfs.ext4", "-q", "-F", str(image)], ["mount", *options]):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"NO READ-ONLY TEST: needs root, ext4 and a loop: {error}")
    (device,) = (
        line.split()[0].rpartition("/")[2]
        for line in Path("/proc/mounts").read_text().splitlines()
        if line.split()[1] == str(folder)
    )
    fault = Path(f"/sys/fs/ext4/{device}/trigger_fs_error")
    try:
        if not os.access(fault, os.W_OK):
            pytest.skip(f"NO READ-ONLY TEST: {fault} cannot be written here")
        yield folder, partial(fault.write_text, "1")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("n_before", [0, 5])
def test_a_disk_that_turns_read_only_ends_nothing(
    breaking: tuple[Path, Callable[[], object]], n_before: int
) -> None:
    """It takes nothing more and says so; what can be read of it is drained."""
    folder, breaks = breaking
    turns, spool = Turns(), small(folder)
    for seq in range(1, n_before + 1):
        turns.append(spool, seq)
    breaks()
    for seq in (101, 102):
        with pytest.raises(SpoolFull, match=str(folder)):
            turns.append(spool, seq)
    nothing = Snapshot(1, 1, 1, b"")
    assert not KeptSnapshot(folder).write(nothing)
    assert drained(spool) == list(range(1, n_before + 1))
    assert (spool.n_turns, spool.n_corrupt) == (0, 0)
    spool.close()


def test_a_file_that_cannot_be_read_is_named_and_not_the_database(
    breaking: tuple[Path, Callable[[], object]],
) -> None:
    """Its turns may be all that there is of an alarm: they are waited for, aloud."""
    folder, breaks = breaking
    turns, spool = Turns(), small(folder)
    for seq in range(1, 61):
        turns.append(spool, seq)
    breaks()
    with pytest.raises(DependencyError, match="disk I/O error"):
        drained(spool)
    assert spool.n_turns > 0
    told = outage.problem(spool, at(1), since_start=False)
    assert told.startswith(f"the spool cannot be read, {spool.n_turns} turns")
    assert told.endswith("disk I/O error")
    spool.close()


def test_a_reserve_on_a_read_only_disk_is_left_there(disk: Path) -> None:
    """Nobody who stores alarms has to know."""
    reserve = Reserve(disk / "reserve", MB)
    assert reserve.take()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    reserve.give_up()
    assert not reserve.take()
    assert not write_whole(disk / "owner.json", b"{}")


def test_on_a_full_disk_alarms_go_on(
    disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Readings stop loudly, facts take the reserve; freed space brings them back."""
    turns, spool = Turns(600), small(disk, segment_bytes=512 * KB)
    ballast = disk / "somebody-elses-file"
    ballast.write_bytes(b"x" * (2 * MB))
    seq = 1
    while turns.append(spool, seq):
        seq += 1
    assert "takes no readings any more" in caplog.text
    assert "full" in caplog.text
    for more in range(seq + 1, seq + 101):
        assert not turns.append(spool, more)
    ballast.unlink()
    assert turns.append(spool, seq + 101), "there is room again"
    spool.close()
    spool = small(disk, segment_bytes=512 * KB)
    assert not spool.readings_refused
    events, found, lost = 0, [], 0
    while waiting := spool.oldest(turns.live.book, 50):
        for turn in waiting:
            events += len(turn.judged.events)
            lost += sum(r.n for r in turn.judged.rejects)
            found += seqs(turn.judged)
        spool.done(waiting[-1].id, at(5000))
    assert found == [*range(1, seq), seq + 101]
    assert lost == 101 * 600
    assert events == 2 * (seq + 101)
    assert spool.n_corrupt == 0
    spool.close()


def test_a_disk_without_one_free_block(disk: Path) -> None:
    """When facts do not fit either it is an error, and what was stored stays."""
    turns, spool = Turns(20), small(disk)
    for seq in range(1, 31):
        assert turns.append(spool, seq)
    ballast = (disk / "somebody-elses-file").open("wb", 0)
    with ballast, pytest.raises(OSError, match="No space left"):
        fill(ballast)

    def fill_the_rest() -> None:
        for seq in range(31, 20_000):
            turns.append(spool, seq)

    with pytest.raises(SpoolFull, match="full"):
        fill_the_rest()
    n = spool.n_turns
    assert n > 31, "the reserve held facts"
    (disk / "somebody-elses-file").unlink()
    spool.close()
    spool = small(disk)
    assert spool.n_turns == n
    assert drained(spool)[:30] == list(range(1, 31))
    spool.close()


def fill(file: FileIO) -> None:
    """Write until the disk is full."""
    while True:
        file.write(b"x" * 4096)


def alter(path: Path, sql: str) -> None:
    """Change a file of the spool behind its back."""
    with sqlite3.connect(path) as db:
        db.execute(sql)
    db.close()


def spooled(folder: Path, n: int = 60) -> list[Path]:
    """A closed spool with n turns; its files."""
    turns, spool = Turns(), small(folder)
    for seq in range(1, n + 1):
        turns.append(spool, seq)
    spool.close()
    return sorted(folder.glob("turns-*.sqlite"))


def test_a_damaged_record_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Damaged facts are skipped, damaged readings told as a reject; the rest goes."""
    files = spooled(tmp_path)
    alter(files[0], "UPDATE turn SET facts = substr(facts, 1, 30) WHERE id IN (1, 5)")
    alter(files[0], "UPDATE turn SET readings = zeroblob(99) WHERE id = 3")
    spool = small(tmp_path)
    book, found, rejects = PointBook(), [], []
    while waiting := spool.oldest(book, 4):
        assert spool.oldest(book, 4), "asked twice, told once"
        for turn in waiting:
            found += seqs(turn.judged)
            rejects += turn.judged.rejects
        spool.done(waiting[-1].id, at(1000))
    assert found == [n for n in range(1, 61) if n not in (1, 3, 5)]
    assert [(r.reason, r.n) for r in rejects] == [("readings_lost", 40)]
    assert "damaged: " in rejects[0].detail
    assert spool.n_corrupt == 3
    assert caplog.text.count("checksum") == 2
    assert len((tmp_path / "corrupt-turn-000000000005.facts").read_bytes()) == 30
    spool.close()


def test_a_file_that_is_no_database_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its turns are gone, loudly; those of the other files are drained."""
    files = spooled(tmp_path)
    assert len(files) > 2
    files[1].write_bytes(b"not a database " * 4000)
    first_of = [int(path.name[6:18]) for path in files]
    spool = small(tmp_path)
    assert "is damaged and was set aside" in caplog.text
    assert spool.n_corrupt == 1
    gone = set(range(first_of[1], first_of[2]))
    assert drained(spool) == [n for n in range(1, 61) if n not in gone]
    aside = tmp_path / f"{files[1].name}.corrupt"
    assert aside.read_bytes().startswith(b"not a database")
    spool.close()
    small(tmp_path).close()


def test_what_cannot_be_read_is_counted_for_monitoring(tmp_path: Path) -> None:
    """Alarms may have been in it that only relays heard."""
    files = spooled(tmp_path)
    files[1].write_bytes(b"not a database " * 4000)
    alter(files[0], "UPDATE turn SET facts = substr(facts, 1, 30) WHERE id = 5")
    spool, metrics = small(tmp_path), Metrics()
    parts = cast(Shown, SimpleNamespace(storing=SimpleNamespace(spool=spool)))
    show(metrics, lambda: parts, SystemClock())
    shown = metrics.gauge("gasmon_spool_damaged", "")
    assert shown.value() == 1
    drained(spool)
    assert shown.value() == 2
    spool.close()


def test_damaged_pages_cost_only_their_turns(tmp_path: Path) -> None:
    """Nonsense in the middle of a file: no crash, no endless loop, kept for people."""
    files = spooled(tmp_path)
    with files[0].open("r+b") as file:
        file.seek(5 * 4096)
        file.write(os.urandom(3 * 4096))
    spool = small(tmp_path)
    found = drained(spool)
    assert found == sorted(set(found))
    assert set(range(int(files[1].name[6:18]), 61)) <= set(found)
    assert spool.n_corrupt > 0
    assert spool.n_turns == 0
    spool.close()


def test_a_newest_file_that_breaks_is_left(tmp_path: Path) -> None:
    """The next turn goes whole into a new file, behind what the broken one had."""
    turns, spool = Turns(), small(tmp_path, segment_bytes=MB)
    for seq in range(1, 6):
        turns.append(spool, seq)
    (path,) = tmp_path.glob("turns-*.sqlite")
    spool.close()
    alter(path, "DROP TABLE point")
    spool = small(tmp_path, segment_bytes=MB)
    assert turns.append(spool, 6)
    assert turns.append(spool, 7)
    assert not spool.readings_refused
    assert drained(spool) == list(range(1, 8))
    spool.close()
