"""A drill on a running gasmon: declare it, play it, watch it, end it.

It talks HTTP and MQTT only, as everybody else does. What it measures it reads from the
platform's own journal and ledger once the drill is over.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from gasmon.errors import ConfigError, DependencyError
from gasmon.units import US_PER_S
from simulators.criteria import Inject, SheetFile, timed
from simulators.drill_curves import CurveKeeper
from simulators.drill_platform import DrillPlatform, Wanted
from simulators.drill_record import Call, DrillRecord, RealAlarm
from simulators.drill_seen import ENDED_BY, Setup, record_of
from simulators.link import Broker
from simulators.performance import Performance
from simulators.places import Places
from simulators.platform import time_us
from simulators.player import Player
from simulators.scenario import Scenario
from simulators.score import score

_POLL_S = 1.0
_SCORE_POLL_S = 5.0
_KEEP_S = 5.0

Keep = Callable[[Setup, tuple[Call, ...], float], None]
"""Takes how far a drill came: how it was set up, what was given, seconds of it."""


def _given(inject: Inject, at_s: float) -> Call:
    return Call(
        inject.name, inject.kind, round(at_s, 3), inject.to, inject.zh, inject.en
    )


def _now_us() -> int:
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class DrillSettings:
    """How a drill is held.

    Attributes:
        county: slug or code.
        announced: everybody may see before the begin that it comes.
        lead_s: from the declaration to the begin [real s]; of a drill that is not
            announced at most so long, by the seed.
        patience_s: how long broker and platform may take at the begin [s].
        spare_s: by how much the platform's own end of the drill lies behind ours: it
            ends it only if this program died [s].
    """

    county: str
    seed: int
    announced: bool
    lead_s: float
    stop_on_real_alarm: bool
    participants: tuple[str, ...]
    platforms: tuple[str, ...]
    patience_s: float
    spare_s: float


class Drill:
    """One drill from its declaration to its record."""

    def __init__(
        self,
        scenario: Scenario,
        places: Places,
        sheet_file: SheetFile,
        settings: DrillSettings,
        broker: Broker,
        platform: DrillPlatform,
        say: Callable[[str], None],
        keep: Keep = lambda *_: None,
    ) -> None:
        """Prepare; nothing is declared yet.

        Args:
            places: in mines that the platform knows.
            say: takes lines for the leader of the drill.
            keep: called every few seconds, in case this program dies.

        Raises:
            ConfigError: the scenario files planned work, which a drill cannot.
        """
        if scenario.plans:
            raise ConfigError(
                f"{scenario.name} files planned work, which would be no exercise: "
                "play it with gasmon-sim run"
            )
        self._scenario = scenario
        self._places = places
        self._sheet_file = sheet_file
        self._settings = settings
        self._broker = broker
        self._platform = platform
        self._say = say
        self._keep = keep
        self._kept_s = float("-inf")
        self._stopping = False
        self._waiting = timed(sheet_file.injects, settings.seed)
        self._calls: list[Call] = []
        self._curves = CurveKeeper(scenario, places)
        self._polled_s = self._scored_s = 0.0
        self._is_heard = True

    def stop(self) -> None:
        """Ask it to end; safe in a signal handler."""
        self._stopping = True

    @property
    def longest_s(self) -> float:
        """When it ends at the latest [s of the drill]."""
        criteria = self._sheet_file.criteria
        within_s = max(criterion.within_s for criterion in criteria)
        last_s = max((at_s for at_s, _ in self._waiting), default=0.0)
        return max(self._scenario.duration_s, last_s) + within_s

    def hold(self) -> DrillRecord:
        """Hold the drill.

        Raises:
            DependencyError: broker or platform is out of reach, or gasmon does not
                take the drill's definitions in time.
        """
        off_us = self._platform.clock_off_us()
        run, begin_us = self._declare(off_us)
        self._say(f"演练 drill {run}")
        performance = Performance(
            self._scenario,
            self._places,
            self._broker,
            self._curves.take,
            run=run,
            clock_off_us=off_us,
        )
        fleet, player = performance.fleet, Player(self._broker, run)
        player.start()
        ended_by = "stopped"
        longest_s = self.longest_s
        try:

            def wait() -> None:
                time.sleep(0.05)
                # Already now: who dies before the begin is missed after it.
                player.beat()

            self._until(run, lambda drill: bool(drill["judged_by"]), begin_us, wait)
            fleet.start(self._settings.patience_s, lambda: self._stopping)

            def prepare() -> None:
                fleet.turn(0.01)
                player.beat()

            self._until(run, self._is_defined, _now_us(), prepare)
            performance.begin()
            self._say("开始 it begins")
            setup = self._setup(run, performance)
            ended_by = self._loop(performance, player, setup, longest_s)
        finally:
            self._end(run, ended_by)
            fleet.stop(10.0 if fleet.n_connected else 0.0)
            player.stop()
        ended_s = setup.drill_s(_now_us() + off_us)
        return self._patiently(lambda: self._record(setup, ended_by, ended_s))

    def _declare(self, off_us: int) -> tuple[int, int]:
        """Declare it; gives run and begin by our clock [µs UTC]."""
        settings, scenario = self._settings, self._scenario
        lead_s = settings.lead_s
        if not settings.announced:
            lead_s *= Random(settings.seed).random()
        begin_us = _now_us() + int(lead_s * US_PER_S)
        lasts_s = self.longest_s + settings.patience_s + settings.spare_s
        run = self._platform.declare(
            Wanted(
                scenario=scenario.name,
                title=f"{scenario.zh} {scenario.en}",
                area=settings.county,
                announced=settings.announced,
                from_us=begin_us + off_us,
                until_us=begin_us + off_us + int(lasts_s * US_PER_S),
                stop_on_real_alarm=settings.stop_on_real_alarm,
                participants=settings.participants + settings.platforms,
            )
        )
        return run, begin_us

    def _until(
        self,
        run: int,
        is_so: Callable[[dict[str, Any]], bool],
        from_us: int,
        meanwhile: Callable[[], None],
    ) -> None:
        """Wait until the platform says so of a drill, or that it is over: a real alarm
        may end it before its mines are known.

        Args:
            from_us: patience begins here [µs UTC].
        """
        asked_s = 0.0
        while not self._stopping:
            if time.monotonic() > asked_s + _POLL_S:
                asked_s = time.monotonic()
                # It may be starting anew at this of all times.
                with suppress(DependencyError):
                    drill = self._platform.drill(run)
                    if drill["state"] == "ended" or is_so(drill):
                        return
                if _now_us() > from_us + int(self._settings.patience_s * US_PER_S):
                    raise DependencyError(
                        f"gasmon does not take up the drill after "
                        f"{self._settings.patience_s:g} s; does it listen to the "
                        "same broker?"
                    )
            meanwhile()

    def _is_defined(self, drill: dict[str, Any]) -> bool:
        known = {m["mine"]: m["points"] for m in drill["mines"]}
        mines = self._places.plan.mines
        return all(known.get(mine.code, 0) >= len(mine.points) for mine in mines)

    def _setup(self, run: int, performance: Performance) -> Setup:
        settings = self._settings
        return Setup(
            run=run,
            scenario=self._scenario,
            places=self._places,
            county=settings.county,
            seed=settings.seed,
            announced=settings.announced,
            participants=settings.participants,
            platforms=settings.platforms,
            clock=performance.clock,
        )

    def _loop(
        self, performance: Performance, player: Player, setup: Setup, longest_s: float
    ) -> str:
        """Play and watch; gives how it ended."""
        while not self._stopping:
            now_s = performance.now_s
            ended_by = self._look(setup, now_s, longest_s)
            if ended_by:
                return ended_by
            # On and on, also when the story is told: people still work, and mines
            # that fell silent would be alarms of their own.
            performance.turn()
            player.beat()
            if self._give(now_s) or now_s > self._kept_s + _KEEP_S:
                self._kept_s = now_s
                self._keep(setup, tuple(self._calls), now_s)
            time.sleep(0.005)
        return "stopped"

    def _give(self, now_s: float) -> bool:
        """Injects whose time has come, for the leader to carry out; whether any."""
        n_before = len(self._calls)
        while self._waiting and self._waiting[0][0] <= now_s:
            _, inject = self._waiting.pop(0)
            self._calls.append(_given(inject, now_s))
            self._say(
                f"注入 inject {inject.name} → {inject.to}: {inject.zh} {inject.en}"
            )
        return len(self._calls) > n_before

    def _look(self, setup: Setup, now_s: float, longest_s: float) -> str:
        """Whether it is over, and why; asked about each second."""
        at_s = time.monotonic()
        if at_s < self._polled_s + _POLL_S:
            return ""
        self._polled_s = at_s
        try:
            ended_by = self._state(setup, now_s, longest_s)
        except DependencyError as error:
            # It may be starting anew, or without its database: a drill of many people
            # does not end for that, and what was done is judged once it is back.
            if self._is_heard:
                self._say(f"gasmon 暂无应答，演练继续 no answer, it goes on: {error}")
            self._is_heard = False
            if now_s > longest_s + self._settings.patience_s:
                raise
            return ""
        if not self._is_heard:
            self._say("gasmon 恢复应答 it answers again")
        self._is_heard = True
        return ended_by

    def _state(self, setup: Setup, now_s: float, longest_s: float) -> str:
        drill = self._platform.drill(setup.run)
        if drill["state"] == "ended":
            return ENDED_BY.get(drill["end_cause"], "stopped")
        if now_s > longest_s:
            return "time"
        is_played = now_s > self._scenario.duration_s and not self._waiting
        if is_played and self._polled_s > self._scored_s + _SCORE_POLL_S:
            self._scored_s = self._polled_s
            sheet = score(self._record(setup, "done", now_s), self._sheet_file)
            if all(result.is_met for result in sheet.results):
                return "done"
        return ""

    def _end(self, run: int, ended_by: str) -> None:
        reason = {"done": "全部完成 all done", "time": "时间到 its time is over"}
        try:
            self._platform.end(run, reason.get(ended_by, "人工终止 stopped by hand"))
        except DependencyError as error:
            # The platform ends it by itself at its time.
            self._say(f"drill {run} could not be ended: {error}")

    def _patiently(self, ask: Callable[[], DrillRecord]) -> DrillRecord:
        """Ask again while the platform is away: the drill was held."""
        deadline_s = time.monotonic() + self._settings.patience_s
        while True:
            try:
                return ask()
            except DependencyError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(_POLL_S)

    def _record(self, setup: Setup, ended_by: str, ended_s: float) -> DrillRecord:
        drill = self._platform.drill(setup.run)
        return record_of(
            setup,
            self._platform.alarms(setup.run),
            ended_s=ended_s,
            ended_by=ended_by,
            calls=self._calls,
            curves=self._curves.curves(),
            real_alarms=real_alarms(self._platform, setup, drill),
        )


def real_alarms(
    platform: DrillPlatform, setup: Setup, drill: dict[str, Any]
) -> list[RealAlarm]:
    """The real alarms that came during a drill."""
    found = []
    for one in drill["real_alarms"]:
        alarm = platform.alarm(one["alarm_id"])
        found.append(
            RealAlarm(
                alarm_id=alarm["alarm_id"],
                mine=alarm["mine_name"],
                kind=alarm["kind"],
                rank=alarm["peak_rank"],
                at_s=setup.drill_s(time_us(one["at"])),
            )
        )
    return found
