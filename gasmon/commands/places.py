"""``gasmon mines places``: the class of each point's place, and who decides it."""

import argparse
import json
from typing import Any

from gasmon.alarms.rule_match import PLACES
from gasmon.api.place_questions import NOBODY_KNOWS, as_json, suggested
from gasmon.api.place_questions import asked as asked_of
from gasmon.clock import SystemClock
from gasmon.commands.area_flag import area_code
from gasmon.commands.operator import operator
from gasmon.commands.running import require_schema
from gasmon.errors import ConfigError
from gasmon.ingest.undecided import WHY, Question
from gasmon.points import PointKey
from gasmon.settings import Settings
from gasmon.store import audit, place_rulings
from gasmon.store.db import connect
from gasmon.store.place_rulings import PlacedRow
from gasmon.units import iso_us


def add_parser(below: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the flags."""
    places = below.add_parser(
        "places", parents=parents, help="classes of places, and who decides them"
    )
    places.add_argument(
        "--undecided", action="store_true", help="only what a person should decide"
    )
    places.add_argument("--mine", metavar="CODE", help="of one mine")
    places.add_argument("--area", metavar="AREA", help="code or name of an area")
    places.add_argument(
        "--rule",
        nargs=2,
        dest="ruling",
        metavar=("POINT", "CLASS"),
        help="decide one: MINE-SYSTEM-NO and a class; none: it has none; text: its text"
        " decides again",
    )
    places.add_argument("--reason", metavar="TEXT", help="why, with --rule")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    if args.ruling is not None:
        return _rule(args, settings)
    if args.reason is not None:
        raise ConfigError("--reason belongs to --rule")
    area = area_code(args.area)
    require_schema(settings)
    with connect(settings.database) as conn:
        areas = None if area is None else [area]
        found = asked_of(conn, SystemClock().now_us(), areas, args.mine)
    if args.undecided:
        found = [(row, asked) for row, asked in found if asked is not None]
    if args.json:
        items = [as_json(row, asked) for row, asked in found]
        print(json.dumps({"items": items}, ensure_ascii=False))
        return 0
    for row, asked in found:
        _print(row, asked)
    if not found:
        print("没有 nothing")
    return 0


def _print(row: PlacedRow, asked: Question | None) -> None:
    print(f"{row.key}  {row.quantity:<8} {row.place_class or '-':<18} {row.place}")
    if row.ruling is not None:
        ruling = row.ruling
        told = ruling.place_class or "none"
        when = iso_us(ruling.ruled_us)[:19]
        print(f"    裁定 ruled {told}: {ruling.ruled_by} {when} {ruling.reason}")
    if asked is not None:
        hint = suggested(asked) or "-"
        print(
            f"    {WHY[asked.why]}: {hint} ({asked.place.confidence:.2f},"
            f" {asked.place.reason})"
        )


def _rule(args: argparse.Namespace, settings: Settings) -> int:
    name, told = args.ruling
    key = _key(name)
    if told not in PLACES and told not in NOBODY_KNOWS:
        known = ", ".join([*sorted(PLACES), *NOBODY_KNOWS])
        raise ConfigError(f"--rule {told}: it is none of {known}")
    reason = (args.reason or "").strip()
    if not reason:
        raise ConfigError("--rule needs --reason")
    require_schema(settings)
    new = None if told in NOBODY_KNOWS else told
    actor = operator()
    by = str(actor.via["account"])
    with connect(settings.database) as conn:
        old = place_rulings.rule(
            conn,
            key,
            new,
            reason=reason,
            by=by,
            now_us=SystemClock().now_us(),
            takes_back=told == "text",
        )
        audit.write_by(
            conn, actor, "place.rule", str(key), old=old, new=told, reason=reason
        )
        conn.commit()
    if args.json:
        fact = {"point": str(key), "old": old, "new": told, "by": by}
        print(json.dumps(fact, ensure_ascii=False))
    else:
        print(f"{key}: {old or 'none'} → {told}")
    return 0


def _key(name: str) -> PointKey:
    parts = name.split("-", 2)
    if len(parts) != 3 or not all(parts):
        raise ConfigError(f"--rule {name}: MINE-SYSTEM-NO is wanted")
    return PointKey(*parts)
