"""What the readings say of pre-warnings, independently of the forecast (pure).

The protocol, for live pre-warnings as for a recorded series:

- onset: the limit is reached after at least 5 min below it, by a reading that follows
  the one before it within 10 min.
- hit: an onset within the horizon after the pre-warning. Every other pre-warning is
  false, unless readings are missing in which an onset could hide.
"""

import numpy as np

from gasmon.alarms.forecast_model import Bools
from gasmon.batch import Float64, Int32, Int64
from gasmon.domain import states
from gasmon.units import US_PER_S

FRESH_US = 300 * US_PER_S
GAP_US = 600 * US_PER_S
"""A crossing after a longer gap is no onset: nobody saw what was before."""

HIDING_US = 90 * US_PER_S
"""An onset could hide in a gap longer than this; as long as a silent point is waited
for."""

BEFORE_US = GAP_US + FRESH_US
"""So much of the past is needed to know whether a crossing is an onset."""


def usable(value: Float64, state: Int32) -> Bools:
    """Readings that say something about the gas, bool[k]."""
    hidden = (state & (states.NO_VALUE | states.CALIBRATION)) != 0
    return np.asarray(~np.isnan(value) & ~hidden)


def onsets(at_us: Int64, value: Float64, limit: float) -> Int64:
    """Times at which the limit was newly reached, int64[k] [µs UTC].

    Args:
        at_us: rising, int64[n]; ``value`` usable ones, float64[n].
    """
    over = value >= limit
    index = np.arange(len(at_us))
    last_over = np.maximum.accumulate(np.where(over, index, -1))
    before = np.r_[-1, last_over[:-1]] if len(index) else last_over
    begun = at_us[np.minimum(before + 1, len(at_us) - 1)]
    near = np.r_[False, np.diff(at_us) <= GAP_US] if len(index) else over
    fresh = over & near & (at_us - begun >= FRESH_US)
    return np.asarray(at_us[fresh], np.int64)


def outcome(
    at_us: Int64, value: Float64, limit: float, raised_us: int, horizon_us: int
) -> tuple[str, float | None]:
    """What became of one pre-warning.

    Args:
        at_us: of usable readings from ``BEFORE_US`` before the pre-warning to its end,
            rising, int64[n]; ``value`` float64[n].

    Returns:
        ``hit`` with the lead [s], ``false`` or ``unknown``.
    """
    end_us = raised_us + horizon_us
    found = onsets(at_us, value, limit)
    found = found[(found > raised_us) & (found <= end_us)]
    if len(found):
        return "hit", int(found[0] - raised_us) / US_PER_S
    inside = at_us[(at_us >= raised_us) & (at_us <= end_us)]
    gaps = np.diff(np.r_[raised_us, inside, end_us])
    return ("unknown" if int(gaps.max()) > HIDING_US else "false"), None
