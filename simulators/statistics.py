"""What can be said of a series of methane readings, simulated or measured. Pure."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from simulators.forcing import Bools, Floats

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
LAGS_MIN = (1, 2, 5, 10, 20, 40, 60, 120, 240)
DEADBANDS_PCT = (0.0, 0.1)
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a series of one sensor is like.

    Attributes:
        days: how long it is [d].
        spread: standard deviation [% CH4].
        quantiles: content by share of the time [% CH4].
        autocorrelation: by lag in minutes.
        crossings_per_day: how often the limit is newly reached, by deadband [% CH4].
        share_over: of the time at or above the limit.
        cutting_share: of the time in which coal is won.
        cutting_lasts_min: median length of a stretch of it [min].
        cutting_factor: mean content while coal is won, over that while none is.
        shift_contrast: highest over lowest mean of an hour of the day.
    """

    days: float
    mean: float
    spread: float
    quantiles: dict[str, float]
    autocorrelation: dict[str, float]
    crossings_per_day: dict[str, float]
    share_over: float
    cutting_share: float
    cutting_lasts_min: float
    cutting_factor: float
    shift_contrast: float

    def as_dict(self) -> dict[str, object]:
        """As plain values."""
        return asdict(self)


def statistics(
    value: Floats, cutting: Bools, step_s: float, limit_pct: float
) -> Statistics:
    """Describe a series without gaps.

    Args:
        value: (n,) [% CH4].
        cutting: coal is being won, (n,).
        step_s: between two values [s].
        limit_pct: whose crossings are counted [% CH4].
    """
    days = len(value) * step_s / _DAY_S
    idle = value[~cutting]
    hourly = by_hour(value, step_s)
    return Statistics(
        days=round(days, 3),
        mean=_short(np.mean(value)),
        spread=_short(np.std(value)),
        quantiles={f"{q:g}": _short(_quantile(value, q)) for q in QUANTILES},
        autocorrelation={
            f"{lag:g}": _short(autocorrelation(value, round(lag * 60 / step_s)))
            for lag in LAGS_MIN
            if lag * 60 / step_s < len(value) / 2
        },
        crossings_per_day={
            f"{band:g}": round(crossings(value, limit_pct, band) / days, 2)
            for band in DEADBANDS_PCT
        },
        share_over=_short(np.mean(value >= limit_pct)),
        cutting_share=_short(np.mean(cutting)),
        cutting_lasts_min=round(stretch_s(cutting, step_s) / 60, 1),
        cutting_factor=_short(
            np.mean(value[cutting]) / np.mean(idle)
            if cutting.any() and len(idle)
            else 1.0
        ),
        shift_contrast=_short(np.max(hourly) / np.min(hourly)),
    )


def autocorrelation(value: Floats, lag: int) -> float:
    """Correlation of a series with itself ``lag`` steps later; 1 for a constant one."""
    if lag == 0:
        return 1.0
    a, b = value[:-lag], value[lag:]
    spread = float(np.std(a) * np.std(b))
    if spread == 0:
        return 1.0
    return float(np.mean((a - a.mean()) * (b - b.mean())) / spread)


def crossings(value: Floats, limit_pct: float, deadband_pct: float) -> int:
    """How often the limit is newly reached, after being a deadband below it."""
    # 1: at or over the limit, -1: below the deadband, 0 in between: as before.
    side = np.where(value >= limit_pct, 1, 0)
    side = np.where(value < limit_pct - deadband_pct, -1, side)
    side = side[side != 0]
    return int(np.count_nonzero((side[1:] == 1) & (side[:-1] == -1)))


def by_hour(value: Floats, step_s: float) -> Floats:
    """Mean of each hour of the day, counted from the first value, (24,)."""
    hour = (np.arange(len(value)) * step_s % _DAY_S // 3600).astype(np.int64)
    n = np.bincount(hour, minlength=24)
    total = np.bincount(hour, value, 24)
    mean: Floats = np.where(n > 0, total / np.maximum(n, 1), np.mean(value))
    return mean


def stretch_s(cutting: Bools, step_s: float) -> float:
    """Median length of the stretches in which coal is won [s]; 0 without one."""
    edges = np.diff(np.r_[0, cutting.astype(np.int64), 0])
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return float(np.median(lengths)) * step_s if len(lengths) else 0.0


def _quantile(value: Floats, share: float) -> Any:
    # One of the values: between two steps of a coarse sensor there is nothing.
    return np.quantile(value, share, method="inverted_cdf")


def _short(value: Any) -> float:
    return round(float(value), 4)
