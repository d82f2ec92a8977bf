"""The drop folder: taken when whole, moved when stored, and nothing lost in between."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gasmon.batch import Packet
from gasmon.clock import ManualClock
from gasmon.errors import ConfigError
from gasmon.ingest.drop import UNDER_WAY_MOST, DropFolder
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.mqtt import Pump
from gasmon.ingest.upload.profile import Profile
from gasmon.ingest.upload.records import Header, PointCode, Reading
from gasmon.ingest.upload.write import write_file
from gasmon.settings import load
from gasmon.telemetry import Counter
from gasmon.units import US_PER_S

MINE = "530627004499"
OTHER = "530626000001"
NOW_US = 1_790_000_000 * US_PER_S
CDSS = f"{MINE}_CDSS_20260921221320.txt"


class Site:
    """A folder, an inbox and who watches."""

    def __init__(self, folder: Path, inbox_limit: int = 2000, **more: Any) -> None:
        self.folder = folder
        values = {"files.drop_dir": folder, **more}
        settings = load(None, values, environ={})
        self.clock = ManualClock(NOW_US)
        self.inbox = Inbox(inbox_limit)
        self.n_moved = Counter("n", "n")
        room = Inbox(settings.mqtt.receive_window)
        pump = Pump(settings.mqtt, room, clock=self.clock, boot="b")
        self.drop = DropFolder(
            settings, self.inbox, pump, self.clock, threading.Event(), self.n_moved
        )

    def turn(self, after_s: float = 0.0) -> list[Packet]:
        """Look at the folder; returns what came into the inbox."""
        self.clock.advance(after_s)
        self.drop.turn(self.folder)
        return self.inbox.take(10_000, 0.0)

    def put(self, name: str, data: bytes) -> Path:
        """A file appears."""
        path = self.folder / name
        path.write_bytes(data)
        return path

    def names(self, where: str = ".") -> list[str]:
        """Files in and below a folder."""
        below = (self.folder / where).rglob("*")
        return sorted(str(p.relative_to(self.folder)) for p in below if p.is_file())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """All areas, national profile."""
    return Site(tmp_path)


def some_file(
    value: float = 0.4, mine: str = MINE, profile: Profile | None = None
) -> bytes:
    """A whole file of one reading."""
    code = PointCode(mine, "01", "MN", "0001", "001A01")
    reading = Reading(code, "环境瓦斯", "总回风巷", value, "%", 0, NOW_US)
    header = Header(mine, "示例煤矿", NOW_US)
    return write_file("CDSS", header, [reading], profile or Profile())


def test_a_file_is_moved_only_when_it_is_stored(site: Site) -> None:
    """It is read once, stays while it is under way, and goes to backup by date."""
    site.put(CDSS, some_file())
    (packet,) = site.turn()
    assert packet.topic == f"gasmon/v1/530627/{MINE}/file/CDSS"
    assert packet.payload == some_file()
    assert (packet.arrived_us, packet.mid) == (NOW_US, 0)
    assert site.turn(60) == []
    assert site.names() == [CDSS]

    site.drop.ack([packet])
    assert site.turn() == []
    assert site.names() == [f"backup/20260921/{MINE}/{CDSS}"]
    assert site.n_moved.value(folder="backup") == 1


def test_a_new_start_reads_again_what_was_not_moved(tmp_path: Path) -> None:
    """Whoever died in between leaves the file for the next one."""
    before = Site(tmp_path)
    before.put(CDSS, some_file())
    (packet,) = before.turn()
    after = Site(tmp_path)
    after.drop.ack([packet])
    (again,) = after.turn()
    assert again.payload == packet.payload
    after.drop.ack([again])
    after.turn()
    assert after.names() == [f"backup/20260921/{MINE}/{CDSS}"]


def test_a_file_that_is_being_written_waits_for_its_end(site: Site) -> None:
    """With an end mark nothing is guessed; temporary names are not looked at."""
    data = some_file()
    site.put(CDSS, data[:70])
    site.put(f"{CDSS}.filepart", data)
    assert site.turn() == []
    assert site.turn(60) == []
    site.put(CDSS, data[:90])
    assert site.turn(100) == []
    site.put(CDSS, data)
    (packet,) = site.turn(1)
    assert packet.payload == data


def test_a_file_without_its_end_is_used_and_set_aside_with_the_reason(
    site: Site,
) -> None:
    """After two minutes without a change: nothing that can be read is lost."""
    site.put(CDSS, some_file().removesuffix(b"||"))
    assert site.turn() == []
    assert site.turn(119) == []
    (packet,) = site.turn(1)
    site.drop.ack([packet])
    site.turn()
    place = f"error/20260921/{MINE}/{CDSS}"
    assert site.names() == [place, f"{place}.reason"]
    reason = (site.folder / f"{place}.reason").read_text("utf-8")
    assert "incomplete_file" in reason
    assert "record 1: cut_off" in reason


@pytest.mark.parametrize("is_away", [True, False])
def test_what_is_half_written_is_waited_for_anew_behind_an_outage(
    site: Site, is_away: bool
) -> None:
    """A share that was away, or a process that was stopped: its writer was too."""
    data = some_file()
    site.put(CDSS, data[:90])
    site.drop.cycle()
    share = site.folder.rename(site.folder.parent / "away")
    if is_away:
        site.drop.cycle()
    site.clock.advance(600.0)
    if is_away:
        site.drop.cycle()
    share.rename(site.folder)
    site.drop.cycle()
    assert site.inbox.depth == 0
    assert site.turn(119) == []
    site.put(CDSS, data)
    (packet,) = site.turn(1)
    assert packet.payload == data


def test_an_empty_file_is_set_aside_after_a_while(site: Site) -> None:
    """It tells nothing, so nothing is sent."""
    site.put(CDSS, b"")
    assert site.turn() == site.turn(119) == site.turn(1) == site.turn() == []
    place = f"error/20260921/{MINE}/{CDSS}"
    assert site.names() == [place, f"{place}.reason"]


def test_a_mine_without_end_marks_is_taken_when_its_file_is_still(
    tmp_path: Path,
) -> None:
    """Five seconds without a change."""
    folder, profiles = tmp_path / "drop", tmp_path / "profiles.toml"
    folder.mkdir()
    profiles.write_text(f'[mine.{MINE}]\nend_mark = ""\n', "utf-8")
    site = Site(folder, **{"files.profiles_file": profiles})
    data = some_file(profile=Profile(end_mark=""))
    site.put(CDSS, data[:70])
    assert site.turn() == site.turn(4) == []
    site.put(CDSS, data)
    assert site.turn(4) == site.turn(4) == []
    (packet,) = site.turn(1)
    assert packet.payload == data


def test_a_file_of_which_nothing_can_be_used_goes_to_error(site: Site) -> None:
    """Its refusals are stored all the same."""
    site.put(CDSS, some_file().replace(MINE.encode(), OTHER.encode()))
    (packet,) = site.turn()
    site.drop.ack([packet])
    site.turn()
    place = f"error/20260921/{MINE}/{CDSS}"
    assert site.names() == [place, f"{place}.reason"]
    assert "mine_disagrees" in (site.folder / f"{place}.reason").read_text("utf-8")


def test_what_is_no_upload_file_goes_to_unknown(site: Site) -> None:
    """By name, by type, or of a place that is not ours; once it is still."""
    names = ["readme.doc", f"{MINE}_XXXX_20260921221320.txt"]
    names.append("110101000001_CDSS_20260921221320.txt")
    for name in names:
        site.put(name, some_file())
    assert site.turn() == []
    assert len(site.names()) == 3
    assert site.turn(5) == []
    moved = [f"unknown/20260921/{name}" for name in names]
    assert site.names() == sorted([*moved, *(f"{name}.reason" for name in moved)])
    assert site.n_moved.value(folder="unknown") == 3


def test_a_file_too_large_goes_to_error_unread(tmp_path: Path) -> None:
    """As a message of that size is refused."""
    site = Site(tmp_path, **{"ingest.max_frame_bytes": 1024})
    site.put(CDSS, b"x" * 2000)
    assert site.turn() == site.turn(5) == []
    reason = site.folder / f"error/20260921/{CDSS}.reason"
    assert "2000 bytes" in reason.read_text("utf-8")


def test_files_of_other_areas_are_left_to_their_process(tmp_path: Path) -> None:
    """Two processes may watch one folder."""
    site = Site(tmp_path, **{"ingest.areas": ["530627"]})
    site.put(CDSS, some_file())
    theirs = f"{OTHER}_CDSS_20260921221320.txt"
    site.put(theirs, some_file(mine=OTHER))
    assert [packet.topic[17:29] for packet in site.turn(60)] == [MINE]
    assert site.turn(600) == []
    assert theirs in site.names()


def test_files_come_in_the_order_of_their_times_definitions_first(site: Site) -> None:
    """Also from folders of single mines, as FTP servers make them."""
    home = site.folder / "mine7"
    home.mkdir()
    late, early = f"{MINE}_CDSS_20260921221350.txt", f"{MINE}_NCDSS_20260921221310.txt"
    site.put(late, some_file(0.3))
    (home / early).write_bytes(some_file(0.2))
    site.put(CDSS, some_file(0.1))
    header = Header(MINE, "示", NOW_US, ("", "", "", ""))
    site.put(
        f"{MINE}_CDDY_20260921221320.txt", write_file("CDDY", header, [], Profile())
    )
    packets = site.turn()
    assert [p.topic.rpartition("/")[2] for p in packets] == [
        *("CDSS", "CDDY", "CDSS", "CDSS")
    ]
    assert packets[0].payload == some_file(0.2)
    site.drop.ack(packets)
    site.turn()
    assert len(site.names("backup")) == 4


def test_a_name_that_was_used_before_keeps_both_files(site: Site) -> None:
    """A mine may correct a file; what it was stays."""
    for value in (0.1, 0.2):
        site.put(CDSS, some_file(value))
        site.drop.ack(site.turn())
        site.turn()
    stem = CDSS.removesuffix(".txt")
    folder = f"backup/20260921/{MINE}"
    assert site.names() == [f"{folder}/{stem}.2.txt", f"{folder}/{CDSS}"]


def test_a_full_inbox_leaves_files_where_they_are(tmp_path: Path) -> None:
    """The oldest go first when there is room again."""
    site = Site(tmp_path, inbox_limit=2)
    for second in range(5):
        site.put(f"{MINE}_CDSS_2026092122132{second}.txt", some_file(second))
    taken: list[Packet] = []
    for _ in range(3):
        taken += site.turn()
    assert [p.payload for p in taken] == [some_file(second) for second in range(5)]
    assert len(site.names()) == 5


def test_a_backlog_of_files_leaves_room_for_the_broker(site: Site) -> None:
    """No more than some are under way at once."""
    for n in range(UNDER_WAY_MOST + 5):
        minute, second = divmod(n, 60)
        site.put(f"{MINE}_CDSS_2026092100{minute:02d}{second:02d}.txt", some_file(n))
    first = site.turn()
    assert len(first) == UNDER_WAY_MOST
    assert site.turn() == []
    site.drop.ack(first)
    assert len(site.turn()) == 5


def test_what_cannot_be_moved_is_not_read_again(site: Site) -> None:
    """It is stored: it is moved as soon as the disk allows."""
    site.put(CDSS, some_file())
    packets = site.turn()
    blocker = site.folder / "backup"
    blocker.write_text("a file where the folder should be", "utf-8")
    site.drop.ack(packets)
    assert site.turn() == site.turn(5) == []
    assert CDSS in site.names()
    blocker.unlink(missing_ok=True)
    assert site.turn() == []
    assert site.names("backup") == [f"backup/20260921/{MINE}/{CDSS}"]


def test_old_folders_are_removed(site: Site) -> None:
    """Thirty days are kept; what is no date of ours is left alone."""
    for name in ("20260821", "20260823", "notes"):
        folder = site.folder / "backup" / name
        folder.mkdir(parents=True)
        (folder / "x.txt").write_text("x", "utf-8")
    site.turn()
    kept = sorted(p.name for p in (site.folder / "backup").iterdir())
    assert kept == ["20260823", "notes"]


def test_others_acknowledgements_are_passed_on(site: Site) -> None:
    """The broker's packets are none of ours."""
    packets: Sequence[Packet] = [Packet("t", b"", NOW_US, generation=3, mid=7)]
    assert site.drop.ack(packets) == 1


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """At the start, not each second."""
    with pytest.raises(ConfigError, match=r"files\.drop_dir .*nowhere"):
        Site(tmp_path / "nowhere")


def test_profiles_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """At the start, too."""
    with pytest.raises(ConfigError, match=r"files\.profiles_file .*nowhere"):
        Site(tmp_path, **{"files.profiles_file": tmp_path / "nowhere"})


def test_profiles_are_read_again_when_they_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A better file counts at once; a bad one is told, and the one before stays."""
    folder, path = tmp_path / "drop", tmp_path / "profiles.toml"
    folder.mkdir()
    path.write_text("", "utf-8")
    site = Site(folder, **{"files.profiles_file": path})
    gbk = Profile(encoding="gbk", record_separator="^")
    site.drop.profiles.look()
    assert site.drop.profiles.current.of(MINE) == Profile()
    path.write_text(f'[mine.{MINE}]\nencoding = "gbk"\nrecord_separator = "^"\n')
    site.drop.profiles.look()
    assert site.drop.profiles.current.of(MINE) == gbk
    site.put(CDSS, some_file(profile=gbk))
    (packet,) = site.turn()
    assert packet.payload == some_file(profile=gbk)
    caplog.clear()
    path.write_text(f'[mine.{MINE}]\nencoding = "latin-9"\n')
    for after_s in (0, 1, 58, 2, 0):
        site.clock.advance(after_s)
        site.drop.profiles.look()
        assert site.drop.profiles.is_refused
        assert site.drop.profiles.current.of(MINE) == gbk
    assert len(caplog.records) == 2
    assert "latin-9" in caplog.text
    path.unlink()
    site.drop.profiles.look()
    assert site.drop.profiles.current.of(MINE) == gbk
    path.write_text("[default]\n")
    site.drop.profiles.look()
    assert not site.drop.profiles.is_refused
    assert site.drop.profiles.current.of(MINE) == Profile()
