"""A recorded series as frames: what ``gasmon replay`` reads.

One CSV row becomes one data frame of a made-up mine, encoded and decoded like any
other, so a replay goes the very same way as live data.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import IO

from gasmon import domain
from gasmon.errors import ConfigError
from gasmon.ingest.payloads import Item
from gasmon.points import MineDef, PointDef, PointKey, UnitDef
from gasmon.units import US_PER_MS, US_PER_S, parse_iso_us

DEFAULT_MINE = "530600000000"
"""The mine that a replayed series belongs to unless another is named."""

NO_VALUE = frozenset({"", "nan", "null", "none", "na", "n/a", "?", "-"})
"""What recorders write for "no value", in lower case."""

MAX_NO = 8


@dataclass(frozen=True, slots=True)
class Column:
    """One ``--point``: a column and what it measures."""

    name: str
    no: str
    quantity: str
    place_class: str | None
    unit: str | None


def parse_columns(texts: Sequence[str]) -> tuple[Column, ...]:
    """Read ``COLUMN=QUANTITY:PLACE_CLASS[:UNIT]`` flags.

    Raises:
        ConfigError: wrong form, a column twice, an unknown quantity or place class.
    """
    quantities = {kind.quantity for kind in domain.sensor_types().values()}
    quantities |= {limit.quantity for limit in domain.limits()}
    classes = {limit.place_class for limit in domain.limits()}
    columns: dict[str, Column] = {}
    for text in texts:
        name, equals, what = text.partition("=")
        parts = what.split(":")
        if not (name and equals and 1 <= len(parts) <= 3):
            raise ConfigError(
                f"--point {text}: COLUMN=QUANTITY:PLACE_CLASS[:UNIT] is wanted"
            )
        quantity, place, unit = (*parts, "", "")[:3]
        if quantity not in quantities:
            raise ConfigError(
                f"--point {text}: unknown quantity {quantity!r}; "
                f"known are {', '.join(sorted(quantities))}"
            )
        if place and place not in classes:
            raise ConfigError(
                f"--point {text}: unknown place class {place!r}; "
                f"known are {', '.join(sorted(classes))}"
            )
        if name in columns:
            raise ConfigError(f"--point {text}: column {name!r} is named twice")
        no = name if name.isalnum() and name.isascii() else ""
        if not 0 < len(no) <= MAX_NO:
            no = f"C{len(columns) + 1:03d}"
        columns[name] = Column(name, no, quantity, place or None, unit or None)
    if not columns:
        raise ConfigError("at least one --point is wanted")
    return tuple(columns.values())


def definitions(
    mine: str, columns: Sequence[Column]
) -> tuple[MineDef, tuple[PointDef, ...]]:
    """The mine and points that a series stands for."""
    units = sorted({c.unit for c in columns if c.unit})
    types = domain.sensor_types().values()
    points = []
    for column in columns:
        kind = next((t for t in types if t.quantity == column.quantity), None)
        legal = next(
            (x for x in domain.limits() if x.quantity == column.quantity), None
        )
        points.append(
            PointDef(
                key=PointKey(mine, "01", column.no),
                sensor_type=kind.code if kind else "0000",
                value_kind=kind.value_kind if kind else "MN",
                quantity=column.quantity,
                place_class=column.place_class,
                place=column.name,
                unit_slug=column.unit,
                uom=kind.unit if kind else legal.unit if legal else "",
                source="import",
            )
        )
    unit_defs = tuple(UnitDef(slug) for slug in units)
    return MineDef(mine, mine[:6], units=unit_defs), tuple(points)


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One row: its time and one item per column, as a data frame carries them."""

    at_us: int
    items: tuple[Item, ...]


class Series:
    """A CSV file, read row by row.

    Attributes:
        n_rows: data rows in the file.
        n_bad_times: rows passed over because their time could not be read.
        first_bad: the first of them, for the summary.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[Column],
        time_column: str,
        start_us: int | None,
    ) -> None:
        """Look at the header.

        Raises:
            ConfigError: no such file, no header, a column is missing.
        """
        self.path = path
        self.n_bad_times = 0
        self.first_bad = ""
        self._columns = columns
        self._time_column = time_column
        self._start_us = start_us
        with self._open() as file:
            header = next(csv.reader(file), None)
            if header is None:
                raise ConfigError(f"{path} is empty")
            self.n_rows = sum(1 for _ in file)
        self._at = [_find(path, header, c.name) for c in columns]
        self._time_at = _find(path, header, time_column)

    def _open(self) -> IO[str]:
        try:
            return self.path.open(newline="", encoding="utf-8-sig")
        except OSError as error:
            raise ConfigError(f"{self.path}: {error.strerror}") from None

    def rows(self) -> Iterator[SeriesRow]:
        """All rows in the order of the file.

        A text that is no number stays a text: decoding refuses it by name, as it
        would refuse it from a mine.
        """
        with self._open() as file:
            reader = csv.reader(file)
            next(reader)
            for line in reader:
                if not line:
                    continue
                at_us = self._time(line)
                if at_us is None:
                    continue
                yield SeriesRow(
                    at_us,
                    tuple(
                        (column.no, _value(line[at] if at < len(line) else ""), 0)
                        for column, at in zip(self._columns, self._at, strict=True)
                    ),
                )

    def _time(self, line: list[str]) -> int | None:
        text = line[self._time_at] if self._time_at < len(line) else ""
        try:
            seconds = float(text)
        except ValueError:
            try:
                return parse_iso_us(text)
            except ValueError:
                self._bad_time(text)
                return None
        if not isfinite(seconds):
            self._bad_time(text)
            return None
        if self._start_us is None:
            raise ConfigError(
                f"{self.path}: {self._time_column} holds seconds ({text}); "
                "--start says when they begin"
            )
        # Whole milliseconds, because that is what a frame carries.
        return self._start_us + round(seconds * 1000) * US_PER_MS

    def _bad_time(self, text: str) -> None:
        self.n_bad_times += 1
        self.first_bad = self.first_bad or f"{self._time_column} = {text!r}"


def _find(path: Path, header: list[str], name: str) -> int:
    if name not in header:
        raise ConfigError(
            f"{path} has no column {name!r}; it has {', '.join(header) or 'none'}"
        )
    return header.index(name)


def _value(text: str) -> float | None:
    """A cell as the value of a data frame; a text that is no number stays one."""
    text = text.strip()
    if text.lower() in NO_VALUE:
        return None
    try:
        number = float(text)
    except ValueError:
        return text  # type: ignore[return-value]  # refused by name in decoding
    return number if isfinite(number) else None


def usual_step_us(times_us: Sequence[int]) -> int:
    """The middle one of the steps between rows [µs]; 0 for fewer than two rows."""
    steps = sorted(b - a for a, b in pairwise(times_us))
    return steps[len(steps) // 2] if steps else 0


SILENCE_FLOOR_US = 90 * US_PER_S
"""A replay speaks of silence after three usual steps, but not before this [µs]."""
