"""Upload files in the words of the rest of gasmon.

CDDY becomes a `Definition`, read by the reader of `points` payloads so that limits meet
the same rules; CDSS becomes the columns of a frame, or items that a gateway would send.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson

from gasmon.domain import limits, quantity_of
from gasmon.ingest.definitions import Definition, parse_points
from gasmon.ingest.fields import VERSION, PayloadError
from gasmon.ingest.gather import Columns, Rejects
from gasmon.ingest.layouts import Directory, Layouts
from gasmon.ingest.places import Place, classify
from gasmon.ingest.records import Item
from gasmon.ingest.topics import Topic
from gasmon.ingest.upload.cut import Refusal
from gasmon.ingest.upload.fast import NO_TIME_US, ReadingFile
from gasmon.ingest.upload.parse import UploadFile
from gasmon.ingest.upload.records import LIMITS_IN_ORDER, PointRow
from gasmon.ingest.upload.substations import is_substation, points_of
from gasmon.points import MineDef, PointDef, PointKey, UnitDef
from gasmon.units import US_PER_MS

_UNIT_NAMES = {"face": "采煤工作面", "heading": "掘进工作面"}
_SHARED_UNITS = {"return": "回风系统", "drainage": "抽采系统"}
_POINT = re.compile(r"points\[([0-9]+)\]")


@dataclass(frozen=True, slots=True)
class PlacedPoint:
    """How a point's location was read, for the person who decides what is unclear.

    Attributes:
        place_class: What counts: the classifier's class or a person's correction;
            None when nobody knows, or no class has limits for what it measures.
        corrected: Whether a person decided.
    """

    key: PointKey
    text: str
    place: Place
    place_class: str | None
    corrected: bool


@dataclass(frozen=True, slots=True)
class Defined:
    """What a CDDY file says.

    Attributes:
        definition: Its revision is its upload time [ms UTC]: files have none, and
            the one written last is the newest.
        places: One for each record, in order.
        partial: Some records could not be read, or the file breaks off: the standing
            points that it does not name are part of the definition unchanged. So are
            those of a system that the file names no point of: safety monitoring and
            drainage are often of two makers, each with a file of its own.
        refusals: What the reader of definitions refused, beside the file's own.
    """

    definition: Definition
    places: tuple[PlacedPoint, ...]
    partial: bool
    refusals: tuple[Refusal, ...]


def definition_of(
    file: UploadFile,
    arrived_us: int,
    *,
    run: int = 0,
    known: MineDef | None = None,
    standing: Iterable[PointDef] = (),
    corrections: Mapping[PointKey, str | None] | None = None,
) -> Defined:
    """Make a definition of a CDDY or FZDY file whose mine is known.

    Args:
        file: Parsed with its mine.
        arrived_us: When it arrived [µs UTC].
        run: 0 for live, else the drill's number.
        known: What was known of the mine: its kind and air pressure, which no file
            tells, are kept.
        standing: The mine's points so far. A point that a whole file does not name
            any more is gone; one that a damaged file does not name is not.
        corrections: Place classes that a person decided; None for unknown.
    """
    if file.file_type == "FZDY":
        file = points_of(file)
    assert file.mine is not None
    rows = [record for record in file.records if isinstance(record, PointRow)]
    places = [_placed(row, corrections or {}) for row in rows]
    units, slugs = _units(places)
    uploaded_us = file.header.uploaded_us if file.header else None
    written_ms = (arrived_us if uploaded_us is None else uploaded_us) // US_PER_MS
    head = {"name": file.header.name} if file.header else {}
    payload = {
        "v": VERSION,
        "rev": max(0, written_ms),
        "ts": written_ms,
        "mine": head,
        "points": [
            _payload_row(row, placed, slug)
            for row, placed, slug in zip(rows, places, slugs, strict=True)
        ],
    }
    refusals: list[Refusal] = []
    topic = Topic(run, file.mine[:6], file.mine, "points", "")
    definition = parse_points(
        topic,
        orjson.dumps(payload),
        arrived_us,
        lambda error: refusals.append(_refusal(file, error)),
    )
    partial = file.completeness == "incomplete" or file.n_records > len(file.records)
    points = [replace(point, source="file") for point in definition.points]
    amends = file.file_type == "FZDY"
    if amends and known is not None:
        # Its revision is no revision of the mine's definitions.
        definition = replace(definition, mine=known, rev=known.rev or 0)
        points = [replace(point, rev=known.rev) for point in points]
    left = _left(points, standing, partial=partial, amends=amends)
    points += left
    refused = dict(definition.refused)
    for row in rows:
        if row.refused:
            key = PointKey(row.code.mine, row.code.system, row.code.no)
            refused[key] = tuple(dict.fromkeys((*refused.get(key, ()), *row.refused)))
    mine = definition.mine
    if not amends:
        mine = _with_known(replace(mine, units=units), known, left)
    definition = replace(
        definition, mine=mine, points=tuple(points), refused=refused, amends=amends
    )
    return Defined(definition, tuple(places), partial, tuple(refusals))


def _left(
    told: Sequence[PointDef],
    standing: Iterable[PointDef],
    *,
    partial: bool,
    amends: bool,
) -> list[PointDef]:
    """The standing points that a file does not name, and that stay all the same.

    Args:
        amends: it is a file of substations, which takes away no other point; any
            other file takes away no substation.
    """
    named = {point.key for point in told}
    systems = {key.system for key in named}
    return [
        point
        for point in standing
        if point.key not in named
        and (
            partial or amends != is_substation(point) or point.key.system not in systems
        )
    ]


def _with_known(
    mine: MineDef, known: MineDef | None, left: Iterable[PointDef]
) -> MineDef:
    """A mine with what its file does not tell: kind, air pressure, units of others."""
    if known is None:
        return mine
    of_those = {point.unit_slug for point in left} - {unit.slug for unit in mine.units}
    others = tuple(unit for unit in known.units if unit.slug in of_those)
    return replace(
        mine,
        name=mine.name or known.name,
        kind=known.kind,
        atmosphere_kpa=known.atmosphere_kpa,
        units=mine.units + others,
    )


def _placed(row: PointRow, corrections: Mapping[PointKey, str | None]) -> PlacedPoint:
    key = PointKey(row.code.mine, row.code.system, row.code.no)
    place = classify(row.place)
    if key in corrections:
        return PlacedPoint(key, row.place, place, corrections[key], True)
    # A class says which limits apply, so it belongs to the quantities that have some.
    with_class = {limit.quantity for limit in limits() if limit.place_class != "ANY"}
    counts = quantity_of(row.code.sensor_type) in with_class
    name = place.place_class if counts else None
    return PlacedPoint(key, row.place, place, name, False)


def _units(
    places: Sequence[PlacedPoint],
) -> tuple[tuple[UnitDef, ...], list[str | None]]:
    """Return the units that the locations name, and the unit of each point."""
    kinds: dict[str, dict[str, None]] = {}
    for placed in places:
        place = placed.place
        if place.unit and place.unit_kind in _UNIT_NAMES:
            kinds.setdefault(place.unit, {})[place.unit_kind] = None
    units: dict[str, UnitDef] = {}
    slugs: list[str | None] = []
    for placed in places:
        place = placed.place
        kind, slug = place.unit_kind, None
        own = list(kinds.get(place.unit, {}))
        if kind == "other" and len(own) == 1:
            # A device of 11121 belongs there although its text names no face.
            kind = own[0]
        if place.unit and kind in _UNIT_NAMES:
            slug = place.unit if own[0] == kind else f"{place.unit}-{kind}"
            units[slug] = UnitDef(slug, kind, place.unit + _UNIT_NAMES[kind])
        elif kind in _SHARED_UNITS:
            slug = kind
            units[slug] = UnitDef(slug, kind, _SHARED_UNITS[kind])
        slugs.append(slug)
    return tuple(units.values()), slugs


def _payload_row(
    row: PointRow, placed: PlacedPoint, slug: str | None
) -> dict[str, Any]:
    """Return a point as a `points` payload has it; NaN becomes null."""
    code = row.code
    return {
        "no": code.no,
        "system": code.system,
        "type": code.sensor_type,
        "kind": code.value_kind,
        "place": row.place,
        "place_class": placed.place_class,
        "unit_id": slug,
        "uom": row.uom,
        # A full code begins with the mine's.
        "substation": row.substation.removeprefix(code.mine),
        "range": [row.range_low, row.range_high],
        "relations": row.relations,
        **{name: getattr(row, name) for name in LIMITS_IN_ORDER},
    }


def _refusal(file: UploadFile, error: PayloadError) -> Refusal:
    """Say what the reader of definitions refused as a refusal of this file."""
    match = _POINT.match(error.detail)
    number = file.numbers[int(match[1])] if match else 0
    where = "record" if match else "header"
    kept = error.reason not in ("duplicate_point", "too_many_points")
    return Refusal(file.file, where, number, "", error.reason, error.detail, "", kept)


def distinct(file: ReadingFile) -> ReadingFile:
    """Leave out readings of the same point at the same time; the first counts."""
    times = file.at_us.tolist()
    keys = [
        (code.system, code.no, at) for code, at in zip(file.codes, times, strict=True)
    ]
    if len(set(keys)) == len(keys):
        return file
    first: dict[tuple[str, str, int], int] = {}
    refusals = list(file.refusals)
    left = np.ones(len(keys), np.bool_)
    for i, key in enumerate(keys):
        j = first.setdefault(key, i)
        if j == i:
            continue
        left[i] = False
        said = [(file.value[k], file.state[k]) for k in (j, i)]
        alike = np.array_equal(said[0], said[1], equal_nan=True)
        reason = "duplicate_reading" if alike else "contradiction"
        detail = (
            f"point {file.codes[i]} twice with the same time: {said[0][0]:g} (state "
            f"{said[0][1]}) in record {file.numbers[j]} is kept, {said[1][0]:g} "
            f"(state {said[1][1]}) is not"
        )
        number = int(file.numbers[i])
        refusals.append(
            Refusal(file.file, "record", number, "", reason, detail, "", False)
        )
    return replace(
        file,
        codes=[file.codes[i] for i in np.flatnonzero(left).tolist()],
        value=file.value[left],
        state=file.state[left],
        at_us=file.at_us[left],
        numbers=file.numbers[left],
        refusals=tuple(refusals),
    )


def items_of(file: ReadingFile) -> list[Item]:
    """Return the readings as items of a `data` frame, with full codes as numbers."""
    values = [None if value != value else value for value in file.value.tolist()]
    return list(
        zip(
            map(str, file.codes),
            values,
            file.state.tolist(),
            _times_ms(file),
            strict=True,
        )
    )


def frame_columns(
    file: ReadingFile,
    layouts: Layouts,
    directory: Directory,
    unknown: list[PointKey],
    rejects: Rejects,
) -> Columns:
    """Return the readings as the columns of a frame, for `Gathered.add`.

    Args:
        file: Of a known mine, after `distinct`.
        layouts: What is remembered of this mine.
        directory: Asked for rows; makes provisional ones for new points.
        unknown: Points that were made provisional are appended.
        rejects: Told about each reading whose point the directory refuses; the
            file's message is open there.

    Returns:
        The readings that have a row.
    """
    assert file.mine is not None
    nos = tuple(map(str, file.codes))
    values = [None if value != value else value for value in file.value.tolist()]
    states, times = file.state.tolist(), _times_ms(file)
    layout = layouts.find(file.mine, nos) or layouts.learn(
        file.mine, nos, directory, unknown
    )
    if layout is not None:
        return Columns(layout.rows, layout.lowest, values, states, times, nos)
    refs = layouts.points(file.mine, nos, directory, unknown)
    left = [(i, ref) for i, ref in enumerate(refs) if isinstance(ref, int)]
    for ref in refs:
        if isinstance(ref, PayloadError):
            rejects.add_error("reading", ref)
    lowest = [layouts.lowest(directory.quantity(row)) for _, row in left]
    return Columns(
        np.array([row for _, row in left], np.int32),
        np.array(lowest, np.float64),
        [values[i] for i, _ in left],
        [states[i] for i, _ in left],
        [times[i] for i, _ in left],
        [nos[i] for i, _ in left],
    )


def _times_ms(file: ReadingFile) -> list[int | None]:
    """Return sample times [ms UTC]; None is judged with its file."""
    return [None if at == NO_TIME_US else at // US_PER_MS for at in file.at_us.tolist()]


def tell(refusals: Iterable[Refusal], rejects: Rejects, where: str) -> None:
    """Hand a file's refusals to the collector that has its message open.

    Args:
        refusals: Of one file.
        rejects: Keeps a few of each reason and counts the rest.
        where: What a record is here: `reading` or `definition`.
    """
    for refusal in refusals:
        parts = [f"file {refusal.file}" if refusal.file else ""]
        if refusal.where == "header":
            parts.append("header")
        elif refusal.where == "record":
            parts.append(f"record {refusal.record}")
        parts.append(refusal.field)
        beginning = ", ".join(part for part in parts if part)
        kept = ", kept" if refusal.kept else ""
        place = where if refusal.where == "record" else "frame"
        rejects.add(place, refusal.reason, f"{beginning}: {refusal.detail}{kept}")
