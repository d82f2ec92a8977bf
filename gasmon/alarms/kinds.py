"""The kinds of alarm: those of points as slots of the engine's arrays, then the others.

A slot is a row in every array of state; adding a kind of point means a name here, a
condition in conditions.py and a level row in default_rules.toml (a test finds a missing
one). Kinds that stand or do not stand as a whole are standing.py's.
"""

from gasmon.alarms.relation_kinds import RELATION_NAMES

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
HIGH_PRE_WARNING = 10
LOW_PRE_WARNING = 11
RAPID_RISE = 12
SUSPICIOUS_DATA = 13
SWITCH = 14
EVASION = 15

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
    "high_pre_warning",
    "low_pre_warning",
    "rapid_rise",
    "suspicious_data",
    "on_off_alarm",
    "evasion",
)
"""Names by slot; they are part of every alarm's key."""

SWITCH_KINDS = (
    POINT_KINDS[SWITCH],
    "local_fan_stopped",
    "main_fan_stopped",
    "smoke",
    "air_reversed",
    "feed_lost",
    "breaker_open",
    "substation_power_loss",
)
"""Names that an alarm of the slot SWITCH can have: a point has at most one of them.
The first is for switches that no other is for; a point's alarm keeps its number."""

N_SLOTS = len(POINT_KINDS)

N_VALUE_SLOTS = 4
"""The first four slots compare the value with a limit and have delays."""

BY_LINE = (
    *range(N_VALUE_SLOTS),
    *(OVER_RANGE, HIGH_PRE_WARNING, LOW_PRE_WARNING, SWITCH),
)
"""Slots that one value decides by the numbers of a line, so that another line may
decide otherwise. The others follow the state bits alone, or how values move."""

LINK_BREAK = "link_break"
"""A mine that is not heard of; its subject is the mine."""

SUBSTATION_BREAK = "substation_break"
"""A substation of which no point comes; its subject is the substation."""

CLOCK_WRONG = "clock_wrong"
"""The clock of a mine's gateway is off; its subject is the mine."""

DEFINITIONS_MISSING = "definitions_missing"
"""A mine sends points that it does not define although it was asked."""

OUR_CLOCK = "our_clock"
"""The clock of this platform is in doubt; its subject is a link, without a mine."""

SPOOL_FILLING = "spool_filling"
"""The database is away and readings fill the spool; its subject is a link."""

LIMITS_LOOSER = "limits_looser"
"""A mine's definition gives limits that are looser than the law's."""

LIMITS_CHANGED = "limits_changed"
"""A mine's definition changed limits of a point while an alarm of it was open."""

MESSAGE_FLOOD = "message_flood"
"""A mine sends so much that others wait behind it; its subject is the mine."""

STANDING_KINDS = (
    *(CLOCK_WRONG, DEFINITIONS_MISSING, OUR_CLOCK, SPOOL_FILLING),
    *(LIMITS_LOOSER, LIMITS_CHANGED, MESSAGE_FLOOD),
)
"""Kinds that are decided outside the engine (standing.py)."""

OF_A_MINE = (
    *(CLOCK_WRONG, DEFINITIONS_MISSING),
    *(LIMITS_LOOSER, LIMITS_CHANGED, MESSAGE_FLOOD),
)
"""Those of them that are about a mine; the others are about gasmon itself."""

SLOT_OF = {
    **{kind: slot for slot, kind in enumerate(POINT_KINDS)},
    **dict.fromkeys(SWITCH_KINDS, SWITCH),
}
"""The slot of each kind of a point's alarm, by name."""

DOUBTED_SLOTS = (*range(N_VALUE_SLOTS), SWITCH)
"""Slots whose living alarms say when their value is not known, and known again."""

BY_SUBJECT_KINDS = (SUBSTATION_BREAK, *RELATION_NAMES)
"""Kinds whose alarms are told apart by their subject: no point and no whole mine."""

ENGINE_KINDS = (*SLOT_OF, LINK_BREAK, *BY_SUBJECT_KINDS)
"""Kinds that an engine decides, and goes on with after a restart."""

ALL_KINDS = (*ENGINE_KINDS, *STANDING_KINDS)

FORECAST_KIND = "forecast"
"""A pre-warning (forecast.py): ungraded always, so no level row of a rule file."""

ADVISORY_KIND = "forecast_advisory"
"""The forecast of a point loses to a plain running mean; ungraded always."""

FORECAST_KINDS = (FORECAST_KIND, ADVISORY_KIND)
"""Kinds of the forecast, which has a memory of its own."""

MINE_ONLY_KINDS = (
    *FORECAST_KINDS,
    POINT_KINDS[HIGH_PRE_WARNING],
    POINT_KINDS[LOW_PRE_WARNING],
    "feed_lost",
    "breaker_open",
)
"""What only the mine is told: no county's list, stream or count, and no relay."""
