"""Point definitions in files: JSON lines as mines send them, CSV for people.

JSON lines (``.jsonl``, ``.ndjson``, ``.json``): one object a mine, the payload of the
topic ``points`` (docs/payloads.md) with ``mine.code``.

CSV: one row a point, UTF-8 with a byte order mark so that spreadsheets show Chinese;
GB18030, as a Chinese spreadsheet saves it, is read as well. A row without ``no`` stands
for a mine or a unit that has no point. What concerns a mine or a unit may stand in one
of its rows or in all of them. ``relations`` are separated by semicolons. A text that a
spreadsheet would take for a formula is preceded by an apostrophe.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from gasmon.commands.points_csv import or_none, read_csv, write_csv
from gasmon.commands.points_parse import Faults, parse_mine
from gasmon.errors import ConfigError
from gasmon.ingest.decode import Definition
from gasmon.points import LIMIT_FIELDS, MineDef, PointDef
from gasmon.units import US_PER_MS

__all__ = ["is_json", "read", "write_csv", "write_json"]

JSON_ENDINGS = (".jsonl", ".ndjson", ".json")


def is_json(path: Path) -> bool:
    """Whether a file of this name holds JSON lines rather than CSV."""
    return path.suffix.lower() in JSON_ENDINGS


def read(path: Path, now_us: int) -> list[Definition]:
    """The definitions in a file, one a mine.

    Args:
        now_us: counts as the time at which they arrived [µs UTC].

    Raises:
        ConfigError: the file cannot be read, or anything in it is refused; names each
            fault with its line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    faults = Faults(path)
    parse = _read_json if is_json(path) else read_csv
    definitions = list(parse(content, now_us, faults))
    seen: set[str] = set()
    for definition in definitions:
        if definition.mine.code in seen:
            faults.add(1, f"mine {definition.mine.code} stands in two lines")
        seen.add(definition.mine.code)
    faults.require_none()
    return definitions


def _read_json(content: bytes, now_us: int, faults: Faults) -> Iterator[Definition]:
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines()):
        if not line.strip():
            continue
        try:
            obj = orjson.loads(line)
            code = obj["mine"]["code"]
        except orjson.JSONDecodeError as error:
            faults.add(number + 1, f"no JSON: {error}")
        except (KeyError, TypeError):
            faults.add(number + 1, "mine.code is missing")
        else:
            lines = _SameLine(number + 1)
            yield from parse_mine(str(code), line, now_us, lines, faults)


class _SameLine:
    """Line numbers of a payload that stands in one line."""

    def __init__(self, line: int) -> None:
        self._line = line

    def __call__(self, text: str) -> tuple[int, str]:
        return self._line, text


def write_json(mines: Sequence[tuple[MineDef, list[PointDef]]], now_us: int) -> bytes:
    """Definitions as JSON lines."""
    return b"".join(
        orjson.dumps(_json_object(mine, points, now_us // US_PER_MS)) + b"\n"
        for mine, points in mines
    )


def _json_object(mine: MineDef, points: list[PointDef], now_ms: int) -> dict[str, Any]:
    head: dict[str, Any] = {"code": mine.code, "name": mine.name}
    if mine.kind != "unknown":
        head["kind"] = mine.kind
    if mine.atmosphere_kpa is not None:
        head["atmosphere_kpa"] = mine.atmosphere_kpa
    return {
        "v": 1,
        "rev": mine.rev or 0,
        "ts": now_ms,
        "mine": head,
        "units": [{"id": u.slug, "kind": u.kind, "name": u.name} for u in mine.units],
        "points": [_json_point(point) for point in points],
    }


def _json_point(point: PointDef) -> dict[str, Any]:
    obj: dict[str, Any] = {
        "no": point.key.no,
        "system": point.key.system,
        "type": point.sensor_type,
        "kind": point.value_kind,
        "place": point.place,
        "uom": point.uom,
        "range": [or_none(point.range_low), or_none(point.range_high)],
        "relations": list(point.relations),
    }
    if point.unit_slug:
        obj["unit_id"] = point.unit_slug
    for name in ("place_class", "substation"):
        if getattr(point, name):
            obj[name] = getattr(point, name)
    return obj | {name: or_none(getattr(point, name)) for name in LIMIT_FIELDS}
