"""``gasmon db``: bring the schema up to date, look at it, back it up, restore it."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import psycopg

from gasmon.commands.operator import operator
from gasmon.settings import Settings
from gasmon.store import audit, backup, migrate, points
from gasmon.store.db import Connection, connect, place_of

KIND_WORDS = {
    "plain": "PostgreSQL",
    "timescaledb": "TimescaleDB (Apache 版 Apache edition)",
    "tsl": "TimescaleDB (社区版 community edition)",
}


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    parser = commands.add_parser(
        "db", help="schema, status, backup and restore of the database"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (
        ("upgrade", "apply the migrations that are missing"),
        ("check", "exit 1 with the reason when the schema is not current"),
        ("status", "kind, version, size, migrations"),
    ):
        actions.add_parser(name, parents=parents, help=text)
    for name, text in (
        ("backup", "write the whole database into FILE"),
        ("restore", "fill an empty database from FILE"),
    ):
        action = actions.add_parser(name, parents=parents, help=text)
        action.add_argument("file", type=Path, metavar="FILE")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    action: Callable[[argparse.Namespace, Settings], int] = {
        "upgrade": _upgrade,
        "check": _check,
        "status": _status,
        "backup": _backup,
        "restore": _restore,
    }[args.action]
    return action(args, settings)


def progress(line: str) -> None:
    """Say on stderr what is being done."""
    print(f"gasmon: {line}", file=sys.stderr, flush=True)


def tell(args: argparse.Namespace, facts: dict[str, Any], lines: list[str]) -> None:
    """Print a result: one JSON object, or the lines for people."""
    print(json.dumps(facts, ensure_ascii=False) if args.json else "\n".join(lines))


def _upgrade(args: argparse.Namespace, settings: Settings) -> int:
    with connect(settings.database) as conn:
        applied = migrate.upgrade(conn, progress=progress)
        points.ensure_areas(conn)
        conn.commit()
        facts = {"applied": applied, **facts_of(conn, settings)}
    number = len(applied)
    line = f"已升级 applied {number} migrations" if number else "已是最新 up to date"
    tell(args, facts, [line, *_lines(facts)])
    return 0


def _check(args: argparse.Namespace, settings: Settings) -> int:
    with connect(settings.database, autocommit=True) as conn:
        status = migrate.status(conn)
    reason = why_not_current(status)
    facts = {"current": reason is None, "reason": reason}
    told = "已是最新 up to date" if reason is None else f"不可用 not usable: {reason}"
    tell(args, facts, [told])
    return 0 if reason is None else 1


def why_not_current(status: migrate.MigrationStatus) -> str | None:
    """Why a schema cannot be used, and what helps; None when it can."""
    if status.problem is not None:
        return status.problem
    if status.pending:
        names = ", ".join(status.pending)
        return f"not applied: {names}; run: gasmon db upgrade"
    return None


def _status(args: argparse.Namespace, settings: Settings) -> int:
    with connect(settings.database, autocommit=True) as conn:
        facts = facts_of(conn, settings)
    tell(args, facts, _lines(facts))
    return 0


def facts_of(conn: Connection, settings: Settings) -> dict[str, Any]:
    """What a database is: place, kind, versions, size and migrations."""
    status = migrate.status(conn)
    row = conn.execute(
        "SELECT current_setting('server_version'),"
        " pg_database_size(current_database()),"
        " (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')"
    ).fetchone()
    assert row is not None
    version, size, timescaledb = cast(tuple[str, int, str | None], row)
    return {
        "database": place_of(settings.database),
        "kind": status.kind,
        "server_version": version,
        "timescaledb_version": timescaledb,
        "size_bytes": size,
        "migrations": list(status.applied),
        "pending": list(status.pending),
        "problem": status.problem,
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    extension = facts["timescaledb_version"]
    with_extension = f", TimescaleDB {extension}" if extension else ""
    lines = [
        f"数据库 database    {facts['database']}",
        f"类型   kind        {facts['kind']}: {KIND_WORDS[facts['kind']]}",
        f"版本   version     PostgreSQL {facts['server_version']}{with_extension}",
        f"大小   size        {facts['size_bytes'] / 1e6:,.1f} MB",
        f"结构   migrations  {len(facts['migrations'])} 已用 applied, "
        f"{len(facts['pending'])} 待用 pending",
    ]
    if facts["problem"]:
        lines.append(f"问题   problem     {facts['problem']}")
    return lines


def _backup(args: argparse.Namespace, settings: Settings) -> int:
    file = backup.backup(settings.database, args.file, progress=progress)
    size = file.stat().st_size
    _write_down(settings, file, size)
    facts = {"file": str(file), "size_bytes": size}
    tell(args, facts, [f"已备份 saved {file} ({size / 1e6:,.1f} MB)"])
    return 0


def _write_down(settings: Settings, file: Path, size: int) -> None:
    """Say in the audit that a copy of everything was made, where there is an audit."""
    try:
        with connect(settings.database) as conn:
            audit.write_by(conn, operator(), "db.backup", file.name, size_bytes=size)
    except psycopg.Error as error:
        # A standby cannot be written, and a database before its upgrade has no table.
        progress(f"未记入审计 not in the audit: {str(error).strip().splitlines()[0]}")


def _restore(args: argparse.Namespace, settings: Settings) -> int:
    epoch = backup.restore(settings.database, args.file, progress=progress)
    facts = {"file": str(args.file), "epoch": epoch}
    tell(args, facts, [f"已恢复 restored {args.file}; epoch {epoch}"])
    return 0
