"""What a forecast looks at, and how much each of it weighs.

The score is the log-odds of a new crossing of the limit 2 to 10 minutes ahead. All of
it is relative to the point's own limit, so one set of weights serves every limit. The
weights were fitted once, by ridge logistic regression, on the first 60 % of a public
series of a longwall in Poland (methane at mid-face and at the outlet, production;
4.6 days at 30 s; published with the RuleKit project), eight limits of two sensors
together; docs/forecast.md has the measure of each input and of those left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasmon.batch import Float64
from gasmon.units import US_PER_S

Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]

LEVELS_S = (60.0, 180.0, 600.0)
"""Time constants of the running levels [s]."""

REVERSION_S = 600.0
"""How fast the low envelope climbs back to the value [s]."""

PRODUCTION_S = 120.0
"""Time constant of the running share of production [s]."""

LONGEST_MIN = 480.0
"""Longer than this since a crossing, or since production stopped, is all the same."""

INPUTS = (
    "gap_now",
    "gap_1min",
    "gap_3min",
    "gap_10min",
    "rise",
    "since_limit",
    "since_limit_x_gap",
    "producing",
    "producing_2min",
    "since_stop",
)
"""Names of the inputs, as an explanation shows them.

``gap_*``: how far the value and its running levels are below the limit, as a share of
the limit. ``rise``: how far the value is above its recent low. ``since_limit``: log of
the time since the limit was last reached. ``since_stop``: log of the time since coal
was last cut, 0 while it is."""

MODELS = ("forecast", "ewma_1min", "last_value")
"""What can be scored: gasmon's own, and the two it has to beat."""

FORECAST, EWMA, LAST = range(3)

LEAST_LIMIT = 1e-6
"""A smaller limit counts as this, in the point's unit; none is measured so finely."""

CLIP = 6.0
"""An input further from its mean than this many deviations counts as this far."""

_MEAN = np.asarray(
    [0.296, 0.2951, 0.291, 0.2823, 0.0186, 3.016, 1.029, 0.1983, 0.196, 3.821]
)
_SCALE = np.asarray(
    [0.1458, 0.1452, 0.147, 0.1511, 0.0362, 1.331, 0.7967, 0.3987, 0.3581, 2.409]
)

WEIGHTS = np.asarray(
    [
        [
            [0, -0.224, -0.134, -0.289, 0.349, -0.512, -0.396, 0, 0, 0],
            [0, -1.249, 0, 0, 0, 0, 0, 0, 0, 0],
            [-1.235, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ],
        [
            [0, -0.259, -0.147, -0.256, 0.319, -0.403, -0.309, 0.243, -0.508, -0.562],
            [0, -1.249, 0, 0, 0, 0, 0, 0, 0, 0],
            [-1.235, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ],
    ]
)
"""By production known (no, yes), model and input, for standardised inputs."""

BIAS = np.asarray([[-2.984, -2.692, -2.684], [-3.071, -2.692, -2.684]])


@dataclass(frozen=True, slots=True)
class Levels:
    """The running picture of some values; arrays of one length.

    Attributes:
        value: the newest good value, in the point's unit.
        running: levels by LEVELS_S, float64[3, k].
        low: the low envelope.
    """

    value: Float64
    running: Float64
    low: Float64

    @classmethod
    def begun(cls, value: Float64) -> "Levels":
        """The picture after a first value: all levels are that value."""
        return cls(value, np.tile(value, (3, 1)), value.copy())

    def after(self, value: Float64, took_s: Float64) -> "Levels":
        """The picture one value later.

        Args:
            took_s: time since the value before, float64[k] [s].
        """
        faded = -np.expm1(-took_s / np.asarray(LEVELS_S)[:, None])
        low = self.low - np.expm1(-took_s / REVERSION_S) * (value - self.low)
        running = self.running + faded * (value - self.running)
        return Levels(value, running, np.minimum(low, value))


def inputs(
    levels: Levels,
    limit: Float64,
    since_limit_us: Float64,
    producing: Float64,
    producing_2min: Float64,
    since_stop_us: Float64,
) -> Float64:
    """The inputs of each target, float64[k, inputs], not yet standardised.

    Args:
        limit: in the point's unit, float64[k].
        since_limit_us: time since the value was at the limit [µs].
        producing: 1 or 0; ``producing_2min`` its running share; NaN = not known.
        since_stop_us: time since coal was last cut [µs].
    """
    limit = np.maximum(limit, LEAST_LIMIT)
    gaps = (limit - np.vstack([levels.value, levels.running])) / limit
    since_limit = np.log1p(np.minimum(_minutes(since_limit_us), LONGEST_MIN) / 5.0)
    since_stop = np.log1p(np.minimum(_minutes(since_stop_us), LONGEST_MIN))
    return np.column_stack(
        [
            *gaps,
            (levels.value - levels.low) / limit,
            since_limit,
            since_limit * gaps[2],
            producing,
            producing_2min,
            np.where(producing > 0.5, 0.0, since_stop),
        ]
    )


def _minutes(us: Float64) -> Float64:
    return np.asarray(us, np.float64) / (60.0 * US_PER_S)


def contributions(seen: Float64, model: Ints) -> tuple[Float64, Float64]:
    """What each input adds to the log-odds, and their sum.

    Args:
        seen: what ``inputs`` gave, float64[k, inputs]. Where production is not
            known (NaN) the weights that were fitted without it are used.
        model: FORECAST, EWMA or LAST, intp[k].

    Returns:
        Contributions, float64[k, inputs], and log-odds, float64[k].
    """
    known = np.isfinite(seen[:, -3]).astype(np.intp)
    standard = np.clip((seen - _MEAN) / _SCALE, -CLIP, CLIP)
    share = WEIGHTS[known, model] * np.where(np.isfinite(standard), standard, 0.0)
    return share, BIAS[known, model] + share.sum(axis=1)


def probability(log_odds: Float64) -> Float64:
    """Log-odds as a probability."""
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))
