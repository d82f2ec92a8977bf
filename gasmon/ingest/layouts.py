"""From the point numbers of a frame to rows of the point table, remembered.

A gateway sends the same numbers in the same order each cycle. So the tuple of numbers
is kept with its array of rows, and mapping a frame costs one comparison of tuples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

import numpy as np

from gasmon.batch import Float64, Int32
from gasmon.ingest.fields import PayloadError, is_short_no, show
from gasmon.ingest.payloads import split_code
from gasmon.ingest.topics import Topic, parse_topic
from gasmon.points import PointKey

LAYOUTS_PER_MINE = 4
"""Layouts kept per mine: the usual one, a short and a long cycle, one in change."""

NOS_PER_MINE = 4096
"""Numbers remembered per mine, 16 times a large mine's 250 points: what is more is
noise, and forgetting it only costs looking it up again."""

TOPICS = 20_000
"""Topics remembered: 4 channels of the nation's 4,000 mines, and some."""

LOWEST: Mapping[str, float] = {
    "CH4": -0.1,
    "CH4_PIPE": -1.0,
    "CO": -5.0,
    "PIPE_CO": -5.0,
    "O2": -0.5,
    "CO2": -0.1,
    "H2S": -1.0,
}
"""Lowest value by quantity that still counts as zero drift, in the point's unit.

Ours: about the basic error that real sensors are allowed near zero, so that a drifting
sensor keeps its readings. Below it a concentration is impossible and is no value.
Quantities that are absent here may be negative (temperature, pressure difference).
"""


class Directory(Protocol):
    """What decoding asks about points; the pipeline implements it over its table.

    Rows never change their meaning while a directory lives.
    """

    def admits(self, mine: str) -> bool:
        """Tell whether frames of this mine are taken, known or made provisional."""

    def rows(self, mine: str, nos: tuple[str, ...]) -> Int32:
        """Return the rows, int32[n], −1 where unknown; see `rows_by_key`."""

    def provision(
        self, keys: Sequence[PointKey], sensor_types: Sequence[str | None]
    ) -> Int32:
        """Make provisional rows for points that nobody defined.

        Args:
            keys: The points, each once.
            sensor_types: Four digits when the full code told it, else None.

        Returns:
            Their rows, int32[n]; −1 where one is refused.
        """

    def quantity(self, row: int) -> str:
        """Return the quantity of a row, for example `CH4`."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The points of one kind of frame, each once.

    Attributes:
        nos: Numbers as sent.
        rows: int32[n].
        lowest: Lowest possible value of each, float64[n], −inf where any is.
    """

    nos: tuple[str, ...]
    rows: Int32
    lowest: Float64


def candidate_keys(mine: str, no: str) -> tuple[PointKey, ...]:
    """Return the identities that a sent number can mean, the likelier first.

    A short number belongs to system 01 unless only a definition of system 02 has
    it; a full code names its system itself.
    """
    parts = split_code(no)
    if parts is not None:
        return (PointKey(parts[0], parts[1], parts[4]),)
    return (PointKey(mine, "01", no), PointKey(mine, "02", no))


def rows_by_key(
    row_of: Callable[[PointKey], int | None], mine: str, nos: tuple[str, ...]
) -> Int32:
    """Implement `Directory.rows` over a look-up by identity."""
    rows = np.full(len(nos), -1, np.int32)
    for i, no in enumerate(nos):
        for key in candidate_keys(mine, no):
            row = row_of(key)
            if row is not None:
                rows[i] = row
                break
    return rows


class Layouts:
    """What was learned about topics, numbers and layouts; grows to named limits.

    Call `forget` when a mine's definitions change, because a short number may then
    mean a point of the other system, or a point may measure another quantity.
    """

    def __init__(self, lowest: Mapping[str, float] = LOWEST) -> None:
        """Start empty.

        Args:
            lowest: Lowest possible value by quantity, in the point's unit.
        """
        self._lowest = dict(lowest)
        self._topics: dict[str, Topic] = {}
        self._layouts: dict[str, list[Layout]] = {}
        self._points: dict[str, dict[str, int | PayloadError]] = {}

    def topic(self, text: str) -> Topic:
        """Parse a topic, remembered.

        Raises:
            ValueError: See `parse_topic`.
        """
        found = self._topics.get(text)
        if found is None:
            found = parse_topic(text)
            if len(self._topics) >= TOPICS:
                self._topics.clear()
            self._topics[text] = found
        return found

    def find(self, mine: str, nos: tuple[str, ...]) -> Layout | None:
        """Return the layout with exactly these numbers in this order."""
        for layout in self._layouts.get(mine, ()):
            if layout.nos == nos:
                return layout
        return None

    def learn(
        self,
        mine: str,
        nos: tuple[str, ...],
        directory: Directory,
        unknown: list[PointKey],
    ) -> Layout | None:
        """Make and keep a layout.

        Args:
            mine: Twelve digits.
            nos: Numbers as sent.
            directory: Asked for rows, and for provisional ones.
            unknown: Points that were made provisional are appended.

        Returns:
            The layout; None when a number is bad, refused, or occurs twice: such a
            frame is taken reading by reading.
        """
        found = self.points(mine, nos, directory, unknown)
        good = [ref for ref in found if isinstance(ref, int)]
        if len(good) < len(nos) or len(set(good)) < len(nos):
            return None
        lowest = [self.lowest(directory.quantity(row)) for row in good]
        layout = Layout(nos, np.array(good, np.int32), np.array(lowest, np.float64))
        kept = self._layouts.setdefault(mine, [])
        kept.insert(0, layout)
        del kept[LAYOUTS_PER_MINE:]
        return layout

    def points(
        self,
        mine: str,
        nos: Sequence[str],
        directory: Directory,
        unknown: list[PointKey],
    ) -> list[int | PayloadError]:
        """Return for each number its row, or why it has none."""
        known = self._points.setdefault(mine, {})
        if len(known) > NOS_PER_MINE:
            known.clear()
        new = [no for no in dict.fromkeys(nos) if no not in known]
        if new:
            known.update(_resolve(mine, new, directory, unknown))
        return [known[no] for no in nos]

    def lowest(self, quantity: str) -> float:
        """Return the lowest possible value of a quantity, −inf when any is."""
        return self._lowest.get(quantity, -inf)

    def forget(self, mine: str) -> None:
        """Look everything about this mine up again."""
        self._layouts.pop(mine, None)
        self._points.pop(mine, None)


def _resolve(
    mine: str, nos: list[str], directory: Directory, unknown: list[PointKey]
) -> dict[str, int | PayloadError]:
    found: dict[str, int | PayloadError] = {}
    good: list[str] = []
    for no in nos:
        problem = _problem(mine, no)
        if problem is None:
            good.append(no)
        else:
            found[no] = problem
    rows = directory.rows(mine, tuple(good))
    missing: dict[PointKey, str | None] = {}
    for no, row in zip(good, rows.tolist(), strict=True):
        if row >= 0:
            found[no] = row
        else:
            parts = split_code(no)
            key = candidate_keys(mine, no)[0]
            missing[key] = (parts[3] if parts else None) or missing.get(key)
    if missing:
        made = directory.provision(list(missing), list(missing.values())).tolist()
        row_of = dict(zip(missing, made, strict=True))
        unknown.extend(key for key, row in row_of.items() if row >= 0)
        for no in good:
            if no not in found:
                row = row_of[candidate_keys(mine, no)[0]]
                found[no] = (
                    row
                    if row >= 0
                    else PayloadError("unknown_point", f"point {no} is refused")
                )
    return found


def _problem(mine: str, no: str) -> PayloadError | None:
    """Return why this number cannot be a point of this mine, else None."""
    parts = split_code(no)
    if parts is not None:
        if parts[0] == mine:
            return None
        return PayloadError(
            "mine_disagrees", f"point {no} belongs to {parts[0]}, the topic to {mine}"
        )
    if is_short_no(no):
        return None
    return PayloadError(
        "bad_point_number", f"point number {show(no)} of {len(no)} characters"
    )
