"""Drills beside ingest: one thread that judges and stores what is no danger.

real   pump ─▶ inbox ─▶ evaluate ─▶ persist      (threads of their own, always first)
drills pump ─▶ inbox ─▶ this thread: one engine per run ─▶ store ─▶ acknowledge

Real data go first. This thread takes few packets at a time and at a paced rate
(``drills.frames_per_s``), waits whenever real ones wait, has connections of its own to
broker and database, and limits of its own for runs and points. What goes wrong in a
drill ends the drill. What waits, waits at the broker.
"""

import logging
import threading
from collections import Counter

import psycopg

from gasmon.clock import Clock, SteadyClock
from gasmon.errors import GasmonError
from gasmon.ingest.clocks import MineClocks
from gasmon.ingest.drill_pump import WINDOW, DrillPump
from gasmon.ingest.inbox import Inbox
from gasmon.pipeline.drill_desk import DrillDesk
from gasmon.pipeline.loops import IngestLoop
from gasmon.pipeline.ourclock import OurClock
from gasmon.pipeline.patience import Flood, Patience
from gasmon.settings import Settings
from gasmon.store.alarms import Encode
from gasmon.store.db import reason_of
from gasmon.telemetry import Metrics

TURN_FRAMES = 32
"""Packets judged at once: 2 ms of a core, so that a real one never waits for more."""

IDLE_S = 0.1
"""How long to wait for a packet [s]."""

LOOK_S = 1.0
"""How often is looked which drills run, and which real alarms there are [s]."""

WAITING_MOST = 8
"""Real packets or turns that may wait while a drill's are judged: there are always a
few on their way."""

FLOOD_S = 10.0
"""The window full for so long at the paced rate is a flood [s]; of what waited while
we did not look, as much longer."""

log = logging.getLogger(__name__)


class DrillLoop:
    """The thread, its pump, and when it may do something.

    Attributes:
        desk: the runs that are judged.
    """

    def __init__(
        self,
        settings: Settings,
        ingest: IngestLoop,
        encode: Encode,
        clock: Clock,
        metrics: Metrics,
        *,
        owner: str,
        boot: str,
    ) -> None:
        """Do nothing yet.

        Args:
            ingest: the live side; while it does not judge, no drill is judged either.
            owner: as ``ingest`` is called in the database; ``boot`` at the broker.
        """
        self._settings = settings
        self._ingest = ingest
        self._clock = SteadyClock(clock)
        self._our_clock = OurClock(self._clock, MineClocks())
        self._inbox = Inbox(WINDOW)
        self._pump = DrillPump(
            settings.mqtt,
            self._inbox,
            clock=self._clock,
            boot=boot,
            areas=settings.ingest.areas,
        )
        self.desk = DrillDesk(
            settings, ingest, encode, self._pump, self._clock, metrics, owner, boot
        )
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_listening = False
        self._look_s = float("-inf")
        self._go_s = float("-inf")
        self._pace_s = 0.0
        self._crowding = Patience(settings.drills.patience_s)
        self._flood = Flood(FLOOD_S)
        self._share: Counter[int] = Counter()

    def start(self) -> None:
        """Begin, once the live side judges."""
        if self._settings.drills.runs_limit == 0:
            return
        self._thread = threading.Thread(
            target=self._run, name="gasmon[drills]", daemon=True
        )
        self._thread.start()

    def stop(self, timeout_s: float = 20.0) -> None:
        """End the drills that are judged here, loudly, and say goodbye."""
        self._stop.set()
        self._inbox.close()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self._cycle()
                except Exception as error:
                    # Whatever it is, real alarms go on.
                    log.exception("drills: a fault")
                    self.desk.give_up_all(f"{type(error).__name__}: {error}")
                    self._stop.wait(LOOK_S)
        finally:
            self.desk.close()
            if self._is_listening:
                self._pump.stop()

    def _cycle(self) -> None:
        """One turn of the thread, at most ``IDLE_S`` and the work of a turn."""
        self._our_clock.look()
        now_s = self._clock.monotonic_s()
        if not self._live_judges():
            # A drill goes on after an outage, however long: nobody's patience passes.
            self._crowding.forgive()
            self.desk.forgive()
            self._stop.wait(IDLE_S)
            return
        if not self._is_listening:
            self._is_listening = True
            self._pump.start()
        if now_s >= self._look_s:
            self._look_s = now_s + LOOK_S
            try:
                self.desk.look(self._pump.connected)
            except (psycopg.Error, GasmonError) as error:
                log.warning("drills are not looked at: %s", reason_of(error))
                self.desk.drop()
        if not self._may_go(now_s):
            self._stop.wait(IDLE_S / 10)
            return
        if not self.desk.store_waiting():
            self._stop.wait(LOOK_S)
            return
        packets = self._inbox.take(TURN_FRAMES, IDLE_S)
        self._share.update(self.desk.turn(packets))
        if self._pump.connected and len(packets) < TURN_FRAMES:
            self.desk.miss_players()
        self._watch_flood(len(packets))

    def _live_judges(self) -> bool:
        """Whether we own our areas and the database is there."""
        storing = self._ingest.storing
        line = storing.line
        is_owner = bool(line.fencing) and line.lost is None
        return is_owner and storing.database_ok and not storing.since_start

    def _may_go(self, now_s: float) -> bool:
        """Whether nothing real waits, and the pace allows a turn."""
        ingest, drills = self._ingest, self._settings.drills
        waiting = max(ingest.inbox.depth, ingest.n_waiting())
        gives_way = waiting > WAITING_MOST and bool(self.desk.runs)
        if self._crowding.look(gives_way, now_s):
            self.desk.crowd_out(f"{drills.patience_s:g} s")
        return not gives_way and now_s >= self._go_s

    def _watch_flood(self, n_packets: int) -> None:
        """Keep the pace, and end what sends faster than that for long."""
        now_s = self._clock.monotonic_s()
        rate = self._settings.drills.frames_per_s
        before_s, self._pace_s = self._pace_s, n_packets / rate
        self._go_s = max(self._go_s, now_s) + self._pace_s
        is_full = self._inbox.depth >= WINDOW // 2
        if self._flood.look(is_full, now_s, before_s):
            self.desk.flooded(self._share, f"over {rate:g} frames a second")
            self._share = Counter()
        elif not is_full:
            self._share = Counter()
