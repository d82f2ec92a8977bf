"""What a receiver says back: receipts and commands, in its file until answered.

Everything is queued before it is sent and marked after the server's answer, each in one
transaction with ``synchronous=FULL``. A receiver that dies in between sends it again
under the same key, and the server does it once. Any process may queue; the one that
receives sends.

Tables: ``receipt`` (one row per event and step), ``command`` (one row per thing that a
person did); ``status`` is NULL until the server has answered.
"""

import secrets
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson

from gasmon.alarms.lifecycle import ACTIONS
from gasmon.alarms.receipts import REPORTED
from gasmon.errors import BadRequest, ConfigError
from gasmon.remote import frames
from gasmon.remote.parsing import Result
from gasmon.units import US_PER_S

SCHEMA = """
CREATE TABLE IF NOT EXISTS receipt (
    n         INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id  TEXT NOT NULL,
    step      TEXT NOT NULL,
    at_us     INTEGER NOT NULL,
    status    INTEGER,
    UNIQUE (event_id, step)
);
CREATE INDEX IF NOT EXISTS receipt_owed ON receipt (n) WHERE status IS NULL;
CREATE TABLE IF NOT EXISTS command (
    n            INTEGER PRIMARY KEY AUTOINCREMENT,
    key          TEXT NOT NULL UNIQUE,
    alarm_id     INTEGER NOT NULL,
    action       TEXT NOT NULL,
    body         TEXT NOT NULL,
    queued_us    INTEGER NOT NULL,
    n_sent       INTEGER NOT NULL DEFAULT 0,
    status       INTEGER,
    record_id    INTEGER,
    repeated     INTEGER,
    detail       TEXT,
    answered_us  INTEGER
);
CREATE INDEX IF NOT EXISTS command_owed ON command (n) WHERE status IS NULL;
"""

MOST_IDS = 100
"""Events of one receipt that we send: 12 kB of 64 that a server takes."""

ONE_TIME_US = US_PER_S
"""Steps within this are told as one, at the time of the last [µs]: a step is never
said to have been earlier than it was."""

BUSY = 503
"""The status that means: nobody knows, send it again."""


@dataclass(frozen=True, slots=True)
class Said:
    """A frame that waits for its answer.

    Attributes:
        receipts: rows of ``receipt`` that it tells; empty: it is a command.
    """

    key: str
    text: str
    receipts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Commanded:
    """One command with what came of it; ``status`` None: not answered yet."""

    key: str
    alarm_id: int
    action: str
    queued_us: int
    n_sent: int
    status: int | None
    record_id: int | None
    detail: str | None


class Replies:
    """The queue of one receiver's file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Use an open file that has our tables."""
        self._db = db

    def report(self, step: str, event_ids: Iterable[str], at_us: int) -> list[str]:
        """Owe the server a receipt of events that are held; the first word counts.

        Args:
            step: received, stored, drawn, sounded or confirmed.
            at_us: when it happened [µs UTC].

        Returns:
            Ids that are in no event of the file; nothing is owed for them.

        Raises:
            BadRequest: there is no such step.
        """
        if step not in REPORTED:
            raise BadRequest(f"step {step!r}: one of {', '.join(REPORTED)} is wanted")
        unknown = []
        with self._transaction():
            for event_id in event_ids:
                if self._one("SELECT 1 FROM event WHERE id = ?", event_id) is None:
                    unknown.append(event_id)
                else:
                    owe(self._db, step, event_id, at_us)
        return unknown

    def command(
        self, alarm_id: int, action: str, at_us: int, key: str = "", **body: Any
    ) -> str:
        """Owe the server a command; gives its key.

        Args:
            at_us: now [µs UTC].
            key: names one thing that a person did, for ever; empty makes one. A key
                that is there already is left as it is.
            body: ``text``, ``cause_code``, ``to``, ``refers_to``, ``minutes``.

        Raises:
            BadRequest: there is no such action.
        """
        if action not in ACTIONS:
            raise BadRequest(f"no action {action!r}; {', '.join(ACTIONS)}")
        key = key or secrets.token_hex(16)
        with self._transaction():
            self._db.execute(
                "INSERT INTO command (key, alarm_id, action, body, queued_us)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                (key, alarm_id, action, orjson.dumps(body).decode(), at_us),
            )
        return key

    def next_said(self, offers: Collection[str]) -> Said | None:
        """What is to be sent next: commands first, each kind in its order.

        Args:
            offers: of the server's hello; what it does not take stays owed.
        """
        command = None
        if "commands" in offers:
            command = self._one(
                "SELECT key, alarm_id, action, body FROM command"
                " WHERE status IS NULL ORDER BY n LIMIT 1"
            )
        if command is not None:
            key, alarm_id, action, body = command
            text = frames.command(key, alarm_id, action, **orjson.loads(body))
            return Said(key, text)
        return self._next_receipt() if "answers" in offers else None

    def _next_receipt(self) -> Said | None:
        rows = self._db.execute(
            "SELECT n, event_id, step, at_us FROM receipt WHERE status IS NULL"
            " ORDER BY n LIMIT ?",
            (MOST_IDS,),
        ).fetchall()
        if not rows:
            return None
        _, _, step, first_us = rows[0]
        together = []
        for row in rows:
            if row[2] != step or abs(row[3] - first_us) > ONE_TIME_US:
                break
            together.append(row)
        key = f"receipt-{together[0][0]}-{together[-1][0]}"
        text = frames.receipt(
            step,
            [row[1] for row in together],
            max(row[3] for row in together),
            key=key,
        )
        return Said(key, text, tuple(row[0] for row in together))

    def sending(self, said: Said) -> None:
        """Count an attempt, before it is made."""
        if not said.receipts:
            self._db.execute(
                "UPDATE command SET n_sent = n_sent + 1 WHERE key = ?", (said.key,)
            )

    def answered(self, said: Said, result: Result, at_us: int) -> bool:
        """Keep the server's answer; False when it is to be sent again later."""
        if result.status == BUSY:
            return False
        with self._transaction():
            if said.receipts:
                self._db.executemany(
                    "UPDATE receipt SET status = ? WHERE n = ?",
                    [(result.status, n) for n in said.receipts],
                )
            else:
                self._db.execute(
                    "UPDATE command SET status = ?, record_id = ?, repeated = ?,"
                    " detail = ?, answered_us = ? WHERE key = ?",
                    (
                        result.status,
                        result.record_id,
                        result.repeated,
                        result.detail,
                        at_us,
                        said.key,
                    ),
                )
        return True

    def n_owed(self) -> tuple[int, int]:
        """Receipts and commands that the server has not answered."""
        row = self._one(
            "SELECT (SELECT count(*) FROM receipt WHERE status IS NULL),"
            " (SELECT count(*) FROM command WHERE status IS NULL)"
        )
        return cast(tuple[int, int], row)

    def commands(self, limit: int = 20) -> list[Commanded]:
        """The newest commands, newest first."""
        return [Commanded(*row) for row in self._db.execute(_COMMANDS, (limit,))]

    def command_of(self, key: str) -> Commanded | None:
        """One command."""
        rows = self._db.execute(_COMMAND, (key,)).fetchall()
        return Commanded(*rows[0]) if rows else None

    def _one(self, query: str, *values: Any) -> Any:
        return self._db.execute(query, values).fetchone()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise


_COLUMNS = (
    "SELECT key, alarm_id, action, queued_us, n_sent, status, record_id, detail"
    " FROM command"
)
_COMMANDS = f"{_COLUMNS} ORDER BY n DESC LIMIT ?"
_COMMAND = f"{_COLUMNS} WHERE key = ?"


def owe(db: sqlite3.Connection, step: str, event_id: str, at_us: int) -> None:
    """Owe a receipt, in a transaction of the caller's."""
    db.execute(
        "INSERT INTO receipt (event_id, step, at_us) VALUES (?, ?, ?)"
        " ON CONFLICT (event_id, step) DO NOTHING",
        (event_id, step, at_us),
    )


@contextmanager
def open_beside(path: Path) -> Iterator[tuple[sqlite3.Connection, Replies]]:
    """A receiver's file for another process than the one that receives.

    Raises:
        ConfigError: it is not there, or none of ours.
    """
    if not path.is_file():
        raise ConfigError(f"state file {path} is not there: receive into it first")
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA busy_timeout=5000")
            db.execute("SELECT 1 FROM event LIMIT 1")
            db.executescript(SCHEMA)
            yield db, Replies(db)
    except sqlite3.Error as error:
        raise ConfigError(f"state file {path}: {error}") from None
