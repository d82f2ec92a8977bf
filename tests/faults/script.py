"""What the mines of a campaign measure: a city and value series, from a seed alone.

A series is made of short pieces: calm air, gas near the limit, crossings of every
height, a value that dances on the limit, broken sensors, calibration gas. Each point
draws its pieces from a generator of its own, so the same seed gives the same series
whatever breaks meanwhile.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gasmon.domain import states
from simulators.plan import MinePlan, PointPlan, UnitPlan

Sample = tuple[float | None, int]
"""Value and state bits."""

AREAS = ("530627", "530626", "530629", "530602")
"""Zhenxiong, Suijiang, Weixin, and Zhaoyang, which has no platform of its own."""

LONGEST = 8
"""Cycles that a piece takes at most, but for calm ones."""


@dataclass(frozen=True)
class Shape:
    """How one kind of sensor behaves, in its own unit."""

    no: str
    sensor_type: str
    place_class: str
    uom: str
    top: float
    calm: tuple[float, float]
    near: float
    beyond: tuple[tuple[float, float], ...]
    limits: tuple[tuple[str, float], ...] = ()
    own_limit: float | None = None


SHAPES = (
    Shape(
        "001A01", "0001", "FACE_T1", "%", 4.0, (0.1, 0.7), 0.85,
        ((1.0, 1.45), (1.5, 2.9), (3.0, 3.9)),
        (("alarm_high", 1.0), ("clear_high", 1.0), ("cut_high", 1.5),
         ("restore_high", 1.0)), 1.0,
    ),
    Shape(
        "001A02", "0001", "FACE_T3", "%", 4.0, (0.02, 0.3), 0.45,
        ((0.5, 0.9), (1.0, 2.0)), (("alarm_high", 0.5), ("cut_high", 0.5)), 0.5,
    ),
    Shape("001A03", "0004", "", "ppm", 1000.0, (0, 12), 22, ((24, 90), (120, 600)),
          (("alarm_high", 24.0), ("clear_high", 20.0)), 24.0),
    Shape("001A04", "0012", "", "%", 25.0, (20.0, 20.9), 18.5, ((12.0, 18.0),)),
    Shape("001A05", "0002", "", "m/s", 15.0, (1.0, 3.0), 3.9,
          ((4.0, 9.0), (0.0, 0.25)),
          (("alarm_high", 4.0), ("clear_high", 3.5), ("alarm_low", 0.3))),
)  # fmt: skip


def city(seed: int, n_mines: int) -> tuple[MinePlan, ...]:
    """Mines over four areas, each with the same five sensors."""
    rng = random.Random(f"city/{seed}")
    numbers = rng.sample(range(1, 1_000_000), n_mines)
    return tuple(
        _mine(AREAS[i % len(AREAS)], f"{number:06d}")
        for i, number in enumerate(sorted(numbers))
    )


def _mine(area: str, number: str) -> MinePlan:
    return MinePlan(
        code=area + number,
        area=area,
        slug=f"m{number}",
        name=f"{number}煤矿",
        kind="outburst",
        drainage=False,
        atmosphere_kpa=85.0,
        units=(UnitPlan("11121", "face", "11121采煤工作面"),),
        workings=(),
        points=tuple(_point(shape) for shape in SHAPES),
    )


def _point(shape: Shape) -> PointPlan:
    return PointPlan(
        no=shape.no,
        system="01",
        sensor_type=shape.sensor_type,
        kind="MN",
        unit_id="11121",
        place="回风隅角",
        place_class=shape.place_class,
        uom=shape.uom,
        range=(0.0, shape.top),
        limits=dict(shape.limits),
        relations=(),
        role="",
        working=0,
        gain=1.0,
        delay_s=0.0,
        substation=1,
    )


def series(seed: int, mine: str, shape: Shape) -> Iterator[Sample]:
    """The endless series of one point."""
    rng = random.Random(f"series/{seed}/{mine}/{shape.no}")
    pieces: tuple[Callable[[random.Random, Shape], list[Sample]], ...] = (
        _calm, _calm, _calm, _crossing, _crossing, _crossing, _near, _dance, _spike,
        _broken, _rise_and_break, _over_range, _calibration, _no_substation, _silly,
    )  # fmt: skip
    yield from _calm(rng, shape)
    while True:
        yield from rng.choice(pieces)(rng, shape)


def _steps(rng: random.Random) -> range:
    return range(rng.randint(1, LONGEST))


def _value(rng: random.Random, span: tuple[float, float]) -> float:
    return round(rng.uniform(*span), 3)


def _calm(rng: random.Random, shape: Shape) -> list[Sample]:
    return [(_value(rng, shape.calm), 0) for _ in range(rng.randint(3, 15))]


def _near(_rng: random.Random, shape: Shape) -> list[Sample]:
    return [(shape.near, 0)] * 3


def _crossing(rng: random.Random, shape: Shape) -> list[Sample]:
    """Up, perhaps higher, and back to where every end limit is passed."""
    out: list[Sample] = []
    for _ in range(rng.randint(1, 2)):
        span = rng.choice(shape.beyond)
        out += [(_value(rng, span), 0) for _ in _steps(rng)]
    return [*out, (_value(rng, shape.calm), 0)]


def _spike(rng: random.Random, shape: Shape) -> list[Sample]:
    """One cycle long: what a lost frame would hide."""
    return [(_value(rng, shape.beyond[-1]), 0), (_value(rng, shape.calm), 0)]


def _dance(rng: random.Random, shape: Shape) -> list[Sample]:
    """On the limit exactly, and just off it."""
    limit = shape.own_limit
    if limit is None:
        return _crossing(rng, shape)
    return [(limit if rng.random() < 0.5 else limit - 0.001, 0) for _ in _steps(rng)]


def _broken(rng: random.Random, shape: Shape) -> list[Sample]:
    out: list[Sample] = [(None, states.SENSOR_FAULT) for _ in _steps(rng)]
    return [*out, (_value(rng, shape.calm), 0)]


def _rise_and_break(rng: random.Random, shape: Shape) -> list[Sample]:
    """The alarm holds while its value is unknown, and ends by a good value."""
    up: list[Sample] = [(_value(rng, shape.beyond[0]), 0) for _ in _steps(rng)]
    return [*up, *_broken(rng, shape)]


def _over_range(rng: random.Random, shape: Shape) -> list[Sample]:
    out: list[Sample] = [(shape.top, states.OVER_RANGE) for _ in _steps(rng)]
    return [*out, (_value(rng, shape.calm), 0)]


def _calibration(rng: random.Random, shape: Shape) -> list[Sample]:
    """Test gas: it raises nothing."""
    gas = round(shape.top / 2, 3)
    out: list[Sample] = [(gas, states.CALIBRATION) for _ in _steps(rng)]
    return [*out, (_value(rng, shape.calm), 0)]


def _no_substation(rng: random.Random, shape: Shape) -> list[Sample]:
    out: list[Sample] = [(None, states.SUBSTATION_FAULT) for _ in _steps(rng)]
    return [*out, (_value(rng, shape.calm), 0)]


def _silly(rng: random.Random, shape: Shape) -> list[Sample]:
    """Bits that nobody defined."""
    return [(_value(rng, shape.calm), 4096), (_value(rng, shape.calm), 0)]
