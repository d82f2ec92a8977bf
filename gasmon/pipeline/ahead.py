"""Alarms ahead of their readings: what is decided is recorded by a lane of its own.

A turn is stored whole, behind the turns before it, and in a burst that takes long. So
the events of a turn are recorded and told as soon as they are judged, over another
connection; the turn that is stored later finds them in the journal, and nothing is
told twice. Dying in between is harmless: the turn was not acknowledged, comes again,
and says the same events with the same identities.

The lane is a short cut and promises nothing. It records only what comes right behind
what is recorded: while a turn waits whose events it did not record, or one that
defines points, the events after it take the long way too. Where it fails, or does not
know a subject, or does not answer in time, the turn records them.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, Queue

import psycopg

from gasmon.alarms.events import AlarmEvent
from gasmon.clock import Clock
from gasmon.errors import GasmonError
from gasmon.pipeline.counts import IngestCounts
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.line import Line
from gasmon.pipeline.right_of_way import RightOfWay
from gasmon.pipeline.storing import Storing
from gasmon.pipeline.wires import cut, plan_by_key, prepare_writer
from gasmon.store import alarms
from gasmon.store.db import reason_of, retry_deadlock
from gasmon.store.two_trips import TwoTrips

PATIENCE_S = 3.0
"""How long a turn waits for the lane [s]; then the lane's connection is cut. Ours: a
commit takes milliseconds, and a database that hangs is found out by the turn itself."""

MOMENT_S = 0.005
"""How long the judging thread itself waits for an answer [s]. Ours: it takes 1 ms;
while the database hangs, the first turn with events is judged so much later."""

REOPEN_S = 1.0
"""A connection that could not be opened is tried again after this long [s]."""

_LOOK_S = 0.2

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Advance:
    """The events of one turn on their way.

    Attributes:
        turn: identity of the turn that they belong to.
        done: it is known what became of them.
        is_recorded: they are in the record; else their turn records them.
    """

    turn: int
    events: Sequence[AlarmEvent]
    done: threading.Event = field(default_factory=threading.Event)
    is_recorded: bool = False


@dataclass(slots=True, eq=False)
class _Begun:
    """How far an advance's transaction has come before the thread takes it over.

    Attributes:
        asked: what the database answered; None while it has not.
        written: what was sent to be committed; None while nothing was.
    """

    advance: Advance
    asked: alarms.Asked | None = None
    written: Sequence[alarms.StoredEvent] | None = None


class _NotNow(Exception):
    """Something needs another answer, for which the judging thread does not wait."""


def _not_now(_table: str, _column: str, _n: int) -> Sequence[int]:
    raise _NotNow


class SubjectUnknown(GasmonError):
    """An event is about something that has no row yet; its turn makes one."""


class Ahead:
    """The lane: offered by the judging thread, settled by the persisting one."""

    def __init__(
        self,
        line: Line,
        encode: alarms.Encode,
        clock: Clock,
        counts: IngestCounts,
        stop: threading.Event,
        is_direct: Callable[[], bool],
        way: RightOfWay,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Nothing is on its way.

        Args:
            line: opens connections, and knows our fencing numbers.
            encode: makes the body of an event.
            stop: tells the thread to end.
            is_direct: whether turns go straight into the database now, none waiting in
                a spool.
            way: events on their way go before what is stored.
            patience_s: how long a turn waits for its events [s].
        """
        self._line = line
        self._encode = encode
        self._clock = clock
        self._counts = counts
        self._stop = stop
        self._is_direct = is_direct
        self._way = way
        self._patience_s = patience_s
        self._queue: Queue[Advance] = Queue()
        # By the identity of the turn, which lives until it is stored.
        self._advances: dict[int, Advance] = {}
        self._lock = threading.Lock()
        # Turns that must be stored before events may go ahead again.
        self._behind: set[int] = set()
        self._is_broken = self._has_ended = False
        self._trips: TwoTrips | None = None
        # Who holds it speaks on the connection.
        self._speaking = threading.Lock()
        # Offered, and not recorded or left to their turns yet.
        self._n_under_way = 0
        # The first of these, when its question was sent at once.
        self._begun: _Begun | None = None
        self._reopen_s = float("-inf")

    # For the judging thread

    def offer(self, judged: Judged) -> None:
        """Let a turn's events go ahead, where they may."""
        if not (judged.events or judged.definitions):
            return
        with self._lock:
            # First who is behind, then the way: a turn is off the list only after
            # the spool says that it holds it.
            is_behind = self._behind or judged.definitions or not self._is_direct()
            if is_behind or self._has_ended:
                self._behind.add(id(judged))
                return
            self._is_broken = False
            advance = Advance(id(judged), tuple(judged.events))
            self._advances[id(judged)] = advance
            self._way.set_out()
            is_first = self._n_under_way == 0
            self._n_under_way += 1
        try:
            if is_first:
                self._begin(advance)
        finally:
            self._queue.put(advance)

    def _begin(self, advance: Advance) -> None:
        """Ask, and write what becomes of it where the answer comes at once.

        The thread would have to be woken first, and to get the interpreter from the
        one that judges and tells the relays. It is left what needs more than a moment.
        """
        if not self._speaking.acquire(blocking=False):
            return
        try:
            trips = self._trips
            if trips is None:
                return
            fencing = self._line.fencing
            trips.ask(advance.events, list(fencing))
            self._begun = begun = _Begun(advance)
            if not trips.is_answered(MOMENT_S):
                return
            begun.asked = trips.answer(fencing)
            if begun.asked.without_rows():
                return
            decided = alarms.decide(begun.asked, _not_now, self._encode)
            begun.written = decided.events
            trips.write(decided, self._clock.now_us())
        except _NotNow:
            return
        except Exception as error:
            self._give_up(error)
        finally:
            self._speaking.release()

    # For the persisting thread

    def is_needed(self, judged: Judged) -> bool:
        """Whether a turn has events that only storing it will record."""
        return bool(judged.events) and id(judged) not in self._advances

    def settle(self, judged: Judged) -> None:
        """Wait until it is known which of a turn's events are recorded."""
        advance = self._advances.pop(id(judged), None)
        if advance is None:
            return
        if not advance.done.wait(self._patience_s):
            log.error("events did not get ahead in %g s: cut", self._patience_s)
            trips = self._trips
            if trips is not None:
                cut(trips.conn)
        with self._lock:
            if not advance.done.is_set():
                # Whatever the lane still does: the record has each event once.
                self._fail(advance)
            if advance.is_recorded:
                judged.recorded = [event.event_id for event in advance.events]

    def stored(self, turns: Sequence[Judged]) -> None:
        """These are in the database or in the spool."""
        with self._lock:
            self._behind -= {id(judged) for judged in turns}

    # The thread

    def run(self) -> None:
        """Record what is offered, until told to stop."""
        try:
            while not self._stop.is_set():
                try:
                    advances = [self._queue.get(timeout=_LOOK_S)]
                except Empty:
                    if self._is_direct():
                        with self._speaking:
                            self._present()
                    continue
                advances += self._waiting()
                try:
                    with self._speaking:
                        self._take(advances)
                finally:
                    with self._lock:
                        self._n_under_way -= len(advances)
                    self._way.arrive(len(advances))
        finally:
            with self._lock:
                self._has_ended = True
                for advance in self._waiting():
                    self._fail(advance)
                    self._way.arrive()
            self._close()

    def _waiting(self) -> Iterator[Advance]:
        while True:
            try:
                yield self._queue.get_nowait()
            except Empty:
                return

    def _take(self, advances: Sequence[Advance]) -> None:
        """Record them: what was asked about already alone, and the others together."""
        begun = self._begun
        n = 1 if begun is not None and advances[0] is begun.advance else 0
        for part in (advances[:n], advances[n:]):
            if part:
                self._take_whole(part)

    def _take_whole(self, advances: Sequence[Advance]) -> None:
        """Record all of them, or none."""
        with self._lock:
            # What comes behind a failure waits for the turn that makes good for it.
            is_broken = self._is_broken
        if is_broken and self._begun is not None:
            self._close()
        is_recorded = not is_broken and self._record(
            [event for advance in advances for event in advance.events]
        )
        with self._lock:
            for advance in advances:
                # One that was given up meanwhile stays so; its turn looks itself.
                if advance.done.is_set():
                    continue
                if is_recorded:
                    advance.is_recorded = True
                    advance.done.set()
                else:
                    self._fail(advance)

    def _fail(self, advance: Advance) -> None:
        """Leave it to its turn, and what comes behind it too; the lock is held."""
        self._is_broken = True
        self._behind.add(advance.turn)
        advance.done.set()

    def _record(self, events: Sequence[AlarmEvent]) -> bool:
        """One transaction; False when it was not committed, as far as we know."""
        trips = self._present()
        if trips is None:
            return False
        try:
            new = retry_deadlock(lambda: self._transact(trips, events))
        except Exception as error:
            self._give_up(error)
            return False
        self._counts.told(new, self._clock.now_us())
        return True

    def _transact(
        self, trips: TwoTrips, events: Sequence[AlarmEvent]
    ) -> Sequence[AlarmEvent]:
        """Returns the events that were new."""
        begun, self._begun = self._begun, None
        fencing = self._line.fencing
        with trips.transaction():
            if begun is None:
                trips.ask(events, list(fencing))
            if begun is None or begun.written is None:
                asked = begun.asked if begun is not None else None
                asked = asked or trips.answer(fencing)
                for event in asked.without_rows():
                    raise SubjectUnknown(f"{event.subject} has no row yet")
                decided = alarms.decide(asked, trips.draw, self._encode)
                written: Sequence[alarms.StoredEvent] = decided.events
                trips.write(decided, self._clock.now_us())
            else:
                written = begun.written
            trips.finish()
            return [stored.event for stored in written]

    def _give_up(self, error: Exception) -> None:
        """What is on its way takes the long way, and the connection is opened anew."""
        if isinstance(error, psycopg.Error | GasmonError):
            log.warning("events take the long way: %s", reason_of(error))
        else:
            # A mistake of ours: the turn makes it again, where it is dealt with.
            log.exception("events take the long way")
        self._close()

    def _close(self) -> None:
        if self._trips is not None:
            self._trips.conn.close()
        self._trips = self._begun = None

    def _present(self) -> TwoTrips | None:
        """The connection; None while none can be opened."""
        now_s = self._clock.monotonic_s()
        if self._trips is None and now_s >= self._reopen_s:
            try:
                self._trips = self._opened()
            except (GasmonError, psycopg.Error) as error:
                log.warning("events take the long way: %s", reason_of(error))
                self._reopen_s = now_s + REOPEN_S
                return None
        return self._trips

    def _opened(self) -> TwoTrips:
        conn = self._line.open()
        try:
            prepare_writer(conn)
            plan_by_key(conn)
            return TwoTrips(conn)
        except BaseException:
            conn.close()
            raise


def ahead_of(
    storing: Storing,
    encode: alarms.Encode,
    clock: Clock,
    counts: IngestCounts,
    stop: threading.Event,
) -> Ahead:
    """The lane beside ``storing``."""

    def is_direct() -> bool:
        spool = storing.spool
        waits = storing.since_start or (spool is not None and spool.n_turns > 0)
        return storing.database_ok and not waits

    way = storing.way
    return Ahead(storing.line, encode, clock, counts, stop, is_direct, way)
