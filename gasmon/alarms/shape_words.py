"""Why an alarm about the shape of values, or of a switch, spoke: its numbers."""

from math import isnan
from typing import Any

from gasmon.alarms import shape_memory as memory
from gasmon.alarms.compiled import RuleTable
from gasmon.alarms.kinds import (
    EVASION,
    HIGH_PRE_WARNING,
    LOW_PRE_WARNING,
    RAPID_RISE,
    SUSPICIOUS_DATA,
    SWITCH,
)
from gasmon.alarms.shape_lines import (
    NEAR,
    NEAR_RISE,
    OR_STATE,
    PRE_HIGH,
    PRE_HIGH_CLEAR,
    PRE_LOW,
    PRE_LOW_CLEAR,
    RISE,
    RISE_END,
    STATE,
)
from gasmon.alarms.state import LONG_AGO_US, PointState
from gasmon.units import US_PER_S, iso_us

PRE_LIMITS = {
    HIGH_PRE_WARNING: (PRE_HIGH, PRE_HIGH_CLEAR),
    LOW_PRE_WARNING: (PRE_LOW, PRE_LOW_CLEAR),
}
"""Where the pre-warnings begin and end, as columns of ``ShapeLines.judge``."""


def why(slot: int, state: PointState, rules: RuleTable, row: int) -> dict[str, Any]:
    """What a person needs to see beside the value and its limits.

    Only numbers that stay what they were while the alarm lives, or that are of the
    newest values, so that each event can be read by itself.
    """
    line = int(state.line[row, slot])
    judge = rules.shapes.judge[int(rules.lines.shape[line])]
    if slot in PRE_LIMITS:
        begin, end = PRE_LIMITS[slot]
        return {
            "pre_warning_at": float(judge[begin]),
            "pre_warning_until": float(judge[end]),
        }
    if slot == RAPID_RISE:
        return {
            **_rise(state, rules, row, line),
            "rise_limit": float(judge[RISE]),
            "rise_end": float(judge[RISE_END]),
        }
    if slot == SUSPICIOUS_DATA:
        return _suspicion(state, row)
    if slot == SWITCH:
        wrong = (float(judge[STATE]), float(judge[OR_STATE]))
        return {"alarm_states": [x for x in wrong if not isnan(x)]}
    if slot == EVASION:
        good_at_us = int(state.good_at_us[row])
        known = good_at_us != LONG_AGO_US  # not after a restart without a snapshot
        return {
            **_rise(state, rules, row, line),
            "rise_limit": float(judge[NEAR_RISE]),
            "near": float(judge[NEAR]),
            "cause": memory.HOLES[int(state.hole[row])],
            "newest_good": float(state.good_value[row]) if known else None,
            "newest_good_at": iso_us(good_at_us) if known else None,
        }
    return {}


def _rise(state: PointState, rules: RuleTable, row: int, line: int) -> dict[str, Any]:
    """The rise at the newest good value, over which window."""
    rise = float(state.rise[row])
    return {
        "rise": None if isnan(rise) else rise,
        "window_s": rules.shapes.window_us(int(rules.lines.shape[line])) / US_PER_S,
    }


def _suspicion(state: PointState, row: int) -> dict[str, Any]:
    bits = int(state.odd_causes[row])
    found: dict[str, Any] = {
        "causes": [name for bit, name in memory.SUSPICIONS.items() if bits & bit]
    }
    if bits & (memory.FLAT_LINE | memory.STUCK_VALUE):
        since_us = int(state.still_since_us[row])
        found["still_since"] = iso_us(since_us)
        found["still_s"] = (int(state.good_at_us[row]) - since_us) / US_PER_S
        found["usual_still_s"] = int(state.usual_still_us[row]) / US_PER_S
        found["moves"] = int(state.n_moves[row])
    if bits & memory.JUMP_AND_RETURN:
        found["jump_from"] = float(state.jump_from[row])
    return found
