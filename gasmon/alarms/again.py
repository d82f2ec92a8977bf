"""Again: the newest reading of points that are judged by other numbers now.

A frame may overtake the definitions of its points, and a mine may change a limit while
it sends changes only. What was measured last is judged once more then, by the new line
and in its own event time, as if the definition had come first. It is a step of the
engine's log like any other, because a restart knows all definitions from the beginning.

Silence is no proof: while nothing is heard of a point, what lives stays as it is, and
what begins is not known to go on.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import conditions
from gasmon.alarms.compiled import RuleTable
from gasmon.alarms.conditions import Bool, Readings, is_set
from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.kinds import BY_LINE
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.quiet import QuietTable
from gasmon.alarms.relations import over_limit_units
from gasmon.alarms.shape import unmoved
from gasmon.alarms.speak import Speech
from gasmon.alarms.state import LONG_AGO_US
from gasmon.batch import Index, Int32, Int64, ReadingBatch
from gasmon.domain import states
from gasmon.points import PointDef

_NUMBERS = ("limits", "range_high", "flags", "level", "shape")


class Redefined(NamedTuple):
    """A point whose newest reading is judged again.

    Attributes:
        row: of the point.
        from_us: from when the line counts that it is judged by [µs UTC].
    """

    row: int
    from_us: int


def redefined(
    engine: AlarmEngine, versions: Iterable[PointDef]
) -> tuple[Redefined, ...]:
    """Of versions that an engine just adopted, those that judge a reading otherwise.

    Args:
        versions: oldest first; of several of one point the last counts.
    """
    told = {engine.table.index[point.key]: point for point in versions}
    rows = np.fromiter(told, np.int32, len(told))
    heard = engine.state.last_at_us[rows] != LONG_AGO_US
    rows = rows[heard & _differs(engine.rules, engine.rules.head[rows])]
    return tuple(Redefined(row, told[row].effective_from_us) for row in rows.tolist())


def judge_again(
    engine: AlarmEngine,
    points: Sequence[Redefined],
    *,
    now_us: int,
    quiet: QuietTable | None = None,
) -> list[AlarmEvent]:
    """Judge the newest reading of each point by the line of a moment.

    Args:
        points: each row once.
        now_us: stamped as ``decided_at_us``; decides nothing [µs UTC].
        quiet: what keeps alarms from waking people; none when not given.

    Returns:
        Events in the order in which they were decided.
    """
    s, rules = engine.state, engine.rules
    engine.crossed = []
    rows = np.asarray([point.row for point in points], np.int32)
    from_us = np.asarray([point.from_us for point in points], np.int64)
    # A full spool may have lost the reading before a restart.
    heard = s.last_at_us[rows] != LONG_AGO_US
    rows, from_us = rows[heard], from_us[heard]
    if len(rows) == 0:
        return []
    quiet = quiet or QuietTable()
    speech = Speech(engine.table, rules, s, quiet, engine.run, now_us)
    line = rules.version_at(rows, from_us)
    readings = _newest(engine, rows, line)
    at_us = s.last_at_us[rows]
    near = readings.good & (readings.value >= rules.lines.rise[line])
    s.near_at_us[rows[near]] = np.maximum(s.near_at_us[rows[near]], at_us[near])
    doubtful = _is_silent(engine, rows)
    _slots(engine, rows, line, readings, doubtful, speech)
    moment_us = max(int(s.last_arrived_us[rows].max()), engine.mark_us)
    engine.alarms.doubt_rows(rows[doubtful], moment_us, speech)
    engine.relations.follow(over_limit_units(speech, 0), moment_us, speech)
    engine.crossed = speech.crossed
    return speech.said


def _slots(
    engine: AlarmEngine,
    rows: Int32,
    line: Index,
    readings: Readings,
    doubtful: Bool,
    speech: Speech,
) -> None:
    """Take each slot one step on; that of a silent point only if nothing lives."""
    s, kinds = engine.state, engine.rules.lines.kinds[line]
    raising = conditions.raise_bits(readings, kinds)
    for slot in BY_LINE:
        raised, busy = is_set(raising, 1 << slot), is_set(s.busy[rows], 1 << slot)
        hit = np.flatnonzero(np.where(busy, ~doubtful, raised))
        if len(hit) == 0:
            continue
        batch = ReadingBatch(
            row=rows[hit],
            value=readings.value[hit],
            at_us=_moments(engine, slot, rows[hit], busy[hit]),
            arrived_us=s.last_arrived_us[rows[hit]],
            state=readings.state[hit],
        )
        engine.alarms.judge(
            batch, line[hit], readings.select(hit), raising[hit], speech, (slot,)
        )


def _moments(engine: AlarmEngine, slot: int, rows: Int32, busy: Bool) -> Int64:
    """The readings' times; a hair later where an alarm is known to have ended then.

    A limit that was moved there and back raises by one reading twice, and two alarms
    must not have one key.
    """
    at_us = engine.state.last_at_us[rows]
    for position in np.flatnonzero(~busy).tolist():
        row, moment_us = int(rows[position]), int(at_us[position])
        at_us[position] = engine.alarms.told.after(row, slot, moment_us)
    return at_us


def _newest(engine: AlarmEngine, rows: Int32, line: Index) -> Readings:
    """The newest readings of these points under these lines."""
    s, lines = engine.state, engine.rules.lines
    value, state = s.last_value[rows], s.last_state[rows]
    bit_for_us = s.last_at_us[rows] - s.calibration_us[rows]
    calibrating = is_set(state, states.CALIBRATION)
    calibrating &= bit_for_us < engine.patience.calibration_us
    return conditions.interpret(
        value, state, lines, line, calibrating, lambda _: unmoved(engine.rules, line)
    )


def _is_silent(engine: AlarmEngine, rows: Int32) -> Bool:
    """Whether nothing is heard of these points now, bool[k]."""
    silent: Bool = engine.state.is_silent(rows)
    silent |= engine.links.raised_us[engine.table.mine_of[rows]] != NEVER_US
    return silent


def _differs(rules: RuleTable, line: Index) -> Bool:
    """Whether these lines judge otherwise than the ones before them, bool[k]."""
    before = rules.lines.previous[line]
    same: Bool = np.ones(len(line), np.bool_)
    for name in _NUMBERS:
        column: NDArray[np.generic] = getattr(rules.lines, name)
        new, old = column[line], column[before]
        equal = (new == old) | ((new != new) & (old != old))  # NaN equals NaN here
        same &= equal.reshape(len(line), -1).all(axis=1)
    return ~same & np.greater_equal(before, 0)
