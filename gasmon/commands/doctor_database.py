"""The doctor's look at the database; it changes nothing there."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import psycopg
from psycopg.conninfo import conninfo_to_dict

from gasmon.clock import Clock
from gasmon.commands.db import why_not_current
from gasmon.commands.doctor_database_work import check_work
from gasmon.commands.doctor_findings import OK, UNREACHABLE, WARNING, WRONG, Finding
from gasmon.errors import GasmonError
from gasmon.settings import Settings
from gasmon.store import migrate
from gasmon.store.db import Connection, connect, place_of
from gasmon.units import US_PER_S

OLDEST_MAJOR = 14
"""Oldest PostgreSQL that its makers still mended when this was written (until
November 2026), and the oldest that binary COPY and partitions were tried on."""

CLOCK_WARNING_S = 1.0
CLOCK_WRONG_S = 30.0
"""Ours: alarms are dated by our clock and journals by the database's."""

DAY_BYTES = 8e9
"""What a city of 259 mines writes a day at one frame each 15 s [B] (measured)."""

DISK_WARNING_DAYS = 14
OWN_CONNECTIONS = 12
"""Beside the api's pool: ingest 4, its owner's lock 1, duty 2, the api's listener 1,
commands and backup 4."""

DURABLE = {
    "fsync": "断电会损坏数据库 a power cut can ruin the database",
    "full_page_writes": "断电会损坏数据页 a power cut can tear pages",
    "synchronous_commit": (
        "断电会丢失已确认的帧 a power cut loses frames that the broker was told "
        "are stored"
    ),
}


def check_database(settings: Settings, clock: Clock) -> list[Finding]:
    """Everything about the database; one finding when it cannot be reached."""
    place = place_of(settings.database)
    try:
        with connect(
            settings.database, autocommit=True, statement_timeout_s=10
        ) as conn:
            return list(_findings(conn, settings, clock))
    except (GasmonError, psycopg.Error) as error:
        return [
            Finding(
                "database.reachable",
                UNREACHABLE,
                f"数据库 {place} 连接失败",
                str(error).strip(),
                todo_zh="检查地址、用户、口令(database.url、database.password_file)"
                "以及服务器是否运行",
                todo_en="check address, user and password (database.url, "
                "database.password_file) and whether the server runs",
            )
        ]


def _findings(conn: Connection, settings: Settings, clock: Clock) -> Iterator[Finding]:
    place = place_of(settings.database)
    yield Finding(
        "database.reachable",
        OK,
        f"数据库 {place} 已连接",
        f"connected to {place}",
        place,
    )
    checks: tuple[Callable[[Connection, Settings], Iterator[Finding]], ...] = (
        _version,
        _account,
        _schema,
        _durability,
        session_findings,
        _connections,
        _disk,
    )
    for check in checks:
        yield from check(conn, settings)
    yield from check_work(conn)
    yield _clock(conn, clock)


def _one(conn: Connection, query: str) -> tuple[object, ...]:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row


def _setting(conn: Connection, name: str) -> str:
    row = conn.execute("SELECT current_setting(%s, true)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def _version(conn: Connection, _settings: Settings) -> Iterator[Finding]:
    major = conn.info.server_version // 10_000
    old = major < OLDEST_MAJOR
    yield Finding(
        "database.version",
        WRONG if old else OK,
        f"PostgreSQL {major}",
        f"PostgreSQL {_setting(conn, 'server_version')}",
        major,
        f"升级到 {OLDEST_MAJOR} 或更新版本" if old else "",
        f"upgrade to {OLDEST_MAJOR} or newer" if old else "",
    )


def _account(conn: Connection, settings: Settings) -> Iterator[Finding]:
    user = conn.info.user
    lax = settings.mode == "production"
    if _setting(conn, "is_superuser") == "on":
        yield Finding(
            "database.user",
            WARNING if lax else OK,
            f"用户 {user} 是超级用户",
            f"user {user} is a superuser",
            user,
            "为 gasmon 建立普通用户" if lax else "",
            "make an ordinary role for gasmon" if lax else "",
        )
    else:
        yield Finding("database.user", OK, f"用户 {user}", f"user {user}", user)
    if conninfo_to_dict(settings.database.url).get("password"):
        yield Finding(
            "database.password",
            WARNING,
            "口令写在 database.url 中",
            "the password stands in database.url, where process lists and logs show it",
            todo_zh="写入文件并设置 database.password_file",
            todo_en="put it into a file and set database.password_file",
        )


def _schema(conn: Connection, _settings: Settings) -> Iterator[Finding]:
    status = migrate.status(conn)
    reason = why_not_current(status)
    yield Finding(
        "database.migrations",
        OK if reason is None else WRONG,
        "结构为最新" if reason is None else "结构不是最新",
        "the schema is current" if reason is None else reason,
        len(status.applied),
        "" if reason is None else "运行 gasmon db upgrade",
        "" if reason is None else "run: gasmon db upgrade",
    )
    available = _one(
        conn,
        "SELECT EXISTS (SELECT FROM pg_available_extensions"
        " WHERE name = 'timescaledb')",
    )[0]
    yield _edition(status.kind, bool(available))


def _edition(kind: str, available: bool) -> Finding:
    if kind == "tsl":
        return Finding(
            "database.edition",
            OK,
            "TimescaleDB 社区版",
            "TimescaleDB with compression",
            kind,
        )
    if kind == "timescaledb":
        return Finding(
            "database.edition",
            WARNING,
            "TimescaleDB Apache 版没有压缩",
            "TimescaleDB's Apache edition does not compress; readings take about ten "
            "times the space",
            kind,
            "安装社区版并设置 timescaledb.license = 'timescale'",
            "install the community edition and set timescaledb.license = 'timescale'",
        )
    words = "可用但未使用" if available else "未安装"
    return Finding(
        "database.edition",
        WARNING if available else OK,
        f"普通 PostgreSQL(TimescaleDB {words})",
        "plain PostgreSQL with day partitions, without compression"
        + ("; TimescaleDB is installed but was not loaded" if available else ""),
        kind,
        "新库可先设置 shared_preload_libraries = 'timescaledb'" if available else "",
        "for a new database set shared_preload_libraries = 'timescaledb' first"
        if available
        else "",
    )


def _durability(conn: Connection, settings: Settings) -> Iterator[Finding]:
    for name, why in DURABLE.items():
        value = _setting(conn, name)
        bad = value == "off"
        level = WRONG if settings.mode == "production" else WARNING
        yield Finding(
            f"database.{name}",
            level if bad else OK,
            f"{name} = {value}",
            f"{name} = {value}" + (f": {why}" if bad else ""),
            value,
            f"在 postgresql.conf 中设置 {name} = on" if bad else "",
            f"set {name} = on in postgresql.conf" if bad else "",
        )
    vacuum = _setting(conn, "autovacuum")
    if vacuum == "off":
        yield Finding(
            "database.autovacuum",
            WRONG,
            "autovacuum 已关闭",
            "autovacuum is off: tables that change often grow without end",
            vacuum,
            "设置 autovacuum = on",
            "set autovacuum = on",
        )


def session_findings(conn: Connection, _settings: Settings) -> Iterator[Finding]:
    """Are time zone and encoding what we asked for?"""
    zone, encoding = _setting(conn, "TimeZone"), _setting(conn, "server_encoding")
    utc = zone in ("UTC", "Etc/UTC")
    yield Finding(
        "database.timezone",
        OK if utc else WARNING,
        f"会话时区 {zone}",
        f"TimeZone of our sessions is {zone}"
        + ("" if utc else ", not UTC as we asked: something between us drops options"),
        zone,
        "" if utc else "直接连接数据库,或让连接池转发启动参数 options",
        "" if utc else "connect directly, or let the pooler pass start-up options on",
    )
    fits = encoding == "UTF8"
    yield Finding(
        "database.encoding",
        OK if fits else WRONG,
        f"编码 {encoding}",
        f"the database's encoding is {encoding}",
        encoding,
        "" if fits else "用 UTF8 编码重新建库",
        "" if fits else "make the database anew with encoding UTF8",
    )


def _connections(conn: Connection, settings: Settings) -> Iterator[Finding]:
    database = settings.database
    wanted = database.pool_size + database.history_pool_size + OWN_CONNECTIONS
    limit = int(_setting(conn, "max_connections"))
    reserved = int(_setting(conn, "superuser_reserved_connections"))
    used = cast(
        int,
        _one(
            conn,
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type ="
            " 'client backend' AND application_name NOT LIKE 'gasmon%'",
        )[0],
    )
    left = limit - reserved - used
    short = left < wanted
    yield Finding(
        "database.max_connections",
        WRONG if short else OK,
        f"max_connections = {limit},可用 {left},需要 {wanted}",
        f"max_connections = {limit}: {left} are left for us, {wanted} are needed",
        left,
        f"设置 max_connections 至少 {limit + wanted - left}" if short else "",
        f"set max_connections to {limit + wanted - left} at least" if short else "",
    )
    of_role, of_database = _one(
        conn,
        "SELECT (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),"
        " (SELECT datconnlimit FROM pg_database WHERE datname = current_database())",
    )
    for what, name, number in (
        ("ROLE", conn.info.user, cast(int, of_role)),
        ("DATABASE", conn.info.dbname, cast(int, of_database)),
    ):
        if 0 <= number < wanted:
            yield Finding(
                f"database.{what.lower()}_connections",
                WRONG,
                f"{name} 的连接数上限 {number},需要 {wanted}",
                f"connections are limited to {number} for {what.lower()} {name}, "
                f"{wanted} are needed",
                number,
                f"ALTER {what} {name} CONNECTION LIMIT -1",
                f"ALTER {what} {name} CONNECTION LIMIT -1",
            )


def _disk(conn: Connection, settings: Settings) -> Iterator[Finding]:
    try:
        folder = Path(_setting_of_server(conn, "data_directory"))
        free = shutil.disk_usage(folder).free
    except (psycopg.errors.InsufficientPrivilege, OSError) as error:
        reason = str(error).splitlines()[0]
        yield Finding(
            "database.disk",
            OK,
            "剩余空间无法从这里测量",
            f"free space cannot be measured from here ({reason}); a city of 259 mines "
            f"writes about {DAY_BYTES / 1e9:g} GB a day",
        )
        return
    size = cast(int, _one(conn, "SELECT pg_database_size(current_database())")[0])
    cap = settings.storage.max_database_mb * 1e6
    days = free / DAY_BYTES
    if cap:
        missing = max(0.0, cap - size) > free
        level = WRONG if missing else OK
    else:
        level = WRONG if days < 1 else WARNING if days < DISK_WARNING_DAYS else OK
    yield Finding(
        "database.disk",
        level,
        f"剩余 {free / 1e9:.1f} GB,全市约够 {days:.0f} 天",
        f"{free / 1e9:.1f} GB are free in {folder}: {days:.0f} days of a whole city",
        free,
        "" if level == OK else "扩大磁盘,或减小 storage.reading_retention_days",
        ""
        if level == OK
        else "enlarge the disk, lower storage.reading_retention_days "
        "or set storage.max_database_mb",
    )


def _setting_of_server(conn: Connection, name: str) -> str:
    address = conn.info.host
    if address and not address.startswith(("/", "127.", "localhost", "::1")):
        raise OSError(f"the server runs on {address}")
    return _setting(conn, name)


def _clock(conn: Connection, clock: Clock) -> Finding:
    before_us = clock.now_us()
    row = _one(conn, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
    after_us = clock.now_us()
    there_us = cast(int, row[0])
    # The answer was made somewhere between the two: only what lies outside is certain.
    apart_us = max(0, there_us - after_us, before_us - there_us)
    apart_s = apart_us / US_PER_S
    level = (
        OK
        if apart_s <= CLOCK_WARNING_S
        else WARNING
        if apart_s <= CLOCK_WRONG_S
        else WRONG
    )
    return Finding(
        "database.clock",
        level,
        f"与数据库服务器时钟相差 {apart_s:.3f} s",
        f"our clock and the database server's are {apart_s:.3f} s apart",
        round(apart_s, 3),
        "" if level == OK else "两台机器都用 NTP 对时",
        "" if level == OK else "let NTP set both clocks",
    )
