"""Two packets there and two back record what a pipeline of statements records."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import psycopg
import pytest

from gasmon.alarms.events import AlarmEvent
from gasmon.errors import StateConflict
from gasmon.store import alarms, db
from gasmon.store.alarms import StoredEvent
from gasmon.store.facts import ensure_parents
from gasmon.store.two_trips import TwoTrips
from tests.fix_wait import wait_until
from tests.integration.test_store_cuts import (
    T0,
    Connect,
    cut,
    journal,
    lives,
    rows,
)

SCOPE = "*"
OURS = {SCOPE: 1}


def encode(stored: StoredEvent) -> str:
    """A body that says which event it is of."""
    return stored.event.event_id


@pytest.fixture
def owned(store_conn: db.Connection) -> db.Connection:
    """A database whose areas are ours."""
    store_conn.execute(
        "INSERT INTO ingest_owner (scope, owner, fencing, taken_at)"
        " VALUES ('*', 'us', 1, now())"
    )
    # What an event names must have rows, or it goes the long way.
    _know(store_conn, [0, 1, 2])
    store_conn.commit()
    return store_conn


def _know(conn: db.Connection, runs: Sequence[int]) -> None:
    for run in runs:
        told = lives(random.Random(0), run)
        ensure_parents(conn, told)


def crossed(
    trips: TwoTrips,
    events: Sequence[AlarmEvent],
    encode: alarms.Encode = encode,
    at: Callable[[str], object] = lambda when: None,
) -> list[AlarmEvent]:
    """One transaction, as the lane makes it; returns what was new.

    Args:
        at: is told where we are: before, asked, answered, written.
    """
    with trips.transaction():
        at("before")
        trips.ask(events, [SCOPE])
        at("asked")
        asked = trips.answer(OURS)
        at("answered")
        decided = alarms.decide(asked, trips.draw, encode)
        trips.write(decided, T0)
        at("written")
        trips.finish()
        return [stored.event for stored in decided.events]


@pytest.mark.parametrize("seed", range(3))
def test_it_records_what_statements_record(
    owned: db.Connection, store_connect: Connect, seed: int
) -> None:
    """The same rows, journal and outbox, however events are cut into batches."""
    trips = TwoTrips(store_connect())
    for run in (1, 2):
        rng = random.Random(seed)
        told = lives(rng, run)
        n_new = 0
        for part in cut(rng, told, 12):
            if run == 1:
                alarms.record(owned, part, encode, T0)
                owned.commit()
            else:
                n_new += len(crossed(trips, part))
    assert n_new == len(told)
    assert rows(owned, 2) == rows(owned, 1)
    assert journal(owned, 2) == journal(owned, 1)
    count = "SELECT run, count(*) FROM outbox GROUP BY run ORDER BY run"
    assert owned.execute(count).fetchall() == [(1, len(told)), (2, len(told))]


def test_what_was_recorded_is_told_no_more(
    owned: db.Connection, store_connect: Connect
) -> None:
    """Nothing is new the second time, and nothing stays locked by the question."""
    trips = TwoTrips(store_connect())
    told = lives(random.Random(1), 0)
    assert crossed(trips, told) == told
    assert crossed(trips, told) == []
    owned.execute("SET lock_timeout = '2s'")
    owned.execute("SELECT FROM alarm FOR UPDATE")
    assert trips.conn.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_more_than_a_socket_holds(owned: db.Connection, store_connect: Connect) -> None:
    """A storm crosses in one piece: thousands of events, megabytes there and back."""
    trips = TwoTrips(store_connect())
    [one] = lives(random.Random(1), 0)[:1]
    told = [
        replace(one, subject_id=f"{one.subject_id}-{n}", explain={"why": "x" * 500})
        for n in range(3000)
    ]
    assert len(crossed(trips, told)) == 3000
    assert owned.execute("SELECT count(*) FROM outbox").fetchone() == (3000,)


def test_a_newer_owner_lets_nothing_be_written(
    owned: db.Connection, store_connect: Connect
) -> None:
    """It is named; the connection is of use again when the areas are ours again."""
    trips = TwoTrips(store_connect())
    told = lives(random.Random(1), 0)
    owned.execute("UPDATE ingest_owner SET fencing = 2, owner = 'them'")
    owned.commit()
    with pytest.raises(StateConflict, match=r"area \* belongs to them now"):
        crossed(trips, told)
    assert owned.execute("SELECT count(*) FROM alarm").fetchone() == (0,)
    owned.execute("UPDATE ingest_owner SET fencing = 1, owner = 'us'")
    owned.commit()
    assert crossed(trips, told) == told


def test_another_writer_with_the_same_events(
    owned: db.Connection, store_connect: Connect
) -> None:
    """The second one is told to run again, and then finds everything done."""
    trips = TwoTrips(store_connect())
    told = lives(random.Random(1), 0)[:1]

    def write(when: str) -> None:
        if when == "answered":
            alarms.record(owned, told, encode, T0)
            owned.commit()

    with pytest.raises(psycopg.errors.SerializationFailure):
        crossed(trips, told, at=write)
    assert crossed(trips, told) == []
    assert owned.execute("SELECT count(*) FROM outbox").fetchone() == (1,)


def test_a_mistake_between_the_trips_undoes_everything(
    owned: db.Connection, store_connect: Connect
) -> None:
    """What fails on our side leaves no lock, no row and a connection that works."""
    trips = TwoTrips(store_connect())
    told = lives(random.Random(1), 0)

    def fail(stored: StoredEvent) -> str:
        raise ValueError("a mistake of ours")

    with pytest.raises(ValueError, match="of ours"):
        crossed(trips, told, fail)
    assert crossed(trips, told) == told


def test_a_commit_that_fails_can_be_tried_again(
    owned: db.Connection, store_connect: Connect
) -> None:
    """The victim of a deadlock in the commit keeps its connection: it runs again."""
    owned.execute(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END$$"
    )
    owned.execute(
        "CREATE CONSTRAINT TRIGGER lose AFTER INSERT ON alarm_journal"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lose()"
    )
    owned.commit()
    trips = TwoTrips(store_connect())
    told = lives(random.Random(1), 0)
    with pytest.raises(psycopg.errors.DeadlockDetected):
        crossed(trips, told)
    owned.execute("DROP TRIGGER lose ON alarm_journal")
    owned.commit()
    assert crossed(trips, told) == told


@pytest.mark.parametrize("when", ["before", "asked", "answered", "written"])
def test_a_server_that_ends_the_session(
    owned: db.Connection, store_connect: Connect, when: str
) -> None:
    """It raises, nothing hangs, the connection is closed; all or nothing is told."""
    trips = TwoTrips(store_connect())
    told = lives(random.Random(1), 0)
    pid = trips.conn.info.backend_pid

    def end(now: str) -> None:
        if now == when:
            owned.execute("SELECT pg_terminate_backend(%s)", (pid,))
            owned.commit()
            wait_until(lambda: not _lives(owned, pid), 10, "the session is over")

    possible = {0}
    try:
        crossed(trips, told, at=end)
        possible = {len(told)}
    except psycopg.OperationalError:
        assert trips.conn.closed
        # Whether a commit that was sent came to be, nobody was told.
        possible |= {len(told)} if when == "written" else set()
    assert possible == {0} or when == "written"
    assert _n_told(owned) in possible
    crossed(TwoTrips(store_connect()), told)
    assert _n_told(owned) == len(told)


@pytest.mark.parametrize("when", ["asked", "answered"])
def test_who_stops_between_the_trips_holds_no_locks(
    owned: db.Connection, store_connect: Connect, when: str
) -> None:
    """The server ends a session that says nothing amid its transaction."""
    conn = store_connect()
    conn.execute("SET idle_in_transaction_session_timeout = 200")
    conn.commit()
    trips = TwoTrips(conn)
    told = lives(random.Random(1), 0)
    pid = conn.info.backend_pid

    def stop(now: str) -> None:
        if now == when:
            wait_until(lambda: not _lives(owned, pid), 20, "the session is ended")

    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        crossed(trips, told, at=stop)
    assert trips.conn.closed
    owned.execute("SELECT FROM ingest_owner FOR UPDATE NOWAIT")
    owned.commit()
    assert crossed(TwoTrips(store_connect()), told) == told


def _n_told(conn: db.Connection) -> int:
    row = conn.execute("SELECT count(*) FROM outbox").fetchone()
    assert row is not None
    return int(row[0])


def _lives(conn: db.Connection, pid: int) -> bool:
    row = conn.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = %s", (pid,)
    ).fetchone()
    conn.commit()
    return row != (0,)


def test_a_question_waits_for_a_lock_without_the_asker(
    owned: db.Connection, store_connect: Connect
) -> None:
    """Sending it takes no time, also when the answer takes long; one may look."""
    trips = TwoTrips(store_connect())
    told = lives(random.Random(1), 0)
    owned.execute("SELECT FROM ingest_owner FOR UPDATE")

    def let_go(when: str) -> None:
        if when == "asked":
            assert not trips.is_answered(0.05)
            owned.commit()
            assert trips.is_answered(20)

    # The lock is held by this thread, which would wait for itself for ever.
    assert crossed(trips, told, at=let_go) == told
