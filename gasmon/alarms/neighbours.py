"""Neighbours of calibrated sensors: test gas reaches one, gas reaches several. Pure.

While a sensor shows what may be test gas, the others of its unit that measure the same
must stay where they were. One that rises with it says that it is gas.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gasmon.alarms.gas_curve import QUICK_US
from gasmon.points import PointTable

FLAT = 0.1
"""A neighbour that rises by this share of the test gas's content since the minute
before is not flat: half of the step that begins a calibration. Ours."""


@dataclass(slots=True)
class Neighbours:
    """What the neighbours of the followed curves showed.

    Attributes:
        curves_of: curves by the row of a neighbour.
        rows_of: rows of the neighbours by curve.
    """

    curves_of: dict[int, list[int]] = field(default_factory=dict)
    rows_of: dict[int, tuple[int, ...]] = field(default_factory=dict)
    _past: dict[int, deque[tuple[int, float]]] = field(default_factory=dict)

    def watch(self, near: Mapping[int, Iterable[int]]) -> None:
        """Look at these rows from now on; what is known of those that stay is kept.

        Args:
            near: rows by curve.
        """
        self.rows_of = {curve: tuple(rows) for curve, rows in near.items()}
        self.curves_of = {}
        for curve, rows in self.rows_of.items():
            for row in rows:
                self.curves_of.setdefault(row, []).append(curve)
        known = self._past
        self._past = {row: known.get(row, deque()) for row in self.curves_of}

    def take(self, row: int, at_us: int, value: float) -> None:
        """Remember a reading of a neighbour.

        Args:
            at_us: its time [µs UTC].
            value: no NaN, in the points' unit.
        """
        past = self._past[row]
        if past and past[-1][0] >= at_us:
            return
        past.append((at_us, value))

    def forget(self, row: int, until_us: int) -> None:
        """Let go what is older than anybody looks back; the last one stays."""
        past = self._past[row]
        while len(past) > 1 and past[0][0] < until_us:
            past.popleft()

    def rose(self, curve: int, since_us: int, least: float) -> bool:
        """Whether a neighbour rose since the minute before an excursion.

        Args:
            since_us: when the excursion began [µs UTC].
            least: a rise that counts, in the points' unit.
        """
        for row in self.rows_of.get(curve, ()):
            past = [v for us, v in self._past[row] if us > since_us - QUICK_US]
            if past and past[-1] - min(past) >= least:
                return True
        return False


def near(points: PointTable, row: int) -> tuple[int, ...]:
    """The other rows of a point's unit that measure the same in the same unit."""
    own = points.current[row]
    if own.unit_slug is None:
        return ()
    alike = (own.key.mine, own.unit_slug, own.quantity, own.uom)
    return tuple(
        other
        for other, point in enumerate(points.current)
        if other != row
        and not point.retired
        and (point.key.mine, point.unit_slug, point.quantity, point.uom) == alike
    )
