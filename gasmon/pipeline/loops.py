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

import psycopg

from gasmon.alarms.engine import AlarmEngine, Patience
from gasmon.alarms.rules import RuleSet
from gasmon.clock import Clock
from gasmon.errors import DependencyError, StateConflict
from gasmon.ingest.decode import DecodeLimits
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.mqtt import Pump
from gasmon.ingest.payloads import CmdReq, encode_cmd_req
from gasmon.ingest.topics import cmd_req_topic, subscriptions
from gasmon.pipeline.annunciate import Annunciator
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Evaluator, Judged
from gasmon.pipeline.merge import merge
from gasmon.pipeline.persist import Writer
from gasmon.pipeline.restore import newest_judged, restore
from gasmon.settings import Settings
from gasmon.store import frames, latest, points
from gasmon.store.alarms import StoredEvent
from gasmon.store.db import Connection, connect
from gasmon.store.owners import ALL, take_ownership
from gasmon.store.partitions import open_partitions
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_S

QUEUE_TURNS = 16
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits between tries while the database is away [s]; the last one repeats."""

REBIRTH_EVERY_S = 300.0
"""A mine is asked for its definitions at most this often [s]."""

CONFIRMED_EVERY_S = 2.0
"""How often confirmations are carried over to the annunciator [s]."""

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
        self._encode = encode
        self._clock = clock
        self._owner = owner
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
        self._confirmed: dict[str, int] | None = None
        self._asked_s: dict[str, float] = {}
        self._generation = 0
        self._database_ok = False
        self._ownership: Connection | None = None
        self._fencing: dict[str, int] = {}
        self._stored_at_s = clock.monotonic_s()
        self._count(metrics)

    def _count(self, metrics: Metrics) -> None:
        c, g = metrics.counter, metrics.gauge
        self._n_frames = c("gasmon_frames_total", "Frames stored")
        self._n_readings = c("gasmon_readings_total", "Readings stored")
        self._n_repeats = c("gasmon_frames_repeated_total", "Frames seen before")
        self._n_rejects = c("gasmon_rejects_total", "Refused input, by reason")
        self._n_events = c(
            "gasmon_alarm_events_total", "Alarm events, by kind and event"
        )
        self._n_retries = c("gasmon_persist_retries_total", "Turns tried again")
        self._commit_s = metrics.histogram(
            "gasmon_commit_seconds", "From decision to commit"
        )
        self._lag_s = metrics.histogram(
            "gasmon_arrival_to_commit_seconds", "From arrival to commit"
        )
        g("gasmon_inbox_depth", "Packets waiting to be judged").follow(
            lambda: self.inbox.depth
        )
        g("gasmon_inbox_limit", "Packets that may wait").set(self.inbox.limit)
        g("gasmon_turns_waiting", "Turns waiting for the disk").follow(
            self._turns.qsize
        )
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
            self._restore(conn)
            self._take_ownership()
            writer = self._writer(conn)
            self._database_ok = True
            self.pump.start(broker_wait_s)
        except BaseException:
            self._let_go(conn)
            raise
        for name, target in (
            ("evaluate", self._evaluate_for_ever),
            ("persist", lambda: self._persist_for_ever(writer)),
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
        points.ensure_areas(conn)
        conn.commit()
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

    def _let_go(self, conn: Connection) -> None:
        """Close the writer's connection and with the other one our ownership."""
        conn.close()
        if self._ownership is not None:
            self._ownership.close()

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
            "persist": lambda: None if self._database_ok else "the database is away",
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
        if waiting and self._clock.monotonic_s() - self._stored_at_s > 30:
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
            packets = self.inbox.take(ingest.max_batch_frames, 0.0, interval_s)
            room = ingest.max_batch_frames - len(packets)
            if packets and room and not self._turns.empty():
                # The disk is busy: company costs no time and saves work. While it
                # is not, a lone frame goes at once.
                packets += self.inbox.take(room, 0.0, ingest.linger_ms / 1000)
            now_us = self._clock.now_us()
            marks = []
            if self._clock.monotonic_s() - marked_s >= interval_s:
                marked_s = self._clock.monotonic_s()
                marks = [now_us]
            if not packets and not marks:
                continue
            judged = self._evaluator.evaluate(packets, now_us=now_us, marks=marks)
            self._announce(judged, now_us)
            self._hand_over(judged)

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
        confirmed, self._confirmed = self._confirmed, None
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

    def _take_ownership(self) -> None:
        """Own our areas with a connection of its own, unless it still holds them."""
        held = self._ownership
        if held is not None and not held.closed:
            try:
                held.execute("SELECT 1")
                held.commit()
                return
            except psycopg.Error:
                held.close()
        scopes = self._settings.ingest.areas or [ALL]
        conn = connect(self._settings.database)
        try:
            self._fencing = take_ownership(
                conn, scopes, self._owner, self._clock.now_us()
            )
        except BaseException:
            conn.close()
            raise
        self._ownership = conn

    def _writer(self, conn: Connection) -> Writer:
        return Writer(
            conn,
            self._book,
            open_partitions(conn, self._settings.storage),
            self._encode,
            owner=self._owner,
            fencing=self._fencing,
        )

    def _persist_for_ever(self, writer: Writer) -> None:
        looked_s = 0.0
        while True:
            try:
                judged = self._turns.get(timeout=0.2)
            except Empty:
                if self._stop.is_set():
                    break
                continue
            stored = self._persist(writer, merge([judged, *self._gathered(judged)]))
            if stored is None:
                break
            writer = stored
            now_s = self._clock.monotonic_s()
            self._stored_at_s = now_s
            if now_s - looked_s >= CONFIRMED_EVERY_S:
                looked_s = now_s
                self._look_for_confirmations(writer.conn)
        self._let_go(writer.conn)

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

    def _persist(self, writer: Writer, judged: Judged) -> Writer | None:
        """Store one turn, however long it takes; None when told to stop meanwhile."""
        for attempt in range(1_000_000_000):
            try:
                written = writer.persist(judged, self._clock.now_us())
            except psycopg.Error as error:
                self._database_ok = False
                self._n_retries.inc()
                log.error("cannot store a turn of %d packets: %s",
                          len(judged.packets), error)  # fmt: skip
                if self._stop.is_set():
                    return None
                self._stop.wait(RETRY_S[min(attempt, len(RETRY_S) - 1)])
                writer = self._reconnected(writer)
                continue
            except StateConflict:
                # A newer owner writes now; nothing of ours may be left in its way.
                self._let_go(writer.conn)
                raise
            self._database_ok = True
            self.pump.ack(judged.packets)
            now_us = self._clock.now_us()
            self._n_frames.inc(written.n_frames)
            self._n_readings.inc(written.n_readings)
            self._n_repeats.inc(len(judged.repeated))
            for reject in judged.rejects:
                self._n_rejects.inc(reject.n, reason=reject.reason)
            for event in judged.events:
                self._n_events.inc(kind=event.kind, event=event.event)
                self._commit_s.observe((now_us - event.decided_at_us) / US_PER_S)
            if judged.packets:
                oldest_us = judged.packets[0].arrived_us
                self._lag_s.observe((now_us - oldest_us) / US_PER_S)
            return writer
        raise AssertionError("unreachable")

    def _reconnected(self, writer: Writer) -> Writer:
        """The same writer while its connection lives, else one on a new connection."""
        if not writer.conn.closed and not writer.conn.broken:
            return writer
        writer.conn.close()
        try:
            self._take_ownership()
            return self._writer(connect(self._settings.database))
        except (DependencyError, psycopg.Error) as error:
            log.error("%s", error)
            return writer

    def _look_for_confirmations(self, conn: Connection) -> None:
        try:
            self._confirmed = frames.confirmed_ranks(conn, self._engine.run)
            conn.commit()
        except psycopg.Error as error:
            log.warning("confirmations were not read: %s", error)
            if not conn.closed:
                conn.rollback()
