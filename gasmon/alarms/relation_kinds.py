"""Kinds that look at several points of a unit or a mine, as rule files see them.

The list is closed: a new relation is a row here, its roles in relation_roles.py and a
``[[rule]]`` in default_rules.toml; there is no language of expressions. All numbers
are ours: what tells a fault from a moment's disturbance, to be tuned by a site.
"""

from gasmon.alarms.rule_spec import KindSpec, ParamSpec, SubjectType
from gasmon.units import US_PER_DAY, US_PER_MIN, US_PER_S

EXTENT = "extent_over_limit"
DOORS = "door_pair_open"
DUCT = "duct_without_air"
MAIN_FANS = "main_fans_stopped"
NO_POWER = "mine_without_power"
FEED = "feed_abnormal"
DOWNSTREAM = "downstream_below_upstream"
NO_WIND = "fan_without_wind"
FLAT = "producing_but_flat"
PUMP = "pump_stopped"
SUCTION = "suction_lost"
PIPE_CO = "pipe_co_rising"
PIPE_TEMP = "pipe_temperature_rising"


def _kind(
    name: str,
    on_us: int,
    off_us: int = 0,
    *params: ParamSpec,
    subject: SubjectType = "unit",
) -> KindSpec:
    """A relation that must hold for ``on_delay`` and be over for ``off_delay``."""
    delays = (
        ParamSpec("on_delay", "duration", on_us, 0, US_PER_DAY),
        ParamSpec("off_delay", "duration", off_us, 0, US_PER_DAY),
    )
    return KindSpec(name, subject, (*delays, *params))


RELATION_KINDS: tuple[KindSpec, ...] = (
    # Two is what domain tables of levels count as more than one place.
    _kind(EXTENT, 0, 0, ParamSpec("least_points", "number", 2.0, 2, 1000)),
    # Long enough for a car between two doors that are out of step.
    _kind(DOORS, 30 * US_PER_S),
    # A fan that starts needs moments to fill its duct.
    _kind(DUCT, 30 * US_PER_S),
    # Changing over to the standby fan takes less.
    _kind(MAIN_FANS, US_PER_MIN, subject="mine"),
    _kind(NO_POWER, 30 * US_PER_S, subject="mine"),
    # Two cycles of a slow mine: what was cut must be told dead by then.
    _kind(FEED, 40 * US_PER_S),
    # Gas takes minutes along an airway; leakage thins it a little.
    _kind(
        DOWNSTREAM,
        30 * US_PER_MIN,
        5 * US_PER_MIN,
        ParamSpec("tolerance_pct", "number", 0.3, 0, 100),
    ),
    _kind(
        NO_WIND,
        2 * US_PER_MIN,
        0,
        # The lowest velocity that the law allows anywhere is 0.15 m/s.
        ParamSpec("least_m_s", "number", 0.15, 0, 15),
    ),
    _kind(FLAT, 30 * US_PER_MIN),
    _kind(PUMP, US_PER_MIN),
    _kind(
        SUCTION,
        US_PER_MIN,
        US_PER_MIN,
        # Stations run at 10 to 40 kPa.
        ParamSpec("least_kpa", "number", 3.0, 0, 100),
    ),
    _kind(
        PIPE_CO,
        0,
        10 * US_PER_MIN,
        ParamSpec("rise_ppm", "number", 10.0, 0.001, 10_000),
        ParamSpec("window", "duration", 60 * US_PER_MIN, US_PER_MIN, US_PER_DAY),
    ),
    _kind(
        PIPE_TEMP,
        0,
        10 * US_PER_MIN,
        ParamSpec("rise_c", "number", 5.0, 0.001, 100),
        ParamSpec("window", "duration", 60 * US_PER_MIN, US_PER_MIN, US_PER_DAY),
    ),
)
"""Their specs."""

RELATION_NAMES = tuple(spec.name for spec in RELATION_KINDS)
"""Their names; they are part of every alarm's key."""
