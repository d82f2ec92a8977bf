"""What a reading says of the kinds that need more than itself and its limits.

``look`` takes a round of readings before the newest good values are overwritten, and
remembers their shape (shape_memory.py). The conditions of the slots follow, like those
of conditions.py: unknown never raises and never ends anything.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import shape_memory as memory
from gasmon.alarms.kinds import (
    EVASION,
    HIGH_PRE_WARNING,
    LOW_PRE_WARNING,
    RAPID_RISE,
    SUSPICIOUS_DATA,
    SWITCH,
)
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.rule_profiles import BY_RULES
from gasmon.alarms.shape_lines import (
    BY_CHANGE,
    NEAR,
    NEAR_RISE,
    NO_SWITCH,
    OR_STATE,
    PRE_HIGH,
    PRE_HIGH_CLEAR,
    PRE_LOW,
    PRE_LOW_CLEAR,
    RISE,
    RISE_END,
    STATE,
    ShapeLines,
)
from gasmon.alarms.state import LONG_AGO_US, PointState, possible
from gasmon.batch import Float64, Index, Int64, ReadingBatch
from gasmon.domain import states

if TYPE_CHECKING:
    from gasmon.alarms.compiled import RuleTable
    from gasmon.alarms.conditions import Readings

Bool = NDArray[np.bool_]
_PAUSED = states.NOT_POLLED | states.PAUSED
_AWAY = states.SENSOR_FAULT | states.SUBSTATION_FAULT


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of k readings beside their values.

    Attributes:
        lines: the numbers of kinds, by set.
        number: which set each is judged by, int32[k]; ``numbers``: what it says,
            float64[k, 11] (``ShapeLines.judge``).
        before: the good value before each, float64[k]; NaN when there is none.
        rise: what they prove, float64[k]; NaN when nothing.
        causes: why they are suspicious, uint8[k].
        calm: a suspicion lives, and nothing was suspicious for long enough, bool[k].
        hole: what begins with them while the value rises near its limit, uint8[k].
    """

    lines: ShapeLines
    number: Index
    numbers: Float64
    before: Float64
    rise: Float64
    causes: NDArray[np.uint8]
    calm: Bool
    hole: NDArray[np.uint8]

    def select(self, index: NDArray[np.intp]) -> "Shape":
        """Of the readings at ``index``."""
        return Shape(
            lines=self.lines,
            number=self.number[index],
            numbers=self.numbers[index],
            before=self.before[index],
            rise=self.rise[index],
            causes=self.causes[index],
            calm=self.calm[index],
            hole=self.hole[index],
        )

    def judge(self, column: int) -> Float64:
        """A number of their sets, float64[k]."""
        return self.numbers[:, column]

    @property
    def is_switch(self) -> Bool:
        """Whether there is an alarm of a switch for each, bool[k]."""
        found: Bool = self.lines.switch[self.number] != NO_SWITCH
        return found


def look(
    state: PointState,
    rules: "RuleTable",
    batch: ReadingBatch,
    rows: Index,
    line: Index,
    good: Bool,
) -> Shape:
    """Look at a round of readings, and remember the shape of the good ones.

    Args:
        state: still with the readings before these as the newest; changed.
        rows: of the readings' points, intp[k].
        line: rule line of each, intp[k]; ``good``: bool[k] as in ``Readings``.
    """
    shapes, number = rules.shapes, rules.lines.shape[line].astype(np.intp)
    n = batch.n
    before, before_us = state.good_value[rows], state.good_at_us[rows]
    # Before the values are followed: it looks at the ones before.
    hole = _hole(state, rules, batch, rows, line, good, before_us)
    rise = np.full(n, np.nan)
    causes = np.zeros(n, np.uint8)
    chosen = (good & shapes.is_followed[number]).nonzero()[0]
    if len(chosen):
        new = memory.Followed(
            rows[chosen],
            batch.at_us[chosen],
            possible(batch.value[chosen]),
            before_us[chosen],
            possible(before[chosen]),
        )
        rise[chosen], causes[chosen] = memory.follow(state, new, shapes, number[chosen])
    calm = np.zeros(n, np.bool_)
    doubted = (state.busy[rows] & np.uint16(1 << SUSPICIOUS_DATA)).nonzero()[0]
    if len(doubted):
        since_us = batch.at_us[doubted] - state.odd_at_us[rows[doubted]]
        calm[doubted] = since_us >= shapes.calm_us[number[doubted]]
    numbers = np.take(shapes.judge, number, axis=0)
    return Shape(shapes, number, numbers, before, rise, causes, calm, hole)


def unmoved(rules: "RuleTable", line: Index) -> Shape:
    """Of readings whose way there does not count: what lines say of them, no more.

    Args:
        line: rule line of each, int32[k].
    """
    n, number = len(line), rules.lines.shape[line]
    return Shape(
        lines=rules.shapes,
        number=number,
        numbers=np.take(rules.shapes.judge, number, axis=0),
        before=np.full(n, np.nan),
        rise=np.full(n, np.nan),
        causes=np.zeros(n, np.uint8),
        calm=np.zeros(n, np.bool_),
        hole=np.zeros(n, np.uint8),
    )


def rises_near(state: PointState, rules: "RuleTable", rows: Index) -> Bool:
    """Whether the newest reading is a good value that rises near its limit, bool[k].

    With the line that was in force at that reading: of what came after it nothing is
    known yet, and a new limit must not decide whether it was near.
    """
    at_us = state.good_at_us[rows]
    proven = (at_us == state.last_at_us[rows]) & (at_us == state.followed_us[rows])
    line = rules.version_at(rows.astype(np.int32, copy=False), at_us)
    judge = rules.shapes.judge[rules.lines.shape[line]]
    near: Bool = state.good_value[rows] >= judge[:, NEAR]
    rising: Bool = state.rise[rows] >= judge[:, NEAR_RISE]
    found: Bool = proven & (at_us != LONG_AGO_US) & near & rising
    return found


def _hole(
    state: PointState,
    rules: "RuleTable",
    batch: ReadingBatch,
    rows: Index,
    line: Index,
    good: Bool,
    good_us: Int64,
) -> NDArray[np.uint8]:
    """What begins with a reading, where the value before it rose near its limit."""
    bits = batch.state
    hole = np.zeros(batch.n, np.uint8)
    newer = rules.lines.effective_from_us[line] > good_us
    calibration = (bits & states.CALIBRATION) != 0
    maybe = (~good | calibration | newer).nonzero()[0]
    if len(maybe) == 0:
        return hole
    maybe = maybe[rises_near(state, rules, rows[maybe])]
    if len(maybe) == 0:
        return hole
    rows, bits, value = rows[maybe], bits[maybe], batch.value[maybe]
    before = rules.version_at(rows, state.good_at_us[rows])
    was = state.last_state[rows]
    begun = np.zeros(len(maybe), np.uint8)
    limits = rules.lines.limits
    # The later of these lines counts before the earlier. What the site's rules change
    # is no doing of the mine.
    looser = ~(limits[line[maybe], 0] <= limits[before, 0])
    looser &= (rules.lines.flags[line[maybe]] & BY_RULES) == 0
    begun[looser] = memory.LIMIT_CHANGE
    calibrates = (bits & ~was & states.CALIBRATION) != 0
    begun[calibrates] = memory.CALIBRATION_BEGINS
    begun[np.isnan(value) | ((bits & _AWAY) != 0)] = memory.LINE_BREAK
    begun[(bits & _PAUSED) != 0] = memory.STOP
    hole[maybe] = begun
    new = (begun != 0) & (state.raised_us[rows, EVASION] == NEVER_US)
    state.hole[rows[new]] = begun[new]
    # It ends by the numbers that it began with.
    state.line[rows[new], EVASION] = before[new]
    return hole


# Raise conditions


def high_pre_warning(r: "Readings") -> Bool:
    high: Bool = r.value >= r.shape.judge(PRE_HIGH)
    return r.good & high


def low_pre_warning(r: "Readings") -> Bool:
    low: Bool = r.value <= r.shape.judge(PRE_LOW)
    return r.exact & low


def rapid_rise(r: "Readings") -> Bool:
    rises: Bool = r.shape.rise >= r.shape.judge(RISE)
    return rises


def suspicious_data(r: "Readings") -> Bool:
    odd: Bool = r.shape.causes != 0
    return odd


def switch_alarm(r: "Readings") -> Bool:
    """By its state; by the mine's own bit where that says nothing or no state does."""
    shape, raises = r.shape, r.good & _in_state(r, r.value)
    if np.count_nonzero(raises):
        # A fan that was not seen running does not stop: it is a standby.
        left: Bool = ~np.isnan(shape.before) & ~_in_state(r, shape.before)
        raises &= np.isnan(shape.judge(BY_CHANGE)) | left
    if r.told & states.ALARM:
        own = r.bit(states.ALARM) & ~r.calibrating & shape.is_switch
        raises |= own & (np.isnan(shape.judge(STATE)) | ~r.good)
    return raises


def evasion(r: "Readings") -> Bool:
    begins: Bool = r.shape.hole != 0
    return begins


def _in_state(r: "Readings", value: Float64) -> Bool:
    state, or_state = r.shape.judge(STATE), r.shape.judge(OR_STATE)
    found: Bool = (value == state) | (value == or_state)
    return found


# End conditions; where the kind is off now, ``held`` has the numbers that raised it.


def high_pre_warning_ends(r: "Readings") -> Bool:
    over: Bool = r.value < r.shape.judge(PRE_HIGH_CLEAR)
    return r.exact & over


def low_pre_warning_ends(r: "Readings") -> Bool:
    over: Bool = r.value > r.shape.judge(PRE_LOW_CLEAR)
    return r.exact & over


def rapid_rise_ends(r: "Readings") -> Bool:
    """Half of the rise that raised it; where nobody measures it any more, any value."""
    off = np.isnan(r.shape.judge(RISE))
    over: Bool = off | (r.shape.rise < r.shape.judge(RISE_END))
    return r.good & over


def suspicious_data_ends(r: "Readings") -> Bool:
    plain: Bool = r.shape.causes == 0
    return r.good & plain & r.shape.calm


def switch_alarm_ends(r: "Readings") -> Bool:
    return r.good & ~_in_state(r, r.value) & ~switch_alarm(r)


def evasion_ends(r: "Readings") -> Bool:
    """By the numbers that raised it: a limit that was changed since proves nothing."""
    over: Bool = r.value < r.shape.judge(NEAR)
    return r.exact & over


ENDS = {
    HIGH_PRE_WARNING: high_pre_warning_ends,
    LOW_PRE_WARNING: low_pre_warning_ends,
    RAPID_RISE: rapid_rise_ends,
    SUSPICIOUS_DATA: suspicious_data_ends,
    SWITCH: switch_alarm_ends,
    EVASION: evasion_ends,
}
"""End conditions by slot."""

_BEGIN = {HIGH_PRE_WARNING: PRE_HIGH, LOW_PRE_WARNING: PRE_LOW}


def held(
    slot: int, r: "Readings", raised_by: Index, living: Bool, rules: "RuleTable"
) -> "Readings":
    """The readings with the numbers that end a living alarm.

    Turning a kind off, or calling the point something else, proves nothing.

    Args:
        raised_by: the line that raised each, int32[k]; ``living``: bool[k].
    """
    shape = r.shape
    if slot == EVASION:
        gone = living
    elif slot == SWITCH:
        gone = living & ~shape.is_switch
    elif slot in _BEGIN:
        gone = living & np.isnan(shape.judge(_BEGIN[slot]))
    else:
        return r
    if not gone.any():
        return r
    number = shape.number.copy()
    number[gone] = rules.lines.shape[raised_by[gone]]
    numbers = np.take(shape.lines.judge, number, axis=0)
    return replace(r, shape=replace(shape, number=number, numbers=numbers))
