"""The simulated face beside a measured one: do they look alike?

A real longwall is far gassier than the small mines of the city, so one face is given
the measured mean content and unevenness. It works in all three shifts, as the measured
one did, and stands still where that did for most of a day; everything else is left as
the city has it. It is read as the measured sensor is: as often, as coarsely. Nothing of
the measured series is kept; its file stays where it is.
"""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gasmon.errors import ConfigError
from gasmon.units import US_PER_S
from simulators.act import PHYSICS_US
from simulators.city import City
from simulators.emission import CUTTING_SHARE, PASS_SHARE, mean_share
from simulators.forcing import Bools, Floats
from simulators.layout import build_city, choose_mines
from simulators.plan import CityPlan

UNEVENNESS = 3.67
"""How much more unevenly a large longwall gives its gas than a small face (ours)."""

_WARM_STEPS = 240
_STANDS_S = 16 * 3600.0
_LEAST_ROWS = 200


@dataclass(frozen=True, slots=True)
class Series:
    """Readings of one methane sensor.

    Attributes:
        value: (n,) [% CH4].
        cutting: coal is being won, (n,).
        step_s: between two readings [s].
    """

    name: str
    value: Floats
    cutting: Bools
    step_s: float


def read_series(path: Path, column: str, cutting_column: str) -> Series:
    """A measured series from a CSV file with a column ``t_s`` of seconds.

    Raises:
        ConfigError: no such file or column, a row without a number, or steps that are
            not equal; names the row.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: {error}") from None
    if len(rows) < _LEAST_ROWS:
        raise ConfigError(
            f"{path}: {len(rows)} rows, {_LEAST_ROWS} are wanted at least"
        )
    found: dict[str, list[float]] = {"t_s": [], column: [], cutting_column: []}
    for number, row in enumerate(rows, 2):
        for name, values in found.items():
            text = row.get(name)
            if text is None:
                there = ", ".join(rows[0])
                raise ConfigError(f"{path}: no column {name!r}; there are {there}")
            try:
                values.append(float(text))
            except ValueError:
                raise ConfigError(f"{path}:{number}: {name} = {text!r}") from None
    t_s = np.array(found["t_s"])
    steps = np.diff(t_s)
    step_s = float(np.median(steps))
    if not step_s > 0 or not np.all(steps == step_s):
        at = int(np.argmax(steps != step_s)) + 3
        raise ConfigError(f"{path}:{at}: steps of t_s are not all {step_s:g} s")
    value = np.array(found[column])
    return Series(column, value, np.array(found[cutting_column]) > 0, step_s)


def standing(series: Series) -> Bools:
    """Where a face stood still for most of a day or longer, (n,).

    No rhythm of shifts says when that is: a holiday, a move, a repair.
    """
    stands = np.zeros(len(series.cutting), np.bool_)
    edges = np.flatnonzero(np.diff(np.r_[True, series.cutting, True].astype(np.int8)))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if (end - begin) * series.step_s >= _STANDS_S:
            stands[begin:end] = True
    return stands


def simulated(like: Series, seed: int, unevenness: float, hold_s: float) -> Series:
    """A face of the city, as gassy as the measured one and read like it.

    Args:
        hold_s: the sensor is read only so often and repeated in between [s].
    """
    mine = choose_mines(build_city(seed), 1, ("zhenxiong",)).mines[0]
    stands = standing(like)
    share = mean_share(CUTTING_SHARE * PASS_SHARE * float(1 - np.mean(stands)))
    face = replace(mine.workings[0], ch4_pct=float(np.mean(like.value)) / share)
    # Limits differ from country to country: nothing cuts the power here.
    points = tuple(replace(point, limits={}) for point in mine.points)
    mine = replace(mine, workings=(face, *mine.workings[1:]), points=points)
    city = City(
        CityPlan(seed, (mine,)),
        np.random.default_rng(seed),
        activity=0.0,
        unevenness=unevenness,
        calibrations=False,
    )
    city.airflow.emission.work_all_shifts()
    at = next(k for k, p in enumerate(mine.points) if p.place_class == "FACE_T2")
    machine = next(k for k, p in enumerate(mine.points) if p.role == "machine")
    n = len(like.value)
    value, cutting = np.empty(n), np.empty(n, np.bool_)
    step_us = int(like.step_s * US_PER_S)
    for k in range(-_WARM_STEPS, n):
        city.airflow.forcing.standing[:] = k >= 0 and stands[k]
        step = city.step(PHYSICS_US + (k + _WARM_STEPS) * step_us)
        if k >= 0:
            value[k] = step.value[at]
            cutting[k] = step.value[machine] > 0
    # The calmest number of digits that the measured values need.
    digits = next(d for d in range(5) if np.allclose(like.value, like.value.round(d)))
    every = max(1, round(hold_s / like.step_s))
    value = np.repeat(value[::every], every)[:n].round(digits)
    return Series("simulated", value, cutting, like.step_s)
