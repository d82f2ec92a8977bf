"""Ingest: the evaluating and the persisting thread, and what flows between them.

    pump (paho's thread) ─▶ inbox ─▶ evaluate ─▶ turns ─▶ persist ─▶ acknowledge

Arithmetic of the queue: frames are judged as they come, so that a lone alarm does not
wait for company; QUEUE_TURNS such turns may wait for the disk. A commit of 5 ms lets a
city's 52 frames a second gather one turn at most, a stall of 300 ms fills the queue.
What waited is stored together, up to ``ingest.max_batch_frames``. How many frames wait
in all is the broker's business: what is not committed stays with it, and its window
(``mqtt.receive_window``) is the back-pressure.
"""

import logging
import threading
from collections.abc import Callable
from queue import Empty, Full, Queue

from gasmon.alarms.engine import AlarmEngine, Patience
from gasmon.alarms.rules import RuleSet
from gasmon.batch import Packet
from gasmon.clock import Clock
from gasmon.ingest.decode import DecodeLimits
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.gaps import GapKeeper
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.mqtt import Pump
from gasmon.ingest.order import HOLD_S, Ordered, Resequencer
from gasmon.ingest.payloads import CmdReq, encode_cmd_req
from gasmon.ingest.topics import cmd_req_topic, subscriptions
from gasmon.pipeline.annunciate import Annunciator
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.counts import IngestCounts
from gasmon.pipeline.evaluate import Evaluator, Judged
from gasmon.pipeline.merge import merge
from gasmon.pipeline.restore import newest_judged, restore
from gasmon.pipeline.storing import Storing
from gasmon.settings import Settings
from gasmon.store import latest, points
from gasmon.store.alarms import StoredEvent
from gasmon.store.db import Connection, connect
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_S

QUEUE_TURNS = 16

REBIRTH_EVERY_S = 300.0
"""A mine is asked for its definitions at most this often [s]."""

log = logging.getLogger(__name__)


class IngestLoop:
    """Everything between the broker and the committed row.

    Attributes:
        failure: why a thread ended that should run for ever; None while all is well.
    """

    def __init__(
        self,
        settings: Settings,
        rules: RuleSet,
        encode: Callable[[StoredEvent], str],
        clock: Clock,
        metrics: Metrics,
        *,
        owner: str,
        boot: str,
    ) -> None:
        self.failure: BaseException | None = None
        self._settings = settings
        self._clock = clock
        engine = settings.engine
        self._patience = Patience(
            point_us=round(engine.stale_after_s * US_PER_S),
            mine_us=round(engine.mine_stale_after_s * US_PER_S),
            calibration_us=round(engine.calibration_honoured_s * US_PER_S),
        )
        self.inbox = Inbox(settings.ingest.inbox_limit)
        self.pump = Pump(
            settings.mqtt,
            self.inbox,
            clock=clock,
            boot=boot,
            # A drill has an engine of its own; nothing of it may touch a live row.
            filters=subscriptions(settings.ingest.areas, drills=False),
        )
        self._book = PointBook(settings.ingest.areas)
        self._engine = AlarmEngine(rules, self._patience)
        self._seen = SeenFrames()
        self._order = Resequencer(self._seen)
        self._gaps = GapKeeper(
            self._seen, boot, ask_after_s=settings.ingest.gap_patience_s
        )
        self._annunciator = Annunciator()
        self._evaluator = Evaluator(
            self._book,
            self._engine,
            self._seen,
            DecodeLimits(max_frame_bytes=settings.ingest.max_frame_bytes),
        )
        self._turns: Queue[Judged] = Queue(QUEUE_TURNS)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._asked_s: dict[str, float] = {}
        self._generation = 0
        self._storing = Storing(
            settings,
            self._book,
            encode,
            clock,
            IngestCounts(metrics),
            self._stop,
            owner=owner,
            run=self._engine.run,
        )
        self._watch(metrics)

    def _watch(self, metrics: Metrics) -> None:
        g = metrics.gauge
        g("gasmon_inbox_depth", "Packets waiting to be judged").follow(
            lambda: self.inbox.depth
        )
        g("gasmon_inbox_limit", "Packets that may wait").set(self.inbox.limit)
        g("gasmon_turns_waiting", "Turns waiting for the disk").follow(
            self._turns.qsize
        )
        g("gasmon_frames_held", "Frames held back to be put in order").follow(
            lambda: self._order.n_held
        )
        g("gasmon_gaps_open", "Gaps in frames that are asked for").follow(
            lambda: self._gaps.n_open
        )
        self._watch_spool(metrics)
        g("gasmon_broker_connected", "1 while subscribed at the broker").follow(
            lambda: float(self.pump.connected)
        )
        g("gasmon_unacknowledged", "Frames the broker waits for").follow(
            lambda: self.pump.unacknowledged
        )
        g("gasmon_alarms_raised", "Alarms that are raised now").follow(
            lambda: self._annunciator.n_open
        )
        g("gasmon_points", "Points known").follow(lambda: self._book.table.n)
        g("gasmon_clocks_corrected", "Mines whose clock is being corrected").follow(
            lambda: len(self._evaluator.clocks.offset_us)
        )
        g("gasmon_readings_late", "Late readings since the start").follow(
            lambda: self._engine.n_late
        )

    def _watch_spool(self, metrics: Metrics) -> None:
        def turns() -> float:
            spool = self._storing.spool
            return 0.0 if spool is None else spool.n_turns

        def size() -> float:
            spool = self._storing.spool
            return 0.0 if spool is None else spool.size_bytes

        def refused() -> float:
            spool = self._storing.spool
            return 0.0 if spool is None else spool.n_refused

        g = metrics.gauge
        g("gasmon_spool_turns", "Turns that wait for the database").follow(turns)
        g("gasmon_spool_bytes", "What they take on the disk").follow(size)
        g("gasmon_spool_refused", "Readings the full spool did not take").follow(
            refused
        )

    # Life cycle, in order

    def start(self, broker_wait_s: float | None = None) -> None:
        """Restore from the database, connect to the broker, begin.

        Args:
            broker_wait_s: wait this long for the broker [s]; None does not wait.

        Raises:
            DependencyError: the database cannot be reached; or, when waiting for it,
                the broker.
            StateConflict: another process ingests one of our areas.
        """
        conn = connect(self._settings.database)
        try:
            points.ensure_areas(conn)
            conn.commit()
            self._storing.own(conn)
            self._restore(conn)
            self._storing.open(conn)
            self.pump.start(broker_wait_s)
        except BaseException:
            conn.close()
            self._storing.close()
            raise
        for name, target in (
            ("evaluate", self._evaluate_for_ever),
            ("persist", self._persist_for_ever),
        ):
            thread = threading.Thread(
                target=self._guarded,
                args=(target,),
                name=f"gasmon[{name}]",
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()

    def _restore(self, conn: Connection) -> None:
        """Know what the database knows."""
        restore(
            conn,
            self._book,
            self._engine,
            self._seen,
            self._annunciator,
            self._clock.now_us(),
        )
        self._evaluator.boots.update(latest.load_boots(conn, self._engine.run))
        conn.commit()
        for mine, newest_us in newest_judged(self._book, self._engine).items():
            self._evaluator.clocks.know(0, mine, newest_us)

    def stop(self, timeout_s: float = 20.0) -> None:
        """Finish what is judged, say goodbye; what is not stored comes again."""
        self._stop.set()
        self.inbox.close()
        deadline_s = self._clock.monotonic_s() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - self._clock.monotonic_s()))
        self.pump.stop()

    def checks(self) -> dict[str, Callable[[], str | None]]:
        """Readiness: name → what is wrong, None when nothing is."""
        return {
            "broker": self._check_broker,
            "ingest": self._check_lag,
            "persist": self._storing.problem,
        }

    def _check_broker(self) -> str | None:
        if self.pump.connected:
            return None
        problem = self.pump.state.problem
        return str(problem) if problem else "not connected"

    def _check_lag(self) -> str | None:
        if self.failure is not None:
            return f"a thread ended: {self.failure!r}"
        waiting = self.inbox.depth
        if waiting and self._clock.monotonic_s() - self._storing.stored_at_s > 30:
            return f"{waiting} packets wait and nothing was stored for over 30 s"
        return None

    def _guarded(self, target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:
            self.failure = error
            # The command sees it and ends; raising it here would only print it twice.
            log.critical("ingest stopped: %r", error, exc_info=True)

    # Evaluate

    def _evaluate_for_ever(self) -> None:
        ingest = self._settings.ingest
        interval_s = self._settings.engine.mark_interval_s
        marked_s = self._clock.monotonic_s()
        while not self._stop.is_set():
            packets = self.inbox.take(
                ingest.max_batch_frames, 0.0, self._idle_s(interval_s)
            )
            room = ingest.max_batch_frames - len(packets)
            if packets and room and not self._turns.empty():
                # The disk is busy: company costs no time and saves work. While it
                # is not, a lone frame goes at once.
                packets += self.inbox.take(room, 0.0, ingest.linger_ms / 1000)
            ordered = self._in_order(packets)
            now_us = self._clock.now_us()
            marks = []
            if self._clock.monotonic_s() - marked_s >= interval_s:
                marked_s = self._clock.monotonic_s()
                marks = [now_us]
            if not (ordered.packets or ordered.held or marks):
                continue
            judged = self._evaluator.evaluate(
                ordered.packets, now_us=now_us, marks=marks, heard=ordered.held
            )
            self._announce(judged, now_us)
            self._ask_for_gaps(judged)
            self._hand_over(judged)

    def _idle_s(self, interval_s: float) -> float:
        """How long to wait for a packet: not past the end of a hold [s]."""
        wakeup_s = self._order.next_wakeup_s()
        if wakeup_s is None:
            return interval_s
        return max(0.0, min(interval_s, wakeup_s - self._clock.monotonic_s()))

    def _in_order(self, taken: list[Packet]) -> Ordered:
        """Put frames back in order that a reconnect mixed up."""
        self._order.hold_s = HOLD_S.get(self.pump.state.protocol, HOLD_S["3.1.1"])
        return self._order.order(taken, self._clock.monotonic_s())

    def _ask_for_gaps(self, judged: Judged) -> None:
        """Ask gateways to send again what is missing between their frames."""
        now_s = self._clock.monotonic_s()
        frames = [frame for batch in judged.batches for frame in batch.frames]
        self._gaps.heard(frames, now_s)
        for told in judged.responses:
            self._gaps.answered(told.run, told.mine, told.response)
        if not self.pump.connected:
            return
        for resend in self._gaps.due(now_s):
            topic = cmd_req_topic(resend.mine[:6], resend.mine, resend.run)
            self.pump.publish(topic, encode_cmd_req(resend.request))

    def _hand_over(self, judged: Judged) -> None:
        while not self._stop.is_set():
            try:
                self._turns.put(judged, timeout=0.5)
                return
            except Full:
                # The disk is slow or away. Frames wait at the broker; the
                # annunciator was told already.
                continue

    def _announce(self, judged: Judged, now_us: int) -> None:
        """Tell the mines' relays what is raised, and ask for missing definitions."""
        self._annunciator.apply(judged.events)
        self._annunciator.know(judged.online)
        confirmed, self._storing.confirmed = self._storing.confirmed, None
        if confirmed is not None:
            self._annunciator.confirm(confirmed)
        if not self.pump.connected:
            return
        if self.pump.generation != self._generation:
            self._generation = self.pump.generation
            self._annunciator.reconnected()
        for mine, topic, payload in self._annunciator.due(now_us):
            if not self.pump.publish(topic, payload, retain=True):
                self._annunciator.again(mine)
        for mine in {key.mine for key in judged.unknown}:
            self._ask_for_definitions(mine)

    def _ask_for_definitions(self, mine: str) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._asked_s.get(mine, -REBIRTH_EVERY_S) < REBIRTH_EVERY_S:
            return
        self._asked_s[mine] = now_s
        request = CmdReq(id=f"rebirth-{self._clock.now_us():x}", cmd="rebirth")
        self.pump.publish(cmd_req_topic(mine[:6], mine), encode_cmd_req(request))

    # Persist

    def _persist_for_ever(self) -> None:
        try:
            while not (self._stop.is_set() and self._turns.empty()):
                try:
                    judged = self._turns.get(timeout=0.2)
                except Empty:
                    self._storing.work()
                    continue
                turn = merge([judged, *self._gathered(judged)])
                if not self._storing.store(turn):
                    break
                self.pump.ack(turn.packets)
                self._storing.work()
        finally:
            self._storing.close()

    def _gathered(self, first: Judged) -> list[Judged]:
        """The turns that wait behind one, as far as they fit in one commit."""
        room = self._settings.ingest.max_batch_frames - len(first.packets)
        turns: list[Judged] = []
        while room > 0:
            try:
                turns.append(self._turns.get_nowait())
            except Empty:
                break
            room -= len(turns[-1].packets)
        return turns
