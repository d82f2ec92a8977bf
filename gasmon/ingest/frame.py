"""One frame of readings: the fast path for a clean one, reading by reading else."""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from math import isfinite
from types import NoneType
from typing import Any

import numpy as np

from gasmon.batch import Int32
from gasmon.ingest.fields import PayloadError, finite, show, whole
from gasmon.ingest.gather import Columns, Rejects, Value
from gasmon.ingest.layouts import Directory, Layouts
from gasmon.points import PointKey

INT32_MAX = 2**31 - 1

MAX_READINGS = 10_000
"""Readings of one frame: 40 times a large mine's 250 points. 512 kB can hold 250,000
that are nothing but work."""

MAX_SAMPLES = 240
"""Readings of one point in one frame: 4 min of one per second. Those of one point are
judged one after the other; 15,000 of them, which fit a frame, took ten seconds."""

STATE_UNREADABLE = 1 << 30
"""State of a reading whose state bits could not be read.

No known bit, and an unknown bit counts as an alarm downstream: what cannot be read
never makes anything better.
"""

_NUMBERS = frozenset((float, int, NoneType))
_LIST = {list}
_INT = {int}
_STR = {str}


def read_columns(
    mine: str,
    d: list[Any],
    layouts: Layouts,
    directory: Directory,
    rejects: Rejects,
    unknown: list[PointKey],
    default_ms: int,
) -> Columns:
    """Read the array `d` of a frame; never raises for what it holds.

    Args:
        mine: Twelve digits, from the topic.
        d: As parsed from JSON (NaN and infinities possible).
        layouts: What is remembered of this mine.
        directory: Asked for points that are new.
        rejects: Told about each reading that is bad; the frame is open there.
        unknown: Points that were made provisional are appended.
        default_ms: Time of the frame, for telling repeated points apart [ms UTC].
    """
    if len(d) > MAX_READINGS:
        rejects.add_many(
            "reading",
            "too_many_readings",
            f"{len(d)} readings in one frame, the first {MAX_READINGS} are taken",
            len(d) - MAX_READINGS,
        )
        d = d[:MAX_READINGS]
    clean = _clean_columns(mine, d, layouts, directory, unknown)
    if clean is not None:
        return clean
    return _ReadingByReading(mine, layouts, directory, rejects, unknown).read(
        d, default_ms
    )


def _clean_columns(
    mine: str,
    d: list[Any],
    layouts: Layouts,
    directory: Directory,
    unknown: list[PointKey],
) -> Columns | None:
    """Read a frame in which nothing is wrong, a column at a time; None otherwise.

    Each check is one C-level pass over a column, so it costs about a microsecond.
    """
    if not d or set(map(type, d)) != _LIST:
        return None
    widths = set(map(len, d))
    times: tuple[Value, ...] | None = None
    if widths == {3}:
        nos, values, states = zip(*d, strict=True)
    elif widths == {4} or widths == {3, 4}:
        nos, values, states, times = zip_longest(*d)
        if not _all_numbers(times):
            return None
    else:
        return None
    if not _all_numbers(values) or set(map(type, states)) != _INT:
        return None
    if min(states) < 0 or max(states) > INT32_MAX:
        return None
    layout = layouts.find(mine, nos)
    if layout is None:
        if set(map(type, nos)) != _STR:
            return None
        layout = layouts.learn(mine, nos, directory, unknown)
        if layout is None:
            return None
    return Columns(layout.rows, layout.lowest, values, states, times, nos)


def _all_numbers(column: tuple[Any, ...]) -> bool:
    """Tell whether a column holds finite numbers and nulls only."""
    if not set(map(type, column)) <= _NUMBERS:
        return False
    # Only the lenient parser lets NaN, infinities and endless integers through; the
    # sum of finite floats tells in one pass, and an overflow goes the slow way.
    try:
        return isfinite(sum(filter(None, column)))
    except OverflowError:
        return False


class _ReadingByReading:
    """Reads what it can from a frame in which something is wrong."""

    def __init__(
        self,
        mine: str,
        layouts: Layouts,
        directory: Directory,
        rejects: Rejects,
        unknown: list[PointKey],
    ) -> None:
        self._mine = mine
        self._layouts = layouts
        self._directory = directory
        self._rejects = rejects
        self._unknown = unknown

    def read(self, d: list[Any], default_ms: int) -> Columns:
        shaped = [item for i, item in enumerate(d) if self._has_shape(i, item)]
        refs = self._layouts.points(
            self._mine, [item[0] for item in shaped], self._directory, self._unknown
        )
        rows: list[int] = []
        nos: list[str] = []
        values: list[Value] = []
        states: list[int] = []
        times: list[Value] = []
        seen: dict[tuple[int, Value], tuple[Value, int]] = {}
        n_samples: Counter[int] = Counter()
        for item, ref in zip(shaped, refs, strict=True):
            no: str = item[0]
            if isinstance(ref, PayloadError):
                self._rejects.add_error("reading", ref)
                continue
            n_samples[ref] += 1
            if n_samples[ref] > MAX_SAMPLES:
                self._rejects.add(
                    "reading",
                    "too_many_samples",
                    f"point {no}: over {MAX_SAMPLES} readings in one frame",
                )
                continue
            value = self._value(no, item[1])
            state = self._state(no, item[2])
            time_ms = self._time(no, item[3] if len(item) == 4 else None)
            same = (ref, default_ms if time_ms is None else time_ms)
            if same in seen:
                self._refuse_repeat(no, seen[same], (value, state))
                continue
            seen[same] = (value, state)
            rows.append(ref)
            nos.append(no)
            values.append(value)
            states.append(state)
            times.append(time_ms)
        row: Int32 = np.array(rows, np.int32)
        lowest = [self._layouts.lowest(self._directory.quantity(r)) for r in rows]
        has_times = any(time_ms is not None for time_ms in times)
        return Columns(
            row,
            np.array(lowest, np.float64),
            values,
            states,
            times if has_times else None,
            nos,
        )

    def _has_shape(self, i: int, item: Any) -> bool:
        if type(item) is not list:
            problem = f"reading {i} is {show(item)}, not an array"
        elif not 3 <= len(item) <= 4:
            problem = f"reading {i} is an array of {len(item)}, not of 3 or 4"
        elif type(item[0]) is not str:
            self._rejects.add(
                "reading", "bad_point_number", f"reading {i} names {show(item[0])}"
            )
            return False
        else:
            return True
        self._rejects.add("reading", "reading_shape", problem)
        return False

    def _value(self, no: str, value: Any) -> Value:
        """Return a finite number, or None (and say why) when it is none."""
        if value is None:
            return None
        number = finite(value)
        if number is not None:
            return number
        if type(value) is bool:
            reason = "bool_for_number"
        elif type(value) is str:
            reason = "text_for_number"
        elif type(value) in (float, int):
            reason = "not_a_number" if type(value) is float else "number_too_large"
        else:
            reason = "value_type"
        self._rejects.add(
            "reading", reason, f"point {no}: {show(value)}, kept without a value"
        )
        return None

    def _state(self, no: str, state: Any) -> int:
        bits = whole(state)
        if bits is not None and 0 <= bits <= INT32_MAX:
            return bits
        self._rejects.add(
            "reading",
            "state_unreadable",
            f"point {no}: state {show(state)} is no number from 0 to {INT32_MAX}, "
            f"kept as {STATE_UNREADABLE}",
        )
        return STATE_UNREADABLE

    def _time(self, no: str, time_ms: Any) -> Value:
        if time_ms is None:
            return None
        number = finite(time_ms)
        if number is None:
            self._rejects.add(
                "reading",
                "sample_time",
                f"point {no}: sample time {show(time_ms)}, judged with its frame",
            )
        return number

    def _refuse_repeat(
        self, no: str, first: tuple[Value, int], second: tuple[Value, int]
    ) -> None:
        if first == second:
            self._rejects.add(
                "reading",
                "duplicate_reading",
                f"point {no} twice with the same time, value {show(second[0])} and "
                f"state {second[1]}",
            )
        else:
            self._rejects.add(
                "reading",
                "contradiction",
                f"point {no} twice with the same time: {show(first[0])} (state "
                f"{first[1]}) is kept, {show(second[0])} (state {second[1]}) is not",
            )
