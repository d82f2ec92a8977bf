"""What the database and the receivers hold after a round, as plain values."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.pq import TransactionStatus

from tests.faults.truth import Alarm, AlarmKey

Key = tuple[str, str, int]
"""Mine, boot, number."""

REAL = "a.kind NOT LIKE 'forecast%'"
"""SQL: an alarm and not a pre-warning, which no relay and no receiver is told."""


def us_of(column: str) -> str:
    """SQL for a timestamp in whole microseconds."""
    return f"(extract(epoch FROM {column}) * 1000000)::bigint"


@dataclass(frozen=True)
class StoredFrame:
    """A row of ``frame``."""

    judged_us: int
    arrived_us: int
    n_readings: int
    backfill: bool


@dataclass(frozen=True)
class Told:
    """A row of ``outbox``."""

    seq: int
    area: str
    id: str
    alarm_id: int
    event: str
    body: str


@dataclass(frozen=True)
class Lost:
    """A reject that names frames whose readings a full spool refused.

    Attributes:
        first, last: the frames' numbers, both included.
        arrived_us: when the first of them came [µs UTC].
    """

    mine: str
    boot: str
    first: int
    last: int
    arrived_us: int

    def names(self, key: Key) -> bool:
        """Whether this frame is among them."""
        own = key[:2] == (self.mine, self.boot)
        return own and self.first <= key[2] <= self.last


@dataclass
class Facts:
    """One look at the database.

    Attributes:
        readings: (mine, number, time) → (value, state).
        journal: event ids in the order in which they were written, by alarm.
        lost: frames whose readings a full spool refused by name.
        rejects: (mine, reason) → how many.
    """

    frames: dict[Key, list[StoredFrame]] = field(default_factory=dict)
    readings: dict[tuple[str, str, int], list[tuple[float | None, int]]] = field(
        default_factory=dict
    )
    alarms: list[tuple[int, Alarm]] = field(default_factory=list)
    silences: list[tuple[str, str, int, int | None, str]] = field(default_factory=list)
    journal: dict[str, tuple[int, str]] = field(default_factory=dict)
    outbox: list[Told] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    rejects: dict[tuple[str, str], int] = field(default_factory=dict)


def look(conn: psycopg.Connection[tuple[object, ...]]) -> Facts:
    """Read everything in one snapshot; inside a transaction, what that sees."""
    facts = Facts()
    alone = conn.info.transaction_status == TransactionStatus.IDLE
    if alone:
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    _frames(conn, facts)
    _alarms(conn, facts)
    for id_, alarm_id, event in conn.execute(
        "SELECT event_id, alarm_id, event FROM alarm_journal JOIN alarm a"
        f" USING (alarm_id) WHERE {REAL} ORDER BY journal_id"
    ):
        facts.journal[str(id_)] = (int(str(alarm_id)), str(event))
    for seq, area, alarm_id, event, body in conn.execute(
        "SELECT seq, area_code, alarm_id, event, body FROM outbox"
        " WHERE NOT mine_only ORDER BY seq"
    ):
        told = json.loads(str(body))
        facts.outbox.append(
            Told(int(str(seq)), str(area), told["id"], int(str(alarm_id)), str(event),
                 str(body))
        )  # fmt: skip
    for mine, reason, n, detail, arrived in conn.execute(
        "SELECT coalesce(mine, ''), reason, n, detail,"
        f" {us_of('arrived_at')} FROM reject"
    ):
        key = str(mine), str(reason)
        facts.rejects[key] = facts.rejects.get(key, 0) + int(str(n))
        if reason == "readings_lost":
            facts.lost.append(_lost(str(mine), str(detail), int(str(arrived))))
    if alone:
        conn.rollback()
    return facts


def _lost(mine: str, detail: str, arrived_us: int) -> Lost:
    words = detail.replace(",", "").split()
    boot = words[words.index("boot") + 1]
    at = words.index("frames") + 1
    return Lost(mine, boot, int(words[at]), int(words[at + 2]), arrived_us)


def _frames(conn: psycopg.Connection[tuple[object, ...]], facts: Facts) -> None:
    frames: dict[Key, list[StoredFrame]] = defaultdict(list)
    for mine, boot, seq, judged, arrived, n, channel in conn.execute(
        f"SELECT m.code, boot, seq, {us_of('judged_at')}, {us_of('arrived_at')},"
        " n_readings, channel FROM frame JOIN mine m USING (mine_id)"
    ):
        frames[str(mine), str(boot), int(str(seq))].append(
            StoredFrame(int(str(judged)), int(str(arrived)), int(str(n)), channel == 1)
        )
    facts.frames = frames
    readings: dict[tuple[str, str, int], list[tuple[float | None, int]]]
    readings = defaultdict(list)
    for mine, no, at, value, state in conn.execute(
        f"SELECT m.code, p.no, {us_of('at')}, value, state FROM reading"
        " JOIN point p USING (point_id) JOIN mine m USING (mine_id)"
    ):
        readings[str(mine), str(no), int(str(at))].append((value, int(str(state))))  # type: ignore[arg-type]
    facts.readings = readings


def _alarms(conn: psycopg.Connection[tuple[object, ...]], facts: Facts) -> None:
    for (
        alarm_id,
        type_,
        subject,
        kind,
        raised,
        cleared,
        rank,
        peak,
        mine,
        cause,
    ) in conn.execute(
        f"SELECT alarm_id, subject_type, subject_id, a.kind, {us_of('raised_at')},"
        f" {us_of('cleared_at')}, rank, peak, m.code, coalesce((SELECT"
        " detail -> 'explain' ->> 'cause' FROM alarm_journal j WHERE j.alarm_id ="
        " a.alarm_id AND event = 'raised' LIMIT 1), a.explain ->> 'cause', '')"
        f" FROM alarm a JOIN mine m USING (mine_id) WHERE {REAL}"
    ):
        end = None if cleared is None else int(str(cleared))
        key = AlarmKey(f"{type_}:{subject}", str(kind), int(str(raised)))
        if kind in ("link_break", "substation_break", "no_data"):
            facts.silences.append(
                (str(mine), str(kind), key.raised_us, end, str(cause))
            )
        alarm = Alarm(key, end, int(str(rank)), None if peak is None else float(peak))  # type: ignore[arg-type]
        facts.alarms.append((int(str(alarm_id)), alarm))


@dataclass(frozen=True)
class Held:
    """A row of a receiver's file."""

    seq: int | None
    id: str
    body: str


def held_by(path: Path) -> list[Held]:
    """What a receiver has kept, in its order."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT seq, id, body FROM event ORDER BY n").fetchall()
    return [Held(*row) for row in rows]


def has_position(path: Path) -> bool:
    """Whether a receiver was told where the stream stands; only then it resumes."""
    if not path.exists():
        return False
    with closing(sqlite3.connect(path)) as db:
        try:
            found = db.execute("SELECT 1 FROM memory WHERE key = 'position'").fetchone()
        except sqlite3.OperationalError:
            return False
    return found is not None


class OutboxReader:
    """Reads the outbox by number all the time, as a follower does.

    A number that becomes visible after a higher one was read is never seen: that is
    how a hole would show.
    """

    def __init__(self, dsn: str) -> None:
        self.seen: list[int] = []
        self._dsn = dsn
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with psycopg.connect(
                    self._dsn, autocommit=True, connect_timeout=3
                ) as conn:
                    self._follow(conn)
            except psycopg.Error:
                self._stop.wait(0.2)

    def _follow(self, conn: psycopg.Connection[tuple[object, ...]]) -> None:
        while not self._stop.wait(0.01):
            self.look(conn)

    def look(self, conn: psycopg.Connection[tuple[object, ...]]) -> None:
        """Read what is new."""
        last = self.seen[-1] if self.seen else 0
        rows = conn.execute(
            "SELECT seq FROM outbox WHERE seq > %s AND NOT mine_only ORDER BY seq",
            (last,),
        ).fetchall()
        self.seen += [int(str(row[0])) for row in rows]

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(10.0)
