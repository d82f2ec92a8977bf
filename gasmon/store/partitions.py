"""Where a reading's time belongs: day partitions on plain PostgreSQL.

TimescaleDB makes its chunks itself; on plain PostgreSQL they are made here, before
the COPY that needs them and in a transaction of their own, because making one locks
more than a reading should wait for. A new partition is filled and then attached,
which lets other writers go on; ``CREATE TABLE … PARTITION OF`` would stop them.

Times outside the span that is kept go to the default partitions ``reading_other`` and
``frame_other``: a mine whose clock shows 2050 loses nothing and makes no partition.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from psycopg import sql
from psycopg.pq import TransactionStatus

from gasmon.batch import Int64
from gasmon.settings import StorageSettings
from gasmon.store.db import Connection
from gasmon.store.migrate import detect_kind
from gasmon.units import US_PER_DAY, US_PER_H, to_datetime

LOCK_KEY = 0x6761_736D_0002
"""Advisory lock of whoever changes partitions: "gasm", 2."""

TIME_COLUMNS = {"reading": "at", "frame": "judged_at"}
"""The partitioned tables and the column that places their rows."""

SMALL_CAP_MB = 100_000
"""Below this cap partitions are hours, not days: at a frame each 5 s a city of 15,000
points writes about 23 GB a day, and space is given back by whole partitions."""

SPAN_AHEAD_US = 2 * US_PER_DAY
"""How far a clock may run ahead and still get a partition of its own [µs]."""


@dataclass(frozen=True, slots=True)
class Span:
    """One partition (or chunk) of a table: ``[start_us, end_us)``.

    Attributes:
        name: what the partition is called; empty before it is made, and for chunks.
    """

    table: str
    start_us: int
    end_us: int
    name: str = ""


@dataclass(slots=True)
class Partitions:
    """What one process knows of the partitions; its ``ensure`` makes the missing.

    Attributes:
        kind: kind of database; on ``timescaledb`` and ``tsl`` nothing is to be done.
        hours: length of a new partition [h].
        keep_us: how far back a time gets a partition of its own [µs].
        ahead: partitions made beforehand.
        covered: hours since 1970 that have a partition, as far as seen.
    """

    kind: str
    hours: int
    keep_us: int
    ahead: int
    covered: set[int] = field(default_factory=set)

    def ensure(self, conn: Connection, at_us: Int64, now_us: int) -> int:
        """Make the partitions that readings at these times need.

        Call it before the transaction that stores them.

        Args:
            conn: connection with no open transaction.
            at_us: times, int64[n] [µs UTC]; those outside the kept span are left to
                the default partition.
            now_us: wall time [µs UTC].

        Returns:
            Number of partitions made.
        """
        if self.kind != "plain" or len(at_us) == 0:
            return 0
        first, last = int(at_us.min()) // US_PER_H, int(at_us.max()) // US_PER_H
        if first == last and first in self.covered:
            return 0
        oldest = (now_us - self.keep_us) // US_PER_H
        newest = (now_us + SPAN_AHEAD_US) // US_PER_H
        hours = np.unique(at_us // US_PER_H)
        wanted = {int(h) for h in hours[(hours >= oldest) & (hours <= newest)]}
        return self._make(conn, wanted - self.covered)

    def ensure_ahead(self, conn: Connection, now_us: int) -> int:
        """Make the present partition and the next ones, before they are needed."""
        if self.kind != "plain":
            return 0
        step = self.hours * US_PER_H
        starts = now_us + step * np.arange(self.ahead + 1, dtype=np.int64)
        return self._make(conn, {int(s) // US_PER_H for s in starts} - self.covered)

    def _make(self, conn: Connection, hours: set[int]) -> int:
        if not hours:
            return 0
        # Of a lost connection nothing is known; it says so itself when it is used.
        assert conn.info.transaction_status in (
            TransactionStatus.IDLE,
            TransactionStatus.UNKNOWN,
        ), "partitions are made outside of the transaction that needs them"
        with conn.transaction():
            conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
            made = 0
            for table in TIME_COLUMNS:
                taken = _hours_of(list_spans(conn, table))
                for hour in sorted(hours):
                    if hour not in taken:
                        span = self._span(table, hour, taken)
                        _attach(conn, span)
                        taken |= _hours_of([span])
                        made += 1
        # After the commit: a partition that was rolled back is not covered.
        self.covered |= hours
        return made

    def _span(self, table: str, hour: int, taken: set[int]) -> Span:
        """The partition for an hour: full length, or the hour alone where an older
        partition of another length is in the way."""
        start = hour - hour % self.hours
        length = self.hours
        if any(h in taken for h in range(start, start + length)):
            start, length = hour, 1
        return Span(table, start * US_PER_H, (start + length) * US_PER_H)


def open_partitions(conn: Connection, storage: StorageSettings) -> Partitions:
    """Begin to look after the partitions of a database, as its settings ask.

    A cap on its size (``storage.max_database_mb``) that is smaller than a few days of
    readings makes new partitions an hour long, also on TimescaleDB.

    Args:
        conn: connection with no open transaction.
    """
    kind = detect_kind(conn)
    small = 0 < storage.max_database_mb < SMALL_CAP_MB
    hours = set_hours(conn, kind, 1 if small else 24)
    conn.commit()
    return Partitions(
        kind=kind,
        hours=hours,
        keep_us=storage.reading_retention_days * US_PER_DAY,
        ahead=storage.partition_days_ahead,
    )


def set_hours(conn: Connection, kind: str, hours: int) -> int:
    """Set the length of partitions (and chunks) made from now on [h]."""
    changed = conn.execute(
        "UPDATE platform SET partition_hours = %s WHERE partition_hours <> %s",
        (hours, hours),
    )
    if changed.rowcount and kind != "plain":
        for table in TIME_COLUMNS:
            conn.execute(
                "SELECT set_chunk_time_interval(%s::regclass,"
                " make_interval(hours => %s))",
                (table, hours),
            )
    return hours


def list_spans(conn: Connection, table: str) -> list[Span]:
    """The partitions of a table on plain PostgreSQL, oldest first, without default."""
    rows = conn.execute(
        """SELECT name, (extract(epoch FROM bounds[1]::timestamptz) * 1000000)::bigint,
                  (extract(epoch FROM bounds[2]::timestamptz) * 1000000)::bigint
           FROM (SELECT c.relname::text AS name, regexp_match(
                    pg_get_expr(c.relpartbound, c.oid),
                    $$FROM \\('([^']+)'\\) TO \\('([^']+)'\\)$$) AS bounds
                 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                 WHERE i.inhparent = %s::regclass) p
           WHERE bounds IS NOT NULL ORDER BY 2""",
        (table,),
    ).fetchall()
    return [
        Span(table, start, end, name)
        for name, start, end in cast(list[tuple[str, int, int]], rows)
    ]


def _hours_of(spans: Iterable[Span]) -> set[int]:
    return {
        hour
        for span in spans
        for hour in range(span.start_us // US_PER_H, span.end_us // US_PER_H)
    }


def _attach(conn: Connection, span: Span) -> None:
    """Make one partition, move what the default partition holds for it, attach it."""
    start, end = to_datetime(span.start_us), to_datetime(span.end_us)
    hours = (span.end_us - span.start_us) // US_PER_H
    stamp = f"{start:%Y%m%d}" if hours == 24 else f"{start:%Y%m%d_%H}h{hours}"
    names = {
        "parent": sql.Identifier(span.table),
        "new": sql.Identifier(f"{span.table}_{stamp}"),
        "other": sql.Identifier(f"{span.table}_other"),
        "time": sql.Identifier(TIME_COLUMNS[span.table]),
        "start": sql.Literal(start.isoformat()),
        "end": sql.Literal(end.isoformat()),
    }
    conn.execute(
        sql.SQL("CREATE TABLE {new} (LIKE {parent} INCLUDING ALL)").format(**names)
    )
    conn.execute(
        sql.SQL(
            "WITH moved AS (DELETE FROM {other}"
            " WHERE {time} >= {start}::timestamptz AND {time} < {end}::timestamptz"
            " RETURNING *) INSERT INTO {new} SELECT * FROM moved"
        ).format(**names)
    )
    conn.execute(
        sql.SQL(
            "ALTER TABLE {parent} ATTACH PARTITION {new}"
            " FOR VALUES FROM ({start}) TO ({end})"
        ).format(**names)
    )
