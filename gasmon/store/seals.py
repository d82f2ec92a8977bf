"""Batches, seals of hours, and what retention took: rows of the sealed arrival log."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from gasmon.sealing import (
    NOTHING,
    Chain,
    Seal,
    hour_of,
    read_seal,
    seal_text,
    text_hash,
)
from gasmon.store.db import AsyncConnection, Connection
from gasmon.units import TIME_MAX_US, US_PER_H, from_datetime, to_datetime

LOCK_KEY = 0x6761_736D_0028
"""Transaction lock of who seals hours: "gasm", 0x28."""

GRACE_US = US_PER_H // 60
"""An hour is sealed so long after its end [µs]: a commit takes seconds at most, and
one that takes longer is sealed with the next hour."""

AT_ONCE = 1000
"""Hours sealed by one call: those that passed while nobody was there, in six weeks."""


def head(conn: Connection, scope: str) -> tuple[int, bytes]:
    """Number and hash of a scope's newest batch; 0 before the first.

    Where retention deleted the batches of a scope, its newest seal knows.
    """
    row = conn.execute(
        "SELECT number, hash FROM seal_batch WHERE scope = %s"
        " ORDER BY number DESC LIMIT 1",
        (scope,),
    ).fetchone()
    if row is not None:
        return cast(int, row[0]), bytes(cast(bytes, row[1]))
    newest = _newest(conn)
    if newest is None:
        return 0, NOTHING
    chain = newest[1].chain(scope)
    return chain.last, bytes.fromhex(chain.hash)


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A row of ``seal_batch`` as it is written; times [µs UTC]."""

    scope: str
    number: int
    recorded_us: int
    at_from_us: int
    at_to_us: int
    arrived_from_us: int
    n_frames: int
    n_readings: int
    rows: bytes
    hash: bytes


def append_batch(conn: Connection, batch: NewBatch) -> None:
    """Store a batch in the caller's transaction, or pipeline."""
    conn.execute(
        "INSERT INTO seal_batch VALUES (%s, %s, at_us(%s), at_us(%s), at_us(%s),"
        " at_us(%s), %s, %s, %b, %b)",
        (
            batch.scope,
            batch.number,
            batch.recorded_us,
            batch.at_from_us,
            batch.at_to_us,
            batch.arrived_from_us,
            batch.n_frames,
            batch.n_readings,
            batch.rows,
            batch.hash,
        ),
    )


@dataclass(frozen=True, slots=True)
class StoredSeal:
    """A seal as it stands in the database, unread; times [µs UTC]."""

    hour_us: int
    hash: str
    body: str
    sealed_us: int


def seals(
    conn: Connection, from_us: int, to_us: int, limit: int | None = None
) -> list[StoredSeal]:
    """Seals of the hours that begin in [from, to), oldest first."""
    rows = conn.execute(
        f"{SEALS} WHERE hour >= %s AND hour < %s ORDER BY hour LIMIT %s".encode(),
        (to_datetime(from_us), to_datetime(to_us), limit),
    ).fetchall()
    return [as_seal(row) for row in rows]


async def seals_after(
    conn: AsyncConnection, hour_us: int, limit: int = 500
) -> list[StoredSeal]:
    """Seals of later hours, oldest first."""
    cursor = await conn.execute(
        f"{SEALS} WHERE hour > %s ORDER BY hour LIMIT %s".encode(),
        (to_datetime(min(hour_us, TIME_MAX_US)), limit),
    )
    return [as_seal(row) for row in await cursor.fetchall()]


SEALS = "SELECT hour, encode(hash, 'hex'), body, sealed_at FROM seal_hour"


def as_seal(row: tuple[object, ...]) -> StoredSeal:
    """A row of :data:`SEALS`."""
    hour, told, body, sealed = cast(tuple[datetime, str, str, datetime], row)
    return StoredSeal(from_datetime(hour), told, body, from_datetime(sealed))


def _newest(conn: Connection) -> tuple[StoredSeal, Seal] | None:
    row = conn.execute(f"{SEALS} ORDER BY hour DESC LIMIT 1".encode()).fetchone()
    if row is None:
        return None
    stored = as_seal(row)
    return stored, read_seal(stored.body)


def seal_due(conn: Connection, now_us: int) -> list[StoredSeal]:
    """Seal every hour that is over, each after the one before it.

    Hours in which nothing came are sealed too: a missing seal is always a sign. The
    first is the hour of the first batch. Committed here.

    Args:
        conn: connection with no open transaction.
        now_us: a time that can be believed: hours that are yet to come, once sealed,
            stay sealed [µs UTC].
    """
    made: list[StoredSeal] = []
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
        newest = _newest(conn)
        hour_us = _first_hour(conn) if newest is None else newest[0].hour_us + US_PER_H
        previous = None if newest is None else newest[1]
        hash_ = NOTHING.hex() if newest is None else newest[0].hash
        while (
            hour_us is not None
            and hour_us + US_PER_H + GRACE_US <= now_us
            and len(made) < AT_ONCE
        ):
            previous = _seal(conn, hour_us, previous, hash_)
            body = seal_text(previous)
            hash_ = text_hash(body)
            conn.execute(
                "INSERT INTO seal_hour (hour, hash, body, sealed_at)"
                " VALUES (%s, decode(%s, 'hex'), %s, %s)",
                (to_datetime(hour_us), hash_, body, to_datetime(now_us)),
            )
            made.append(StoredSeal(hour_us, hash_, body, now_us))
            hour_us += US_PER_H
    return made


def _first_hour(conn: Connection) -> int | None:
    row = conn.execute("SELECT min(recorded_at) FROM seal_batch").fetchone()
    first = cast(tuple[datetime | None], row)[0]
    return None if first is None else hour_of(from_datetime(first))


def _seal(
    conn: Connection, hour_us: int, previous: Seal | None, previous_hash: str
) -> Seal:
    epoch = conn.execute("SELECT epoch::text FROM platform").fetchone()
    assert epoch is not None
    before = Seal("", 0, "", ()) if previous is None else previous
    scopes = {*_scopes(conn), *(chain.scope for chain in before.chains)}
    chains = [
        _chain(conn, before.chain(scope), hour_us + US_PER_H)
        for scope in sorted(scopes)
    ]
    dropped, dropped_id = dropped_since(conn, before.dropped_id)
    told = tuple(chain for chain in chains if chain.last)
    return Seal(str(epoch[0]), hour_us, previous_hash, told, tuple(dropped), dropped_id)


def _scopes(conn: Connection) -> list[str]:
    """Every scope with a batch, by steps through the index."""
    rows = conn.execute(
        """WITH RECURSIVE s (scope) AS (
               SELECT min(scope) FROM seal_batch
               UNION ALL
               SELECT (SELECT min(b.scope) FROM seal_batch b WHERE b.scope > s.scope)
               FROM s WHERE s.scope IS NOT NULL)
           SELECT scope FROM s WHERE scope IS NOT NULL"""
    ).fetchall()
    return [cast(str, scope) for (scope,) in rows]


def _chain(conn: Connection, before: Chain, end_us: int) -> Chain:
    """What a scope stored until the end of an hour, since the seal before.

    By number, not by time: whatever a clock did, each batch is sealed once.
    """
    row = conn.execute(
        """SELECT number, encode(hash, 'hex'), t.n_frames, t.n_readings
           FROM (SELECT max(number) AS number FROM seal_batch
                 WHERE scope = %(scope)s AND number > %(after)s
                   AND recorded_at < %(end)s) newest
           JOIN seal_batch b USING (number)
           CROSS JOIN LATERAL (
               SELECT sum(n_frames)::bigint AS n_frames,
                      sum(n_readings)::bigint AS n_readings FROM seal_batch
               WHERE scope = %(scope)s AND number > %(after)s
                 AND number <= newest.number) t
           WHERE b.scope = %(scope)s""",
        {"scope": before.scope, "after": before.last, "end": to_datetime(end_us)},
    ).fetchone()
    first = before.last + 1
    if row is None:
        return Chain(before.scope, first, before.last, 0, 0, before.hash)
    last, told, n_frames, n_readings = cast(tuple[int, str, int, int], row)
    return Chain(before.scope, first, last, n_frames, n_readings, told)


Dropped = tuple[str, int, int, int]


def dropped_since(conn: Connection, after_id: int) -> tuple[list[Dropped], int]:
    """What retention took and no seal says yet, and the newest number."""
    rows = conn.execute(
        "SELECT dropped_id, what, from_at, to_at, dropped_at FROM seal_dropped"
        " WHERE dropped_id > %s ORDER BY dropped_id",
        (after_id,),
    ).fetchall()
    told = cast(list[tuple[int, str, datetime, datetime, datetime]], rows)
    found = [
        (what, from_datetime(a), from_datetime(b), from_datetime(t))
        for _, what, a, b, t in told
    ]
    return found, max((id for id, *_ in told), default=after_id)


def note_dropped(
    conn: Connection, what: str, from_us: int, to_us: int, now_us: int
) -> None:
    """Let the next seal say what retention takes in the caller's transaction.

    Args:
        what: ``reading``, ``frame`` or ``seal_batch``; judged in [from, to), of
            batches: sealed with these hours [µs UTC].
    """
    # Numbers are drawn in the order of commits, so that no seal passes one over.
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
    conn.execute(
        "INSERT INTO seal_dropped (what, from_at, to_at, dropped_at)"
        " VALUES (%s, %s, %s, %s)",
        (what, to_datetime(from_us), to_datetime(to_us), to_datetime(now_us)),
    )


def forget_batches(conn: Connection, before_us: int, now_us: int) -> int:
    """Delete the batches of sealed hours that ended by then; their seals stay.

    Returns:
        How many, committed.
    """
    with conn.transaction():
        row = conn.execute(
            f"{SEALS} WHERE hour <= %s ORDER BY hour DESC LIMIT 1".encode(),
            (to_datetime(before_us - US_PER_H),),
        ).fetchone()
        if row is None:
            return 0
        stored = as_seal(row)
        n = 0
        for chain in read_seal(stored.body).chains:
            n += conn.execute(
                "DELETE FROM seal_batch WHERE scope = %s AND number <= %s",
                (chain.scope, chain.last),
            ).rowcount
        if n:
            first = conn.execute("SELECT min(hour) FROM seal_hour").fetchone()
            oldest = from_datetime(cast(tuple[datetime], first)[0])
            end_us = stored.hour_us + US_PER_H
            note_dropped(conn, "seal_batch", oldest, end_us, now_us)
    return n


# Seals of a node above.


def newest_held(conn: Connection) -> int:
    """Hour of the newest seal that is held [µs UTC]; 0 before the first."""
    row = conn.execute("SELECT max(hour) FROM seal_held").fetchone()
    newest = cast(tuple[datetime | None], row)[0]
    return 0 if newest is None else from_datetime(newest)


def held_seals(conn: Connection, from_us: int) -> dict[int, list[str]]:
    """Hashes that are held, by hour, from an hour on."""
    rows = conn.execute(
        "SELECT hour, hash FROM seal_held WHERE hour >= %s ORDER BY 1, 2",
        (to_datetime(max(0, from_us)),),
    ).fetchall()
    found: dict[int, list[str]] = {}
    for hour, told in cast(list[tuple[datetime, str]], rows):
        found.setdefault(from_datetime(hour), []).append(told)
    return found


def hold_seal(
    conn: Connection, hour_us: int, told: str, body: str, now_us: int
) -> None:
    """Hold a seal in the caller's transaction; the same one again changes nothing."""
    conn.execute(
        "INSERT INTO seal_held VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (to_datetime(hour_us), told, body, to_datetime(now_us)),
    )
