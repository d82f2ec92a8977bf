"""What is old goes: readings by whole partitions, the rest in bounded batches.

Alarms, their journal, incidents and confirmations are never deleted here. Every step
is a short transaction of its own that gives up when it cannot get its lock soon:
dropping a partition needs a moment without readers, and a writer must not queue up
behind it. What was postponed is tried again at the next round.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import psycopg
from psycopg import sql

from gasmon.sealing import hour_of
from gasmon.settings import StorageSettings
from gasmon.store import seals
from gasmon.store.db import Connection
from gasmon.store.migrate import detect_kind
from gasmon.store.partitions import TIME_COLUMNS, Span, list_spans
from gasmon.units import US_PER_DAY, US_PER_S, iso_us, to_datetime

LOCK_TIMEOUT_MS = 2_000
"""Longest that writers may wait behind us [ms]; their inbox holds far more."""

BATCH_ROWS = 10_000
MAX_BATCHES = 200
"""Rows of one DELETE and DELETEs of one round: 2 million rows, a few seconds each."""

AHEAD_AT_MOST_US = US_PER_DAY
"""Ages are counted from this long after what came last at most [µs]: where nothing
comes, nothing grows either."""

LEDGER_DAYS = 365
"""How long steps of deliveries are kept [d], where no setting says otherwise."""

CONSOLE_DAYS = 30
"""How long a closed page is remembered [d]: longer than any room is expected for its
last word, and than any event calls for a delivery."""

_MB = 1_000_000

log = logging.getLogger(__name__)


@dataclass(slots=True)
class RetentionResult:
    """What one round did.

    Attributes:
        dropped: partitions or chunks dropped for their age.
        dropped_for_space: those dropped to stay under ``storage.max_database_mb``.
        deleted: rows deleted, by table.
        postponed: partitions in use, left for the next round.
        database_mb: size afterwards [MB], without the write-ahead log.
        clock_ahead_s: how far our clock was not believed [s].
        over_cap_mb: how much it is still too large [MB]; the newest partition is
            never dropped.
    """

    dropped: list[str] = field(default_factory=list)
    dropped_for_space: list[str] = field(default_factory=list)
    deleted: dict[str, int] = field(default_factory=dict)
    postponed: list[str] = field(default_factory=list)
    database_mb: float = 0.0
    over_cap_mb: float = 0.0
    clock_ahead_s: float = 0.0


def apply_retention(
    conn: Connection,
    storage: StorageSettings,
    now_us: int,
    ledger_days: int = LEDGER_DAYS,
) -> RetentionResult:
    """Delete what is older than the settings say, then what does not fit the cap.

    Args:
        conn: connection with no open transaction.
        now_us: wall time [µs UTC]; ages are counted from it, but not from more than
            AHEAD_AT_MOST_US after the newest arrival or clock mark: a clock that jumps
            years ahead must not delete everything.
        ledger_days: how long steps of deliveries are kept [d].
    """
    result = RetentionResult()
    kind = detect_kind(conn)
    believed_us = believed(conn, now_us)
    conn.commit()
    if believed_us < now_us:
        result.clock_ahead_s = (now_us - believed_us) / US_PER_S
        log.error(
            "what came last is from %s and our clock says %s: ages are counted from %s",
            iso_us(believed_us - AHEAD_AT_MOST_US),
            iso_us(now_us),
            iso_us(believed_us),
        )
        now_us = believed_us
    limit_us = now_us - storage.reading_retention_days * US_PER_DAY
    # By whole hours, as they are sealed.
    result.deleted["seal_batch"] = seals.forget_batches(conn, limit_us, now_us)
    for span in list(past_spans(conn, kind, limit_us)):
        _drop(conn, kind, span, result, result.dropped, now_us)
    if kind == "plain":
        for table in TIME_COLUMNS:
            # Times there are far off; the arrival says how old a row is.
            other = f"{table}_other"
            old_us = hour_of(limit_us)
            result.deleted[other] = _delete(conn, other, "arrived_at", old_us)
    result.deleted["clock_mark"] = _delete(conn, "clock_mark", "at", limit_us)
    limit_us = now_us - storage.reject_retention_days * US_PER_DAY
    result.deleted["reject"] = _delete(conn, "reject", "arrived_at", limit_us)
    limit_us = now_us - storage.outbox_retention_days * US_PER_DAY
    # The newest row stays: it is the head of the stream (store/outbox.py).
    result.deleted["outbox"] = _delete(
        conn, "outbox", "recorded_at", limit_us, "seq < (SELECT max(seq) FROM outbox)"
    )
    limit_us = now_us - ledger_days * US_PER_DAY
    result.deleted["receipt"] = _delete(conn, "receipt", "recorded_at", limit_us)
    limit_us = now_us - CONSOLE_DAYS * US_PER_DAY
    result.deleted["console_page"] = _delete(conn, "console_page", "heard_at", limit_us)
    _fit(conn, kind, storage.max_database_mb, now_us, result)
    return result


def believed(conn: Connection, now_us: int) -> int:
    """The time that ages are counted from [µs UTC].

    Without any mine nothing was ever received, and there is nothing to protect.
    """
    row = conn.execute(
        # Marks say that ingest lives, by a clock that the mines vouch for.
        "WITH heard AS (SELECT max(arrived_at) AS at FROM mine_latest WHERE run = 0)"
        " SELECT (extract(epoch FROM greatest(heard.at, (SELECT max(m.at)"
        "  FROM clock_mark m WHERE m.at > heard.at AND m.at <= %s))) * 1000000)::bigint"
        " FROM heard",
        (to_datetime(now_us),),
    ).fetchone()
    newest_us = cast(tuple[int | None], row)[0]
    return now_us if newest_us is None else min(now_us, newest_us + AHEAD_AT_MOST_US)


def database_mb(conn: Connection) -> float:
    """Size of the database [MB], without the server's write-ahead log."""
    row = conn.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return cast(int, row[0]) / _MB


def _fit(
    conn: Connection, kind: str, cap_mb: int, now_us: int, result: RetentionResult
) -> None:
    """Drop the oldest partitions until the database is under its cap."""
    spans = past_spans(conn, kind, now_us) if cap_mb else iter(())
    for span in list(spans):
        if database_mb(conn) <= cap_mb:
            break
        conn.commit()
        _drop(conn, kind, span, result, result.dropped_for_space, now_us)
    result.database_mb = database_mb(conn)
    conn.commit()
    if cap_mb:
        result.over_cap_mb = max(0.0, result.database_mb - cap_mb)


def past_spans(conn: Connection, kind: str, before_us: int) -> Iterator[Span]:
    """Partitions or chunks that end at or before a time [µs UTC], oldest first."""
    if kind == "plain":
        spans = [s for table in TIME_COLUMNS for s in list_spans(conn, table)]
    else:
        rows = conn.execute(
            """SELECT hypertable_name,
                      (extract(epoch FROM range_start) * 1000000)::bigint,
                      (extract(epoch FROM range_end) * 1000000)::bigint
               FROM timescaledb_information.chunks
               WHERE hypertable_schema = current_schema()
                 AND hypertable_name = ANY(%s)""",
            (list(TIME_COLUMNS),),
        ).fetchall()
        spans = [Span(*row) for row in cast(list[tuple[str, int, int]], rows)]
    conn.commit()
    for span in sorted(spans, key=lambda s: (s.end_us, s.table)):
        if span.end_us <= before_us:
            yield span


def _drop(
    conn: Connection,
    kind: str,
    span: Span,
    result: RetentionResult,
    done: list[str],
    now_us: int,
) -> None:
    start, end = to_datetime(span.start_us), to_datetime(span.end_us)
    name = f"{span.table} {start:%Y-%m-%dT%H:%MZ}/{end:%Y-%m-%dT%H:%MZ}"
    try:
        with conn.transaction():
            conn.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}".encode())
            seals.note_dropped(conn, span.table, span.start_us, span.end_us, now_us)
            if kind == "plain":
                # Another round may have been quicker.
                partition = sql.Identifier(span.name)
                conn.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(partition))
            else:
                # Both bounds: an older chunk that was postponed stays.
                conn.execute(
                    "SELECT drop_chunks(%s::regclass, older_than => %s,"
                    " newer_than => %s)",
                    (span.table, end, start),
                )
    except psycopg.errors.LockNotAvailable:
        result.postponed.append(name)
    else:
        done.append(name)


def _delete(
    conn: Connection, table: str, column: str, before_us: int, only: str = "true"
) -> int:
    """Delete old rows in batches, each its own transaction; returns how many."""
    statement = (
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table}"
        f" WHERE {column} < %s AND {only} LIMIT {BATCH_ROWS}))"
    ).encode()
    total = 0
    for _ in range(MAX_BATCHES):
        with conn.transaction():
            n = conn.execute(statement, (to_datetime(before_us),)).rowcount
        total += n
        if n < BATCH_ROWS:
            break
    return total
