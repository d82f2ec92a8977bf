"""What the mines of a scenario do, cycle by cycle; no network and no clock here.

Physics does not know the date: it always begins on the same morning, so that the same
scenario gives the same readings, digit for digit, whenever it runs.
"""

from dataclasses import dataclass, field

import numpy as np

from gasmon.units import US_PER_S
from simulators.city import City, CityStep
from simulators.gateway import Message, MineGateway
from simulators.places import Places
from simulators.scenario import Plan, Scenario
from simulators.timeline import Timeline

PHYSICS_US = 1_790_042_400 * US_PER_S
"""Where physics begins: 2026-09-22 10:00 in Beijing, the second shift of the day."""

_SPARE_FRAMES = 100


@dataclass(slots=True)
class Turn:
    """One cycle of all mines.

    Attributes:
        cut, mended: mines whose line breaks, or is whole again, before the messages.
        messages: what each mine publishes, in order; a mine whose line is broken keeps
            it until it is mended.
        late: frames that a mended mine sends on ``backfill`` behind its live frame.
        plans: planned work to be filed now.
        at_s: when [s since the begin]; ``step`` is what the sensors reported then.
    """

    at_s: float
    step: CityStep
    cut: list[MineGateway] = field(default_factory=list)
    mended: list[MineGateway] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    late: list[tuple[MineGateway, list[int]]] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)


class Act:
    """The city of a scenario and its gateways.

    Attributes:
        gateways: one per mine of the plan.
        begin_us: simulated time of the begin, on the wire [µs UTC].
    """

    def __init__(
        self, scenario: Scenario, places: Places, boot: str, *, run: int = 0
    ) -> None:
        """Prepare city and gateways.

        Args:
            boot: name of this start of the gateways.
            run: 0 for live, else the number of the drill.

        Raises:
            ConfigError: a cause acts on something that a mine has not.
        """
        self.scenario = scenario
        self.places = places
        self.begin_us = 0
        ring_frames = int(scenario.duration_s / scenario.cycle_s) + _SPARE_FRAMES
        self.gateways = [
            MineGateway(mine, boot, ring_frames, run=run) for mine in places.plan.mines
        ]
        self._city = City(
            places.plan,
            np.random.default_rng(scenario.seed),
            activity=0.0,
            calibrations=False,
        )
        self._timeline = Timeline(scenario, places, self._city)
        self._plans = sorted(scenario.plans, key=lambda plan: plan.at_s)
        self._down: dict[int, bool] = {}
        self._held: dict[int, list[int]] = {}
        self.n_cycles = 0

    @property
    def due_s(self) -> float:
        """When the next cycle is due [s since the begin]."""
        return self.n_cycles * self.scenario.cycle_s

    def cycle(self) -> Turn:
        """The next cycle."""
        at_s = self.due_s
        self.n_cycles += 1
        at_us = self.begin_us + int(at_s * US_PER_S)
        self._timeline.apply(at_s)
        step = self._city.step(PHYSICS_US + int(at_s * US_PER_S))
        turn = Turn(at_s, step)
        while self._plans and self._plans[0].at_s <= at_s:
            turn.plans.append(self._plans.pop(0))
        down = self._timeline.lines_down(at_s)
        for i, gateway in enumerate(self.gateways):
            if i in down and i not in self._down:
                turn.cut.append(gateway)
            elif i in self._down and i not in down:
                turn.mended.append(gateway)
        self._down = down
        for i, mine in self._timeline.redefined(at_s).items():
            if self.gateways[i].mine != mine:
                turn.messages.append(self.gateways[i].redefine(mine, at_us))
        for i, piece in enumerate(self._city.roster.slices):
            gateway = self.gateways[i]
            message = gateway.frame(
                at_us, step.value[piece].tolist(), step.state[piece].tolist()
            )
            if self._down.get(i, False):
                self._held.setdefault(i, []).append(gateway.seq)
                continue
            turn.messages.append(message)
            if i in self._held:
                turn.late.append((gateway, self._held.pop(i)))
        return turn
