"""Retention, ownership, backup and restore on real databases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import psycopg
import pytest

from gasmon.batch import Reject
from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.errors import ConfigError, DependencyError, GasmonError, StateConflict
from gasmon.settings import DatabaseSettings, StorageSettings
from gasmon.store import (
    backup,
    db,
    latest,
    marks,
    migrate,
    outbox,
    owners,
    partitions,
    pgcopy,
    points,
    rejects,
    retention,
)
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_S
from tests.fix_wait import wait_until

NOW = 1_795_000_000 * US_PER_S
DAY = US_PER_DAY
Connect = Callable[[], db.Connection]


def fill(
    conn: db.Connection, at_us: list[int], n: int, storage: StorageSettings
) -> None:
    """n readings at each of these times, in their partitions."""
    times = np.array(at_us, np.int64)
    partitions.open_partitions(conn, storage).ensure(conn, times, NOW)
    for at in at_us:
        stream = pgcopy.encode_copy(
            0,
            np.arange(n, dtype=np.int32),
            np.zeros(n),
            np.full(n, at),
            np.full(n, at),
            np.zeros(n, np.int32),
        )
        columns = "at, arrived_at, value, point_id, run, state"
        statement = f"COPY reading ({columns}) FROM STDIN (FORMAT BINARY)"
        with conn.cursor().copy(statement.encode()) as copy:
            copy.write(stream)
    conn.commit()


def count(conn: db.Connection, table: str) -> int:
    """Rows of a table."""
    row = conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    conn.commit()
    assert row is not None
    return int(str(row[0]))


def test_old_readings_go_by_whole_partitions(store_conn: db.Connection) -> None:
    """What is older than the setting goes; what is younger stays."""
    keep_long = StorageSettings()
    fill(store_conn, [NOW, NOW - 5 * DAY, NOW - 40 * DAY], 10, keep_long)
    storage = StorageSettings(reading_retention_days=30)
    result = retention.apply_retention(store_conn, storage, NOW)
    assert [name.split()[0] for name in result.dropped if "reading" in name] == [
        "reading"
    ]
    assert count(store_conn, "reading") == 20
    assert result.postponed == []
    again = retention.apply_retention(store_conn, storage, NOW)
    assert again.dropped == []


@pytest.mark.parametrize("years", [1, 60])
def test_a_clock_that_jumps_ahead_deletes_nothing(
    store_conn: db.Connection, caplog: pytest.LogCaptureFixture, years: int
) -> None:
    """Ages count from a day after what came last, which is said loudly."""
    storage = StorageSettings(reading_retention_days=30)
    fill(store_conn, [NOW - 40 * DAY, NOW - DAY, NOW], 10, storage)
    points.ensure_mine(store_conn, "530627004499", NOW)
    nothing = np.empty(0, latest.LATEST_DTYPE)
    heard = latest.MineLatest("530627004499", True, None, None, None, NOW, nothing)
    latest.upsert_latest(store_conn, 0, [heard])
    outbox.append(
        store_conn, [outbox.OutboxRow(0, "530627", None, None, "x", 0, "")], 1
    )
    rejects.append(store_conn, [Reject("x", "", "", None, 0, NOW, b"", 0, "packet")])
    marks.append_marks(store_conn, 0, "me", [NOW + 5])
    store_conn.commit()
    wrong = NOW + years * 365 * DAY
    result = retention.apply_retention(store_conn, storage, wrong)
    assert result.clock_ahead_s > 300 * 86_400
    assert "our clock says" in caplog.text
    # What is old by any clock goes.
    assert count(store_conn, "reading") == 20
    assert count(store_conn, "reject") == 1
    assert count(store_conn, "clock_mark") == 1
    # Ingest goes on by that clock: so it is the time now.
    marks.append_marks(store_conn, 0, "me", [wrong - 3600 * US_PER_S])
    store_conn.commit()
    assert retention.apply_retention(store_conn, storage, wrong).clock_ahead_s == 0
    assert count(store_conn, "reading") == 0


def test_rejects_marks_and_outbox_go(store_conn: db.Connection) -> None:
    """Old rows go, the head of the stream stays even when it is old."""
    old, row = NOW - 40 * DAY, outbox.OutboxRow(0, "530627", None, None, "x", 0, "{}")
    for at in (old, old, NOW):
        reject = Reject("x", "", "", None, 0, at, b"", 0, "packet")
        rejects.append(store_conn, [reject])
    outbox.append(store_conn, [row, row], old)
    marks.append_marks(store_conn, 0, "me", [NOW - 100 * DAY, NOW])
    store_conn.commit()
    result = retention.apply_retention(store_conn, StorageSettings(), NOW)
    assert result.deleted["reject"] == 2
    assert result.deleted["outbox"] == 1
    assert result.deleted["clock_mark"] == 1
    assert outbox.position(store_conn).last_seq == 2


def test_a_far_off_clock_is_kept_as_long_as_others(store_conn: db.Connection) -> None:
    """On plain PostgreSQL what lies in the default partition goes by its arrival."""
    if migrate.detect_kind(store_conn) != "plain":
        return
    store_conn.commit()
    fill(store_conn, [NOW - 200 * DAY], 5, StorageSettings())
    assert count(store_conn, "reading_other") == 5
    result = retention.apply_retention(store_conn, StorageSettings(), NOW)
    assert result.deleted["reading_other"] == 5


def test_a_cap_drops_the_oldest_hours(store_conn: db.Connection) -> None:
    """A database over its cap loses its oldest readings until it fits."""
    small = StorageSettings(max_database_mb=1)
    hours = [NOW - h * US_PER_H for h in range(4)]
    fill(store_conn, hours, 30_000, small)
    size = retention.database_mb(store_conn)
    store_conn.commit()
    cap = StorageSettings(max_database_mb=int(size) - 2)
    result = retention.apply_retention(store_conn, cap, NOW)
    assert len(result.dropped_for_space) >= 1
    assert result.over_cap_mb == 0
    assert result.database_mb < size
    row = store_conn.execute(
        "SELECT max(at) = to_timestamp(%s) FROM reading", (NOW // US_PER_S,)
    ).fetchone()
    assert row == (True,)
    store_conn.commit()
    tiny = retention.apply_retention(store_conn, small, NOW)
    assert tiny.over_cap_mb > 0
    assert count(store_conn, "reading") == 30_000


def test_a_reader_postpones_a_drop(
    store_conn: db.Connection,
    store_connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A partition in use is left for the next round, and writers do not wait for us."""
    monkeypatch.setattr(retention, "LOCK_TIMEOUT_MS", 50)
    fill(store_conn, [NOW - 40 * DAY], 1, StorageSettings())
    reader = store_connect()
    reader.execute("SELECT * FROM reading")
    storage = StorageSettings(reading_retention_days=30)
    result = retention.apply_retention(store_conn, storage, NOW)
    assert [name.split()[0] for name in result.postponed][-1:] == ["reading"]
    reader.rollback()
    assert retention.apply_retention(store_conn, storage, NOW).postponed == []
    assert count(store_conn, "reading") == 0


def test_one_owner_per_area(store_conn: db.Connection, store_connect: Connect) -> None:
    """A second owner is refused by name; areas exclude "all"; numbers rise."""
    one, two = store_connect(), store_connect()
    assert owners.take_ownership(one, ["530627", "530628"], "a", NOW) == {
        "530627": 1,
        "530628": 1,
    }
    with pytest.raises(StateConflict, match="530627 by a since 2026"):
        owners.take_ownership(two, ["530627"], "b", NOW)
    with pytest.raises(StateConflict, match="has an owner already"):
        owners.take_ownership(two, ["*"], "b", NOW)
    assert owners.take_ownership(two, ["530629"], "b", NOW) == {"530629": 1}


def test_a_standby_looks_without_taking(
    store_conn: db.Connection, store_connect: Connect
) -> None:
    """It sees whether its areas are free, also of an owner of all of them."""
    one, two = store_connect(), store_connect()
    assert owners.is_free(two, ["*"])
    owners.take_ownership(one, ["530627"], "a", NOW)
    assert not owners.is_free(two, ["*"])
    assert not owners.is_free(two, ["530627", "530629"])
    assert owners.is_free(two, ["530629"])
    assert "530627 by a since" in owners.present_owner(two, ["530627"])
    one.close()
    wait_until(lambda: owners.is_free(two, ["*"]), what="the lock goes with it")
    three = store_connect()
    owners.take_ownership(three, ["*"], "c", NOW)
    assert not owners.is_free(two, ["530629"])


def test_whoever_comes_later_fences_off(
    store_conn: db.Connection, store_connect: Connect
) -> None:
    """An old owner is refused, of one area, of all, or of one of all."""
    one, two, three = store_connect(), store_connect(), store_connect()
    of_all = owners.take_ownership(one, ["*"], "a", NOW)
    owners.require_ownership(store_conn, of_all)
    store_conn.commit()
    one.close()
    wait_until(lambda: owners.is_free(two, ["*"]), what="free")
    of_one = owners.take_ownership(two, ["530627"], "b", NOW)
    with pytest.raises(StateConflict, match=r"area \* belongs to a now"):
        owners.require_ownership(store_conn, of_all)
    store_conn.rollback()
    owners.require_ownership(store_conn, of_one)
    store_conn.commit()
    two.close()
    wait_until(lambda: owners.is_free(three, ["*"]), what="free")
    again = owners.take_ownership(three, ["*"], "c", NOW)
    with pytest.raises(StateConflict, match="area 530627 belongs to b now"):
        owners.require_ownership(store_conn, of_one)
    store_conn.rollback()
    owners.require_ownership(store_conn, again)


def test_a_successor_ends_what_hangs(
    migrated_dsn: str, store_conn: db.Connection, store_connect: Connect
) -> None:
    """A former owner stopped amid a transaction keeps no row from its successor."""
    database = DatabaseSettings(url=migrated_dsn)
    former = db.connect(database, name=owners.session_name("a"))
    mine = owners.take_ownership(former, ["*"], "a", NOW)
    writer = db.connect(database, name=owners.session_name("a"))
    owners.require_ownership(writer, mine)  # and no commit
    former.close()
    two = store_connect()
    wait_until(lambda: owners.is_free(two, ["*"]), what="free")
    assert owners.take_ownership(two, ["*"], "b", NOW) == {"*": 2}
    with pytest.raises(psycopg.OperationalError):
        writer.execute("SELECT 1")
    writer.close()


def test_backup_and_restore(
    store_conn: db.Connection,
    migrated_dsn: str,
    database_server: EmbeddedPostgres,
    new_database: Callable[[EmbeddedPostgres], str],
    tmp_path: Path,
) -> None:
    """Everything is there again under a new epoch, ready for readings."""
    fill(store_conn, [NOW, NOW - DAY, NOW + 400 * DAY], 100, StorageSettings())
    row = outbox.OutboxRow(0, "530627", None, None, "x", 0, "{}")
    outbox.append(store_conn, [row], NOW)
    store_conn.commit()
    before = outbox.position(store_conn)
    store_conn.commit()
    file = tmp_path / "all.dump"
    settings = DatabaseSettings(url=migrated_dsn)
    assert backup.backup(settings, file) == file
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="exists already"):
        backup.backup(settings, file)
    with pytest.raises(StateConflict, match="tables already"):
        backup.restore(settings, file)
    fresh = DatabaseSettings(url=new_database(database_server))
    lines: list[str] = []
    epoch = backup.restore(fresh, file, progress=lines.append)
    with db.connect(fresh) as conn:
        after = outbox.position(conn)
        assert after.epoch == epoch != before.epoch
        assert after.last_seq == before.last_seq
        conn.commit()
        assert migrate.status(conn).is_current
        conn.commit()
        assert count(conn, "reading") == 300
        fill(conn, [NOW + DAY], 10, StorageSettings())
        assert outbox.append(conn, [row], NOW) == before.last_seq + 1
    assert lines[-1] == f"the new epoch is {epoch}"


def test_what_is_no_backup(migrated_dsn: str, tmp_path: Path, plain_dsn: str) -> None:
    """A file of something else and a missing file are named."""
    empty = DatabaseSettings(url=plain_dsn)
    with pytest.raises(ConfigError, match=r"nothing\.dump is not a file"):
        backup.restore(empty, tmp_path / "nothing.dump")
    wrong = tmp_path / "wrong.dump"
    wrong.write_text("hello")
    with pytest.raises(GasmonError, match=r"wrong\.dump is not a backup"):
        backup.restore(empty, wrong)
    with pytest.raises(ConfigError, match="is not a folder"):
        backup.backup(empty, tmp_path / "no" / "x.dump")


def test_a_backup_of_the_other_kind(
    timescaledb_dsn: str, plain_dsn: str, tmp_path: Path
) -> None:
    """A server without TimescaleDB says that it cannot hold such a backup."""
    source = DatabaseSettings(url=timescaledb_dsn)
    with db.connect(source) as conn:
        migrate.upgrade(conn)
    file = backup.backup(source, tmp_path / "ts.dump")
    with pytest.raises(DependencyError, match="needs TimescaleDB"):
        backup.restore(DatabaseSettings(url=plain_dsn), file)


def test_no_fitting_program() -> None:
    """A server newer than every pg_dump gives a line with what was found."""
    with pytest.raises(DependencyError, match="PostgreSQL 99 or newer is needed"):
        backup.find_program("pg_dump", 99)


async def test_what_was_told_is_read_in_the_event_loop(
    store_connect: Connect, migrated_dsn: str
) -> None:
    """By number, and how far it goes."""
    conn = store_connect()
    row = outbox.OutboxRow(0, "530627", None, None, "x", 0, "{}")
    for _ in range(2):
        outbox.append(conn, [row], NOW)
    conn.commit()
    settings = DatabaseSettings(url=migrated_dsn)
    pool = await db.open_pool(settings, 2, "pool")
    async with pool.connection() as own:
        assert [t.seq for t in await outbox.read_async(own, 0, 10)] == [1, 2]
        assert (await outbox.position_async(own)).last_seq == 2
    await pool.close()
