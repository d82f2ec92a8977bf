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
from gasmon.pipeline.head_start import MOMENT_S, HeadStart, begin, go_on
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

QUICK_S = 0.02
"""A transaction that takes no longer [s] was answered in a moment. Ours: it takes 3 ms,
and on a slow disk 10."""

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
        self._begun: HeadStart | None = None
        # The last answer came in a moment; the next one is worth waiting for.
        self._is_quick = True
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
            self._hand_on(advance)

    def _hand_on(self, advance: Advance) -> None:
        with self._lock:
            if not self._has_ended:
                self._queue.put(advance)
                return
            # It ended while we began.
            self._fail(advance)
            self._way.arrive(is_recorded=False)

    def _begin(self, advance: Advance) -> None:
        """Do at once what can be done in a moment (``head_start``)."""
        if not self._speaking.acquire(blocking=False):
            return
        try:
            if self._trips is None:
                return
            wait_s = MOMENT_S if self._is_quick else 0.0
            self._begun = begin(
                self._trips,
                advance.events,
                self._line.fencing,
                self._encode,
                self._clock,
                wait_s,
            )
            if self._begun.is_late:
                self._is_quick = False
        except psycopg.Error as error:
            log.warning("events are asked about again: %s", reason_of(error))
            self._close()
        except Exception as error:
            # A newer owner, or a mistake of ours: the lane would only repeat it.
            self._give_up(error)
            with self._lock:
                self._fail(advance)
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
                        is_recorded = any(each.is_recorded for each in advances)
                    self._way.arrive(len(advances), is_recorded=is_recorded)
        finally:
            with self._lock:
                self._has_ended = True
                for advance in self._waiting():
                    self._fail(advance)
                    self._way.arrive(is_recorded=False)
            with self._speaking:
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
        n = 1 if begun is not None and advances[0].events is begun.events else 0
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
            tuple(event for advance in advances for event in advance.events)
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
        fencing, began_s = self._line.fencing, self._clock.monotonic_s()
        new = go_on(trips, begun, events, fencing, self._encode, self._clock)
        # All of it was quick, from the question on: then the answer was.
        asked_s = began_s if begun is None else begun.asked_s
        if self._clock.monotonic_s() - asked_s < QUICK_S:
            self._is_quick = True
        return new

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
