"""Ingest: its parts, how they begin and end, and what flows between its threads.

pump (paho's thread) ─▶ inbox ─▶ evaluate ─▶ turns ─▶ persist ─▶ acknowledge
"""

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.forecast import ForecastEngine
from gasmon.alarms.rules import RuleSet
from gasmon.clock import Clock, SteadyClock
from gasmon.errors import DependencyError, GasmonError, StateConflict
from gasmon.ingest.decode import DecodeLimits
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.drop import DropFolder
from gasmon.ingest.first_words import FirstWords
from gasmon.ingest.gaps import GapKeeper
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.mqtt import Pump
from gasmon.ingest.order import Resequencer
from gasmon.ingest.topics import subscriptions
from gasmon.pipeline.ahead import ahead_of
from gasmon.pipeline.annunciate import PLATFORM, Annunciator
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.counts import IngestCounts
from gasmon.pipeline.evaluate import Evaluator
from gasmon.pipeline.evaluating import Evaluating
from gasmon.pipeline.gauges import Shown, readiness, show, show_files
from gasmon.pipeline.judging import Judging
from gasmon.pipeline.openalarms import RecordDiffers
from gasmon.pipeline.opening import begin
from gasmon.pipeline.ourclock import OurClock, patience_of
from gasmon.pipeline.persisting import Persisting
from gasmon.pipeline.rivals import FILTER, Rivals
from gasmon.pipeline.rulewatch import RuleWatch
from gasmon.pipeline.standing import Standing
from gasmon.pipeline.starting import Beginning
from gasmon.pipeline.storing import Storing
from gasmon.pipeline.suspects import Poisoned, Suspects
from gasmon.pipeline.threads import Threads
from gasmon.pipeline.voice import Voice
from gasmon.pipeline.windows import QuietWindows
from gasmon.points import PointKey
from gasmon.settings import Settings
from gasmon.store.alarms import StoredEvent
from gasmon.telemetry import Metrics

CONFLICTS_MOST = 10
"""Tries, a second each, to own our areas again when we begin anew."""

log = logging.getLogger(__name__)


class IngestLoop(Shown):
    """Everything between the broker and the committed row.

    Attributes:
        restarted: how the last start went, for people.
        not_begun: why nothing is judged, until it has begun.
        owner: how this process is called in the database.
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
        self.restarted = ""
        self.not_begun = "starting"
        self._settings = settings
        engine = settings.engine
        self.rules = RuleWatch(engine.rules_file, rules, engine.rules_poll_s)
        self._encode = encode
        # All parts live by it; what its steps mean is decided in ourclock.py.
        self._clock = SteadyClock(clock)
        self.owner = owner
        self._boot = boot
        self._counts = IngestCounts(metrics)
        self.suspects = Suspects(settings.ingest.failing_mines_limit)
        self._n_builds = 0
        self._began = False
        self._ended = threading.Event()
        self._beginning: threading.Thread | None = None
        self._build()
        show(metrics, lambda: self, self._clock)
        show_files(metrics, lambda: self)

    def _build(self) -> None:
        """All parts, knowing nothing yet."""
        settings, clock = self._settings, self._clock
        self._n_builds += 1
        # Answers to requests of an earlier build must not be taken for ours.
        boot = self._boot if self._n_builds == 1 else f"{self._boot}-{self._n_builds}"
        self._present_boot = boot
        self._stop = stop = threading.Event()
        self.inbox = Inbox(settings.ingest.inbox_limit)
        self.pump = Pump(
            settings.mqtt,
            self.inbox,
            clock=clock,
            boot=boot,
            # A drill has an engine of its own; nothing of it may touch a live row.
            filters=[*subscriptions(settings.ingest.areas, drills=False), FILTER],
        )
        n_files = self._counts.n_files
        self.drop = DropFolder(settings, self.inbox, self.pump, clock, stop, n_files)
        book, seen = PointBook(settings.ingest.areas), SeenFrames()
        self.order = Resequencer(seen)
        self.first_words = FirstWords(lambda mine: book.heeded(mine) is not None)
        self.gaps = GapKeeper(seen, boot, ask_after_s=settings.ingest.gap_patience_s)
        self.annunciator = Annunciator(areas=settings.ingest.areas)
        self.annunciator.know([PLATFORM])
        self.evaluator = Evaluator(
            book,
            self._new_engine(),
            seen,
            DecodeLimits(max_frame_bytes=settings.ingest.max_frame_bytes),
            settings.ingest.definitions_per_minute,
            self.drop.profiles.now,
        )
        our_clock = OurClock(clock, self.evaluator.clocks)
        self._standing = Standing(
            self.rules.rules,
            self.evaluator,
            our_clock,
            self.pump.floods,
            settings.ingest.areas,
        )
        self._threads = Threads(self._guarded, clock)
        self._windows = QuietWindows(
            settings.database, clock, self._stop, self.rules.hear, self._hear_rulings
        )
        self.storing = Storing(
            settings,
            book,
            self._encode,
            clock,
            self._counts,
            self._stop,
            owner=self.owner,
            run=self.evaluator.engine.run,
        )
        self._ahead = ahead_of(self.storing, self._encode, clock, self._counts, stop)
        self.persisting = Persisting(
            self.storing,
            self.drop,
            self.evaluator,
            clock,
            self._stop,
            self._ahead,
            settings.ingest,
        )
        self.n_waiting = self.persisting.n_waiting
        self._evaluating = self._build_evaluating(our_clock)

    def _build_evaluating(self, our_clock: OurClock) -> Evaluating:
        """What judges, over the parts that were built just now."""
        settings, clock = self._settings, self._clock
        judging = Judging(
            self.evaluator,
            self.suspects,
            clock,
            settings.engine.snapshot_interval_s,
            self._windows.table,
        )
        return Evaluating(
            settings=settings,
            clock=clock,
            stop=self._stop,
            our_clock=our_clock,
            inbox=self.inbox,
            pump=self.pump,
            rivals=Rivals(self._present_boot),
            order=self.order,
            first_words=self.first_words,
            rules=self.rules,
            evaluator=self.evaluator,
            judging=judging,
            standing=self._standing,
            voice=Voice(self.pump, self.annunciator, self.gaps, clock),
            storing=self.storing,
            persisting=self.persisting,
        )

    def _new_engine(self, former: RuleSet | None = None) -> AlarmEngine:
        engine, rules = self._settings.engine, former or self.rules.rules
        per_day = engine.forecast_false_alarms_a_day
        forecast = ForecastEngine(rules, per_day=per_day)
        return AlarmEngine(rules, patience_of(engine), forecast=forecast)

    # Life cycle, in order

    def start(self, broker_wait_s: float | None = None) -> bool:
        """Restore what was, connect to the broker, begin.

        Args:
            broker_wait_s: wait this long for the broker [s]; None does not wait.

        Returns:
            False when it was told to stop while it stood by.

        Raises:
            DependencyError: the database cannot be reached, and there is no copy to
                begin from; or, when waiting for it, the broker.
            StateConflict: another process ingests one of our areas.
        """
        try:
            return self._start(broker_wait_s, standby=self._settings.ingest.standby)
        except DependencyError as error:
            self.not_begun = f"not begun, nothing is judged: {error}"
            # What was closed stays closed: the next try needs parts of its own.
            self.pump.stop()
            self._build()
            raise

    def _start(self, broker_wait_s: float | None, *, standby: bool) -> bool:
        if self._ended.is_set():
            return False
        if standby:
            self.not_begun = "standing by until our areas are free"
        beginning = Beginning(
            self.storing,
            self.evaluator,
            self.annunciator,
            self._standing,
            self._new_engine,
            self._clock,
        )
        try:
            done = begin(
                self._settings,
                beginning,
                self._present_boot,
                standby=standby,
                on_owned=self._restart_clock,
            )
            if done is None:
                self.storing.close()
                return False
            self.restarted = str(done)
            if not self.storing.line.is_away(self._clock.monotonic_s()):
                self._windows.begin()
            # What the broker kept while nobody was there must not be lost unnoticed.
            self.pump.lives.had_session = done.step > 0
            self.pump.start(broker_wait_s)
            self._began = True
        except BaseException:
            self.storing.close()
            raise
        judge = partial(self._evaluating.run, self._clock.now_us())
        self._threads.start(
            {
                "evaluate": partial(self.persisting.fed_by, judge),
                "persist": self.persisting.run,
                "ahead": self._ahead.run,
                "files": self.drop.run,
                "windows": self._windows.run,
                "rules": partial(self.rules.run, self._stop),
            }
        )
        return True

    def _hear_rulings(self, rulings: Mapping[PointKey, str | None]) -> None:
        self.evaluator.book.rulings = rulings

    def _restart_clock(self) -> None:
        if not self._began:
            # Nothing was judged by it yet, and nobody looked at it meanwhile.
            self._clock.restart()

    @property
    def ended(self) -> bool:
        """Whether it was told to end; then it begins no more."""
        return self._ended.is_set()

    def give_up(self) -> None:
        """Stand by no longer."""
        self._ended.set()
        self._stop.set()

    def stop(self, timeout_s: float = 20.0) -> None:
        """Finish what is judged, say goodbye; what is not stored comes again."""
        self._ended.set()
        self._end_parts(timeout_s)
        if self._beginning is not None:
            self._beginning.join(timeout_s)
            self._end_parts(timeout_s)

    def _end_parts(self, timeout_s: float) -> None:
        self._stop.set()
        self.inbox.close()
        self._threads.join(timeout_s)
        self.pump.stop()

    def checks(self) -> dict[str, Callable[[], str | None]]:
        """Readiness: name → what is wrong, None when nothing is."""
        return readiness(lambda: self, self._clock)

    def _guarded(self, target: Callable[[], None]) -> None:
        try:
            target()
        except (Poisoned, RecordDiffers) as error:
            log.critical("%s: beginning anew", error, exc_info=error.__cause__)
            self._stop.set()
            self._beginning = threading.Thread(
                target=self._begin_anew, name="gasmon[begin]", daemon=True
            )
            self._beginning.start()
        except BaseException as error:
            self.failure = error
            # Nothing more may be said: another process may own our areas.
            self._stop.set()
            # The command sees it and ends; raising it here would only print it twice.
            _log_end(error)

    def _begin_anew(self) -> None:
        """Build everything again, from what is stored; the broker sends the rest."""
        try:
            self._end_parts(20.0)
            n_conflicts = 0
            while not self._ended.is_set():
                self._build()
                try:
                    self._start(None, standby=False)
                    return
                except (DependencyError, StateConflict) as error:
                    # The server may believe in our former session for a moment.
                    self.not_begun = f"beginning anew, nothing is judged: {error}"
                    n_conflicts += isinstance(error, StateConflict)
                    if n_conflicts > CONFLICTS_MOST:
                        raise
                    log.error("beginning anew waits: %s", error)
                    self._ended.wait(1.0)
        except BaseException as error:
            self.failure = error
            _log_end(error)


def _log_end(error: BaseException) -> None:
    """Say why ingest ends; where it broke only when nobody foresaw it."""
    is_foreseen = isinstance(error, GasmonError)
    told = error if is_foreseen else repr(error)
    log.critical("ingest stopped: %s", told, exc_info=not is_foreseen)
