"""The doctor's look at what the database does: commits, standbys, vacuum, collations.

A commit is tried with a message in the write-ahead log that belongs to no table, so
that nothing is changed and yet the disk must answer.
"""

import statistics
import time
from collections.abc import Iterator
from typing import cast

import psycopg

from gasmon.commands.doctor_findings import OK, WARNING, WRONG, Finding
from gasmon.store.db import Connection

COMMITS = 30
SLOW_COMMIT_MS = 20.0
HOPELESS_COMMIT_MS = 250.0
"""A turn is one commit. A quiet one of 5 ms lets a city's 52 frames a second gather
one at a time; at 20 ms alarms wait noticeably, at 250 ms the queue of turns fills."""

IMPOSSIBLE_MS = 0.03
"""No disk answers sooner: then something promises durability that has none, or a
controller with a battery does."""

DEAD_ROWS = 20_000
"""Dead rows that may lie in a table that has fewer live ones."""

OLD_XID = 1_000_000_000
TOO_OLD_XID = 1_800_000_000
"""Transactions since a database was frozen; at 2,100 million it stops writing."""


def check_work(conn: Connection) -> Iterator[Finding]:
    """Everything here; the connection is in autocommit."""
    read_only = _read_only(conn)
    yield read_only
    standby = _standbys(conn)
    yield standby
    if OK == read_only.level == standby.level:
        yield commit_finding(*commit_times_ms(conn), durable=_is_durable(conn))
    yield from _timeouts(conn)
    yield _dead_rows(conn)
    yield _wraparound(conn)
    yield from _collation(conn)


def _one(conn: Connection, query: str) -> tuple[object, ...]:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row


def _read_only(conn: Connection) -> Finding:
    standby, setting = _one(
        conn, "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')"
    )
    bad = bool(standby) or setting == "on"
    why = "it is a standby" if standby else "default_transaction_read_only = on"
    return Finding(
        "database.writable",
        WRONG if bad else OK,
        "数据库只读" if bad else "数据库可写",
        f"the database takes no writes: {why}" if bad else "the database takes writes",
        not bad,
        "database.url 指向主库,并取消 default_transaction_read_only" if bad else "",
        "let database.url name the primary; reset default_transaction_read_only"
        if bad
        else "",
    )


def _standbys(conn: Connection) -> Finding:
    """Commits wait for synchronous standbys, for ever when there is none."""
    names, n_there = _one(
        conn,
        "SELECT current_setting('synchronous_standby_names'),"
        " (SELECT count(*) FROM pg_stat_replication"
        " WHERE sync_state IN ('sync', 'quorum'))",
    )
    bad = bool(names) and not n_there
    return Finding(
        "database.standbys",
        WRONG if bad else OK,
        f"同步备库 {n_there} 个(要求 {names or '无'})",
        f"{n_there} synchronous standbys are connected, "
        f"synchronous_standby_names = '{names}'"
        + (": each commit waits for ever" if bad else ""),
        cast(int, n_there),
        "启动备库,或清空 synchronous_standby_names" if bad else "",
        "start the standby or empty synchronous_standby_names" if bad else "",
    )


def _is_durable(conn: Connection) -> bool:
    values = _one(
        conn, "SELECT current_setting('fsync'), current_setting('synchronous_commit')"
    )
    return values[0] == "on" and values[1] != "off"


def commit_times_ms(conn: Connection) -> tuple[list[float], list[float]]:
    """Times of commits and of bare round trips [ms]; both empty when not allowed."""
    commits, trips = [], []
    try:
        for _ in range(COMMITS):
            trips.append(_timed_ms(conn, b"SELECT 1"))
            commits.append(
                _timed_ms(
                    conn, b"SELECT pg_logical_emit_message(true, 'gasmon-doctor', '')"
                )
            )
    except (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.UndefinedFunction,
    ):
        return [], []
    return commits, trips


def _timed_ms(conn: Connection, query: bytes) -> float:
    begin_s = time.perf_counter()
    conn.execute(query)
    return (time.perf_counter() - begin_s) * 1000


def commit_finding(
    commits_ms: list[float], trips_ms: list[float], *, durable: bool
) -> Finding:
    """Is a commit quick enough, and is it so quick that it cannot be one?

    Args:
        durable: the server says that it waits for its disk.
    """
    if not commits_ms:
        return Finding(
            "database.commit",
            OK,
            "提交延迟无法测量(无权限)",
            "the time of a commit was not measured: not allowed",
        )
    median, longest = statistics.median(commits_ms), max(commits_ms)
    bare = statistics.median(trips_ms)
    told_zh = f"提交:中位 {median:.2f} ms,最长 {longest:.1f} ms(往返 {bare:.2f} ms)"
    told = (
        f"a commit takes {median:.2f} ms (median), {longest:.1f} ms at most, of which "
        f"the way there and back {bare:.2f} ms; {SLOW_COMMIT_MS:g} ms are wanted"
    )
    measured = round(median, 3)
    if median > SLOW_COMMIT_MS:
        return Finding(
            "database.commit",
            WRONG if median > HOPELESS_COMMIT_MS else WARNING,
            told_zh,
            told + ": every frame and alarm waits for it",
            measured,
            "WAL 放在更快的磁盘上;检查 commit_delay 和网络延迟",
            "put the WAL on a faster disk; look at commit_delay and the network",
        )
    if durable and median - bare < IMPOSSIBLE_MS:
        return Finding(
            "database.commit",
            WARNING,
            told_zh + ",快得不像写了盘",
            told + "; no disk is so quick: something answers for it",
            measured,
            "确认写缓存有掉电保护,或关闭写缓存",
            "make sure that its write cache has a battery, or switch the cache off",
        )
    return Finding("database.commit", OK, told_zh, told, measured)


def _timeouts(conn: Connection) -> Iterator[Finding]:
    """Connections that hold our locks and listen are idle for days."""
    for name in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
        row = conn.execute(
            "SELECT setting::int FROM pg_settings WHERE name = %s", (name,)
        ).fetchone()
        value_ms = 0 if row is None else cast(int, row[0])
        # Duty's lock and the listeners are connections that say nothing for days
        # (the owner of areas sets its own); a transaction is never idle for long.
        bad = value_ms > 0 and (name == "idle_session_timeout" or value_ms < 60_000)
        if bad:
            yield Finding(
                f"database.{name}",
                WRONG,
                f"{name} = {value_ms} ms",
                f"{name} = {value_ms} ms ends connections of ours that must stay: "
                "duty's lock and the api's listener",
                value_ms,
                f"ALTER ROLE {conn.info.user} SET {name} = 0",
                f"ALTER ROLE {conn.info.user} SET {name} = 0",
            )


def _dead_rows(conn: Connection) -> Finding:
    row = conn.execute(
        """SELECT relname::text, n_dead_tup FROM pg_stat_user_tables
           WHERE n_dead_tup > greatest(%s, n_live_tup)
           ORDER BY n_dead_tup DESC LIMIT 1""",
        (DEAD_ROWS,),
    ).fetchone()
    if row is None:
        return Finding(
            "database.vacuum", OK, "自动清理跟得上", "autovacuum keeps up", 0
        )
    name, dead = row
    return Finding(
        "database.vacuum",
        WARNING,
        f"表 {name} 有 {dead} 条死行,自动清理跟不上",
        f"{dead} dead rows lie in {name}, more than live ones: autovacuum does not "
        "keep up, or a forgotten transaction holds it",
        cast(int, dead),
        f"运行 VACUUM ANALYZE {name};检查 pg_stat_activity 中的长事务",
        f"run VACUUM ANALYZE {name}; look for long transactions in pg_stat_activity",
    )


def _wraparound(conn: Connection) -> Finding:
    age = cast(
        int,
        _one(
            conn,
            "SELECT age(datfrozenxid) FROM pg_database"
            " WHERE datname = current_database()",
        )[0],
    )
    return age_finding(age)


def age_finding(age: int) -> Finding:
    """How far is the database from the end of its transaction numbers?"""
    level = OK if age < OLD_XID else WARNING if age < TOO_OLD_XID else WRONG
    return Finding(
        "database.transaction_age",
        level,
        f"距上次冻结 {age:,} 个事务(上限 21 亿)",
        f"{age:,} transactions since it was frozen; at 2,100 million it stops writing",
        age,
        "" if level == OK else "运行 VACUUM FREEZE,检查自动清理",
        "" if level == OK else "run VACUUM FREEZE and find out what stops autovacuum",
    )


def _collation(conn: Connection) -> Iterator[Finding]:
    """The system's sort order changed under the indexes (PostgreSQL 15 and newer)."""
    if conn.info.server_version < 150_000:
        return
    name, built, now = _one(
        conn,
        "SELECT datcollate::text, datcollversion,"
        " pg_database_collation_actual_version(oid)"
        " FROM pg_database WHERE datname = current_database()",
    )
    changed = built is not None and built != now
    yield Finding(
        "database.collation",
        WARNING if changed else OK,
        f"排序规则 {name}" + (f",版本 {built} 变为 {now}" if changed else ""),
        f"collation {name}"
        + (
            f" was version {built} when the indexes were built and is {now} now: "
            "look-ups by text may miss rows"
            if changed
            else ""
        ),
        str(name),
        "REINDEX DATABASE,然后 ALTER DATABASE … REFRESH COLLATION VERSION"
        if changed
        else "",
        "REINDEX DATABASE, then ALTER DATABASE … REFRESH COLLATION VERSION"
        if changed
        else "",
    )
