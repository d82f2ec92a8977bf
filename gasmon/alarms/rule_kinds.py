"""Every kind of alarm that a rule file can speak of.

A new kind is a ``KindSpec`` in shape_kinds.py or relation_kinds.py and a ``[[rule]]``
with its levels in default_rules.toml; a test finds a kind without one.
"""

from math import nan

from gasmon.alarms.kinds import (
    LINK_BREAK,
    N_VALUE_SLOTS,
    OF_A_MINE,
    POINT_KINDS,
    STANDING_KINDS,
    SUBSTATION_BREAK,
)
from gasmon.alarms.relation_kinds import RELATION_KINDS
from gasmon.alarms.rule_spec import KindParams, KindSpec, ParamSpec, Value
from gasmon.alarms.shape_kinds import SHAPE_KINDS
from gasmon.points import LIMIT_FIELDS
from gasmon.units import US_PER_DAY

__all__ = [
    "KINDS",
    "KIND_SPECS",
    "LIMIT_KINDS",
    "KindParams",
    "KindSpec",
    "ParamSpec",
    "Value",
]

_BY_SHAPE = {spec.name for spec in SHAPE_KINDS}

LIMIT_KINDS = tuple(
    KindSpec(
        name=name,
        subject="point",
        params=(
            *(
                ParamSpec(field, "number", default=nan)
                for field in LIMIT_FIELDS[2 * slot : 2 * slot + 2]
            ),
            # Where no rule gives them, those of the file's [delays].
            ParamSpec("on_delay", "duration", 0, 0, US_PER_DAY),
            ParamSpec("off_delay", "duration", 0, 0, US_PER_DAY),
        ),
        always=True,
        # Only an over-limit has a value that climbs through bands.
        max_bands=4 if name == "over_limit" else 1,
    )
    for slot, name in enumerate(POINT_KINDS[:N_VALUE_SLOTS])
)
"""The kinds that compare a value with a limit."""

_STATE_KINDS = tuple(
    KindSpec(name, "point", always=True)
    for name in POINT_KINDS[N_VALUE_SLOTS:]
    if name not in _BY_SHAPE
)

KINDS: tuple[KindSpec, ...] = (
    *LIMIT_KINDS,
    *_STATE_KINDS,
    KindSpec(LINK_BREAK, "mine", always=True),
    *(
        KindSpec(name, "mine" if name in OF_A_MINE else "link", always=True)
        for name in STANDING_KINDS
    ),
    *SHAPE_KINDS,
    *RELATION_KINDS,
    KindSpec(SUBSTATION_BREAK, "mine"),
)
"""All of them; the names are part of every alarm's key."""

KIND_SPECS = {spec.name: spec for spec in KINDS}
"""The same by name."""
