"""One run of a drill: an engine, a memory of frames and an annunciator of its own.

Nothing of it is shared with the live run but the rules, which say what is judged, and
the mines that there are. It keeps no log and no snapshots: no restart goes on from it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.forecast import ForecastEngine
from gasmon.alarms.rules import RuleSet
from gasmon.batch import Packet
from gasmon.clock import Clock
from gasmon.errors import GasmonError
from gasmon.ingest.decode import DecodeLimits
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.drill_pump import DrillPump
from gasmon.ingest.gaps import GapKeeper
from gasmon.pipeline.annunciate import Annunciator
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Evaluator, Judged
from gasmon.pipeline.ourclock import patience_of
from gasmon.pipeline.voice import Voice
from gasmon.settings import Settings
from gasmon.store import drills
from gasmon.store.drills import Drill

REJECTS_LIMIT = 2000
"""Refused rows that a drill may leave; ours: more is no exercise but noise, and each
is a row that people look through."""


class Spent(GasmonError):
    """A drill took more than it may.

    Attributes:
        cause: one of ``drills.END_CAUSES``.
    """

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Ground:
    """What a run begins with.

    Attributes:
        mines: codes of the mines that may take part; all of them are known.
        boot: of this process, for the names of requests to gateways.
    """

    mines: Collection[str]
    rules: RuleSet
    boot: str


class DrillRun:
    """The judging side of one run.

    Attributes:
        drill: as it was declared.
        n_rejects: refused input so far.
    """

    def __init__(
        self,
        drill: Drill,
        ground: Ground,
        settings: Settings,
        pump: DrillPump,
        clock: Clock,
    ) -> None:
        self.drill = drill
        self.n_rejects = 0
        self._mines = frozenset(ground.mines)
        self._points_limit = settings.drills.points_limit
        self._interval_s = settings.engine.mark_interval_s
        self._marked_s = clock.monotonic_s()
        self._clock = clock
        self._silence_s = settings.drills.player_silence_s
        self._heard_s: float | None = None
        engine, ingest = settings.engine, settings.ingest
        seen = SeenFrames()
        self.book = PointBook({mine[:6] for mine in ground.mines})
        self.evaluator = Evaluator(
            self.book,
            AlarmEngine(
                ground.rules,
                patience_of(engine),
                run=drill.run,
                forecast=ForecastEngine(
                    ground.rules, per_day=engine.forecast_false_alarms_a_day
                ),
            ),
            seen,
            DecodeLimits(max_frame_bytes=ingest.max_frame_bytes),
            ingest.definitions_per_minute,
        )
        self._annunciator = Annunciator(run=drill.run)
        boot = f"{ground.boot}-{drill.run}"
        gaps = GapKeeper(seen, boot, ask_after_s=ingest.gap_patience_s)
        self._voice = Voice(pump, self._annunciator, gaps, clock, drill.run)

    def admits(self, mine: str) -> bool:
        """Whether a mine takes part."""
        return mine in self._mines

    def hear(self) -> None:
        """Its player says that he goes on."""
        self._heard_s = self._clock.monotonic_s()

    def excuse(self) -> None:
        """Nobody could have been heard until now."""
        if self._heard_s is not None:
            self.hear()

    @property
    def is_abandoned(self) -> bool:
        """Whether a player that was heard is silent for too long.

        A script that never says so has no player; its drill ends as declared.
        """
        now_s = self._clock.monotonic_s()
        return self._heard_s is not None and now_s - self._heard_s > self._silence_s

    def turn(
        self, packets: Sequence[Packet], confirmed: Mapping[str, int] | None
    ) -> Judged | None:
        """Judge what came for this run; None when there is nothing to do now.

        Args:
            packets: of this run and of mines that take part.
            confirmed: alarm key → rank, when it was read anew.

        Raises:
            Spent: it took more than it may; nothing of this turn counts.
        """
        now_s, marks = self._clock.monotonic_s(), []
        if now_s - self._marked_s >= self._interval_s:
            self._marked_s = now_s
            marks = [self._clock.now_us()]
        if not (packets or marks):
            return None
        now_us = self._clock.now_us()
        judged = self.evaluator.evaluate(packets, now_us=now_us, marks=marks)
        n_points = self.book.table.n
        if n_points > self._points_limit:
            raise Spent(
                drills.TOO_MANY_POINTS,
                f"{n_points} points, drills.points_limit is {self._points_limit}",
            )
        self.n_rejects += sum(reject.n for reject in judged.rejects)
        if self.n_rejects > REJECTS_LIMIT:
            raise Spent(drills.FLOOD, f"{self.n_rejects} refused rows or packets")
        # Nothing is judged again after a restart, so nothing is kept for that.
        judged.steps, judged.marks = [], ()
        self._voice.announce(
            judged, None if confirmed is None else dict(confirmed), (), now_us
        )
        self._voice.ask_for_gaps(judged)
        return judged

    def retained(self) -> list[str]:
        """Topics at which this run may have left a message with the broker."""
        return self._annunciator.topics()


def is_empty(judged: Judged) -> bool:
    """Whether a turn has nothing to be stored."""
    return not any(
        (
            judged.batches,
            judged.events,
            judged.rejects,
            judged.definitions,
            judged.latest,
            judged.clocks,
            judged.mine_events,
            judged.crossed,
            judged.statistics,
            judged.warned,
        )
    )
