"""Snapshot: everything an engine remembers, as bytes, to go on with after a restart.

Points and mines are written by their identity, so an engine with its rows in another
order can load it. Nearly all points never alarmed: of them only the few columns of
the newest reading are kept, about 80 bytes a point; the slots follow for the others.
"""

import hashlib
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import debounce, relation_snapshot
from gasmon.alarms.breaks import BREAK_COLUMNS
from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.forecast_snapshot import (
    forecast_arrays,
    forecast_header,
    load_forecast,
)
from gasmon.alarms.kinds import (
    N_SLOTS,
    N_VALUE_SLOTS,
    OVER_LIMIT,
    POINT_KINDS,
    SENSOR_BREAK,
    SWITCH_KINDS,
)
from gasmon.alarms.levels import NEVER_US, OFF
from gasmon.alarms.owing import debts_of
from gasmon.alarms.packing import Array, BadPacking, pack, unpack
from gasmon.alarms.rule_versions import RuleChange, as_lists
from gasmon.alarms.rules import MAX_BANDS, RuleSet
from gasmon.alarms.shape_memory import SHAPE_COLUMNS
from gasmon.alarms.silence import LINK_COLUMNS
from gasmon.alarms.state import LONG_AGO_US, STATE_COLUMNS
from gasmon.batch import Int32, Int64
from gasmon.points import PointTable

MAGIC = b"gasmonE4"
"""Kind and version of the bytes; another version's are not read."""

_SEPARATOR = "\0"  # is in no text that PostgreSQL can hold

_PER_POINT = tuple(
    n for n, (s, _, _) in STATE_COLUMNS.items() if s == () or n in SHAPE_COLUMNS
)
_PER_SLOT = tuple(n for n in STATE_COLUMNS if n not in _PER_POINT)


def fingerprint(rules: RuleSet) -> str:
    """A number for the contents of a rule set: equal rules, equal number."""
    return hashlib.blake2b(_plain(rules).encode(), digest_size=16).hexdigest()


def _plain(thing: object) -> str:
    """The contents of nested values as text that does not depend on their order."""
    if is_dataclass(thing) and not isinstance(thing, type):
        # What is not compared decides nothing: a line, a text, a source.
        kept = (f.name for f in fields(thing) if f.compare)
        return _plain([(name, getattr(thing, name)) for name in kept])
    if isinstance(thing, Mapping):
        return "{" + ",".join(sorted(_plain(item) for item in thing.items())) + "}"
    if isinstance(thing, Set):
        return "{" + ",".join(sorted(_plain(item) for item in thing)) + "}"
    if isinstance(thing, list | tuple):
        return "[" + ",".join(_plain(item) for item in thing) + "]"
    return repr(thing)


def dump(engine: AlarmEngine) -> bytes:
    """All that the engine remembers now.

    Everything that decides later events is in it, except the points and the patience,
    which the engine that loads it brings along. Of the rules it has the texts, for who
    makes that engine (``history_in``).
    """
    state, rules, table = engine.state, engine.rules, engine.table
    touched = _touched(engine)
    line = state.line[touched]
    arrays: dict[str, Array] = dict(_keys_as_arrays(table))
    for name in _PER_POINT:
        arrays[name] = getattr(state, name)[: state.n]
    arrays["touched"] = touched
    for name in _PER_SLOT:
        arrays[name] = getattr(state, name)[touched]
    # Lines are numbered in the order in which versions came: not so after a restart.
    arrays["line"] = rules.lines.effective_from_us[line]
    arrays["after_rise"] = rules.levels.after_rise[state.level[touched, SENSOR_BREAK]]
    arrays["told"] = np.asarray(list(engine.alarms.told.stretches()), np.int64)
    arrays["crossed"] = np.asarray(list(state.crossings.all()), np.int64)
    for name, column in engine.alarms.late.arrays().items():
        arrays[f"late_{name}"] = column
    for name in LINK_COLUMNS:
        arrays[f"link_{name}"] = getattr(engine.links, name)
    substations, columns = engine.substations.arrays()
    arrays.update({f"substation_{n}": column for n, column in columns.items()})
    relations, columns = relation_snapshot.dump(engine.relations)
    arrays.update(columns)
    header = {
        "layout": _layout(),
        "run": engine.run,
        "rules": fingerprint(rules.rules),
        "history": as_lists(rules.history),
        "levels": rules.levels.keys,
        "mark_us": int(engine.mark_us),
        "n_late": engine.n_late,
        "mines": [mine.code for mine in table.mines],
        "substations": substations,
        "relations": relations,
    }
    owed = [debt.as_list(int) for debt in (*engine.owed, *engine.relations.owed)]
    if owed:
        since_us = min(engine.owed.since_us, engine.relations.owed.since_us)
        header["owed"] = [int(since_us), owed]
    if engine.forecast is not None:
        header["forecast"] = forecast_header(engine.forecast)
        arrays |= forecast_arrays(engine.forecast)
    return pack(MAGIC, header, arrays)


def load(engine: AlarmEngine, data: bytes) -> int:
    """Go on from a snapshot.

    The engine should have been given the rules of the snapshot (``history_in``). With
    others, limits, levels and delays are those of the others, a level that was reached
    stays, and durations are judged anew at the next clock mark, as long as they can
    have been.

    Args:
        engine: knows its points already (``adopt``) and has judged nothing. What the
            snapshot does not know stays as it is; what the engine does not know any
            more is left out.

    Returns:
        Number of points that were found in it.

    Raises:
        BadPacking: damaged, of another version or of another run. The engine is
            unchanged: begin without it.
    """
    header, arrays = unpack(MAGIC, data)
    if header["layout"] != _layout():
        raise BadPacking("its columns or kinds of alarms are those of another version")
    if header["run"] != engine.run:
        raise BadPacking(f"it is of run {header['run']}, not of {engine.run}")
    state = engine.state
    row_of = _rows_of(engine.table, header["mines"], arrays)
    known = np.flatnonzero(row_of >= 0)
    rows = row_of[known]
    for name in _PER_POINT:
        getattr(state, name)[rows] = arrays[name][known]
    kept = np.flatnonzero(row_of[arrays["touched"]] >= 0)
    touched = row_of[arrays["touched"][kept]]
    for name in _PER_SLOT:
        if name != "line":
            getattr(state, name)[touched] = arrays[name][kept]
    level_of = _level_rows(engine, header["levels"])
    for slot in range(N_SLOTS):
        from_us = arrays["line"][kept, slot]
        line = engine.rules.version_at(touched, from_us)
        state.line[touched, slot] = line
        level, own = state.level[touched, slot], engine.rules.lines.level[line, slot]
        is_known = level_of[level] != OFF
        state.level[touched, slot] = np.where(is_known, level_of[level], own)
    rules_changed = header["rules"] != fingerprint(engine.rules.rules)
    if rules_changed:
        _apply_new_rules(engine, touched, arrays["after_rise"][kept])
    for row, slot, begin, end in arrays["told"].reshape(-1, 4).tolist():
        if row_of[row] >= 0:
            engine.alarms.told.add(int(row_of[row]), slot, begin, end)
    for row, slot, at_us in arrays["crossed"].reshape(-1, 3).tolist():
        if row_of[row] >= 0:
            state.crossings.note(int(row_of[row]), slot, at_us)
    late = {n.removeprefix("late_"): a for n, a in arrays.items() if n[:5] == "late_"}
    engine.alarms.late.load(late, row_of)
    ours = _mines_of(engine, header["mines"])
    _load_links(engine, ours, arrays)
    silent = {n: arrays[f"substation_{n}"] for n in BREAK_COLUMNS}
    engine.substations.load(header["substations"], silent)
    relation_snapshot.load(
        engine.relations, header["relations"], arrays, row_of, ours, rules_changed
    )
    engine.relations.mark_us = header["mark_us"]
    if engine.forecast is not None and "forecast" in header:
        load_forecast(
            engine.forecast, header["forecast"], arrays, row_of, ours.tolist()
        )
    _load_owed(engine, header, row_of)
    engine.mark_us, engine.n_late = header["mark_us"], header["n_late"]
    return len(rows)


def history_in(data: bytes) -> list[RuleChange]:
    """The versions of the rules in a snapshot, oldest first.

    An engine that is to load it begins with the first and then changes to the others.

    Raises:
        BadPacking: damaged or of another version.
    """
    header, _ = unpack(MAGIC, data)
    return [RuleChange(*told) for told in header["history"]]


def _level_rows(engine: AlarmEngine, keys: list[str]) -> NDArray[np.int16]:
    """Our level row for each one of the snapshot, int16[n + 1]; OFF for unknown ones.

    Level rows are numbered as rules came, which may be otherwise after a restart. The
    last entry is what OFF itself becomes.
    """
    return np.append(engine.rules.levels.rows_of(keys), np.int16(OFF))


def excuse_absence(engine: AlarmEngine, now_us: int) -> None:
    """Nobody was silent while we were away: the clocks of silence stood still.

    Call it after the log was replayed and before the first clock mark. Delays and
    durations of alarms go on: they run in the time of the mine.

    Args:
        now_us: wall time [µs UTC].
    """
    away_us = now_us - engine.mark_us
    if engine.mark_us == LONG_AGO_US or away_us <= 0:
        return
    engine.pass_over(away_us, now_us)
    engine.mark_us = now_us


def _layout() -> str:
    """What must be equal on both sides, as one text."""
    columns = [(n, s, np.dtype(d).str) for n, (s, d, _) in STATE_COLUMNS.items()]
    relations = relation_snapshot.layout()
    kinds = (POINT_KINDS, SWITCH_KINDS)
    return repr((kinds, MAX_BANDS, columns, list(LINK_COLUMNS), relations))


def _touched(engine: AlarmEngine) -> Int32:
    """Rows with anything in their slots that is not as in the beginning."""
    state = engine.state
    touched = np.zeros(state.n, np.bool_)
    for name in _PER_SLOT:
        column = getattr(state, name)[: state.n]
        start = STATE_COLUMNS[name][2]
        # NaN is not equal to itself.
        differs = ~np.isnan(column) if start != start else column != start
        for slot in range(differs.shape[1]):
            touched |= differs[:, slot]
    return np.flatnonzero(touched).astype(np.int32)


def _keys_as_arrays(table: PointTable) -> dict[str, Array]:
    return {
        "mine_of": table.mine_of,
        "systems": _joined([key.system for key in table.keys]),
        "nos": _joined([key.no for key in table.keys]),
    }


def _joined(texts: list[str]) -> NDArray[np.uint8]:
    return np.frombuffer(_SEPARATOR.join(texts).encode(), np.uint8)


def _split(blob: NDArray[np.uint8]) -> list[str]:
    return blob.tobytes().decode().split(_SEPARATOR)


def _rows_of(table: PointTable, mines: list[str], arrays: Mapping[str, Array]) -> Int32:
    """Our row for each point of the snapshot, int32[n]; -1 for an unknown one."""
    of = arrays["mine_of"].tolist()
    if not of:
        return np.empty(0, np.int32)
    codes = map(mines.__getitem__, of)
    # A tuple is equal to the PointKey of the same parts; making a million keys
    # would take longer than all the rest.
    keys = zip(codes, _split(arrays["systems"]), _split(arrays["nos"]), strict=True)
    index: Mapping[Any, int] = table.index
    return np.fromiter((index.get(key, -1) for key in keys), np.int32, len(of))


def _apply_new_rules(
    engine: AlarmEngine, rows: Int32, after_rise: NDArray[np.bool_]
) -> None:
    """Levels, delays and bands of what lives, by the rules in force now."""
    state, lines = engine.state, engine.rules.lines
    for slot in range(N_SLOTS):
        line = state.line[rows, slot]
        level = lines.level[line, slot]
        if slot == SENSOR_BREAK:
            level = np.where(after_rise, lines.level[line, N_SLOTS], level)
        state.level[rows, slot] = level
        phase = state.phase[rows, slot]
        # Due since it began: the next mark judges how far its level has risen.
        due = np.where(phase >= debounce.ACTIVE, state.raised_us[rows, slot], NEVER_US)
        if slot < N_VALUE_SLOTS:
            waits = np.flatnonzero(phase == debounce.PENDING)
            own = rows[waits]
            newest = engine.rules.version_at(own, state.last_at_us[own])
            on_us = engine.rules.on_us(newest, slot)
            due[waits] = state.since_us[own, slot] + on_us
        state.slot_due_us[rows, slot] = due
        if slot == OVER_LIMIT:
            # As after a restart without a snapshot: how long the value was in each
            # of the new bands is not known, the longest possible time is assumed.
            inside = state.peak[rows, slot, None] >= lines.band[line]
            since = state.peak_at_us[rows, slot, None]
            state.band_us[rows] = np.where(inside, since, NEVER_US)
    state.due_us[rows] = state.slot_due_us[rows].min(axis=1)


def _mines_of(engine: AlarmEngine, mines: list[str]) -> Int64:
    """Our index for each mine of the snapshot, int64[m]; -1 for an unknown one."""
    index = engine.table.mine_index
    return np.asarray([index.get(code, -1) for code in mines], np.int64)


def _load_links(engine: AlarmEngine, ours: Int64, arrays: Mapping[str, Array]) -> None:
    known = ours >= 0
    for name in LINK_COLUMNS:
        getattr(engine.links, name)[ours[known]] = arrays[f"link_{name}"][known]


def _load_owed(engine: AlarmEngine, header: Mapping[str, Any], row_of: Int32) -> None:
    """What is waited for; a snapshot of an older version says nothing of it."""
    since_us, owed = header.get("owed", (NEVER_US, ()))
    engine.owe(debts_of(owed, lambda row: int(row_of[row])), since_us)
