"""How fast the city runs on this machine: physics, sensors and frames, no broker.

What is measured is one core's work for one polling cycle of every mine; so many times
real time could be simulated if nothing else had to be done.
"""

import time
from dataclasses import asdict, dataclass
from itertools import cycle, islice

import numpy as np

from gasmon.units import US_PER_S
from simulators.city import City
from simulators.gateway import MineGateway
from simulators.plan import CityPlan

_START_US = 1_790_000_000 * US_PER_S
_WARM_CYCLES = 2


@dataclass(frozen=True, slots=True)
class Speed:
    """What ``gasmon-sim speed`` prints.

    Attributes:
        physics_ms: for one cycle of all mines, median [ms].
        frames_ms: to encode one frame of each mine, median [ms].
        times_real_time: the cycle over both.
    """

    mines: int
    points: int
    cycle_s: float
    cycles: int
    physics_ms: float
    frames_ms: float
    times_real_time: float

    def as_dict(self) -> dict[str, object]:
        """As plain values."""
        return asdict(self)


def enlarged(plan: CityPlan, n_points: int) -> CityPlan:
    """The city's mines over and over until there are so many points.

    For measuring only: codes repeat, so nothing of it may be published.
    """
    mines = []
    n = 0
    for mine in cycle(plan.mines):
        if n >= n_points:
            break
        mines.append(mine)
        n += len(mine.points)
    return CityPlan(plan.seed, tuple(mines))


def measure(plan: CityPlan, cycle_s: float, n_cycles: int) -> Speed:
    """Step a city and encode its frames.

    Args:
        cycle_s: simulated time between two frames of a mine [s].
        n_cycles: how many cycles the medians are of.
    """
    city = City(plan, np.random.default_rng(plan.seed))
    gateways = [MineGateway(mine, "speed", 1) for mine in plan.mines]
    physics_s: list[float] = []
    frames_s: list[float] = []
    for k in range(_WARM_CYCLES + n_cycles):
        at_us = _START_US + int(k * cycle_s * US_PER_S)
        begin_s = time.perf_counter()
        step = city.step(at_us)
        stepped_s = time.perf_counter()
        for gateway, piece in zip(gateways, city.roster.slices, strict=True):
            gateway.frame(at_us, step.value[piece].tolist(), step.state[piece].tolist())
        physics_s.append(stepped_s - begin_s)
        frames_s.append(time.perf_counter() - stepped_s)
    physics, frames = (
        float(np.median(list(islice(times, _WARM_CYCLES, None))))
        for times in (physics_s, frames_s)
    )
    return Speed(
        len(plan.mines),
        plan.n_points,
        cycle_s,
        n_cycles,
        round(physics * 1000, 2),
        round(frames * 1000, 2),
        round(cycle_s / (physics + frames), 1),
    )
