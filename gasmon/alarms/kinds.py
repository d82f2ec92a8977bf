"""The kinds of alarm that one point can have, as slots of the engine's arrays.

A slot is a row in every array of state; adding a kind means a name here, a condition
in conditions.py and a level row in default_rules.toml (a test finds a missing one).
"""

OVER_LIMIT = 0
CUT_OFF = 1
LOW_LIMIT = 2
LOW_CUT_OFF = 3
OVER_RANGE = 4
SENSOR_BREAK = 5
SUBSTATION = 6
CALIBRATION = 7
UNKNOWN_STATE = 8
NO_DATA = 9

POINT_KINDS = (
    "over_limit",
    "cut_off",
    "low_limit",
    "low_cut_off",
    "over_range",
    "sensor_break",
    "substation_not_reachable",
    "calibration",
    "unknown_state",
    "no_data",
)
"""Names by slot; they are part of every alarm's key."""

N_SLOTS = len(POINT_KINDS)

N_VALUE_SLOTS = 4
"""The first four slots compare the value with a limit and have delays."""

LINK_BREAK = "link_break"
"""A mine that is not heard of; its subject is the mine."""

ALL_KINDS = (*POINT_KINDS, LINK_BREAK)

FORECAST_KIND = "forecast"
"""A pre-warning (forecast.py): ungraded always, so no level row of a rule file."""
