"""What channels have to send: written with the step that calls, sent by couriers.

At least once: an attempt is counted before it is made, and one that nobody reports the
end of (a crash in between) is made again when its lease is over, under the same key.
Any number of processes may send; each takes what no other holds.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from gasmon.store.db import Connection
from gasmon.units import US_PER_S, to_datetime

LEASE_S = 60
"""How long an attempt may take before another is made [s]; senders give up after ten
for each of the few answers that they wait for."""

BACKOFF_S = (5, 15, 30, 60, 120, 300)
"""Waits after the first, second … failure [s]; the last one repeats."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One thing to send to one recipient.

    Attributes:
        withheld: it is recorded and not sent, because it is an SMS of an exercise.
    """

    channel: str
    kind: str
    recipient: str
    exercise: bool

    @property
    def withheld(self) -> bool:
        return self.exercise and self.kind == "sms"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row that this process holds until its lease is over.

    Attributes:
        delivery_key: the same at each attempt.
        n: which attempt this is, from 1.
        created_us: when the call was made [µs UTC].
    """

    delivery_id: int
    recipient: str
    delivery_key: str
    body: str
    n: int
    created_us: int


def put(
    conn: Connection,
    escalation_id: int,
    event_id: str,
    body: str,
    letters: Sequence[Letter],
    now_us: int,
) -> None:
    """Write what a step sends, in the transaction of the step.

    Args:
        event_id: identity of the step's event; keys are made of it.
        body: the event's JSON.
    """
    now = to_datetime(now_us)
    conn.cursor().executemany(
        "INSERT INTO delivery (escalation_id, channel, kind, recipient, delivery_key,"
        " exercise, body, state, created_at, next_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (
                escalation_id,
                letter.channel,
                letter.kind,
                letter.recipient,
                key_of(event_id, letter),
                letter.exercise,
                body,
                "withheld" if letter.withheld else "waiting",
                now,
                None if letter.withheld else now,
            )
            for letter in letters
        ],
    )


def key_of(event_id: str, letter: Letter) -> str:
    """Names one letter for ever: 32 hexadecimal digits."""
    text = f"{event_id}\n{letter.channel}\n{letter.recipient}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def take(conn: Connection, channel: str, now_us: int) -> Attempt | None:
    """Hold the next letter of a channel, as a transaction of its own.

    Returns:
        None when nothing is due.
    """
    with conn.transaction(), conn.cursor(row_factory=class_row(Attempt)) as cursor:
        return cursor.execute(
            "UPDATE delivery SET attempts = attempts + 1, next_at = %(lease)s"
            " WHERE delivery_id = (SELECT delivery_id FROM delivery"
            "   WHERE channel = %(channel)s AND state = 'waiting'"
            "   AND next_at <= %(now)s"
            "   ORDER BY next_at, delivery_id LIMIT 1 FOR UPDATE SKIP LOCKED)"
            " RETURNING delivery_id, recipient, delivery_key, body, attempts AS n,"
            " (extract(epoch FROM created_at) * 1000000)::bigint AS created_us",
            {
                "channel": channel,
                "now": to_datetime(now_us),
                "lease": to_datetime(now_us + LEASE_S * US_PER_S),
            },
        ).fetchone()


def succeeded(
    conn: Connection, channel: str, kind: str, attempt: Attempt, now_us: int
) -> None:
    """The other side took it."""
    now = to_datetime(now_us)
    with conn.transaction():
        conn.execute(
            "UPDATE delivery SET state = 'sent', sent_at = %s, next_at = NULL,"
            " last_error = NULL WHERE delivery_id = %s AND state = 'waiting'",
            (now, attempt.delivery_id),
        )
        conn.execute(
            "INSERT INTO channel_state (channel, kind, ok_at) VALUES (%s, %s, %s)"
            " ON CONFLICT (channel) DO UPDATE SET kind = excluded.kind,"
            " ok_at = excluded.ok_at, failing_since = NULL, n_failed = 0,"
            " last_error = NULL",
            (channel, kind, now),
        )


def _waits_us(n: int) -> int:
    """All waits after so many failures together [µs]."""
    more = max(0, n - len(BACKOFF_S)) * BACKOFF_S[-1]
    return (sum(BACKOFF_S[:n]) + more) * US_PER_S


def failed(
    conn: Connection,
    channel: str,
    kind: str,
    attempt: Attempt,
    error: str,
    *,
    deliver_for_us: int,
    now_us: int,
) -> bool:
    """It did not; try again later, or give up when it was tried for long enough.

    Args:
        deliver_for_us: how long it is tried [µs]: after the call, and while somebody
            tried, for a courier may have been away when the call was made.

    Returns:
        Whether it is tried again.
    """
    wait_s = BACKOFF_S[min(attempt.n, len(BACKOFF_S)) - 1]
    next_us = now_us + wait_s * US_PER_S
    tried_us = next_us - attempt.created_us
    again = min(tried_us, _waits_us(attempt.n)) <= deliver_for_us
    with conn.transaction():
        conn.execute(
            "UPDATE delivery SET state = %s, next_at = %s, last_error = %s"
            " WHERE delivery_id = %s AND state = 'waiting'",
            (
                "waiting" if again else "given_up",
                to_datetime(next_us) if again else None,
                error,
                attempt.delivery_id,
            ),
        )
        conn.execute(
            "INSERT INTO channel_state (channel, kind, failing_since, n_failed,"
            " last_error) VALUES (%s, %s, %s, 1, %s)"
            " ON CONFLICT (channel) DO UPDATE SET kind = excluded.kind,"
            " failing_since = coalesce(channel_state.failing_since,"
            " excluded.failing_since), n_failed = channel_state.n_failed + 1,"
            " last_error = excluded.last_error",
            (channel, kind, to_datetime(now_us), error),
        )
    return again
