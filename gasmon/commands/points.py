"""``gasmon points``: mines, units and points with their limits, from and to files."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gasmon.clock import SystemClock
from gasmon.commands import points_files as files
from gasmon.commands.operator import operator
from gasmon.commands.running import require_schema
from gasmon.errors import ConfigError
from gasmon.ingest.decode import Definition
from gasmon.points import MineDef, PointDef
from gasmon.settings import Settings
from gasmon.store import audit, points
from gasmon.store.db import Connection, connect
from gasmon.store.definitions import Change, save_definitions

STAYS = (
    "the file does not name {n} points of mine {mine}; they stay "
    "(--retire-missing retires them)"
)
RESTART = (
    "a running ingest goes on with the old definitions until it is started again "
    "正在运行的采集程序重启后生效"
)


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    parser = commands.add_parser("points", help="import and export point definitions")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    take = actions.add_parser(
        "import",
        parents=parents,
        help="take over definitions from a file",
        description=files.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    take.add_argument("file", type=Path, metavar="FILE", help=".csv or .jsonl")
    take.add_argument(
        "--dry-run", action="store_true", help="show what would change, change nothing"
    )
    take.add_argument(
        "--retire-missing",
        action="store_true",
        help="retire the points and units of a named mine that the file does not name",
    )
    give = actions.add_parser(
        "export",
        parents=parents,
        help="write definitions into a file, or to stdout",
        description=files.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    give.add_argument("file", type=Path, nargs="?", metavar="FILE")
    give.add_argument(
        "--format",
        choices=("csv", "jsonl"),
        help="default: by the file's name; csv on stdout, jsonl with --json",
    )
    give.add_argument("--mine", action="append", default=[], metavar="CODE")
    give.add_argument("--area", action="append", default=[], metavar="CODE")
    give.add_argument(
        "--provisional",
        action="store_true",
        help="also points that only send and that nobody defined",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    return (_import if args.action == "import" else _export)(args, settings)


def _import(args: argparse.Namespace, settings: Settings) -> int:
    now_us = SystemClock().now_us()
    definitions = files.read(args.file, now_us)
    require_schema(settings)
    notes = []
    changes: list[tuple[str, Change]] = []
    with connect(settings.database) as conn:
        points.ensure_areas(conn)
        known = {mine.code: mine for mine in points.load_mines(conn)}
        for definition in definitions:
            code = definition.mine.code
            mine = completed(definition.mine, known.get(code), args.retire_missing)
            told = list(definition.points)
            if not args.retire_missing:
                unnamed = _unnamed(conn, definition)
                if unnamed:
                    notes.append(STAYS.format(n=len(unnamed), mine=code))
                told += unnamed
            saved = save_definitions(conn, mine, told, now_us=now_us)
            changes += [(code, change) for change in saved]
        if args.dry_run:
            conn.rollback()
        else:
            what = {"mines": len(definitions), "changes": len(changes)}
            audit.write_by(conn, operator(), "points.import", args.file.name, **what)
            conn.commit()
    if changes and not args.dry_run:
        notes.append(RESTART)
    _report(args, definitions, changes, notes)
    return 0


def completed(told: MineDef, known: MineDef | None, retire: bool) -> MineDef:
    """What a file says of a mine, with what it leaves out taken from what is known."""
    if known is None:
        return told
    named = {unit.slug for unit in told.units}
    kept = () if retire else tuple(u for u in known.units if u.slug not in named)
    return replace(
        told,
        name=told.name or known.name,
        kind=known.kind if told.kind == "unknown" else told.kind,
        atmosphere_kpa=(
            known.atmosphere_kpa if told.atmosphere_kpa is None else told.atmosphere_kpa
        ),
        units=(*told.units, *kept),
    )


def _unnamed(conn: Connection, definition: Definition) -> list[PointDef]:
    """The defined points of a mine that a file does not name, as they stand."""
    named = {point.key for point in definition.points}
    return [
        point
        for point in newest(points.load_point_versions(conn, definition.mine.code))
        if point.key not in named and point.source != "provisional"
    ]


def newest(versions: Sequence[PointDef]) -> list[PointDef]:
    """The newest version of each point, in order of the points."""
    ordered = sorted(versions, key=lambda p: (p.key, p.effective_from_us))
    return list({point.key: point for point in ordered}.values())


def _report(
    args: argparse.Namespace,
    definitions: Sequence[Definition],
    changes: Sequence[tuple[str, Change]],
    notes: Sequence[str],
) -> None:
    n_points = sum(len(d.points) for d in definitions)
    if args.json:
        told = {
            "file": str(args.file),
            "dry_run": args.dry_run,
            "mines": len(definitions),
            "points": n_points,
            "changes": [
                {
                    "mine": mine,
                    "point": str(change.key) if change.key else None,
                    "attribute": change.attribute,
                    "old": change.old,
                    "new": change.new,
                }
                for mine, change in changes
            ],
            "notes": list(notes),
        }
        print(json.dumps(told, ensure_ascii=False))
        return
    for mine, change in changes:
        subject = str(change.key) if change.key else mine
        print(f"{subject}  {change.attribute}: {_shown(change.old)} → "
              f"{_shown(change.new)}")  # fmt: skip
    done = "会改 would change" if args.dry_run else "已改 changed"
    print(f"{len(definitions)} 矿 mines, {n_points} 测点 points: {done} {len(changes)}")
    for note in notes:
        print(f"gasmon: {note}", file=sys.stderr)


def _shown(value: str | None) -> str:
    return "无 none" if value is None else value


def _export(args: argparse.Namespace, settings: Settings) -> int:
    require_schema(settings)
    with connect(settings.database) as conn:
        mines = {mine.code: mine for mine in points.load_mines(conn)}
        versions = newest(points.load_point_versions(conn))
    for code in args.mine:
        if code not in mines:
            raise ConfigError(f"--mine {code}: there is no such mine")
    chosen = [
        mine
        for mine in mines.values()
        if (not args.mine or mine.code in args.mine)
        and (not args.area or mine.area in args.area)
    ]
    by_mine: dict[str, list[PointDef]] = {mine.code: [] for mine in chosen}
    for point in versions:
        wanted = args.provisional or point.source != "provisional"
        if wanted and point.key.mine in by_mine:
            by_mine[point.key.mine].append(point)
    told = [(mine, by_mine[mine.code]) for mine in chosen]
    as_json = args.format == "jsonl" if args.format else _by_name(args)
    now_us = SystemClock().now_us()
    content = files.write_json(told, now_us) if as_json else files.write_csv(told)
    n_points = sum(map(len, by_mine.values()))
    _give(args, content, len(told), n_points)
    what = {"mines": len(told), "points": n_points}
    file = args.file.name if args.file else None
    with connect(settings.database) as conn:
        audit.write_by(conn, operator(), "points.export", file, **what)
    return 0


def _by_name(args: argparse.Namespace) -> bool:
    return bool(args.json if args.file is None else files.is_json(args.file))


def _give(
    args: argparse.Namespace, content: bytes, n_mines: int, n_points: int
) -> None:
    if args.file is None:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return
    try:
        args.file.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{args.file}: {error.strerror}") from None
    if args.json:
        facts = {"file": str(args.file), "mines": n_mines, "points": n_points}
        print(json.dumps(facts, ensure_ascii=False))
    else:
        print(f"{args.file}: {n_mines} 矿 mines, {n_points} 测点 points")
