"""What is known of the past of a point, and the lives of its kinds in it."""

from dataclasses import dataclass

import numpy as np

from gasmon.alarms.compiled import RuleTable
from gasmon.alarms.conditions import Bool, is_set
from gasmon.alarms.kinds import (
    CUT_OFF,
    LOW_CUT_OFF,
    LOW_LIMIT,
    N_VALUE_SLOTS,
    OVER_LIMIT,
)
from gasmon.alarms.late_lives import Known, Life, lives
from gasmon.alarms.living import LivingAlarms
from gasmon.alarms.rules import Band
from gasmon.batch import Float64, Index, Int32, Int64, ReadingBatch
from gasmon.domain import states

# Slot, and where its limit and its end stand in points.LIMIT_FIELDS.
_LIMITS = ((OVER_LIMIT, 0, 1), (CUT_OFF, 2, 3), (LOW_LIMIT, 4, 5), (LOW_CUT_OFF, 6, 7))
LOW = (LOW_LIMIT, LOW_CUT_OFF)


@dataclass(frozen=True, slots=True)
class Sides:
    """On which side of each limit k good values are, bool[k, value slots]."""

    beyond: Bool
    past: Bool

    @property
    def harmless(self) -> Bool:
        """Past the end of every kind, bool[k]."""
        return np.asarray(self.past.all(axis=1))


def with_former(rules: RuleTable, line: Index) -> Float64:
    """Limits of these lines; one that is gone is the last that there was, [k, 8].

    Taking a limit away proves nothing: what began by it ends by it.
    """
    limits = np.take(rules.lines.limits, line, axis=0)
    before = rules.lines.previous[line]
    while (open_ := np.flatnonzero(before >= 0)).size:
        older = rules.lines.limits[before[open_]]
        part = limits[open_]
        # A limit and its end go together.
        gone = np.repeat(np.isnan(part[:, ::2]), 2, axis=1)
        limits[open_] = np.where(gone, older, part)
        before[open_] = rules.lines.previous[before[open_]]
    return limits


def sides_of(
    value: Float64, state: Int32, limits: Float64, ends: Float64 | None = None
) -> Sides:
    """Good values against limits; a NaN is on neither side of a limit that is set.

    Args:
        ends: limits that end what began, where they differ (``with_former``).
    """
    ends = limits if ends is None else ends
    exact = ~is_set(state, states.OVER_RANGE)
    beyond = np.empty((len(value), N_VALUE_SLOTS), np.bool_)
    past = np.empty((len(value), N_VALUE_SLOTS), np.bool_)
    for slot, limit, end in _LIMITS:
        if slot in LOW:
            beyond[:, slot] = (value <= limits[:, limit]) & exact
            past[:, slot] = (value > ends[:, end]) & exact
        else:
            beyond[:, slot] = value >= limits[:, limit]
            past[:, slot] = (value < ends[:, end]) & exact
    past |= np.isnan(ends[:, ::2])
    return Sides(beyond, past)


def note(alarms: LivingAlarms, batch: ReadingBatch, sides: Sides) -> None:
    """Remember good values, with what they are beside their limits."""
    harmless = sides.harmless
    if harmless.all():
        alarms.late.know_harmless(batch.row, batch.at_us)
        return
    alarms.late.know_harmless(batch.row[harmless], batch.at_us[harmless])
    alarms.late.know_notable(batch.select(np.flatnonzero(~harmless)))


def note_newest(alarms: LivingAlarms, row: int) -> None:
    """Remember the newest good value: it is the end that is known so far."""
    s = alarms.state
    if np.isnan(s.good_value[row]):
        return
    at_us = s.good_at_us[row : row + 1].copy()
    newest = ReadingBatch(
        row=np.asarray([row], np.int32),
        value=s.good_value[row : row + 1].copy(),
        at_us=at_us,
        arrived_us=at_us,
        state=np.zeros(1, np.int32),
    )
    line = alarms.rules.version_at(newest.row, at_us)
    limits = np.take(alarms.rules.lines.limits, line, axis=0)
    ends = with_former(alarms.rules, line)
    note(alarms, newest, sides_of(newest.value, newest.state, limits, ends))


def lives_of(
    alarms: LivingAlarms, row: int, slot: int, from_us: int, until_us: int
) -> list[Life]:
    """The lives of one kind in what is known of a point's past.

    Args:
        from_us, until_us: the lives in this time are looked for [µs].
    """
    rules, s = alarms.rules, alarms.state

    def bands_at(at_us: int) -> tuple[Band, ...]:
        line = line_at(alarms, row, at_us)
        return rules.levels.bands(int(rules.lines.level[line, slot]))

    return lives(
        _known(alarms, row, slot, from_us, until_us),
        low=slot in LOW,
        bands_at=bands_at,
        until_us=int(s.last_at_us[row]),
    )


def _known(
    alarms: LivingAlarms, row: int, slot: int, from_us: int, until_us: int
) -> list[Known]:
    """Each moment once, in order."""
    rules, noted = alarms.rules, alarms.late.notable_of(row)
    # Where the same moment came in two ways, the worse is taken to be true.
    harmless = np.setdiff1d(alarms.late.harmless_of(row), noted.at_us)
    if not _delays(rules, row, harmless, slot)[1].any():
        # Nothing lives through a harmless reading, so those around it are enough.
        first = max(0, int(np.searchsorted(harmless, from_us)) - 1)
        harmless = harmless[first:]
        last = int(np.searchsorted(harmless, until_us, side="right"))
        harmless = harmless[: last + 1]
        inside = np.ones(noted.n, np.bool_)
        if len(harmless) and harmless[0] < from_us:
            inside &= noted.at_us >= harmless[0]
        if len(harmless) and harmless[-1] > until_us:
            inside &= noted.at_us <= harmless[-1]
        noted = noted.select(np.flatnonzero(inside))
    lines = rules.version_at(noted.row, noted.at_us)
    limits = np.take(rules.lines.limits, lines, axis=0)
    sides = sides_of(noted.value, noted.state, limits, with_former(rules, lines))
    above = noted.value[:, None] >= rules.lines.band[lines]
    below = (False,) * above.shape[1]
    on_us, off_us = _delays(rules, row, harmless, slot)
    by_time = {
        at_us: Known(at_us, np.nan, at_us, False, True, below, on, off)
        for at_us, on, off in zip(
            harmless.tolist(), on_us.tolist(), off_us.tolist(), strict=True
        )
    }
    on_us, off_us = _delays(rules, row, noted.at_us, slot)
    # Backwards, because of two readings of one moment the first counts.
    for k in range(noted.n - 1, -1, -1):
        at_us = int(noted.at_us[k])
        by_time[at_us] = Known(
            at_us,
            float(noted.value[k]),
            int(noted.arrived_us[k]),
            bool(sides.beyond[k, slot]),
            bool(sides.past[k, slot]),
            tuple(above[k].tolist()),
            int(on_us[k]),
            int(off_us[k]),
        )
    return [by_time[at_us] for at_us in sorted(by_time)]


def _delays(rules: RuleTable, row: int, at_us: Int64, slot: int) -> tuple[Int64, Int64]:
    """On- and off-delay of a point's slot at moments, int64[k] each [µs]."""
    line = rules.version_at(np.full(len(at_us), row, np.int32), at_us)
    return rules.on_us(line, slot), rules.off_us(line, slot)


def line_at(alarms: LivingAlarms, row: int, at_us: int) -> int:
    """The rule line that was in force for a point at a moment."""
    rows, times = np.asarray([row], np.int32), np.asarray([at_us], np.int64)
    return int(alarms.rules.version_at(rows, times)[0])
