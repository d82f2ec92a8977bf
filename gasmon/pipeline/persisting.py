"""The persisting thread: turns that were judged are stored, then acknowledged.

Arithmetic of the queue: frames are judged as they come, so that a lone alarm does not
wait for company; QUEUE_TURNS such turns may wait for the disk. In ``ingest.linger_ms``
(100 ms) a city's 52 frames a second gather five turns, so that eight commits a second
and not eighteen stand in an alarm's way; a database that hangs is given up
after ``database.write_timeout_s`` (10 s), in which 520 turns come. What waited is
stored together, up to ``ingest.max_batch_frames``. How many frames wait in all is the
broker's business: what is not committed stays with it, and its window
(``mqtt.receive_window``) is the back-pressure.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from queue import Empty, Full, Queue
from typing import Protocol

from gasmon.batch import Packet
from gasmon.clock import Clock
from gasmon.pipeline.ahead import Ahead
from gasmon.pipeline.evaluate import Evaluator, Judged
from gasmon.pipeline.merge import merge, unrecorded
from gasmon.pipeline.storing import Storing
from gasmon.settings import IngestSettings

QUEUE_TURNS = 1024

COMPANY = 16
"""Packets that are stored without a wait for more: a quarter of a second of a city."""

log = logging.getLogger(__name__)


class Senders(Protocol):
    """Those who wait to hear that their packets are stored."""

    def ack(self, packets: Sequence[Packet]) -> int:
        """Tell them; returns how many belonged to an older connection."""


class Persisting:
    """The queue between judging and storing, and what empties it.

    Attributes:
        remembers: every turn was handed over so far, so that the engine knows no more
            than what is stored; then its memory may be kept in the end.
    """

    def __init__(
        self,
        storing: Storing,
        senders: Senders,
        evaluator: Evaluator,
        clock: Clock,
        stop: threading.Event,
        ahead: Ahead,
        limits: IngestSettings,
    ) -> None:
        """Nothing waits.

        Args:
            senders: broker and drop folder.
            evaluator: of the thread that feeds; looked at when that one has ended.
            stop: tells both threads to end.
            ahead: records a turn's events before the turn.
            limits: how many frames are stored together, and how long they wait.
        """
        self.remembers = True
        self._storing = storing
        self._senders = senders
        self._evaluator = evaluator
        self._clock = clock
        self._stop = stop
        self._ahead = ahead
        self._max_frames = limits.max_batch_frames
        self._linger_s = limits.linger_ms / 1000
        self._turns: Queue[Judged] = Queue(QUEUE_TURNS)
        self._fed = threading.Event()
        # What waits is enough, or somebody waits for it.
        self._hurry = threading.Event()

    # For the evaluating thread

    def n_waiting(self) -> int:
        """Turns that wait for the disk."""
        return self._turns.qsize()

    def fed_by(self, judge: Callable[[], None]) -> None:
        """Run what hands turns over, until it ends."""
        try:
            judge()
        except BaseException:
            self.remembers = False
            raise
        finally:
            self._fed.set()

    def go_ahead(self, judged: Judged) -> None:
        """Let a turn's events be recorded; the turn itself is handed over next."""
        self._ahead.offer(judged)

    def hand_over(self, judged: Judged) -> None:
        """Let a turn be stored; waits while too many do."""
        is_enough = self._turns.qsize() + len(judged.packets) >= COMPANY
        is_urgent = is_enough or self._ahead.is_needed(judged)
        while True:
            try:
                self._turns.put(judged, timeout=0.5)
                break
            except Full:
                # The disk is slow or away. Frames wait at the broker; the
                # annunciator was told already.
                if self._stop.is_set():
                    self.remembers = False
                    return
        if is_urgent:
            self._hurry.set()

    # The thread

    def run(self) -> None:
        """Store and acknowledge, until told to stop and all of it is done.

        Raises:
            StateConflict: another process owns an area of ours now.
            RecordDiffers: the record is not what we went on from.
        """
        try:
            while not (self._stop.is_set() and self._is_done()):
                try:
                    judged = self._turns.get(timeout=0.2)
                except Empty:
                    self._storing.work()
                    continue
                turns = [judged, *self._gathered(judged)]
                for each in turns:
                    self._ahead.settle(each)
                turn = merge(turns)
                # A backlog waits for nobody: it would grow. Nor does an alarm.
                is_few = len(turn.packets) < COMPANY
                self._storing.way.allow(is_few and not unrecorded(turn))
                if not self._storing.store(turn):
                    return
                self._ahead.stored(turns)
                self._senders.ack(turn.packets)
                self._storing.work()
            self._remember()
        finally:
            self._storing.close()

    def _is_done(self) -> bool:
        """Whether the last turn is stored; none comes after it."""
        return self._fed.is_set() and self._turns.empty()

    def _remember(self) -> None:
        """Keep the engine's memory where a restart would not find it otherwise.

        A spool that refused readings has a log with a hole: without this an orderly
        end would forget what was judged since the last snapshot.
        """
        if not (self.remembers and self._storing.snapshot_wanted):
            return
        try:
            snapshot = self._evaluator.snapshot(self._clock.now_us())
        except Exception:
            log.exception("no snapshot of the engine in the end")
            return
        self._storing.store(Judged(snapshot=snapshot))

    def _gathered(self, first: Judged) -> list[Judged]:
        """The turns behind one, as far as they fit in one commit.

        A turn whose events went ahead, and one without any, waits a little for more:
        nobody is kept waiting by it but its own acknowledgement.
        """
        turns: list[Judged] = []
        is_urgent = self._ahead.is_needed(first) or len(first.packets) >= COMPANY
        if not (is_urgent or self._stop.is_set()):
            # Not woken by each turn: that would take the interpreter from an alarm.
            self._hurry.wait(self._linger_s)
        self._hurry.clear()
        n = len(first.packets)
        while n < self._max_frames:
            try:
                turns.append(self._turns.get_nowait())
            except Empty:
                break
            n += len(turns[-1].packets)
        else:
            # Who was waited for may be behind what fits: what is left waits no more.
            if not self._turns.empty():
                self._hurry.set()
        return turns
