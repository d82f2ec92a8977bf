"""Terms: what one point, or two of them, say about a relation. Three-valued.

A term compares what a point last said with a bound. It is true, false, or neither:
a value that is bad, too old, or of a point or mine that is silent says nothing. All
terms that a moment needs are judged at once, over arrays.
"""

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import debounce
from gasmon.alarms.conditions import Bool, is_set
from gasmon.alarms.kinds import CUT_OFF, NO_DATA, OVER_LIMIT
from gasmon.alarms.relation_memory import PointMemory
from gasmon.alarms.state import PointState
from gasmon.batch import Float64, Int32, Int64
from gasmon.domain import states
from gasmon.units import US_PER_DAY

EQUALS = 0
"""The value is exactly the bound: a switch or a state."""
BELOW = 1
"""The value is below the bound."""
NEAR_ZERO = 2
"""The value without its sign is below the bound."""
BOTH_EQUAL = 3
"""The values of both points are the bound."""
LOWER = 4
"""The value is below the other point's by more than the bound."""
SAME = 5
"""The value is the one before, to the last digit."""
ROSE = 6
"""The value rose by the bound within the window."""
CUT_DUE = 7
"""A cut-off is due by our limit, or the mine's own system says that it was made."""
OVER = 8
"""An over-limit alarm of the point lives, and its value is known."""

GONE_US = US_PER_DAY
"""A point without a good value for this long is taken for one that was removed [µs].
Ours: definitions that leave a point out do not say so."""


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a clause.

    Attributes:
        op: EQUALS …
        row: of the point; ``other`` of the second one, -1 without.
        bound: in the point's unit.
        role: what the point is in this relation, for the explanation.
        window_us: of ROSE [µs].
    """

    op: int
    row: int
    role: str
    bound: float = nan
    other: int = -1
    window_us: int = 0


@dataclass(frozen=True, slots=True)
class TermArrays:
    """k terms as arrays.

    Attributes:
        op: int8[k]; ``row`` and ``other``: int32[k]; ``bound``: float64[k].
    """

    op: NDArray[np.int8]
    row: Int32
    other: Int32
    bound: Float64

    def select(self, index: NDArray[np.intp]) -> "TermArrays":
        """The terms at ``index``."""
        return TermArrays(
            self.op[index], self.row[index], self.other[index], self.bound[index]
        )


@dataclass(frozen=True, slots=True)
class Truth:
    """What k terms say.

    Attributes:
        true: bool[k]; ``false``: bool[k]; neither where it is not known.
        gone: no good value for a day, bool[k].
    """

    true: Bool
    false: Bool
    gone: Bool


@dataclass(frozen=True, slots=True)
class Scene:
    """Where terms look.

    Attributes:
        state: what each point last said as of the moment that is judged, and its
            alarms as of the end of the frame.
        memory: of points whose rise or standing still matters.
        broken: the link to the point's mine is broken, by mine, bool[m].
        mine_of: mine index by row.
        fresh_us: a value counts for this long [µs].
    """

    state: PointState
    memory: PointMemory
    broken: Bool
    mine_of: Int32
    fresh_us: int

    def known(self, row: Int32, at_us: Int64) -> Bool:
        """Whether the last value of these points says something now, bool[k]."""
        state, last_us = self.state, self.state.last_at_us[row]
        known: Bool = (state.good_at_us[row] == last_us) & (
            at_us - last_us <= self.fresh_us
        )
        known &= state.phase[row, NO_DATA] == debounce.IDLE
        known &= ~self.broken[self.mine_of[row]]
        return known


def judge(terms: TermArrays, at_us: Int64, scene: Scene) -> Truth:
    """What terms say at a moment of each, int64[k] [µs UTC]."""
    known = scene.known(terms.row, at_us)
    true = np.zeros(len(known), np.bool_)
    false = np.zeros(len(known), np.bool_)
    for op in np.flatnonzero(np.bincount(terms.op)):
        hit = np.flatnonzero(terms.op == op)
        true[hit], false[hit] = _OPS[op](
            terms.select(hit), known[hit], at_us[hit], scene
        )
    good_us = scene.state.good_at_us[terms.row]
    return Truth(true, false, at_us - good_us > GONE_US)


Answer = tuple[Bool, Bool]


def _split(known: Bool, holds: Bool) -> Answer:
    return known & holds, known & ~holds


def _equals(t: TermArrays, known: Bool, at_us: Int64, scene: Scene) -> Answer:
    return _split(known, scene.state.last_value[t.row] == t.bound)


def _below(t: TermArrays, known: Bool, at_us: Int64, scene: Scene) -> Answer:
    return _split(known, scene.state.last_value[t.row] < t.bound)


def _near_zero(t: TermArrays, known: Bool, at_us: Int64, scene: Scene) -> Answer:
    return _split(known, np.abs(scene.state.last_value[t.row]) < t.bound)


def _both_equal(t: TermArrays, known: Bool, at_us: Int64, scene: Scene) -> Answer:
    first, second = scene.state.last_value[t.row], scene.state.last_value[t.other]
    other_known = scene.known(t.other, at_us)
    true = known & other_known & (first == t.bound) & (second == t.bound)
    # One that is known to differ is enough for a no.
    false = (known & (first != t.bound)) | (other_known & (second != t.bound))
    return true, false


def _lower(t: TermArrays, known: Bool, at_us: Int64, scene: Scene) -> Answer:
    both = known & scene.known(t.other, at_us)
    value = scene.state.last_value
    return _split(both, value[t.row] < value[t.other] - t.bound)


def _same(t: TermArrays, known: Bool, at_us: Int64, scene: Scene) -> Answer:
    return _split(known, scene.memory.same[scene.memory.place_of[t.row]])


def _rose(t: TermArrays, known: Bool, at_us: Int64, scene: Scene) -> Answer:
    return _split(known, scene.memory.rise[scene.memory.place_of[t.row]] >= t.bound)


def _cut_due(t: TermArrays, known: Bool, at_us: Int64, scene: Scene) -> Answer:
    # A cut-off that is in force stays so while its sensor is not known.
    due = scene.state.phase[t.row, CUT_OFF] >= debounce.ACTIVE
    due |= known & is_set(scene.state.last_state[t.row], states.CUT_OFF)
    return due, known & ~due


def _over(t: TermArrays, known: Bool, at_us: Int64, scene: Scene) -> Answer:
    state = scene.state
    lives = state.phase[t.row, OVER_LIMIT] >= debounce.ACTIVE
    return lives & ~state.unknown[t.row, OVER_LIMIT], ~lives


_OPS = (
    _equals,
    _below,
    _near_zero,
    _both_equal,
    _lower,
    _same,
    _rose,
    _cut_due,
    _over,
)
"""By op."""
