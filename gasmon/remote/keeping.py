"""What a receiver holds: one SQLite file with its position and every event.

Position and events are written in one transaction with ``synchronous=FULL`` before
anybody hears of them, so what was acknowledged survives a power cut. Printing and hooks
are marked afterwards: a receiver that dies in between does them again (at least once;
the event's ``id`` tells a repetition).

Tables: ``event`` (n in order of arrival, id, seq, body, and how far it was told),
``snapshot`` (one row each: why, when, which alarms were open), ``memory`` (position,
subscription); what is said back is in ``replies``, seals are in ``held_seals``.
"""

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from gasmon.errors import ConfigError
from gasmon.remote import held_seals, replies
from gasmon.remote.client_session import Arrived, Held
from gasmon.remote.held_seals import HeldSeals
from gasmon.remote.replies import Replies

_SCHEMA = """
CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS event (
    n            INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    epoch        TEXT NOT NULL,
    seq          INTEGER,              -- NULL: learnt from a snapshot
    body         TEXT NOT NULL,
    received_us  INTEGER NOT NULL,
    printed      INTEGER NOT NULL DEFAULT 0,
    hook         TEXT NOT NULL         -- none, pending, done, failed
        CHECK (hook IN ('none', 'pending', 'done', 'failed'))
);
CREATE INDEX IF NOT EXISTS event_hook ON event (hook, n)
    WHERE hook IN ('pending', 'failed');
CREATE INDEX IF NOT EXISTS event_printed ON event (n) WHERE printed = 0;
CREATE TABLE IF NOT EXISTS snapshot (
    n            INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch        TEXT NOT NULL,
    seq          INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    open_ids     TEXT NOT NULL,
    received_us  INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """An event that is kept, by its place in the file."""

    n: int
    id: str
    body: str


class Keeping:
    """One receiver's file; used by one process at a time.

    Attributes:
        replies: what is owed to the server; other processes may add to it.
        seals: the seals of its arrival log.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            ConfigError: it cannot be used, or another receiver uses it.
        """
        self._lock = _lock(path)
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA busy_timeout=5000")
            self._db.executescript(_SCHEMA + replies.SCHEMA + held_seals.SCHEMA)
        except sqlite3.Error as error:
            os.close(self._lock)
            raise ConfigError(f"state file {path}: {error}") from None
        self.replies = Replies(self._db)
        self.seals = HeldSeals(self._db)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file up."""
        self._db.close()
        os.close(self._lock)

    def position(self) -> tuple[str, int] | None:
        """Epoch and number up to which everything is held; None before the first."""
        return position_in(self._db)

    def held(self) -> Held | None:
        """The position with the filter and rights that it belongs to."""
        position = self.position()
        if position is None:
            return None
        return Held(position, self._recall("subscription") or "")

    def _recall(self, key: str) -> str | None:
        row = self._db.execute(
            "SELECT value FROM memory WHERE key = ?", (key,)
        ).fetchone()
        return None if row is None else str(row[0])

    def _remember(self, key: str, value: str) -> None:
        self._db.execute(
            "INSERT INTO memory (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )

    def store(
        self,
        events: Sequence[Arrived],
        position: tuple[str, int],
        *,
        subscription: str,
        now_us: int,
        with_hook: bool,
        snapshot_reason: str | None = None,
    ) -> list[Kept]:
        """Keep events and the position that they reach, in one transaction.

        With each new event goes the receipt that it was received.

        Args:
            position: epoch and number after these events.
            subscription: the filter and rights that the position belongs to.
            now_us: when they were received [µs UTC].
            with_hook: a hook is owed for each.
            snapshot_reason: these are all open alarms, sent for this reason.

        Returns:
            Those that were not held before, in order.
        """
        fresh = []
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for event in events:
                cursor = self._db.execute(
                    "INSERT INTO event (id, epoch, seq, body, received_us, hook)"
                    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                    (
                        event.id,
                        event.epoch,
                        event.seq,
                        event.body,
                        now_us,
                        "pending" if with_hook else "none",
                    ),
                )
                if cursor.rowcount:
                    assert cursor.lastrowid is not None
                    fresh.append(Kept(cursor.lastrowid, event.id, event.body))
                    replies.owe(self._db, "received", event.id, now_us)
            if snapshot_reason is not None:
                ids = orjson.dumps([event.id for event in events]).decode()
                self._db.execute(
                    "INSERT INTO snapshot (epoch, seq, reason, open_ids, received_us)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (*position, snapshot_reason, ids, now_us),
                )
            self._remember("position", orjson.dumps(position).decode())
            self._remember("subscription", subscription)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        return fresh

    def unprinted(self) -> list[Kept]:
        """Events that may not have been printed, in order."""
        return self._kept("printed = 0")

    def mark_printed(self, up_to: int) -> None:
        """Everything up to this place was printed."""
        self._db.execute(
            "UPDATE event SET printed = 1 WHERE printed = 0 AND n <= ?", (up_to,)
        )

    def next_hook(self) -> Kept | None:
        """The first event whose hook is owed; None when there is none."""
        kept = self._kept("hook = 'pending'", limit=1)
        return kept[0] if kept else None

    def mark_hook(
        self, event: Kept, state: str, at_us: int, proves: Sequence[str] = ()
    ) -> None:
        """A hook is ``done`` or ``failed``.

        Args:
            at_us: now [µs UTC].
            proves: steps that its end proves; their receipts are owed with the mark.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute("UPDATE event SET hook = ? WHERE n = ?", (state, event.n))
            for step in proves:
                replies.owe(self._db, step, event.id, at_us)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def retry_failed(self) -> int:
        """Owe again the hooks that failed; gives how many."""
        return self._db.execute(
            "UPDATE event SET hook = 'pending' WHERE hook = 'failed'"
        ).rowcount

    def _kept(self, condition: str, limit: int = -1) -> list[Kept]:
        rows: list[Any] = self._db.execute(
            f"SELECT n, id, body FROM event WHERE {condition} ORDER BY n LIMIT ?",
            (limit,),
        ).fetchall()
        return [Kept(*row) for row in rows]


def position_in(db: sqlite3.Connection) -> tuple[str, int] | None:
    """Epoch and number that an open file holds everything up to; None: none yet."""
    row = db.execute("SELECT value FROM memory WHERE key = 'position'").fetchone()
    if row is None:
        return None
    epoch, seq = orjson.loads(row[0])
    return str(epoch), int(seq)


def _lock(path: Path) -> int:
    """Hold ``path``.lock for this process; gone with it, however it ends."""
    try:
        handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(f"state file {path}: {error.strerror}") from None
    try:
        if os.name == "nt":  # pragma: no cover
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise ConfigError(f"state file {path} is in use by another receiver") from None
    return handle
