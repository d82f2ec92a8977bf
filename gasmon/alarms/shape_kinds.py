"""Kinds of alarm that follow how a point's values move, and those of switches.

What a rule file may say of each; ``shape_lines.py`` turns it into numbers by line,
``shape.py`` judges with them. Defaults are ours unless a rule names a source.
"""

from math import nan

from gasmon.alarms.kinds import EVASION, POINT_KINDS, RAPID_RISE, SUSPICIOUS_DATA
from gasmon.alarms.rule_spec import KindSpec, ParamSpec
from gasmon.units import US_PER_H, US_PER_MIN, US_PER_S

_WINDOW = ParamSpec(
    "window", "duration", 2 * US_PER_MIN, least=10 * US_PER_S, most=US_PER_H
)

_PRE_WARNINGS = tuple(
    KindSpec(
        name,
        "point",
        (
            ParamSpec("fraction", "number", nan, least=0.0),
            ParamSpec("clear_fraction", "number", nan, least=0.0),
            ParamSpec("limit", "number", nan),
            ParamSpec("clear", "number", nan),
        ),
    )
    for name in ("high_pre_warning", "low_pre_warning")
)

_RAPID_RISE = KindSpec(
    POINT_KINDS[RAPID_RISE],
    "point",
    (ParamSpec("rise_per_min", "number", least=1e-9), _WINDOW),
)

_SUSPICIOUS_DATA = KindSpec(
    POINT_KINDS[SUSPICIOUS_DATA],
    "point",
    (
        ParamSpec("gap", "duration", 3 * US_PER_MIN, least=US_PER_S),
        ParamSpec("calm", "duration", 10 * US_PER_MIN, least=0),
        ParamSpec("resolution", "number", least=1e-9),
        ParamSpec("flat_after", "duration", 8 * US_PER_H, least=US_PER_S),
        ParamSpec("flat_factor", "number", 4.0, least=1.0),
        ParamSpec("flat_moves", "number", 50.0, least=1.0, most=9999.0),
        ParamSpec("stuck_after", "duration", 72 * US_PER_H, least=US_PER_S),
        ParamSpec("stuck_fraction", "number", nan, least=0.0),
        ParamSpec("below_range", "number", nan, least=0.0),
        ParamSpec("jump", "number", nan, least=1e-9),
        ParamSpec("jump_back", "number", nan, least=0.0),
        ParamSpec("jump_within", "duration", US_PER_MIN, least=US_PER_S),
    ),
)

_EVASION = KindSpec(
    POINT_KINDS[EVASION],
    "point",
    (
        ParamSpec("near_fraction", "number", 0.8, least=0.0),
        ParamSpec("rise_per_min", "number", least=1e-9),
        _WINDOW,
    ),
)

_BEGINS = frozenset({"in_state", "by_change"})
"""A fan that was never seen running is a standby: it does not stop."""

_SWITCHES = (
    KindSpec("on_off_alarm", "point"),
    *(
        KindSpec(
            name,
            "point",
            (
                ParamSpec("state", "number"),
                ParamSpec("or_state", "number", nan),
                ParamSpec("begins", "name", "in_state", choices=_BEGINS),
            ),
        )
        for name in (
            "local_fan_stopped",
            "main_fan_stopped",
            "smoke",
            "air_reversed",
            "feed_lost",
            "breaker_open",
            "substation_power_loss",
        )
    ),
)

SHAPE_KINDS: tuple[KindSpec, ...] = (
    *_PRE_WARNINGS,
    _RAPID_RISE,
    _SUSPICIOUS_DATA,
    _EVASION,
    *_SWITCHES,
)
"""In the order of the documentation."""
