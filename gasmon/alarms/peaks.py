"""Worst values and bands of living alarms, and which of them nothing changes. Pure."""

import numpy as np

from gasmon.alarms import debounce
from gasmon.alarms.compiled import RuleTable
from gasmon.alarms.conditions import Bool, Readings
from gasmon.alarms.kinds import (
    CUT_OFF,
    DOUBTED_SLOTS,
    LOW_CUT_OFF,
    LOW_LIMIT,
    OVER_LIMIT,
)
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.state import PointState
from gasmon.batch import Index, Int64, ReadingBatch


def enter_bands(
    s: PointState, rules: RuleTable, rows: Index, at_us: Int64, line: Index, r: Readings
) -> None:
    """Keep since when values are in each band above the alarm limit.

    Args:
        line: rule line of each reading, int32[k].
    """
    above = r.value[:, None] >= rules.lines.band[line]
    since = np.where(above, np.minimum(s.band_us[rows], at_us[:, None]), NEVER_US)
    s.band_us[rows] = np.where(r.good[:, None], since, s.band_us[rows])


def note_peaks(
    s: PointState, slot: int, rows: Index, at_us: Int64, r: Readings, living: Bool
) -> None:
    """Keep the worst values of alarms of the kinds with limits."""
    if slot not in (OVER_LIMIT, CUT_OFF, LOW_LIMIT, LOW_CUT_OFF):
        return
    high = slot in (OVER_LIMIT, CUT_OFF)
    peak = s.peak[rows, slot]
    worse = np.isnan(peak) | ((r.value > peak) if high else (r.value < peak))
    hit = living & r.good & worse
    s.peak[rows[hit], slot] = r.value[hit]
    s.peak_at_us[rows[hit], slot] = at_us[hit]


def is_steady(
    s: PointState,
    rules: RuleTable,
    slot: int,
    batch: ReadingBatch,
    line: Index,
    raises: Bool,
    good: Bool,
) -> Bool:
    """Which alarms of a kind without a limit readings leave as they are, bool[k].

    They live, are raised once more by a rule of the same levels, are as known as
    before, and nothing is due by time.

    Args:
        line: rule line of each reading, int32[k]; ``raises``: it raises the alarm;
            ``good``: its value says something, bool[k] each.
    """
    rows = batch.index
    steady: Bool = raises & (s.phase[rows, slot] == debounce.ACTIVE)
    steady &= s.slot_due_us[rows, slot] > batch.at_us
    steady &= s.level[rows, slot] == rules.lines.level[line, slot]
    if slot in DOUBTED_SLOTS:
        steady &= s.unknown[rows, slot] != good
    return steady
