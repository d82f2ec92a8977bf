"""LateBook: what late readings told of the past, until it is settled.

Nearly all late readings are harmless, and a frame's points are neighbours in the
table. So a harmless frame is kept as one *strip*, (rows from, rows until, time), and
two hours of a whole city are 190,000 strips in 4 MB. Only readings that are not
harmless are kept one by one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.batch import Index, Int32, Int64, ReadingBatch

MAX_KEPT = 1 << 19
"""Newest strips, and newest notable readings, that are kept. Ours: 259 mines at a
frame per 5 s fill it in 2.8 h of backlog with 10 MB; what is forgotten makes an end
less exact, never an alarm less."""

Columns = dict[str, NDArray[Any]]

_STRIP = {"row": np.int32, "until": np.int32, "at_us": np.int64}
_NOTABLE = {
    "row": np.int32,
    "state": np.int32,
    "at_us": np.int64,
    "arrived_us": np.int64,
    "value": np.float64,
}


class _Log:
    """Columns that only grow at their end; when full, the older half is forgotten."""

    def __init__(self, kinds: Mapping[str, Any]) -> None:
        self._kinds = kinds
        self._columns: Columns = {n: np.empty(64, kind) for n, kind in kinds.items()}
        self.n = 0

    def append(self, more: Mapping[str, NDArray[Any]]) -> None:
        n = len(more["row"])
        if self.n + n > MAX_KEPT:
            self._keep(slice(max(0, self.n - MAX_KEPT // 2), self.n))
        while self.n + n > len(self._columns["row"]):
            for name, column in self._columns.items():
                self._columns[name] = np.concatenate([column, np.empty_like(column)])
        for name, column in self._columns.items():
            column[self.n : self.n + n] = more[name]
        self.n += n

    def _keep(self, part: slice) -> None:
        kept = {name: column[part].copy() for name, column in self.columns().items()}
        self.n = len(kept["row"])
        self._columns = kept

    def columns(self) -> Columns:
        """Views of what is kept, oldest first."""
        return {name: column[: self.n] for name, column in self._columns.items()}


@dataclass(slots=True)
class Waiting:
    """Readings of a point beyond a limit that nobody was told of yet.

    Attributes:
        first_us: arrival of the first; ``heard_us``: of the newest [µs].
        seen: (slot, event time) of each.
        newest_us: the newest good value that was noted for it; only to note it once.
    """

    first_us: int
    heard_us: int
    seen: set[tuple[int, int]] = field(default_factory=set)
    newest_us: int | None = None


@dataclass(slots=True)
class Held:
    """An alarm that late readings began aloud and that only they know.

    Attributes:
        raised_us: when it began; another one in its slot is not meant.
        evidence_us: the newest late reading beyond its limit [µs].
    """

    raised_us: int
    evidence_us: int


class LateBook:
    """What is known of the past of each point, and what waits to be told.

    Attributes:
        waiting: by point row; ``held``: by row and slot.
    """

    def __init__(self) -> None:
        self.waiting: dict[int, Waiting] = {}
        self.held: dict[tuple[int, int], Held] = {}
        self._strips = _Log(_STRIP)
        self._notable = _Log(_NOTABLE)

    def know_harmless(self, row: Int32, at_us: Int64) -> None:
        """Good values past the end of every kind, in order of arrival."""
        n = len(row)
        if n == 0:
            return
        goes_on = (row[1:] == row[:-1] + 1) & (at_us[1:] == at_us[:-1])
        starts = np.flatnonzero(np.r_[True, ~goes_on])
        lengths = np.diff(np.r_[starts, n])
        self._strips.append(
            {"row": row[starts], "until": row[starts] + lengths, "at_us": at_us[starts]}
        )

    def know_notable(self, batch: ReadingBatch) -> None:
        """Good values that are not past every end, or are kept for another reason."""
        self._notable.append({name: getattr(batch, name) for name in _NOTABLE})

    def harmless_of(self, row: int) -> Int64:
        """Times at which a point is known to have been harmless, int64[k] [µs]."""
        strips = self._strips.columns()
        hit = (strips["row"] <= row) & (row < strips["until"])
        return strips["at_us"][hit]

    def notable_of(self, row: int) -> ReadingBatch:
        """The notable readings of a point, in order of arrival."""
        columns = self._notable.columns()
        hit = columns["row"] == row
        return ReadingBatch(**{name: columns[name][hit] for name in _NOTABLE})

    def wait(self, row: int, slot: int, at_us: int, arrived_us: int) -> None:
        """A reading beyond a limit is to be told of later."""
        waiting = self.waiting.setdefault(row, Waiting(arrived_us, arrived_us))
        waiting.seen.add((slot, at_us))
        waiting.heard_us = max(waiting.heard_us, arrived_us)

    def release(self, rows: Index) -> None:
        """Live readings of these points raise something: what was held is theirs."""
        mine = set(rows.tolist())
        for row, slot in [key for key in self.held if key[0] in mine]:
            del self.held[row, slot]

    def held_slots(self, rows: Int32) -> dict[int, list[int]]:
        """The held slots of these points, by row."""
        found: dict[int, list[int]] = {}
        if self.held:
            asked = set(rows.tolist())
            for row, slot in self.held:
                if row in asked:
                    found.setdefault(row, []).append(slot)
        return found

    # Snapshot

    def arrays(self) -> Columns:
        """Everything as arrays, with rows as they are numbered now."""
        out = {f"strip_{n}": column for n, column in self._strips.columns().items()}
        out |= {f"noted_{n}": column for n, column in self._notable.columns().items()}
        waiting = sorted(self.waiting.items())
        out["waiting"] = _table(
            ((row, w.first_us, w.heard_us) for row, w in waiting), 3
        )
        out["seen"] = _table(
            ((row, *one) for row, w in waiting for one in sorted(w.seen)), 3
        )
        out["held"] = _table(
            (
                (row, slot, held.raised_us, held.evidence_us)
                for (row, slot), held in sorted(self.held.items())
            ),
            4,
        )
        return out

    def load(self, arrays: Mapping[str, NDArray[Any]], row_of: Int32) -> None:
        """Go on from arrays.

        Args:
            row_of: our row for each row of theirs, int32[n]; -1 for an unknown one.
        """
        strips = {name: arrays[f"strip_{name}"] for name in _STRIP}
        lengths = strips["until"] - strips["row"]
        which = np.repeat(np.arange(len(lengths)), lengths)
        within = np.arange(len(which)) - np.repeat(
            np.cumsum(lengths) - lengths, lengths
        )
        rows = row_of[strips["row"][which] + within]
        known = rows >= 0
        rows, which = rows[known], which[known]
        goes_on = (rows[1:] == rows[:-1] + 1) & (which[1:] == which[:-1])
        starts = np.flatnonzero(np.r_[True, ~goes_on][: len(rows)])
        self._strips.append(
            {
                "row": rows[starts],
                "until": rows[starts] + np.diff(np.r_[starts, len(rows)]),
                "at_us": strips["at_us"][which[starts]],
            }
        )
        noted = {name: arrays[f"noted_{name}"] for name in _NOTABLE}
        noted["row"] = row_of[noted["row"]] if len(row_of) else noted["row"]
        kept = noted["row"] >= 0
        self._notable.append({name: column[kept] for name, column in noted.items()})
        for row, first_us, heard_us in arrays["waiting"].tolist():
            if row_of[row] >= 0:
                self.waiting[int(row_of[row])] = Waiting(first_us, heard_us)
        for row, slot, at_us in arrays["seen"].tolist():
            if row_of[row] >= 0:
                self.waiting[int(row_of[row])].seen.add((slot, at_us))
        for row, slot, raised_us, evidence_us in arrays["held"].tolist():
            if row_of[row] >= 0:
                self.held[int(row_of[row]), slot] = Held(raised_us, evidence_us)


def _table(rows: Iterable[tuple[int, ...]], width: int) -> Int64:
    return np.asarray(list(rows), np.int64).reshape(-1, width)
