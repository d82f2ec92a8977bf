"""Events cross to the database in two packets there and two back.

A pipeline of statements is sent statement by statement: each wakes the server, its
answer wakes us, and an alarm waits for all of them. Here one packet asks and locks
(``ask_alarms`` with who owns the areas), and one writes and commits
(``record_alarms``); what becomes of a row is decided between them. By libpq itself.

The transaction is begun and ended by statements, and each packet by a synchronisation:
so the server knows that we say nothing between them, and ends us if that lasts
(``wires.prepare_writer``). A transaction that a pipeline begins by itself counts as
work that goes on, and the locks of an ingest that is stopped in it would stay.
"""

import select
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import orjson
import psycopg
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from gasmon.alarms.events import AlarmEvent
from gasmon.store import alarm_calls, alarms
from gasmon.store.db import Connection
from gasmon.store.outbox import CHANNEL, LOCK_KEY
from gasmon.store.owners import require_same

_ASK = (
    b"SELECT ask_alarms($1::json)::text, (SELECT json_agg(o)::text FROM"
    b" (SELECT scope, owner, fencing FROM ingest_owner"
    b" WHERE scope = ANY($2::text[]) ORDER BY scope FOR SHARE) o)"
)
_WRITE = (
    "SELECT record_alarms($1::json, $2::json, $3::json, $4::json, $5::json, $6::json,"
    f" {LOCK_KEY}, '{CHANNEL}', at_us($7::bigint))"
).encode()
_DRAW = (
    b"SELECT nextval(pg_get_serial_sequence($1::text, $2::text))"
    b" FROM generate_series(1, $3::int)"
)
_PREPARED = {
    b"gasmon_begin": b"BEGIN",
    b"gasmon_ask": _ASK,
    b"gasmon_write": _WRITE,
    b"gasmon_draw": _DRAW,
    b"gasmon_commit": b"COMMIT",
    b"gasmon_undo": b"ROLLBACK",
}

_SYNC = ExecStatus.PIPELINE_SYNC
_BAD = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED)


class TwoTrips:
    """A connection that records events and does nothing else.

    Whatever fails raises what psycopg would raise, and leaves nothing behind: after
    :meth:`transaction` the connection is ready again, or closed.
    """

    def __init__(self, conn: Connection) -> None:
        """Prepare an idle connection, which is only for this from now on.

        Raises:
            psycopg.Error: the server does not know the functions, or is gone.
        """
        self._conn = conn
        self._pg = pg = conn.pgconn
        for name, statement in _PREPARED.items():
            _checked(pg.prepare(name, statement))
        # The first of each connection has plans to make, which an alarm would wait for.
        _checked(pg.exec_prepared(b"gasmon_ask", [b"[]", b"{}"]))
        self._poll = select.poll()
        self._events: Sequence[AlarmEvent] = ()
        # Synchronisations that are sent, and not answered yet.
        self._n_syncs = 0
        # Between the two there was something to write.
        self._writes = False
        pg.nonblocking = 1
        pg.enter_pipeline_mode()

    @property
    def conn(self) -> Connection:
        """The connection itself, to be cut or closed."""
        return self._conn

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; what is left unfinished within is undone.

        Raises:
            psycopg.errors.SerializationFailure: another writer applied the same events
                meanwhile; run it again.
        """
        try:
            with alarm_calls.two_writers():
                yield
        except BaseException:
            self._let_go()
            raise

    def ask(self, events: Sequence[AlarmEvent], scopes: Sequence[str]) -> None:
        """Send the question, and do not wait.

        Args:
            events: those to be recorded, in order.
            scopes: areas that must be ours, or ``*``.
        """
        self._events = alarms.once(events)
        array = "{" + ",".join(f'"{scope}"' for scope in sorted(scopes)) + "}"
        question = alarm_calls.question(self._events)
        self._send(b"gasmon_begin")
        self._send(b"gasmon_ask", question.encode(), array.encode())
        self._synchronise()

    def answer(self, fencing: Mapping[str, int]) -> alarms.Asked:
        """Wait for what is known of the events; it is locked from now on.

        Args:
            fencing: the number of each scope that must still be ours.

        Raises:
            StateConflict: a newer owner has taken one.
        """
        self._result()
        result = self._result()
        self._synchronised()
        owners = orjson.loads(result.get_value(0, 1) or b"[]")
        require_same([(o["scope"], o["owner"], o["fencing"]) for o in owners], fencing)
        text = result.get_value(0, 0)
        assert text is not None, "a function returns a row"
        answer = alarm_calls.answer_of(text)
        return alarms.Asked(self._events, lambda: answer)

    def is_answered(self, wait_s: float) -> bool:
        """Whether :meth:`answer` need not wait; does so itself for a moment.

        Args:
            wait_s: how long at most [s].
        """
        deadline_s = time.monotonic() + wait_s
        while self._pg.is_busy():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            self._wait(left_s)
        return True

    def write(self, decided: alarms.Decided, now_us: int) -> None:
        """Send what became of them, and to commit it; does not wait.

        Args:
            now_us: when it is recorded [µs UTC].
        """
        self._writes = bool(decided.events)
        if decided.events:
            record = alarm_calls.record_of(decided.rows, decided.told)
            arguments = [text.encode() for text in record]
            self._send(b"gasmon_write", *arguments, b"%d" % now_us)
        self._send(b"gasmon_commit")
        self._synchronise()

    def finish(self) -> None:
        """Wait until what was written is committed."""
        if self._writes:
            self._result()
        self._result()
        self._synchronised()

    def draw(self, table: str, column: str, n: int) -> list[int]:
        """Numbers that were not foreseen (``numbers.Draw``), between the two."""
        self._send(b"gasmon_draw", table.encode(), column.encode(), b"%d" % n)
        self._synchronise()
        result = self._result()
        self._synchronised()
        values = [result.get_value(row, 0) for row in range(result.ntuples)]
        return [int(value) for value in values if value is not None]

    def _send(self, name: bytes, *arguments: bytes) -> None:
        self._pg.send_query_prepared(name, arguments)

    def _synchronise(self) -> None:
        self._pg.pipeline_sync()
        self._n_syncs += 1
        self._pg.flush()

    def _result(self) -> PGresult:
        """The answer to what was sent first.

        Raises:
            psycopg.Error: what the server says instead, or that it is gone.
        """
        result = self._next()
        if result is None:
            raise psycopg.OperationalError("the connection was lost before")
        # An empty one stands behind the answers to each statement.
        end = self._next()
        assert end is None, end
        return _checked(result)

    def _synchronised(self) -> None:
        """Take what ends a packet of answers."""
        result = self._next()
        if result is None:
            raise psycopg.OperationalError("the connection was lost amid answers")
        assert result.status == _SYNC, result.status
        self._n_syncs -= 1

    def _next(self) -> PGresult | None:
        while self._pg.is_busy():
            self._wait()
        return self._pg.get_result()

    def _wait(self, most_s: float | None = None) -> None:
        """Until something comes, or the time is over; what waits to be sent goes."""
        pg = self._pg
        # What did not fit into the socket's buffer goes first.
        waits_to_send = bool(pg.flush())
        mask = select.POLLIN | (select.POLLOUT if waits_to_send else 0)
        self._poll.register(pg.socket, mask)
        if self._poll.poll(None if most_s is None else most_s * 1000):
            pg.consume_input()

    def _let_go(self) -> None:
        """End what was begun, and have the connection idle; close it if that fails."""
        pg = self._pg
        try:
            # Where none is open, the server only warns.
            self._send(b"gasmon_undo")
            self._synchronise()
            # A connection that is lost answers for ever, and with nothing.
            while pg.status == ConnStatus.OK and self._n_syncs:
                result = self._next()
                if result is not None and result.status == _SYNC:
                    self._n_syncs -= 1
            if pg.transaction_status != TransactionStatus.IDLE:
                self._conn.close()
        except psycopg.Error:
            self._conn.close()


def _checked(result: PGresult) -> PGresult:
    if result.status in _BAD:
        raise psycopg.errors.error_from_result(result)
    return result
