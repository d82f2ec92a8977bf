"""The drop folder: upload files that FTP or SFTP brings, into the inbox and away.

A file takes the way of a message from the broker: into the inbox, judged, and only when
what came of it is stored (or spooled) is it moved, which is its acknowledgement. So it
may be read twice and never lost: what is still there at a start is read again, and
decoding knows it by its content.

```
drop/[mine's folder/]530627004499_CDSS_20260716110000.txt
drop/backup/20260716/530627004499/…    stored
drop/error/20260716/530627004499/…     nothing in it could be used, or it broke off
drop/unknown/20260716/…                no name of an upload file
```

Beside what is in `error` and `unknown` stands `<name>.reason`. A file is never read
half written: it ends with its end mark, or has not changed for a while.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gasmon import domain
from gasmon.batch import Packet
from gasmon.clock import Clock
from gasmon.errors import ConfigError
from gasmon.ingest.drop_disk import (
    Found,
    day_name,
    look,
    move,
    reasons_of,
    remove_before,
)
from gasmon.ingest.fields import PayloadError
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.mqtt import Pump
from gasmon.ingest.profile_file import ProfileFile
from gasmon.ingest.topics import file_topic
from gasmon.ingest.upload.fast import ReadingFile, ReadingsReader
from gasmon.ingest.upload.names import FileName, parse_file_name
from gasmon.ingest.upload.parse import UploadFile, parse_file
from gasmon.ingest.upload.records import DEFINING
from gasmon.settings import Settings
from gasmon.telemetry import Counter
from gasmon.units import US_PER_DAY

UNDER_WAY_MOST = 200
"""Files in the inbox or being stored at once; ours: a tenth of what the inbox holds, so
that a backlog of files leaves room for what comes from the broker."""

COMPLAIN_EVERY_S = 60.0
"""How often the same trouble with the folder is logged [s]."""

STOOD_S = 10.0
"""A look that comes so much later than it should: this process stood still [s]."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    """A file that is not whole yet, or cannot say so.

    Attributes:
        since_s: it has not changed since this monotonic time [s], as far as looked.
        content: None before it was read as it is now.
    """

    found: Found
    since_s: float
    content: ReadingFile | UploadFile | None = None
    data: bytes = b""


@dataclass(slots=True)
class _UnderWay:
    """A file whose packet is in the inbox or later.

    Attributes:
        folder: where it goes when it is stored; with reasons if not ``backup``.
    """

    packet: Packet
    path: Path
    folder: str
    reasons: Sequence[str] = field(default_factory=tuple)


class DropFolder:
    """Watches one folder; `run` is a thread, `ack` may be called from any.

    Attributes:
        profiles: how mines write; of topics too. Looked at while `run` runs.
        n_waiting: files that were there and not moved at the last look.
    """

    def __init__(
        self,
        settings: Settings,
        inbox: Inbox,
        pump: Pump,
        clock: Clock,
        stop: threading.Event,
        n_moved: Counter,
    ) -> None:
        """Read the profiles; nothing is looked at before `run`.

        Args:
            inbox: where files go.
            pump: is told of packets that are stored; its connection's number is given
                to files, as they have none of their own.
            n_moved: counts by folder.

        Raises:
            ConfigError: profiles that cannot be used, or no such folder.
        """
        self._settings = settings.files
        self._max_bytes = settings.ingest.max_frame_bytes
        self._areas: Collection[str] = settings.ingest.areas
        self._known_areas = {area.code for area in domain.areas()}
        self.profiles = ProfileFile(settings.files.profiles_file, clock)
        self.n_waiting = 0
        self._inbox = inbox
        self._pump = pump
        self._clock = clock
        self._stop = stop
        self._n_moved = n_moved
        self._read_by = self.profiles.current
        self._readers: dict[str, ReadingsReader] = {}
        self._waiting: dict[Path, _Waiting] = {}
        self._under_way: dict[int, _UnderWay] = {}
        self._paths: set[Path] = set()
        self._stored: deque[int] = deque()
        self._complained_s = float("-inf")
        self._looked_s = clock.monotonic_s()
        self._pruned_day = ""
        folder = settings.files.drop_dir
        if folder is not None and not folder.is_dir():
            raise ConfigError(f"files.drop_dir {folder}: there is no such folder")

    def ack(self, packets: Sequence[Packet]) -> int:
        """Take note that packets are stored; those of the broker are acknowledged.

        Returns:
            As `Pump.ack`.
        """
        for packet in packets:
            if id(packet) in self._under_way:
                self._stored.append(id(packet))
        return self._pump.ack(packets)

    def run(self) -> None:
        """Watch until told to stop; without folder and profiles there is nothing."""
        folder = self._settings.drop_dir
        if folder is None and self._settings.profiles_file is None:
            return
        while not self._stop.is_set():
            self.cycle()
            self._stop.wait(self._settings.poll_s)

    def cycle(self) -> None:
        """Look once; a folder that cannot be read is complained of.

        While nobody could look, whoever writes could perhaps not write either: then it
        is waited anew for what is not whole.
        """
        folder = self._settings.drop_dir
        passed_s = self._clock.monotonic_s() - self._looked_s
        if passed_s > self._settings.poll_s + STOOD_S:
            self._wait_anew()
        try:
            self.profiles.look()
            if folder is not None:
                self.turn(folder)
        except OSError as error:
            self._complain(f"drop folder {folder}: {error}")
            self._wait_anew()
        self._looked_s = self._clock.monotonic_s()

    def _wait_anew(self) -> None:
        now_s = self._clock.monotonic_s()
        for waiting in self._waiting.values():
            waiting.since_s = now_s

    def turn(self, folder: Path) -> None:
        """Move what is stored, take what is new.

        Raises:
            OSError: the folder cannot be read.
        """
        self._move_stored(folder)
        self._remove_old(folder)
        if self._read_by is not self.profiles.current:
            # What waits because of how it was read may be whole by the new profile.
            self._read_by = self.profiles.current
            self._waiting.clear()
        found = {each.path: each for each in look(folder)}
        self.n_waiting = len(found)
        self._waiting = {p: w for p, w in self._waiting.items() if p in found}
        named: list[tuple[tuple[int, bool, str], Found, FileName]] = []
        for path, each in found.items():
            if path in self._paths:
                continue
            try:
                name = parse_file_name(path.name)
            except PayloadError as error:
                self._set_aside(folder, each, f"{error.reason}: {error.detail}")
                continue
            # Definitions first: readings of the same second are judged by them.
            order = (name.at_us, name.file_type not in DEFINING, path.name)
            named.append((order, each, name))
        for _, each, name in sorted(named, key=lambda one: one[0]):
            if len(self._under_way) >= UNDER_WAY_MOST or not self._take(
                folder, each, name
            ):
                return

    def _take(self, folder: Path, found: Found, name: FileName) -> bool:
        """Let a file be judged if it is whole and ours; False when there is no room."""
        area = name.mine[:6]
        if area not in self._known_areas:
            reason = f"unknown_mine: mine {name.mine} lies in no area of ours"
            self._set_aside(folder, found, reason)
            return True
        if self._areas and area not in self._areas:
            return True  # another process reads it
        if found.size > self._max_bytes:
            reason = f"frame_too_large: {found.size} bytes, {self._max_bytes} are taken"
            self._set_aside(folder, found, reason, "error")
            return True
        waiting = self._read(found, name)
        if waiting is None:
            return True
        content = waiting.content
        assert content is not None
        still_s = self._clock.monotonic_s() - waiting.since_s
        patience_s = {
            "complete": 0.0,
            "unmarked": self._settings.settle_s,
            "incomplete": self._settings.incomplete_after_s,
        }[content.completeness]
        if still_s < patience_s:
            return True
        is_bad = content.completeness == "incomplete" or (
            not len(content.numbers)
            and (content.n_records > 0 or content.header is None)
        )
        packet = Packet(
            file_topic(area, name.mine, name.file_type),
            waiting.data,
            self._clock.now_us(),
            generation=self._pump.generation,
        )
        if waiting.data and not self._inbox.put(packet):
            return False
        del self._waiting[found.path]
        reasons = tuple(reasons_of(content)) if is_bad else ()
        taken = _UnderWay(packet, found.path, "error" if is_bad else "backup", reasons)
        self._under_way[id(packet)] = taken
        self._paths.add(found.path)
        if not waiting.data:
            self._stored.append(id(packet))  # an empty one tells nothing
        return True

    def _read(self, found: Found, name: FileName) -> _Waiting | None:
        """A file as it is now; None when it is gone."""
        now_s = self._clock.monotonic_s()
        waiting = self._waiting.get(found.path)
        if waiting is not None and waiting.found == found:
            return waiting
        try:
            data = found.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._complain(f"{found.path}: {error}")
            return None
        waiting = _Waiting(found, now_s, self._parse(name, data), data)
        self._waiting[found.path] = waiting
        return waiting

    def _parse(self, name: FileName, data: bytes) -> ReadingFile | UploadFile:
        """What is in a file; what counts of it is decided where it is decoded."""
        profile = self.profiles.current.of(name.mine)
        if name.file_type != "CDSS":
            return parse_file(data, profile, name.file_type, mine=name.mine)
        reader = self._readers.get(name.mine)
        if reader is None or reader.profile != profile:
            reader = self._readers[name.mine] = ReadingsReader(profile, name.mine)
        return reader.read(data)

    def _set_aside(
        self, folder: Path, found: Found, reason: str, where: str = "unknown"
    ) -> None:
        """Move a file that is none of ours, once it does not change any more."""
        now_s = self._clock.monotonic_s()
        waiting = self._waiting.get(found.path)
        if waiting is None or waiting.found != found:
            waiting = self._waiting[found.path] = _Waiting(found, now_s)
        if now_s - waiting.since_s < self._settings.settle_s:
            return
        log.warning("%s is moved to %s: %s", found.path, where, reason)
        self._move(folder / where / self._day(), found.path, [reason], where)
        self._waiting.pop(found.path, None)

    def _move_stored(self, folder: Path) -> None:
        for _ in range(len(self._stored)):
            number = self._stored.popleft()
            taken = self._under_way.get(number)
            if taken is None:
                continue
            mine = taken.path.name[:12]
            target = folder / taken.folder / self._day() / mine
            if self._move(target, taken.path, taken.reasons, taken.folder):
                del self._under_way[number]
                self._paths.discard(taken.path)
            else:
                self._stored.append(number)  # stored, and tried again

    def _move(
        self, target: Path, path: Path, reasons: Iterable[str], folder: str
    ) -> bool:
        """Move a file, with its reasons beside it; False when it stays for now."""
        try:
            move(path, target, reasons)
        except FileNotFoundError:
            log.warning("%s is gone: somebody else moved it", path)
        except OSError as error:
            self._complain(f"{path} cannot be moved to {target}: {error}")
            return False
        self._n_moved.inc(folder=folder)
        return True

    def _day(self) -> str:
        return day_name(self._clock.now_us())

    def _remove_old(self, folder: Path) -> None:
        """Once a day, remove what was kept long enough."""
        today = self._day()
        if today != self._pruned_day:
            self._pruned_day = today
            kept_us = self._settings.keep_days * US_PER_DAY
            remove_before(folder, day_name(self._clock.now_us() - kept_us))

    def _complain(self, text: str) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._complained_s >= COMPLAIN_EVERY_S:
            self._complained_s = now_s
            log.error("%s", text)
