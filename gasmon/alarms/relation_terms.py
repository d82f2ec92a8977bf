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
from gasmon.alarms.kinds import CUT_OFF, OVER_LIMIT
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.relation_memory import PointMemory
from gasmon.alarms.state import PointState
from gasmon.batch import Float64, Index, Int32, Int64
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
CUT_BUT_LIVE = 7
"""A cut-off is due by our limit, or the mine's own system says that it was made, and
the other point is the bound."""
OFF_BUT_LIVE = 8
"""The value is 0, and the other point is the bound."""
OVER = 9
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
        role: what the point is in this relation, for the explanation;
            ``other_role`` the second one, if that is something else.
        window_us: of ROSE [µs].
    """

    op: int
    row: int
    role: str
    bound: float = nan
    other: int = -1
    window_us: int = 0
    other_role: str = ""

    @property
    def roles(self) -> dict[int, str]:
        """Its points and what each of them is, the second one first."""
        found = {self.row: self.role}
        if self.other >= 0:
            found = {self.other: self.other_role or self.role, **found}
        return found


@dataclass(frozen=True, slots=True)
class TermArrays:
    """k terms as arrays.

    Attributes:
        op: int8[k]; ``row`` and ``other``: intp[k]; ``bound``: float64[k].
    """

    op: NDArray[np.int8]
    row: NDArray[np.intp]
    other: NDArray[np.intp]
    bound: Float64


@dataclass(frozen=True, slots=True)
class Pairs:
    """k terms of one op, with what is known of their points now.

    Attributes:
        row: intp[k]; ``other``: the second points, -1 without; ``bound``: float64[k].
        known: the first point's value says something, bool[k].
        other_known: the second one's does, bool[k].
    """

    row: NDArray[np.intp]
    other: NDArray[np.intp]
    bound: Float64
    known: Bool
    other_known: Bool


@dataclass(frozen=True, slots=True)
class Truth:
    """What k terms say.

    Attributes:
        true: bool[k]; ``false``: bool[k]; neither where it is not known.
        gone: neither, and one of its points had no good value for a day, bool[k].
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
        broken_us: since when the link of each mine is broken, int64[m] [µs UTC];
            NEVER_US where it is not.
        mine_of: mine index by row.
        fresh_us: a value counts for this long [µs].
    """

    state: PointState
    memory: PointMemory
    broken_us: Int64
    mine_of: Int32
    fresh_us: int

    def known(self, row: Index, at_us: Int64) -> Bool:
        """Whether the last value of these points says something now, bool[k]."""
        state, last_us = self.state, self.state.last_at_us[row]
        known: Bool = (state.good_at_us[row] == last_us) & (
            at_us - last_us <= self.fresh_us
        )
        known &= ~state.is_silent(row)
        mines = self.mine_of[row].astype(np.intp)
        known &= self.broken_us[mines] == NEVER_US
        return known


def judge(terms: TermArrays, at_us: Int64, scene: Scene) -> Truth:
    """What terms say at a moment of each, int64[k] [µs UTC]."""
    n = len(terms.op)
    both = scene.known(
        np.concatenate([terms.row, terms.other]), np.concatenate([at_us, at_us])
    )
    known, other_known = both[:n], both[n:]
    # Most terms compare one value with their bound; they are judged all at once.
    value = scene.state.last_value[terms.row]
    holds = np.where(terms.op == EQUALS, value == terms.bound, value < terms.bound)
    true, false = known & holds, known & ~holds
    asked = np.bincount(terms.op, minlength=max(_OPS) + 1).tolist()
    for op, judge_op in _OPS.items():
        if asked[op]:
            hit = (terms.op == op).nonzero()[0]
            pairs = Pairs(
                terms.row[hit],
                terms.other[hit],
                terms.bound[hit],
                known[hit],
                other_known[hit],
            )
            true[hit], false[hit] = judge_op(pairs, scene)
    gone = np.zeros(n, np.bool_)
    open_ = (~(true | false)).nonzero()[0]
    if len(open_):
        heard_us = _heard_us(terms.row[open_], terms.other[open_], scene.state)
        gone[open_] = at_us[open_] - heard_us > GONE_US
    return Truth(true, false, gone)


def _heard_us(row: Index, other: Index, state: PointState) -> Int64:
    """When both points of terms last had a good value, int64[k] [µs UTC]."""
    own_us, other_us = state.good_at_us[row], state.good_at_us[other]
    found: Int64 = np.where(other < 0, own_us, np.minimum(own_us, other_us))
    return found


Answer = tuple[Bool, Bool]


def _split(known: Bool, holds: Bool) -> Answer:
    return known & holds, known & ~holds


def _near_zero(t: Pairs, scene: Scene) -> Answer:
    return _split(t.known, np.abs(scene.state.last_value[t.row]) < t.bound)


def _both_equal(t: Pairs, scene: Scene) -> Answer:
    value = scene.state.last_value
    first, second = value[t.row] == t.bound, value[t.other] == t.bound
    # One that is known to differ is enough for a no.
    false = (t.known & ~first) | (t.other_known & ~second)
    return t.known & t.other_known & first & second, false


def _lower(t: Pairs, scene: Scene) -> Answer:
    value = scene.state.last_value
    lower = value[t.row] < value[t.other] - t.bound
    return _split(t.known & t.other_known, lower)


def _same(t: Pairs, scene: Scene) -> Answer:
    place = scene.memory.place_of[t.row]
    return t.known & scene.memory.same[place], t.known & scene.memory.moved[place]


def _rose(t: Pairs, scene: Scene) -> Answer:
    rise = scene.memory.rise[scene.memory.place_of[t.row]]
    return _split(t.known, rise >= t.bound)


def _cut_but_live(t: Pairs, scene: Scene) -> Answer:
    # A cut-off that is in force stays so while its sensor is not known.
    due = scene.state.phase[t.row, CUT_OFF] >= debounce.ACTIVE
    due |= t.known & is_set(scene.state.last_state[t.row], states.CUT_OFF)
    return _but_live(t, due, t.known & ~due, scene)


def _off_but_live(t: Pairs, scene: Scene) -> Answer:
    is_off = scene.state.last_value[t.row] == 0.0
    return _but_live(t, t.known & is_off, t.known & ~is_off, scene)


def _but_live(t: Pairs, due: Bool, not_due: Bool, scene: Scene) -> Answer:
    """The other point must be dead and is not; one no is enough for a no."""
    live = scene.state.last_value[t.other] == t.bound
    true, dead = _split(t.other_known, live)
    return due & true, not_due | dead


def _over(t: Pairs, scene: Scene) -> Answer:
    state = scene.state
    lives = state.phase[t.row, OVER_LIMIT] >= debounce.ACTIVE
    return lives & ~state.unknown[t.row, OVER_LIMIT], ~lives


_OPS = {
    NEAR_ZERO: _near_zero,
    BOTH_EQUAL: _both_equal,
    LOWER: _lower,
    SAME: _same,
    ROSE: _rose,
    CUT_BUT_LIVE: _cut_but_live,
    OFF_BUT_LIVE: _off_but_live,
    OVER: _over,
}
"""What compares more than one value with its bound, by op."""
