"""Forecast and EWMA on the same moments: who loses turns advisory by itself.

Every ten minutes both say how likely a new crossing is; ten minutes later the truth is
known and the log loss of each is reckoned. Once for each day of tests the running mean
of the difference decides: a forecast that lost is advisory from then on, says so once,
and counts again, and says that, when it has won.
"""

import numpy as np

from gasmon.alarms.forecast_model import FORECAST, Bools, Ints
from gasmon.alarms.forecast_speak import HORIZON_US, Saying, advisory
from gasmon.alarms.forecast_state import TargetState
from gasmon.alarms.levels import NEVER_US
from gasmon.batch import Float64, Int64

TESTS_A_DAY = 144
"""A test each ten minutes; nothing is decided on fewer, nor more often."""

MEMORY_ASKED = 30 * TESTS_A_DAY
"""The comparison reaches back 30 days."""


def ask(
    s: TargetState,
    target: Ints,
    at: Int64,
    model: Ints,
    may: Bools,
    odds: Float64,
    ewma: Float64,
) -> None:
    """Note what both say now, where nothing is noted yet.

    Args:
        may: targets of which a new crossing could be seen, bool[k].
        odds: of the forecast; ``ewma`` of the baseline [log-odds].
    """
    new = may & (model == FORECAST) & (s.asked_us[target] == NEVER_US)
    asked = target[new]
    s.asked_us[asked] = at[new]
    s.asked_odds[asked] = np.column_stack([odds[new], ewma[new]])


def test(
    s: TargetState,
    target: Ints,
    at: Int64,
    arrived: Int64,
    value: Float64,
    reached: Bools,
    good: Bools,
    saying: Saying,
) -> None:
    """Compare what was noted ten minutes ago with the truth.

    Args:
        reached: the limit is newly reached now, bool[k].
        good: the value is known now, bool[k].
    """
    asked = s.asked_us[target]
    done = (asked != NEVER_US) & (reached | (at - asked >= HORIZON_US))
    if not done.any():
        return
    s.asked_us[target[done]] = NEVER_US
    # After a gap nobody knows what was in it.
    known = np.flatnonzero(done & good & (at - asked <= 2 * HORIZON_US))
    t, truth = target[known], reached[known]
    loss = np.logaddexp(0.0, np.where(truth[:, None], -1, 1) * s.asked_odds[t])
    s.n_asked[t] += 1
    share = 1.0 / np.minimum(s.n_asked[t], MEMORY_ASKED)
    s.lost[t] += share * (loss[:, 0] - loss[:, 1] - s.lost[t])
    turns = (s.n_asked[t] % TESTS_A_DAY == 0) & (
        (s.lost[t] > 0) != (s.advisory_us[t] != NEVER_US)
    )
    for k in known[turns].tolist():
        _turn(s, int(target[k]), int(at[k]), int(arrived[k]), float(value[k]), saying)


def _turn(
    s: TargetState, number: int, at_us: int, arrived_us: int, value: float, say: Saying
) -> None:
    """Become advisory, or stop being it, and say so."""
    begun_us = int(s.advisory_us[number])
    ends = begun_us != NEVER_US
    s.advisory_us[number] = NEVER_US if ends else at_us
    told = advisory(
        number,
        begun_us if ends else at_us,
        at_us,
        float(s.lost[number]),
        int(s.n_asked[number]),
        ends=ends,
    )
    say.say(told, arrived_us, value)
