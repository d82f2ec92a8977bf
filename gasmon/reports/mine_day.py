"""A mine's daily monitoring report: what each sensor measured, and its alarms. Pure.

The columns are those of the report that mines hand in every day: place, type, limits,
mean, maximum and its time, then number and accumulated time of alarms, cut-offs and
feed abnormalities. Ours is the coverage: without it a table hides outages.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gasmon import domain
from gasmon.reports.facts import AlarmFact
from gasmon.units import US_PER_MIN, US_PER_S, iso_us

ALARMS = ("over_limit", "low_limit")
CUT_OFFS = ("cut_off", "low_cut_off")
FEEDS = ("feed_abnormal",)
"""Kinds behind each pair of columns. A feed is abnormal in a unit, not at a sensor."""

_COLUMNS = {"alarms": ALARMS, "cut_offs": CUT_OFFS, "feeds": FEEDS}


@dataclass(frozen=True, slots=True)
class PointDay:
    """What one analog sensor measured in a day.

    Attributes:
        subject: ``mine-system-number``, as alarms name it.
        sensor_type: four digits.
        alarm: limit as the mine told it at the end of the day, the high one where it
            has both; ``cut_off`` and ``restore`` likewise; None: not told.
        n: good readings; ``n_bad`` are those in calibration or without a value.
        mean: of the good readings, each counted once; None without any.
        low: the least of them.
        high: the greatest; ``high_us`` when it was reached first [µs UTC].
        n_minutes: minutes of the day in which there was a good reading.
    """

    subject: str
    sensor_type: str
    place: str
    quantity: str
    uom: str
    alarm: float | None
    cut_off: float | None
    restore: float | None
    n: int
    n_bad: int
    mean: float | None
    low: float | None
    high: float | None
    high_us: int | None
    n_minutes: int


def mine_day(
    points: Sequence[PointDay],
    facts: Iterable[AlarmFact],
    from_us: int,
    end_us: int,
) -> list[dict[str, Any]]:
    """A row for each sensor, then one for each unit whose feed was abnormal.

    Args:
        points: of one mine, in the order that is wanted.
        facts: alarms of the mine; others than those of the columns are passed over.
        from_us: first moment [µs UTC].
        end_us: first moment after it, not after now [µs UTC].
    """
    of: dict[str, list[AlarmFact]] = {}
    for fact in facts:
        if fact.touches(from_us, end_us):
            of.setdefault(fact.subject, []).append(fact)
    rows = [
        _measured(point, from_us, end_us)
        | _counted(of.pop(point.subject, ()), from_us, end_us)
        for point in points
    ]
    units = [
        _unmeasured(found[0], from_us, end_us) | _counted(found, from_us, end_us)
        for _, found in sorted(of.items())
        if any(fact.kind in FEEDS for fact in found)
    ]
    return rows + units


def _measured(point: PointDay, from_us: int, end_us: int) -> dict[str, Any]:
    known = domain.sensor_types().get(point.sensor_type)
    # The minute that has begun counts when something came in it.
    minutes = max(1, -(-(end_us - from_us) // US_PER_MIN))
    return {
        "subject": point.subject,
        "type_zh": known.name_zh if known else "",
        "type_en": known.name_en if known else "",
        "place": point.place,
        "quantity": point.quantity,
        "uom": point.uom,
        "alarm": point.alarm,
        "cut_off": point.cut_off,
        "restore": point.restore,
        "n": point.n,
        "n_bad": point.n_bad,
        "mean": point.mean,
        "min": point.low,
        "max": point.high,
        "max_at": None if point.high_us is None else iso_us(point.high_us),
        "coverage_pct": round(min(100.0, 100.0 * point.n_minutes / minutes), 1),
    }


def _unmeasured(fact: AlarmFact, from_us: int, end_us: int) -> dict[str, Any]:
    nothing = PointDay(
        fact.subject, "", fact.place, "", "", *(None,) * 3, 0, 0, *(None,) * 4, 0
    )
    return _measured(nothing, from_us, end_us) | {"coverage_pct": None}


def _counted(facts: Iterable[AlarmFact], from_us: int, end_us: int) -> dict[str, Any]:
    """Number and time of each column, and what of them planned work kept quiet."""
    kinds = (*ALARMS, *CUT_OFFS, *FEEDS)
    here = [fact for fact in facts if fact.kind in kinds]
    told = {
        name: _pair(
            (f for f in here if f.kind in of and not f.planned), from_us, end_us
        )
        for name, of in _COLUMNS.items()
    }
    return told | {"planned": _pair((f for f in here if f.planned), from_us, end_us)}


def _pair(facts: Iterable[AlarmFact], from_us: int, end_us: int) -> dict[str, Any]:
    """How many began in the time, and how long they lasted within it.

    ``ongoing`` are on at its end: their time is up to then, and grows.
    """
    found = list(facts)
    return {
        "n": sum(fact.raised_us >= from_us for fact in found),
        "s": sum(fact.within_us(from_us, end_us) for fact in found) / US_PER_S,
        "ongoing": sum(fact.is_on_at(end_us) for fact in found),
    }
