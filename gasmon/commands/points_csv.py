"""Point definitions as CSV; what the columns mean stands in ``points_files``."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any

import orjson

from gasmon import domain
from gasmon.commands.points_parse import Faults, Lines, parse_mine
from gasmon.ingest.decode import Definition
from gasmon.points import LIMIT_FIELDS, MineDef, PointDef
from gasmon.units import US_PER_MS

MINE_COLUMNS = ("mine", "mine_name", "mine_kind", "atmosphere_kpa")
UNIT_COLUMNS = ("unit_id", "unit_kind", "unit_name")
POINT_COLUMNS = ("system", "no", "type", "kind", "place", "place_class", "uom")
NUMBER_COLUMNS = ("range_low", "range_high", *LIMIT_FIELDS)
COLUMNS = (
    *MINE_COLUMNS,
    *UNIT_COLUMNS,
    *POINT_COLUMNS,
    *NUMBER_COLUMNS,
    "substation",
    "relations",
)

# Excel and its kin also take the full-width signs for the beginning of a formula. The
# apostrophe is one of them, so that taking one away gives back every text exactly.
_FORMULA = tuple("=+-@\t\r＝＋－＠'")
_INDEX = re.compile(r"(points|units)\[([0-9]+)\]:? ?")


@dataclass(slots=True)
class _Mine:
    """Rows of one mine on their way to a payload; lines are those of the file."""

    line: int
    head: dict[str, tuple[str, int]] = field(default_factory=dict)
    units: dict[str, dict[str, tuple[str, int]]] = field(default_factory=dict)
    points: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


def read_csv(content: bytes, now_us: int, faults: Faults) -> Iterator[Definition]:
    reader = csv.DictReader(io.StringIO(_decode(content, faults), newline=""))
    names = reader.fieldnames or ()
    missing = [name for name in ("mine", "no") if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    if missing or unknown:
        what = [f"column {name} is missing" for name in missing]
        what += [f"column {name!r} is unknown" for name in unknown]
        faults.add(1, f"{'; '.join(what)}; known are {', '.join(COLUMNS)}")
        return
    mines: dict[str, _Mine] = {}
    for row in reader:
        line = reader.line_num
        if None in row:
            faults.add(line, f"it has more cells than the {len(names)} columns")
            continue
        cells = {name: _unguarded((row[name] or "").strip()) for name in names}
        if not any(cells.values()):
            continue
        mine = mines.setdefault(cells["mine"], _Mine(line))
        _take_row({name: cells.get(name, "") for name in COLUMNS}, line, mine, faults)
    now_ms = now_us // US_PER_MS
    for code, mine in mines.items():
        payload = orjson.dumps(_payload(mine, now_ms, faults))
        yield from parse_mine(code, payload, now_us, _lines_of(mine), faults)


def _decode(content: bytes, faults: Faults) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    faults.add(1, "the file is neither UTF-8 nor GB18030")
    return ""


def _take_row(cells: dict[str, str], line: int, mine: _Mine, faults: Faults) -> None:
    """Add one row to its mine."""
    _say_once(mine.head, MINE_COLUMNS[1:], cells, line, faults)
    slug = cells["unit_id"]
    if slug:
        unit = mine.units.setdefault(slug, {})
        _say_once(unit, UNIT_COLUMNS[1:], cells, line, faults)
    if not cells["no"]:
        return
    # A spreadsheet takes the leading zeros of a number away.
    point: dict[str, Any] = {
        "no": cells["no"],
        "system": cells["system"].zfill(2) if cells["system"] else "01",
        "type": cells["type"].zfill(4) if cells["type"] else "0000",
        "place": cells["place"],
        "uom": cells["uom"],
        "relations": [p for p in map(str.strip, cells["relations"].split(";")) if p],
    }
    sensor = domain.sensor_types().get(point["type"])
    point["kind"] = cells["kind"] or (sensor.value_kind if sensor else "MN")
    if slug:
        point["unit_id"] = slug
    for name in ("place_class", "substation"):
        if cells[name]:
            point[name] = cells[name]
    numbers = {name: _number(cells[name]) for name in NUMBER_COLUMNS}
    point["range"] = [numbers.pop("range_low"), numbers.pop("range_high")]
    mine.points.append({**point, **numbers})
    mine.lines.append(line)


def _say_once(
    said: dict[str, tuple[str, int]],
    names: Iterable[str],
    cells: dict[str, str],
    line: int,
    faults: Faults,
) -> None:
    """What concerns a mine or a unit may be repeated, but not differ."""
    for name in names:
        if not cells[name]:
            continue
        before, where = said.setdefault(name, (cells[name], line))
        if before != cells[name]:
            text = f"{name} {cells[name]!r} is {before!r} in line {where}"
            faults.add(line, text)


def _number(text: str) -> float | str | None:
    """A cell as a limit; what is no number stays a text and is refused by name."""
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _payload(mine: _Mine, now_ms: int, faults: Faults) -> dict[str, Any]:
    head: dict[str, Any] = {"name": mine.head.get("mine_name", ("", 0))[0]}
    kind = mine.head.get("mine_kind", ("", 0))[0]
    if kind and kind != "unknown":
        head["kind"] = kind
    kpa, line = mine.head.get("atmosphere_kpa", ("", 0))
    if kpa:
        try:
            head["atmosphere_kpa"] = float(kpa)
        except ValueError:
            faults.add(line, f"atmosphere_kpa is {kpa!r}, no number")
    units = [
        {
            "id": slug,
            "kind": said.get("unit_kind", ("other", 0))[0],
            "name": said.get("unit_name", ("", 0))[0],
        }
        for slug, said in mine.units.items()
    ]
    return {
        "v": 1,
        "rev": 0,
        "ts": now_ms,
        "mine": head,
        "units": units,
        "points": mine.points,
    }


def _lines_of(mine: _Mine) -> Lines:
    """Finds the line that a refusal of the parser speaks of."""

    def find(text: str) -> tuple[int, str]:
        match = _INDEX.match(text)
        if match is None or match[1] == "units":
            return mine.line, text
        return mine.lines[int(match[2])], text[match.end() :]

    return find


def write_csv(mines: Sequence[tuple[MineDef, list[PointDef]]]) -> bytes:
    """Definitions as CSV with a byte order mark and CR LF, as RFC 4180 asks."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    for mine, points in mines:
        for row in _csv_rows(mine, points):
            writer.writerow({name: _guarded(cell) for name, cell in row.items()})
    return out.getvalue().encode("utf-8-sig")


def _csv_rows(mine: MineDef, points: list[PointDef]) -> Iterator[dict[str, object]]:
    head: dict[str, object] = {
        "mine": mine.code,
        "mine_name": mine.name,
        "mine_kind": mine.kind,
        "atmosphere_kpa": mine.atmosphere_kpa,
    }
    units = {
        u.slug: {"unit_id": u.slug, "unit_kind": u.kind, "unit_name": u.name}
        for u in mine.units
    }
    for point in points:
        slug = point.unit_slug or ""
        yield {
            **head,
            **units.get(slug, {"unit_id": slug}),
            "system": point.key.system,
            "no": point.key.no,
            "type": point.sensor_type,
            "kind": point.value_kind,
            "place": point.place,
            "place_class": point.place_class,
            "uom": point.uom,
            **{name: or_none(getattr(point, name)) for name in NUMBER_COLUMNS},
            "substation": point.substation,
            "relations": ";".join(point.relations),
        }
    empty = units.keys() - {point.unit_slug for point in points}
    for slug in sorted(empty):
        yield {**head, **units[slug]}
    if not points and not empty:
        yield head


def _guarded(cell: object) -> object:
    """A cell as it is written: numbers as such, texts that begin a formula guarded."""
    if isinstance(cell, float):
        return f"{cell:.15g}"
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return "'" + cell
    return cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") else cell


def or_none(number: float) -> float | None:
    """NaN means "not given"."""
    return None if isnan(number) else number
