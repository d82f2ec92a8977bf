"""Play scenarios against a running gasmon, over MQTT and HTTP, and judge its words."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from gasmon.errors import ConfigError, DependencyError
from gasmon.units import US_PER_S, iso_us
from simulators.act import Turn
from simulators.link import Broker
from simulators.performance import Performance
from simulators.places import Places
from simulators.platform import Platform
from simulators.scenario import Plan, Scenario
from simulators.verdict import Clock, Verdict, judge

_POLL_S = 1.0
_GRACE_S = 15.0
"""How long an expected alarm may come after everything was judged, in real time [s]."""

_LATE_GRACE_S = 180.0
"""The same where one is late: the platform waits whether more of a backlog comes before
it tells of it, by default two minutes (``engine.late_calm_s``) [s]."""


class Player:
    """One scenario on the platform.

    Attributes:
        fleet: its gateways' connections.
        verdict: what came of it, once it is over.
    """

    def __init__(
        self,
        scenario: Scenario,
        places: Places,
        broker: Broker,
        platform: Platform,
        dispatcher: Platform | None,
    ) -> None:
        """Prepare city and gateways; nothing connects yet.

        Args:
            platform: as somebody of the city sees it, who approves plans.
            dispatcher: as a mine's dispatcher sees it, who files them.
        """
        self.scenario = scenario
        self.places = places
        self._platform = platform
        self._dispatcher = dispatcher
        self.verdict: Verdict | None = None
        self._performance = Performance(scenario, places, broker, self._on_turn)
        self.fleet = self._performance.fleet
        self._polled_s = 0.0
        self._judged_s: float | None = None

    @property
    def clock(self) -> Clock:
        """How seconds of the scenario belong to times."""
        return self._performance.clock

    def is_defined(self) -> bool:
        """Whether the platform has the definitions of every mine."""
        mines = self.places.plan.mines
        known: dict[str, int] = {}
        for area in sorted({mine.area for mine in mines}):
            known.update(self._platform.points_of(area))
        return all(known.get(mine.code, 0) >= len(mine.points) for mine in mines)

    def refuse_old_mines(self) -> None:
        """The past in which it plays must be free.

        Raises:
            ConfigError: a mine has readings that are newer than the scenario's begin.
        """
        for mine in self.places.plan.mines:
            newest_us = self._platform.newest_us(mine.code)
            if newest_us >= self.clock.begin_us:
                raise ConfigError(
                    f"{self.scenario.name}: mine {mine.code} has readings up to "
                    f"{iso_us(newest_us)}, and at speed {self.clock.speed:g} this "
                    f"begins at {iso_us(self.clock.begin_us)}: give another --seed, "
                    "wait, or play it at --speed 1"
                )

    def begin(self) -> None:
        """The scenario begins now."""
        self._performance.begin()

    def turn(self) -> None:
        """Do what is due now: a cycle of the mines, the network, the verdict."""
        self._performance.turn()
        is_over = self._performance.now_s > self.scenario.duration_s
        if is_over and self.verdict is None:
            self._settle()

    def _on_turn(self, turn: Turn) -> None:
        for plan in turn.plans:
            self._file(plan)

    def _file(self, plan: Plan) -> None:
        if self._dispatcher is None:
            raise ConfigError(
                f"{self.scenario.name} files planned work: give --dispatcher-token-file"
            )
        for i in self.places.mines(plan.target):
            mine = self.places.plan.mines[i]
            points = [mine.points[k] for k in self.places.points(mine, plan.target)]
            from_us, until_us = (
                self.clock.begin_us + int(s * US_PER_S)
                for s in (plan.from_s, plan.until_s)
            )
            body: dict[str, Any] = {
                "mine": mine.code,
                "work": plan.work,
                "points": [f"{point.system}-{point.no}" for point in points],
                "from": iso_us(from_us),
                "until": iso_us(until_us),
                "reason": f"演练场景 scenario {self.scenario.name}",
                "key": f"{self.scenario.name}-{mine.code}-{from_us}",
            }
            if plan.test_gas is not None:
                body["test_gas"] = plan.test_gas
            number = self._dispatcher.file_plan(body)
            self._platform.approve_plan(number, "同意 approved")

    def _settle(self) -> None:
        """Once everything that was sent is judged, see what came of it."""
        now_s = time.monotonic()
        if now_s < self._polled_s + _POLL_S:
            return
        self._polled_s = now_s
        if self._judged_s is None:
            if not self._is_judged():
                return
            self._judged_s = now_s
        clock = self.clock
        seen = [
            alarm
            for mine in self.places.plan.mines
            for alarm in self._platform.alarms_of(mine.code, clock.begin_us)
            if clock.raised_s(alarm) <= self.scenario.duration_s
        ]
        verdict = judge(self.scenario, self.places, clock, seen)
        is_late = any(expected.late for expected in self.scenario.expected)
        grace_s = _LATE_GRACE_S if is_late else _GRACE_S
        if verdict.is_met or now_s > self._judged_s + grace_s:
            self.verdict = verdict

    def _is_judged(self) -> bool:
        if self.fleet.n_open_frames:
            return False
        last_us = self.clock.begin_us + int(self.scenario.duration_s * US_PER_S)
        last_us -= int(self.scenario.cycle_s * US_PER_S)
        return all(
            self._platform.newest_us(mine.code) >= last_us
            for mine in self.places.plan.mines
        )


class Stage:
    """Scenarios that play at the same time, each in mines of its own."""

    def __init__(
        self,
        players: Sequence[Player],
        say: Callable[[str], None],
        patience_s: float,
    ) -> None:
        """Check that nobody steps on another's toes.

        Raises:
            ConfigError: two scenarios take place in one mine.
        """
        for a, b in combinations(players, 2):
            both = _codes(a) & _codes(b)
            if both:
                raise ConfigError(
                    f"{a.scenario.name} and {b.scenario.name} both take place in mine "
                    f"{min(both)}: run them one after the other"
                )
        self._players = players
        self._say = say
        self._patience_s = patience_s
        self._stopping = False

    def stop(self) -> None:
        """Ask it to end; safe in a signal handler."""
        self._stopping = True

    def play(self) -> list[Verdict]:
        """Play all of them to their ends.

        Returns:
            A verdict for each scenario that came to its end.

        Raises:
            DependencyError: broker or platform cannot be reached, or the platform does
                not learn the mines' definitions in time.
        """
        try:
            for player in self._players:
                player.refuse_old_mines()
                player.fleet.start(self._patience_s, lambda: self._stopping)
            self._until_defined()
            for player in self._players:
                player.begin()
            self._say(f"{len(self._players)} scenarios begin")
            self._loop()
        finally:
            for player in self._players:
                player.fleet.stop(10.0 if player.fleet.n_connected else 0.0)
        return [p.verdict for p in self._players if p.verdict is not None]

    def _until_defined(self) -> None:
        deadline_s = time.monotonic() + self._patience_s
        waiting = list(self._players)
        while waiting and not self._stopping:
            if time.monotonic() > deadline_s:
                raise DependencyError(
                    f"{waiting[0].scenario.name}: gasmon does not know its mines after "
                    f"{self._patience_s:g} s; does it listen to the same broker?"
                )
            ask_s = time.monotonic() + _POLL_S
            while time.monotonic() < ask_s and not self._stopping:
                for player in self._players:
                    player.fleet.turn(0.01)
            waiting = [player for player in waiting if not player.is_defined()]

    def _loop(self) -> None:
        told: set[str] = set()
        while not self._stopping:
            for player in self._players:
                player.turn()
                if player.verdict is not None and player.scenario.name not in told:
                    told.add(player.scenario.name)
                    met = "as expected" if player.verdict.is_met else "NOT as expected"
                    self._say(f"{player.scenario.name}: {met}")
            if all(player.verdict is not None for player in self._players):
                return
            time.sleep(0.005)


def _codes(player: Player) -> set[str]:
    return {mine.code for mine in player.places.plan.mines}


def at_speed(scenario: Scenario, speed: float | None) -> Scenario:
    """The scenario at another speed; a plan needs the platform's own time.

    Raises:
        ConfigError: it files planned work and cannot be faster than the platform.
    """
    if speed is None:
        return scenario
    if scenario.plans and speed != 1:
        raise ConfigError(
            f"{scenario.name} files planned work, which nobody files for the past: "
            f"speed {speed:g} is not possible, 1 is"
        )
    return replace(scenario, speed=speed)
