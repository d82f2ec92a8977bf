"""The spool: judged turns on the local disk while the database is away.

What is appended here survives kill -9 and a power cut, so the broker may be told that
it is safe; ``persist`` writes it later, in exactly the same order. A turn is wholly
there or not at all. Draining one twice is harmless, the store is keyed.

Arithmetic of the limit: a city of 259 mines with 58 points each sends 3,000 readings
a second at a cycle of 5 s. One frame alone takes 20 to 30 bytes a reading, a turn of
many 7 (measured); with 30 to be safe that is 90 kB/s, so 1 GiB holds 3 h and 8 GiB a
day. At the nation's 50,000 readings/s it is 1.5 MB/s, 8 GiB in an hour and a half.

Space: the turns lie in files of at most SEGMENT_BYTES, and a drained one is deleted,
which costs nothing however large the backlog was. Besides, ``reserve_bytes`` lie on
the disk as a file of nothing. When the disk is full or the limit reached, that file is
given up, readings are refused and the facts (alarms, definitions, rejects) go on into
the space that it held, until there is room for it again.
"""

import logging
import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gasmon.errors import ConfigError, DependencyError, GasmonError
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.filling import Filling
from gasmon.pipeline.record import RecordCorrupt
from gasmon.pipeline.reserve import Reserve
from gasmon.pipeline.segment import Segment, StoredTurn, is_full, is_transient
from gasmon.pipeline.segments import Segments
from gasmon.pipeline.turns import EncodedTurn, decode_turn, encode_turn
from gasmon.points import PointKey, PointTable

if sys.platform != "win32":
    import fcntl

LIMIT_BYTES = 8 * 2**30
"""See the arithmetic above: a day of a city [bytes]."""

RESERVE_BYTES = 64 * 2**20
"""Facts without readings take about 2 kB/s in a city: 64 MiB are nine hours of them."""

SEGMENT_BYTES = 64 * 2**20
"""A file of the spool: the space that comes back at once, and the most that a damaged
file can take with it [bytes]."""

_TOGETHER_BYTES = 4 * 2**20
_PAGES_BYTES = 32 * 1024
_RESUME_AT = 0.9
"""Readings are taken again below this share of the limit."""

log = logging.getLogger(__name__)


class SpoolFull(GasmonError):
    """Not even facts could be written; names the folder and the reason."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a turn.

    Attributes:
        stored_readings: False when it had readings and they were refused.
        n_bytes: what its records take [bytes].
    """

    id: int
    stored_readings: bool
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A turn to be written to the database; then ``done(id)``.

    Attributes:
        at_us: when it was spooled [µs UTC].
        judged: without packets; those are acknowledged.
    """

    id: int
    at_us: int
    judged: Judged


class Spool:
    """Turns in order, in a folder of its own; used by one thread at a time.

    The attributes, properties and ``minutes_left`` may be read by any thread.

    Attributes:
        readings_refused: the disk is full or the limit reached; facts still go.
        takes_nothing: not even those went, at the last try.
        unreadable: why the oldest turn could not be read just now; else empty.
        n_refused: readings that were refused since the start.
    """

    def __init__(
        self,
        folder: Path,
        *,
        limit_bytes: int = LIMIT_BYTES,
        reserve_bytes: int = RESERVE_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        """Open the folder with what a former process left in it.

        Args:
            limit_bytes: readings are refused beyond it; facts beyond it and
                ``reserve_bytes`` together.

        Raises:
            ConfigError: the folder cannot be used, or another process uses it.
            DependencyError: the disk cannot be read.
        """
        self.limit_bytes = limit_bytes
        self.readings_refused = self.takes_nothing = False
        self.n_refused, self.unreadable = 0, ""
        self._folder = folder
        self._filling = Filling()
        self._read_bytes: dict[int, int] = {}
        self._corrupt: set[int] = set()
        self._lock = _locked(folder)
        try:
            self._reserve = Reserve(folder / "reserve", reserve_bytes)
            self._files = Segments(folder, min(segment_bytes, limit_bytes // 8))
            self._resume()
        except BaseException:
            os.close(self._lock)
            raise
        if not self._reserve.held:
            mb = f"{reserve_bytes / 2**20:g} MB"
            wanted_mb = self._reserve.wanted_bytes / 2**20
            self._refuse(
                f"the reserve of {mb} is taken where {wanted_mb:g} MB are free"
            )
        if self.n_turns:
            log.warning("%d turns wait in %s", self.n_turns, folder)

    # What is there

    @property
    def n_turns(self) -> int:
        """Turns that wait for the database."""
        return self._files.n_turns

    @property
    def size_bytes(self) -> int:
        """What the turns take on the disk, without the reserve."""
        return self._files.n_bytes

    @property
    def oldest_at_us(self) -> int | None:
        """When the oldest turn was spooled [µs UTC]; None when nothing waits."""
        return self._files.oldest_at_us

    @property
    def n_corrupt(self) -> int:
        """Turns and files that were found damaged since the start."""
        return len(self._corrupt) + self._files.n_set_aside

    def minutes_left(self, now_us: int) -> float | None:
        """How long readings can go on at the rate of the last minutes.

        Returns:
            Minutes until the limit or the disk's end, whichever comes first; 0 when
            they are refused already; None while the spool is not filling.
        """
        if self.readings_refused:
            return 0.0
        left = min(self.limit_bytes - self.size_bytes, self._reserve.free_bytes())
        return self._filling.minutes(left, now_us)

    def points(self) -> list[PointKey]:
        """Every point that waiting turns speak of; cheap, however many there are.

        To be provisioned before a second thread uses the book.
        """
        return [PointKey(*row) for row in sorted(self._files.points())]

    # In

    def append(self, judged: Judged, table: PointTable, now_us: int) -> Appended:
        """Write a turn durably; when this returns, the broker may be told.

        Args:
            table: the one that its rows belong to, or a later one.
            now_us: stamped as the time of spooling [µs UTC].

        Raises:
            SpoolFull: nothing was written, not even facts; the broker must keep it.
        """
        turn = encode_turn(judged, table)
        points = _points(judged, table.keys)
        if self.readings_refused:
            self._resume()
        n_bytes = len(turn.facts) + len(turn.readings)
        if not self.readings_refused and self._grows_to(n_bytes) > self.limit_bytes:
            self._refuse(f"the limit of {self.limit_bytes} bytes is reached")
        id, whole = self._write(now_us, turn, points)
        if not whole:
            n_bytes = len(turn.facts)
            self.n_refused += judged.n_readings
        self._filling.grown(n_bytes, now_us)
        return Appended(id, whole or not turn.readings, n_bytes)

    def _write(
        self, now_us: int, turn: EncodedTurn, points: set[PointKey]
    ) -> tuple[int, bool]:
        """Write as much as the disk takes; the number, and whether it is whole."""
        ceiling = self.limit_bytes + self._reserve.n_bytes
        for attempt in range(3):
            whole = not self.readings_refused
            try:
                if not whole and self._grows_to(len(turn.facts)) > ceiling:
                    raise OSError(f"limit and reserve, {ceiling} bytes, are used up")
                id = self._files.append(now_us, turn, points, whole=whole)
                self.takes_nothing = False
                return id, whole
            except (sqlite3.Error, OSError) as error:
                if attempt == 2:
                    self.takes_nothing = True
                    raise SpoolFull(f"spool {self._folder}: {error}") from error
                if whole and (is_full(error) or attempt == 1):
                    self._refuse(str(error))
                else:
                    # Perhaps it is only this file.
                    self._files.leave_newest(error)
        raise AssertionError("unreachable")

    def _grows_to(self, n_bytes: int) -> int:
        """The size with so much more: once in the log and once in the file."""
        return self.size_bytes + 2 * n_bytes + _PAGES_BYTES

    def _refuse(self, why: str) -> None:
        self.readings_refused = True
        self._reserve.give_up()
        log.error(
            "the spool %s takes no readings any more, alarms only: %s (%d bytes, %d"
            " turns wait)", self._folder, why, self.size_bytes, self.n_turns
        )  # fmt: skip

    def _resume(self) -> None:
        if self.size_bytes > _RESUME_AT * self.limit_bytes or not self._reserve.take():
            return
        if self.readings_refused:
            log.warning("the spool %s takes readings again", self._folder)
        self.readings_refused = False

    # Out

    def oldest(self, book: PointBook, n: int = 1) -> list[Waiting]:
        """The turns to be written next, in order; they stay until they are done.

        A record that is damaged is set aside beside the spool and skipped, or told
        as a reject when it is only the readings.

        Args:
            n: at most this many in one transaction; fewer when they are large.

        Returns:
            None at all only when nothing waits.

        Raises:
            DependencyError: the disk cannot be read now.
        """
        found: list[Waiting] = []
        n_bytes = 0
        for segment, id in self._files.waiting():
            waiting = self._read(segment, id, book)
            if waiting is not None:
                found.append(waiting)
                n_bytes += self._read_bytes[id]
                if len(found) == n or n_bytes >= _TOGETHER_BYTES:
                    break
            elif found:
                break  # passed over when it is the oldest
            else:
                self._files.pass_over(id)
        return found

    def replay(self, book: PointBook) -> Iterator[Judged]:
        """All turns in order, without passing any over, for a process that goes on.

        Args:
            book: takes the turns' definitions, as it did when they were judged.

        Raises:
            DependencyError: the disk cannot be read now.
        """
        for segment, id in self._files.waiting():
            waiting = self._read(segment, id, book, adopt=True)
            self._read_bytes.pop(id, None)
            if waiting is not None:
                yield waiting.judged

    def _read(
        self, segment: Segment, id: int, book: PointBook, *, adopt: bool = False
    ) -> Waiting | None:
        try:
            stored = segment.read(id)
        except sqlite3.Error as error:
            if is_transient(error):
                self.unreadable = f"{segment.path}: {error}"
                raise DependencyError(self.unreadable) from error
            stored, why = None, str(error)
        else:
            why, self.unreadable = "the row is missing", ""
        if stored is None:
            segment.damaged = True
            self._count_corrupt(id, f"turn {id} in {segment.path}: {why}")
            return None
        self._read_bytes[id] = len(stored.encoded.facts) + len(stored.encoded.readings)
        return self._decoded(stored, book, adopt)

    def _decoded(
        self, stored: StoredTurn, book: PointBook, adopt: bool
    ) -> Waiting | None:
        turn = stored.encoded
        lost = "the disk was full or the spool's limit reached"
        try:
            judged = decode_turn(turn, book, lost=lost, adopt=adopt)
        except RecordCorrupt as error:
            why = f"turn {stored.id} in {self._folder}: {error}"
            if self._count_corrupt(stored.id, why):
                self._keep(stored)
            try:
                facts_only = EncodedTurn(turn.facts, b"")
                why = f"damaged: {error}"
                judged = decode_turn(facts_only, book, lost=why, adopt=adopt)
            except RecordCorrupt:
                return None
        return Waiting(stored.id, stored.at_us, judged)

    def done(self, id: int, now_us: int) -> None:
        """The database has committed this turn and all before it.

        Args:
            now_us: for the rate at which the spool fills [µs UTC].
        """
        self._files.pass_over(id)
        drained = [known for known in self._read_bytes if known <= id]
        n_bytes = sum(self._read_bytes.pop(known) for known in drained)
        self._filling.grown(-n_bytes, now_us)

    def _count_corrupt(self, id: int, why: str) -> bool:
        """Tell it once; whether this was the first time."""
        if id in self._corrupt:
            return False
        self._corrupt.add(id)
        log.critical("%s", why)
        return True

    def _keep(self, stored: StoredTurn) -> None:
        records = {"facts": stored.encoded.facts, "readings": stored.encoded.readings}
        for name, record in records.items():
            try:
                path = self._folder / f"corrupt-turn-{stored.id:012d}.{name}"
                path.write_bytes(record)
            except OSError as error:
                log.error("a damaged record is not kept: %s", error)

    def close(self) -> None:
        """Close the files; what waits stays."""
        self._files.close()
        os.close(self._lock)


def _locked(folder: Path) -> int:
    """Hold the folder for this process; gone with it, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(f"spool {folder}: {error.strerror}") from None
    if sys.platform == "win32":
        return handle  # no such lock there; the area has one owner all the same
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise ConfigError(f"spool {folder} is in use by another process") from None
    return handle


def _points(judged: Judged, keys: Sequence[PointKey]) -> set[PointKey]:
    rows = [batch.row for batch in judged.batches]
    rows += [latest.row for latest in judged.latest]
    if not rows:
        return set()
    return {keys[row] for row in np.unique(np.concatenate(rows)).tolist()}
