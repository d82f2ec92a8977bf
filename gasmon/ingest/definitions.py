"""Point definitions: as much of them as makes sense, each refusal by itself.

A definition is never refused whole unless it cannot be parsed: one mistyped limit must
not leave a mine's other 57 points without any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Any

from gasmon.domain import quantity_of
from gasmon.ingest.fields import (
    PayloadError,
    check_version,
    finite,
    load_object,
    need,
    need_int,
    need_no,
    need_text,
    need_time_ms,
    optional_text,
    show,
)
from gasmon.ingest.topics import Topic
from gasmon.points import (
    LIMIT_FIELDS,
    MineDef,
    PointDef,
    PointKey,
    UnitDef,
    substation_in,
)
from gasmon.units import TIME_MIN_US, US_PER_MS

MINE_KINDS = ("low_gas", "high_gas", "outburst")
UNIT_KINDS = ("face", "heading", "return", "drainage", "other")
VALUE_KINDS = ("MN", "KG", "LJ", "DT")
SYSTEMS = ("01", "02")

ORDER = (
    ("alarm_low", "below", "alarm_high"),
    ("cut_high", "not below", "alarm_high"),
    ("clear_high", "not above", "alarm_high"),
    ("restore_high", "not above", "alarm_high"),
    ("restore_high", "not above", "cut_high"),
    ("cut_low", "not above", "alarm_low"),
    ("clear_low", "not below", "alarm_low"),
    ("restore_low", "not below", "alarm_low"),
    ("restore_low", "not below", "cut_low"),
)
"""How limits must lie to each other: (refused when it does not, relation, other).

Power may only return once the gas is no longer at an alarm (Coal Mine Safety
Regulations' tables have restore ≤ alarm ≤ cut-off throughout), and an alarm that ends
above where it begins would flutter.
"""

SUBSTATION_MAX_CHARS = 5
"""Of a substation's number, as the upload format has it."""

MAX_POINTS = 2000
"""Points of one definition: eight times a large mine's 250. Each takes memory for good
and, when it never sends, raises an alarm."""

REV_MAX = 2**53 - 1
"""Highest revision: what every reader of JSON holds exactly; as a clock in µs it lasts
until the year 2255."""

MAX_ROWS = 2 * MAX_POINTS
"""Rows of one definition that are looked at; 512 kB can hold 250,000 bad ones."""

Refuse = Callable[[PayloadError], None]


@dataclass(frozen=True, slots=True)
class Definition:
    """All points of one mine, as the mine tells them.

    Attributes:
        mine: Of `MineDef`; `kind` is `unknown` when it was not told.
        ts_ms: As sent [ms UTC].
        refused: Names of the limits of a point that were sent but refused: keep the
            last good or the stricter one; a limit that is NaN and not named here is
            one that the mine does not set.
        whole: Every row was read: a point that is not named is gone.
        amends: It is about substations alone (FZDY): its age is its own, and other
            points stand as they are.
    """

    run: int
    mine: MineDef
    rev: int
    ts_ms: int
    arrived_us: int
    points: tuple[PointDef, ...]
    refused: Mapping[PointKey, tuple[str, ...]]
    whole: bool = True
    amends: bool = False


def parse_points(
    topic: Topic, payload: bytes, arrived_us: int, refuse: Refuse
) -> Definition:
    """Parse a definition.

    Args:
        topic: Where it came; its mine is the authority.
        payload: The bytes.
        arrived_us: When it arrived [µs UTC].
        refuse: Called with each part that is refused by itself.

    Raises:
        PayloadError: It cannot be parsed, or lacks `v`, `rev`, `ts` or `points`, or
            names another mine.
    """
    obj = load_object(payload)
    check_version(obj)
    rev = need_int(obj, "rev", 0, REV_MAX)
    ts_ms = need_time_ms(obj, "ts")
    rows = need(obj, "points")
    if type(rows) is not list:
        raise PayloadError("wrong_type", f"points is {show(rows)}, not an array")
    mine = _mine(topic, obj, rev, arrived_us, refuse)
    # A definition counts from when it was written, which may be days ago when the
    # broker kept it. A clock ahead must not delay it, an absurd one not backdate it.
    written_us = ts_ms * US_PER_MS
    effective_us = written_us if written_us >= TIME_MIN_US else arrived_us
    template = PointDef(
        key=PointKey(topic.mine, "", ""),
        effective_from_us=min(effective_us, arrived_us),
        rev=rev,
    )
    points: dict[PointKey, PointDef] = {}
    refused: dict[PointKey, tuple[str, ...]] = {}
    whole = len(rows) <= MAX_ROWS
    if not whole:
        more = f"{len(rows)} rows, those after the first {MAX_ROWS} are not read"
        refuse(PayloadError("too_many_points", more))
    for i, row in enumerate(rows[:MAX_ROWS]):
        try:
            point, bad = _point(template, i, row, refuse)
            if point.key in points:
                raise PayloadError(
                    "duplicate_point", f"points[{i}]: {point.key} is defined before"
                )
            if len(points) >= MAX_POINTS:
                raise PayloadError(
                    "too_many_points",
                    f"points[{i}]: {point.key} comes after {MAX_POINTS} others",
                )
        except PayloadError as error:
            refuse(error)
            whole = False
            continue
        points[point.key] = point
        if bad:
            refused[point.key] = bad
    return Definition(
        topic.run, mine, rev, ts_ms, arrived_us, tuple(points.values()), refused, whole
    )


def _mine(
    topic: Topic, obj: dict[str, Any], rev: int, arrived_us: int, refuse: Refuse
) -> MineDef:
    head = obj.get("mine", {})
    if type(head) is not dict:
        refuse(PayloadError("wrong_type", f"mine is {show(head)}, not an object"))
        head = {}
    if head.get("code", topic.mine) != topic.mine:
        raise PayloadError(
            "mine_disagrees",
            f"the payload names mine {show(head['code'])}, the topic {topic.mine}",
        )
    atmosphere_kpa = finite(head.get("atmosphere_kpa"))
    if head.get("atmosphere_kpa") is not None and not (atmosphere_kpa or 0) > 0:
        refuse(
            PayloadError(
                "wrong_type",
                f"mine.atmosphere_kpa is {show(head['atmosphere_kpa'])}, no pressure",
            )
        )
        atmosphere_kpa = None
    return MineDef(
        code=topic.mine,
        area=topic.area,
        name=_text(head, "name", "mine", refuse),
        kind=_word(head, "kind", MINE_KINDS, "unknown", "mine", refuse),
        atmosphere_kpa=atmosphere_kpa,
        units=_units(obj, refuse),
        rev=rev,
        told_us=arrived_us,
    )


def _units(obj: dict[str, Any], refuse: Refuse) -> tuple[UnitDef, ...]:
    rows = obj.get("units") or []
    if type(rows) is not list:
        refuse(PayloadError("wrong_type", f"units is {show(rows)}, not an array"))
        return ()
    units: dict[str, UnitDef] = {}
    for i, row in enumerate(rows):
        where = f"units[{i}]"
        try:
            if type(row) is not dict:
                raise PayloadError("wrong_type", f"it is {show(row)}, not an object")
            slug = need_text(row, "id", 64)
            if slug in units:
                raise PayloadError("duplicate_unit", f"{slug} is defined before")
        except PayloadError as error:
            refuse(PayloadError(error.reason, f"{where}: {error.detail}"))
            continue
        kind = _word(row, "kind", UNIT_KINDS, "other", where, refuse)
        units[slug] = UnitDef(slug, kind, _text(row, "name", where, refuse))
    return tuple(units.values())


def _point(
    template: PointDef, i: int, row: Any, refuse: Refuse
) -> tuple[PointDef, tuple[str, ...]]:
    """Return a point and the names of its refused limits.

    Raises:
        PayloadError: The point cannot be told: no object, bad `no` or `system`.
    """
    where = f"points[{i}]"
    try:
        if type(row) is not dict:
            raise PayloadError("wrong_type", f"it is {show(row)}, not an object")
        no = need_no(row)
        system = row.get("system", "01")
        if system not in SYSTEMS:
            raise PayloadError("bad_text", f"system is {show(system)}, not 01 or 02")
    except PayloadError as error:
        raise PayloadError(error.reason, f"{where}: {error.detail}") from None
    where = f"{where} ({system}-{no})"
    sensor_type = _text(row, "type", where, refuse) or "0000"
    if not (len(sensor_type) == 4 and sensor_type.isascii() and sensor_type.isdigit()):
        refuse(
            PayloadError(
                "bad_text", f"{where}: type is {show(sensor_type)}, not four digits"
            )
        )
        sensor_type = "0000"
    low, high = _range(row, where, refuse)
    substation = _text(row, "substation", where, refuse, SUBSTATION_MAX_CHARS)
    limits, bad = _limits(row, where, refuse)
    point = replace(
        template,
        key=template.key._replace(system=system, no=no),
        sensor_type=sensor_type,
        value_kind=_word(row, "kind", VALUE_KINDS, "MN", where, refuse),
        quantity=quantity_of(sensor_type),
        place_class=_text(row, "place_class", where, refuse, 64) or None,
        place=_text(row, "place", where, refuse),
        unit_slug=_text(row, "unit_id", where, refuse, 64) or None,
        uom=_text(row, "uom", where, refuse, 20),
        range_low=low,
        range_high=high,
        substation="" if substation == substation_in(no) else substation,
        relations=_relations(row, where, refuse),
        **limits,
    )
    return point, bad


def _limits(
    row: dict[str, Any], where: str, refuse: Refuse
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the eight limits (NaN = none) and the names of those refused."""
    limits: dict[str, float] = dict.fromkeys(LIMIT_FIELDS, nan)
    bad: list[str] = []
    for name in LIMIT_FIELDS:
        value = row.get(name)
        if value is None:
            continue
        number = finite(value)
        if number is None:
            bad.append(name)
            detail = f"{where}: {name} is {show(value)}, no number"
            refuse(PayloadError("limit_not_a_number", detail))
        else:
            limits[name] = number
    for name, relation, other in ORDER:
        mine, theirs = limits[name], limits[other]
        if isnan(mine) or isnan(theirs):
            continue
        if relation == "below":
            fits = mine < theirs
        else:
            fits = mine <= theirs if relation == "not above" else mine >= theirs
        if not fits:
            bad.append(name)
            limits[name] = nan
            detail = f"{where}: {name} {mine:g} must be {relation} {other} {theirs:g}"
            refuse(PayloadError("limit_contradiction", detail))
    return limits, tuple(bad)


def _range(row: dict[str, Any], where: str, refuse: Refuse) -> tuple[float, float]:
    value = row.get("range")
    if value is None:
        return nan, nan
    if type(value) is list and len(value) == 2:
        low, high = (nan if end is None else finite(end) for end in value)
        # NaN compares false, so an open end passes.
        if low is not None and high is not None and not low >= high:
            return low, high
    detail = f"{where}: range is {value if type(value) is list else show(value)}"
    refuse(PayloadError("range", detail[:200] + ", not [low, high]"))
    return nan, nan


def _relations(row: dict[str, Any], where: str, refuse: Refuse) -> tuple[str, ...]:
    value = row.get("relations") or []
    if type(value) is not list:
        refuse(PayloadError("wrong_type", f"{where}: relations is {show(value)}"))
        return ()
    good = [text for text in value if type(text) is str and text.isprintable()]
    for text in value:
        if text not in good:
            detail = f"{where}: relation {show(text)} is no text"
            refuse(PayloadError("wrong_type", detail))
    return tuple(good)


def _text(
    row: dict[str, Any], key: str, where: str, refuse: Refuse, max_chars: int = 500
) -> str:
    """Return an optional text; a bad one is refused by itself and is empty."""
    try:
        return optional_text(row, key, "", max_chars)
    except PayloadError as error:
        refuse(PayloadError(error.reason, f"{where}: {error.detail}"))
        return ""


def _word(
    row: dict[str, Any],
    key: str,
    known: tuple[str, ...],
    default: str,
    where: str,
    refuse: Refuse,
) -> str:
    """Return one of the known words; another one is refused by itself."""
    word = _text(row, key, where, refuse)
    if word and word not in known:
        detail = f"{where}: {key} is {show(word)}, known: {', '.join(known)}"
        refuse(PayloadError("unknown_word", detail))
    return word if word in known else default
