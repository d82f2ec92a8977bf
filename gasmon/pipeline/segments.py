"""The files of the spool, oldest first: which turn lies where, and what may go."""

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from gasmon.errors import DependencyError
from gasmon.pipeline.segment import (
    LOGS,
    PREFIX,
    SUFFIX,
    PointRow,
    Segment,
    is_full,
    is_transient,
)
from gasmon.pipeline.turns import EncodedTurn
from gasmon.points import PointKey

KEEP_BYTES = 2**20
"""A drained file below this stays for the next outage: its blocks are taken already,
and a database that comes and goes does not make and delete a file each time."""

log = logging.getLogger(__name__)


class Segments:
    """All files of one folder.

    Attributes:
        oldest_at_us: when the oldest waiting turn was written [µs UTC].
        n_set_aside: files that could not be read.
    """

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        """Take over what a former process left.

        Raises:
            DependencyError: the disk cannot be read.
        """
        self.oldest_at_us: int | None = None
        self.n_set_aside = 0
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._all: list[Segment] = []
        self._noted: set[PointKey] = set()
        paths = sorted(folder.glob(f"{PREFIX}*"))
        firsts = [int(path.name[len(PREFIX) :].split(".")[0]) for path in paths]
        # Numbers go on behind everything that ever lay here, also what is set aside.
        self._next_id = max(firsts, default=0) + 1
        for path, first in zip(paths, firsts, strict=True):
            if path.name.endswith(SUFFIX):
                self._take_over(Segment(path, first))
            elif path.name.endswith(LOGS):
                name, _, _ = path.name.rpartition("-")
                if not path.with_name(name).exists():
                    path.unlink()  # the log of a file that was being deleted
        self._drop_drained()

    def _take_over(self, segment: Segment) -> None:
        try:
            segment.look()
        except sqlite3.Error as error:
            segment.close()
            if is_transient(error):
                raise DependencyError(f"{segment.path}: {error}") from error
            self._set_aside(segment, str(error))
            return
        segment.close()
        self._next_id = max(self._next_id, segment.last + 1)
        self._all.append(segment)

    @property
    def n_turns(self) -> int:
        """Turns that wait."""
        return sum(segment.n_turns for segment in tuple(self._all))

    @property
    def n_bytes(self) -> int:
        """What all files take on the disk [bytes]."""
        return sum(segment.n_bytes for segment in tuple(self._all))

    def points(self) -> set[PointRow]:
        """Every point that the turns speak of."""
        found: set[PointRow] = set()
        for segment in self._all:
            try:
                found.update(segment.points())
            except sqlite3.Error as error:
                log.error("%s: its points cannot be read: %s", segment.path, error)
            if segment is not self._all[-1]:
                segment.close()
        return found

    def append(
        self, at_us: int, turn: EncodedTurn, points: set[PointKey], *, whole: bool
    ) -> int:
        """Write a turn into the newest file; returns its number.

        Args:
            points: every point it speaks of.
            whole: with its readings; else the facts alone.

        Raises:
            sqlite3.Error: nothing was written.
        """
        newest = self._all[-1] if self._all else None
        if newest is None or newest.n_bytes >= self._segment_bytes:
            newest = self._begin()
        id = newest.append(at_us, turn, points - self._noted, whole=whole)
        self._noted |= points
        self._next_id = id + 1
        if self.oldest_at_us is None:
            self.oldest_at_us = at_us
        return id

    def _begin(self) -> Segment:
        if len(self._all) > 1:
            self._all[-1].close()
        self._noted = set()
        path = Segment.path_of(self._folder, self._next_id)
        self._all.append(Segment(path, self._next_id))
        return self._all[-1]

    def leave_newest(self, error: Exception) -> None:
        """After anything but a full disk, the next turn goes into a new file."""
        if not self._all or is_full(error):
            return
        newest = self._all[-1]
        log.error("%s is written no further: %s", newest.path, error)
        if newest.last < newest.first:
            self._all.pop()
            # One that could not even be made leaves nothing behind.
            if newest.path.exists():
                self._set_aside(newest, str(error))
        self._begin()

    def waiting(self) -> Iterator[tuple[Segment, int]]:
        """Numbers of the turns that wait, with the file that each lies in."""
        for segment in tuple(self._all):
            for id in range(segment.drained + 1, segment.last + 1):
                yield segment, id

    def pass_over(self, id: int) -> None:
        """This turn and all before it are done; drained files are deleted."""
        for segment in self._all:
            if segment.first <= id and segment.drained < min(id, segment.last):
                try:
                    segment.drain_to(id)
                except (sqlite3.Error, OSError) as error:
                    # Known to this process; after a crash it is drained once more.
                    log.warning("%s: %s", segment.path, error)
        self._drop_drained()

    def _drop_drained(self) -> None:
        while self._all and self._all[0].n_turns == 0:
            first = self._all[0]
            if len(self._all) == 1 and first.n_bytes < KEEP_BYTES:
                break
            self._all.pop(0)
            try:
                if first.damaged:
                    self._set_aside(first, "some of its turns cannot be read")
                else:
                    first.remove()
            except (sqlite3.Error, OSError) as error:
                # Nothing of it waits any more in this process; the next one writes it
                # once more, which is harmless.
                log.error("%s stays: %s", first.path, error)
        self.oldest_at_us = self._oldest_at_us()

    def _oldest_at_us(self) -> int | None:
        for segment in self._all:
            if segment.n_turns:
                try:
                    return segment.at_us(segment.drained + 1)
                except sqlite3.Error:
                    return self.oldest_at_us  # whoever reads that turn will tell
        return None

    def _set_aside(self, segment: Segment, why: str) -> None:
        aside = segment.set_aside()
        self.n_set_aside += 1
        log.critical("%s is damaged and was set aside as %s: %s", segment.path,
                     aside.name, why)  # fmt: skip

    def close(self) -> None:
        """Close the files; what waits stays."""
        for segment in self._all:
            segment.close()
