"""Run a city against a broker: physics on schedule, frames out, a word on stderr.

Mines are dealt into a few groups whose cycles are shifted against each other, so that
frames leave evenly over the cycle as real substations' do, and each group is stepped
with one set of array operations.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from gasmon.domain import states
from gasmon.units import US_PER_S
from simulators.city import City
from simulators.fleet import Fleet
from simulators.gateway import MineGateway, boot_name
from simulators.incidents import DELAY_S
from simulators.link import Broker
from simulators.plan import CityPlan

_GROUP_SPACING_S = 0.25
_MAX_GROUPS = 20
_REPORT_S = 10.0
_STOP_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class CitySettings:
    """How to run the city.

    Attributes:
        cycle_s: time between two frames of a mine [s of simulated time].
        duration_s: stop after this real time [s]; None runs until told.
        speed: simulated seconds per real second.
        activity: factor on random disturbances.
        incidents: indices of mines with a gas rise ``incidents.DELAY_S`` after start.
        connections: None for one per mine, else shared ones.
        ring_frames: frames that a gateway keeps.
        patience_s: how long to wait for the broker at the start [s].
    """

    cycle_s: float = 15.0
    duration_s: float | None = None
    speed: float = 1.0
    activity: float = 1.0
    incidents: tuple[int, ...] = ()
    connections: int | None = None
    ring_frames: int = 240
    run: int = 0
    patience_s: float = 30.0


@dataclass(slots=True)
class CityReport:
    """What a run did; the JSON object that ``gasmon-sim city --json`` prints."""

    mines: int
    points: int
    boot: str
    frames: int = 0
    acknowledged: int = 0
    unacknowledged: int = 0
    dropped: int = 0
    connects: int = 0
    losses: int = 0
    skipped_cycles: int = 0
    duration_s: float = 0.0
    flushed: bool = False

    def as_dict(self) -> dict[str, object]:
        """The report as plain values."""
        return asdict(self)


@dataclass(slots=True)
class _Group:
    city: City
    gateways: list[MineGateway]
    due_s: float
    over: int = 0


class CityRun:
    """One run from start to clean stop."""

    def __init__(
        self,
        plan: CityPlan,
        broker: Broker,
        settings: CitySettings,
        say: Callable[[str], None],
    ) -> None:
        """Prepare everything; nothing connects yet.

        Args:
            say: takes one line of progress for people.
        """
        self._settings = settings
        self._say = say
        self._start_s = time.monotonic()
        self._start_us = time.time_ns() // 1000
        self._stopping = False
        boot = boot_name(self._start_us)
        gateways = [
            MineGateway(mine, boot, settings.ring_frames, run=settings.run)
            for mine in plan.mines
        ]
        # A drill's gateways must not push the live ones of the same mines out.
        self.fleet = Fleet(
            gateways,
            broker,
            self._now_us,
            connections=settings.connections,
            client_prefix=f"drill{settings.run}" if settings.run else "gateway",
        )
        self.report = CityReport(len(plan.mines), plan.n_points, boot)
        self._plan = plan
        self._gateways = gateways
        self._groups: list[_Group] = []

    def stop(self) -> None:
        """Ask the run to end; safe in a signal handler."""
        self._stopping = True

    def run(self) -> CityReport:
        """Run until stopped or the duration is over.

        Raises:
            DependencyError: the broker cannot be reached at the start.
        """
        settings, report = self._settings, self.report
        self._say(f"connecting {len(self.fleet.links)} gateways")
        try:
            self.fleet.start(settings.patience_s, lambda: self._stopping)
            # The city begins when somebody listens, so that a slow broker does not
            # swallow the first minutes and the incidents in them.
            self._start_s = time.monotonic()
            self._start_us = time.time_ns() // 1000
            self._groups = self._deal()
            self._loop()
        finally:
            # Without a broker there is little hope, but it may be restarting.
            patience_s = 2.0 if self.fleet.tally.connects else 0.0
            if self.fleet.n_connected:
                patience_s = _STOP_PATIENCE_S
            report.flushed = self.fleet.stop(patience_s)
            report.duration_s = round(time.monotonic() - self._start_s, 3)
            report.acknowledged = self.fleet.tally.frames_acked
            report.unacknowledged = self.fleet.n_open_frames
            report.dropped = self.fleet.n_dropped
            report.connects = self.fleet.tally.connects
            report.losses = self.fleet.tally.losses
        return report

    def _deal(self) -> list[_Group]:
        settings, plan = self._settings, self._plan
        real_cycle_s = settings.cycle_s / settings.speed
        n = int(real_cycle_s / _GROUP_SPACING_S)
        n = max(1, min(n, _MAX_GROUPS, len(plan.mines)))
        groups = []
        for k in range(n):
            members = plan.mines[k::n]
            struck = [i // n for i in settings.incidents if i % n == k]
            city = City(
                CityPlan(plan.seed, members),
                np.random.default_rng([plan.seed, k]),
                activity=settings.activity,
                incidents=struck,
                incident_at_us=self._start_us + DELAY_S * US_PER_S,
            )
            due_s = self._start_s + real_cycle_s * k / n
            groups.append(_Group(city, self._gateways[k::n], due_s))
        return groups

    def _loop(self) -> None:
        settings = self._settings
        end_s = float("inf")
        if settings.duration_s is not None:
            end_s = self._start_s + settings.duration_s
        report_at_s = time.monotonic() + 1.0
        while not self._stopping:
            now_s = time.monotonic()
            if now_s >= end_s:
                return
            for group in self._groups:
                if group.due_s <= now_s:
                    self._cycle(group, now_s)
            if now_s >= report_at_s:
                report_at_s = now_s + _REPORT_S
                self._progress()
            wake_s = min(min(group.due_s for group in self._groups), end_s)
            self.fleet.turn(min(wake_s - time.monotonic(), 0.1))

    def _cycle(self, group: _Group, now_s: float) -> None:
        """Step one group at its scheduled instant and hand its frames over."""
        real_cycle_s = self._settings.cycle_s / self._settings.speed
        late_cycles = int((now_s - group.due_s) / real_cycle_s)
        if late_cycles > 3:
            # The machine slept: what nobody measured is not invented afterwards.
            group.due_s += late_cycles * real_cycle_s
            self.report.skipped_cycles += late_cycles
        at_us = self._time_us(group.due_s)
        group.due_s += real_cycle_s
        step = group.city.step(at_us)
        live = (step.state & states.CALIBRATION) == 0
        group.over = int(np.count_nonzero(live & ((step.state & states.ALARM) != 0)))
        slices = group.city.roster.slices
        for gateway, piece in zip(group.gateways, slices, strict=True):
            message = gateway.frame(
                at_us, step.value[piece].tolist(), step.state[piece].tolist()
            )
            self.fleet.link_of[gateway.mine.code].send(message)
            self.report.frames += 1

    def _progress(self) -> None:
        fleet = self.fleet
        over = sum(group.over for group in self._groups)
        self._say(
            f"{fleet.n_connected}/{len(fleet.links)} connections, "
            f"{self.report.frames} frames, {fleet.tally.frames_acked} acknowledged, "
            f"{over} points over a limit"
        )

    def _time_us(self, at_s: float) -> int:
        """Simulated time at a reading of the monotonic clock [µs UTC]."""
        passed_s = (at_s - self._start_s) * self._settings.speed
        return self._start_us + int(passed_s * US_PER_S)

    def _now_us(self) -> int:
        return self._time_us(time.monotonic())
