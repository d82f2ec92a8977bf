"""``gasmon-sim compare``: the simulated face beside a measured series."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gasmon.errors import ConfigError
from simulators.cli_options import add_output, count, from_zero, positive
from simulators.compare import UNEVENNESS, Series, read_series, simulated
from simulators.forcing import Floats
from simulators.plot import Chart, draw
from simulators.statistics import (
    Statistics,
    autocorrelation,
    by_hour,
    crossings,
    statistics,
)

_LIMIT_PCT = 1.0
_ACF_MIN = (0, 1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 240)


def add_parser(commands: Any) -> None:
    """Declare the command."""
    compare = commands.add_parser(
        "compare", help="与实测序列比较 hold a simulated face against measured readings"
    )
    compare.set_defaults(command=run)
    compare.add_argument("--series", type=Path, required=True, metavar="FILE")
    compare.add_argument("--column", default="MM116")
    compare.add_argument("--cutting", default="PD")
    compare.add_argument("--hold", type=positive, default=60.0, metavar="S")
    compare.add_argument("--unevenness", type=positive, default=UNEVENNESS, metavar="X")
    compare.add_argument("--seed", type=from_zero, default=1, metavar="N")
    compare.add_argument(
        "--seeds",
        type=count,
        default=1,
        metavar="N",
        help="几个种子 so many seeds, from --seed on",
    )
    compare.add_argument("--plot", type=Path, metavar="FILE.svg")
    add_output(compare)


def run(args: argparse.Namespace) -> int:
    """Compare, print, draw."""
    real = read_series(args.series, args.column, args.cutting)
    seeds = range(args.seed, args.seed + args.seeds)
    made = [simulated(real, seed, args.unevenness, args.hold) for seed in seeds]
    found = [
        statistics(s.value, s.cutting, s.step_s, _LIMIT_PCT) for s in (real, *made)
    ]
    if args.plot is not None:
        try:
            args.plot.write_text(picture(real, made), "utf-8")
        except OSError as error:
            raise ConfigError(f"plot: {error}") from None
    if args.json:
        report = {
            "measured": found[0].as_dict(),
            "simulated": found[1].as_dict(),
            "seeds": {
                str(seed): one.as_dict()
                for seed, one in zip(seeds, found[1:], strict=True)
            },
        }
        print(json.dumps(report, ensure_ascii=False))
    else:
        print("\n".join(table(found[0], dict(zip(seeds, found[1:], strict=True)))))
    return 0


def table(real: Statistics, made: Mapping[int, Statistics]) -> list[str]:
    """Side by side, a line for each figure.

    Args:
        made: of the simulated faces, by seed.
    """
    heads = [f"{f'模拟 seed {seed}':>14}" for seed in made]
    lines = [f"{'':<28}{'实测 measured':>14}{''.join(heads)}"]
    others = [one.as_dict() for one in made.values()]
    for name, value in real.as_dict().items():
        if isinstance(value, dict):
            for key, part in value.items():
                beside = [_part(other[name], key) for other in others]
                lines.append(_row(f"{name} {key}", part, beside))
        else:
            lines.append(_row(name, value, [other[name] for other in others]))
    return lines


def _row(name: str, real: object, made: Sequence[object]) -> str:
    return f"{name:<28}{real!s:>16}" + "".join(f"{one!s:>14}" for one in made)


def _part(figures: object, key: str) -> object:
    assert isinstance(figures, dict)
    return figures[key]


def picture(real: Series, made: Sequence[Series]) -> str:
    """Distribution, memory, day and crossings of all, as SVG; no reading of them."""
    both = (real, *made)
    shares = np.linspace(0.005, 0.995, 100)
    lags = np.array(_ACF_MIN, np.float64)
    lags = lags[lags * 60 / real.step_s < len(real.value) / 2]
    hours = np.arange(24, dtype=np.float64) + 0.5
    limits = np.quantile(real.value, 0.5) * np.linspace(0.6, 1.8, 25)
    charts = [
        Chart(
            "分布 distribution: content [% CH4] by share of the time",
            "share of the time",
            tuple((shares, np.quantile(s.value, shares)) for s in both),
            tuple((x, f"{x:g}") for x in (0.1, 0.3, 0.5, 0.7, 0.9)),
        ),
        Chart(
            "自相关 autocorrelation",
            "lag [min]",
            tuple((lags, _memory(s, lags)) for s in both),
            tuple((x, f"{x:g}") for x in (0, 60, 120, 180, 240)),
        ),
        Chart(
            "班次 mean of each hour of the day [% CH4]",
            "hour since the first value, modulo 24",
            tuple((hours, by_hour(s.value, s.step_s)) for s in both),
            tuple((x, f"{x:g}") for x in (0.5, 6, 12, 18, 23.5)),
        ),
        Chart(
            "越限次数 crossings a day, with a deadband of 0.1 %",
            "limit [% CH4]",
            tuple((limits, _crossings(s, limits)) for s in both),
            tuple((x, f"{x:.2f}") for x in limits[::6].tolist()),
        ),
    ]
    title = "模拟工作面与实测工作面 A simulated face beside a measured one"
    return draw(charts, ("实测 measured", "模拟 simulated"), title)


def _memory(series: Series, lags_min: Floats) -> Floats:
    steps = [round(lag * 60 / series.step_s) for lag in lags_min]
    return np.array([autocorrelation(series.value, step) for step in steps])


def _crossings(series: Series, limits: Floats) -> Floats:
    days = len(series.value) * series.step_s / 86_400
    return np.array([crossings(series.value, at, 0.1) / days for at in limits])
