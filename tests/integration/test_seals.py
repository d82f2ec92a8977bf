"""The sealed arrival log: whatever is changed behind our back, its hour is named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from gasmon import cli
from gasmon.pipeline.persist import Writer
from gasmon.remote.frames import encode_body
from gasmon.settings import StorageSettings
from gasmon.store import db, retention, seals
from gasmon.store.partitions import open_partitions
from gasmon.store.seal_check import Hour, check
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_MIN, iso_us, to_datetime
from tests.fix_pipeline import START_US, Live, defined, frame

Connect = Callable[[], db.Connection]

FIRST = START_US - START_US % US_PER_H + US_PER_H
"""The first whole hour [µs UTC]; there are four, with three frames each."""

N_HOURS = 4


def writer_of(conn: db.Connection, live: Live, scope: str = "*") -> Writer:
    """What a process writes with."""
    return Writer(
        conn,
        live.book,
        open_partitions(conn, StorageSettings()),
        encode_body,
        owner="test",
        fencing=dict,
        scope=scope,
    )


class Log:
    """Four hours of one mine, written as ingest writes them, and sealed."""

    def __init__(self, connect: Connect) -> None:
        self.conn = connect()
        self.connect = connect
        self.live = Live()
        self.writer = writer_of(self.conn, self.live)
        self.seq = 0
        self.end_us = FIRST + N_HOURS * US_PER_H
        self.live.take(defined(second=(FIRST - START_US) / 1e6))
        for hour in range(N_HOURS):
            for minute in range(0, 60, 20):
                self.write(FIRST + hour * US_PER_H + minute * US_PER_MIN)

    def write(self, now_us: int, value: float = 0.3, at_us: int | None = None) -> None:
        """A frame that is stored at once."""
        self.seq += 1
        second = ((now_us if at_us is None else at_us) - START_US) / 1e6
        items, late = [("001A01", value, 0)], at_us is not None
        packet = frame(self.seq, items, second=second, backfill=late)
        judged = self.live.take(replace(packet, arrived_us=now_us))
        self.writer.persist(judged, now_us)

    def seal(self, now_us: int | None = None) -> int:
        """Seal what is over; how many hours."""
        return len(seals.seal_due(self.conn, now_us or self.end_us + 2 * US_PER_MIN))

    def checked(
        self, from_us: int | None = None, to_us: int | None = None
    ) -> list[Hour]:
        """What a check finds, shortly after the end."""
        with self.connect() as conn:
            return list(check(conn, from_us, to_us, self.end_us + 2 * US_PER_MIN))

    def meddle(self, *statements: str) -> None:
        """Change the database as somebody who may do anything."""
        with self.connect() as conn:
            conn.execute("SET session_replication_role = replica")
            for statement in statements:
                assert conn.execute(statement.encode()).rowcount != 0, statement

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Put back afterwards what is changed within."""
        tables = ("reading", "frame", "seal_batch", "seal_hour")
        self.meddle(*(f"CREATE TABLE kept_{t} AS TABLE {t}" for t in tables))
        yield
        for table in tables:
            with self.connect() as conn:
                conn.execute("SET session_replication_role = replica")
                conn.execute(f"DELETE FROM {table}".encode())
                conn.execute(f"INSERT INTO {table} TABLE kept_{table}".encode())
                conn.execute(f"DROP TABLE kept_{table}".encode())

    def says(self, hour: int, code: str) -> None:
        """This hour does not agree, for this reason, and is the first."""
        wrong = [found for found in self.checked() if found.is_wrong]
        assert wrong, "nothing was found"
        assert wrong[0].hour_us == FIRST + hour * US_PER_H
        assert code in {problem.code for problem in wrong[0].problems}


@pytest.fixture
def log(store_connect: Connect) -> Log:
    """Four sealed hours."""
    made = Log(store_connect)
    assert made.seal() == N_HOURS
    return made


def test_what_nobody_touched_agrees(log: Log) -> None:
    """All hours, all rows; sealing again seals nothing."""
    found = log.checked()
    assert [hour.state for hour in found] == ["agrees"] * N_HOURS + ["open"]
    assert [hour.n_readings for hour in found] == [3] * N_HOURS + [0]
    assert [hour.n_frames for hour in found[:-1]] == [3] * N_HOURS
    assert log.seal() == 0


IN_HOUR_2 = f"at = '{to_datetime(FIRST + 2 * US_PER_H + 20 * US_PER_MIN).isoformat()}'"


ROWS = (
    (f"UPDATE reading SET value = 0.29 WHERE {IN_HOUR_2}", "changed"),
    (f"UPDATE reading SET value = NULL WHERE {IN_HOUR_2}", "changed"),
    (f"UPDATE reading SET state = 4 WHERE {IN_HOUR_2}", "changed"),
    (
        "UPDATE reading SET arrived_at = arrived_at - interval '1 second'"
        f" WHERE {IN_HOUR_2}",
        "reading_changed",
    ),
    (f"DELETE FROM reading WHERE {IN_HOUR_2}", "reading_missing"),
    (
        "INSERT INTO reading SELECT at + interval '1 second', arrived_at, 0.1,"
        f" point_id, run, 0 FROM reading WHERE {IN_HOUR_2}",
        "reading_added",
    ),
    (f"UPDATE frame SET n_readings = 2 WHERE judged_{IN_HOUR_2}", "frame_changed"),
    (f"DELETE FROM frame WHERE judged_{IN_HOUR_2}", "frame_missing"),
    (
        "INSERT INTO frame SELECT judged_at, arrived_at, device_ms, seq, mine_id,"
        f" run, 1, 0, 'other' FROM frame WHERE judged_{IN_HOUR_2}",
        "frame_added",
    ),
    ("DELETE FROM seal_batch WHERE number = 8", "batch_missing"),
    (
        "UPDATE seal_batch SET hash = sha256('x') WHERE number = 8",
        "changed",
    ),
    (
        "UPDATE seal_batch SET rows = 'x' WHERE number = 8",
        "changed",
    ),
)


def test_the_hour_of_a_change_is_named(log: Log) -> None:
    """A row changed, removed or added, of any of the tables."""
    for statement, code in ROWS:
        with log.restored():
            log.meddle(statement)
            log.says(2, code)
    assert not any(hour.is_wrong for hour in log.checked())


HOUR_1 = f"hour = '{to_datetime(FIRST + US_PER_H).isoformat()}'"


SEALS = (
    (f"UPDATE seal_hour SET hash = sha256('x') WHERE {HOUR_1}", 1, "seal_changed"),
    (f"UPDATE seal_hour SET body = '{{}}' WHERE {HOUR_1}", 1, "seal_changed"),
    (
        "UPDATE seal_hour SET body = replace(body, '\"chains\"', ' \"chains\"'),"
        " hash = sha256(replace(body, '\"chains\"', ' \"chains\"')::bytea)"
        f" WHERE {HOUR_1}",
        2,
        "chain_broken",
    ),
    (f"DELETE FROM seal_hour WHERE {HOUR_1}", 1, "seal_missing"),
    (
        f"DELETE FROM seal_hour WHERE NOT {HOUR_1} AND hour < {HOUR_1[7:]}",
        1,
        "chain_broken",
    ),
)


def test_the_hour_of_a_changed_seal_is_named(log: Log) -> None:
    """A seal changed, changed with its hash, taken out, or the first ones removed."""
    for statement, hour, code in SEALS:
        with log.restored():
            log.meddle(statement)
            log.says(hour, code)


def test_a_change_before_the_hour_is_sealed_is_found(store_connect: Connect) -> None:
    """The hash is made as the rows are stored, not when the hour ends."""
    log = Log(store_connect)
    log.meddle(f"UPDATE reading SET value = 0.29 WHERE {IN_HOUR_2}")
    log.seal()
    log.says(2, "changed")


def test_a_seal_that_never_came_is_missing(store_connect: Connect) -> None:
    """An hour that is over, with nobody who sealed it; the present one is open."""
    log = Log(store_connect)
    log.end_us += 2 * US_PER_H
    states = [hour.state for hour in log.checked()]
    assert states == ["missing"] * 5 + ["open"] * 2


def test_late_batches_belong_to_the_hour_in_which_they_are_stored(log: Log) -> None:
    """What was measured in a sealed hour and comes after it breaks no seal."""
    late_us = log.end_us + 10 * US_PER_MIN
    log.write(late_us, at_us=FIRST + 25 * US_PER_MIN)
    assert log.seal(late_us + US_PER_H) == 1
    log.end_us += US_PER_H
    assert not any(hour.is_wrong for hour in log.checked())
    log.meddle("UPDATE reading SET value = 0.31 WHERE point_id = 1 AND at ="
               f" '{to_datetime(FIRST + 25 * US_PER_MIN).isoformat()}'")  # fmt: skip
    log.says(N_HOURS, "changed")


def test_what_is_written_twice_is_sealed_once(log: Log) -> None:
    """A spooled turn that was committed, and is written again after a kill -9."""
    log.seq += 1
    second = (log.end_us - START_US) / 1e6
    packet = frame(log.seq, [("001A01", 0.4, 0)], second=second)
    judged = log.live.take(packet)
    first = log.writer.persist(judged, log.end_us)
    again = writer_of(log.conn, log.live)
    assert again.persist(judged, log.end_us + 1).n_readings == 0
    assert first.n_readings == 1
    # Half of it new: the frame and one of its two readings are stored already.
    other = Live()
    other.take(defined(second=second - 1))
    more = frame(log.seq, [("001A01", 0.4, 0), ("002A01", 0.5, 0)], second=second)
    half = writer_of(log.conn, other).persist(other.take(more), log.end_us + 2)
    assert (half.n_frames, half.n_readings) == (0, 1)
    assert log.seal(log.end_us + 2 * US_PER_H) == 1
    log.end_us += US_PER_H
    found = log.checked()
    assert not any(hour.is_wrong for hour in found)
    assert (found[N_HOURS].n_readings, found[N_HOURS].n_frames) == (2, 1)


def test_a_new_writer_goes_on_where_the_chain_ends(log: Log) -> None:
    """After a restart, and after a transaction that failed."""
    log.writer = writer_of(log.conn, log.live)
    log.write(log.end_us)
    log.meddle("ALTER TABLE seal_batch RENAME TO away")
    with pytest.raises(Exception, match="seal_batch"):
        log.write(log.end_us + US_PER_MIN)
    log.meddle("ALTER TABLE away RENAME TO seal_batch")
    log.write(log.end_us + 2 * US_PER_MIN)
    rows = log.conn.execute("SELECT number FROM seal_batch ORDER BY number").fetchall()
    assert [number for (number,) in rows] == list(range(1, 3 * N_HOURS + 3))
    log.conn.commit()


def test_every_owner_has_a_chain_and_the_seal_names_all(log: Log) -> None:
    """Two processes with areas of their own."""
    other = Live()
    other.take(defined(mine="530625000001", second=(FIRST - START_US) / 1e6))
    writer = writer_of(log.conn, other, "530625")
    second = (log.end_us - START_US) / 1e6
    packet = frame(1, [("001A01", 0.4, 0)], mine="530625000001", second=second)
    writer.persist(other.take(packet), log.end_us)
    log.write(log.end_us + US_PER_MIN)
    log.seal(log.end_us + 2 * US_PER_H)
    log.end_us += US_PER_H
    assert not any(hour.is_wrong for hour in log.checked())
    log.meddle("DELETE FROM seal_batch WHERE scope = '530625'")
    log.says(N_HOURS, "batch_missing")


def test_what_retention_takes_is_said_by_the_next_seal(log: Log) -> None:
    """Old hours are not wrong, and their seals still are checked; a deletion is."""
    storage = StorageSettings(reading_retention_days=3)
    later_us = FIRST + 6 * US_PER_DAY
    log.write(later_us)
    result = retention.apply_retention(log.conn, storage, later_us)
    assert result.deleted["seal_batch"] == 3 * N_HOURS
    assert any("reading" in name for name in result.dropped)
    log.seal(later_us + 2 * US_PER_H)
    log.end_us = later_us + 2 * US_PER_H
    found = log.checked()
    assert [hour.state for hour in found[:N_HOURS]] == ["dropped"] * N_HOURS
    assert not any(hour.is_wrong for hour in found)
    log.meddle("DELETE FROM seal_batch")
    assert [h.hour_us for h in log.checked() if h.is_wrong] == [
        later_us - later_us % US_PER_H
    ]


def test_many_readings_at_once(store_connect: Connect) -> None:
    """A turn that goes by COPY, with points in any order, and without a value."""
    conn, live = store_connect(), Live()
    rng = np.random.default_rng(5)
    second = (FIRST - START_US) / 1e6
    for turn in range(3):
        packets = []
        for seq in range(40):
            numbers = (rng.permutation(60) if turn else np.arange(60)).tolist()
            items = [(f"{n:03d}A01", n / 100 if n % 7 else None, 0) for n in numbers]
            when = second + turn * 600 + seq
            packets.append(frame(turn * 40 + seq + 1, items, second=when))
        judged = live.take(*packets)
        writer_of(conn, live).persist(judged, FIRST + turn * US_PER_MIN)
    seals.seal_due(conn, FIRST + 2 * US_PER_H)
    with store_connect() as other:
        (hour,) = check(other, FIRST, FIRST + 1, FIRST + 2 * US_PER_H)
    assert (hour.state, hour.n_batches, hour.n_readings) == ("agrees", 3, 7200)
    with store_connect() as other:
        other.execute("UPDATE reading SET value = 0.015 WHERE value = 0.01 AND at = ("
                      "SELECT max(at) FROM reading WHERE value = 0.01)")  # fmt: skip
    with store_connect() as other:
        (hour,) = check(other, FIRST, FIRST + 1, FIRST + 2 * US_PER_H)
    assert [problem.code for problem in hour.problems] == ["changed"]


def test_the_command_names_the_first_hour(
    log: Log, migrated_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 0 when all agrees, 4 with the hour's name; the list has every seal."""
    at_database = ["--set", f"database.url={migrated_dsn}"]
    span = ["--from", iso_us(FIRST), "--to", iso_us(log.end_us)]
    assert cli.main(["seal", "verify", *span, *at_database]) == 0
    assert "全部相符 all 4 hours agree" in capsys.readouterr().out
    log.meddle(f"UPDATE reading SET value = 0.29 WHERE {IN_HOUR_2}")
    assert cli.main(["seal", "verify", "--json", *span, *at_database]) == 4
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert "读取 reading 第一天 the first day" in said.err
    assert told["first_wrong_hour"] == iso_us(FIRST + 2 * US_PER_H)
    assert [hour["state"] for hour in told["hours"]].count("differs") == 1
    assert cli.main(["seal", "verify", *span, *at_database]) == 4
    assert "changed × 1: batch * 8" in capsys.readouterr().out
    assert cli.main(["seal", "ls", "--json", *at_database]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert [item["hash"] for item in items] == [
        hashlib.sha256(item["body"].encode()).hexdigest() for item in items
    ]
    assert cli.main(["seal", "verify", "--to", "x", *at_database]) == 2


def test_each_day_that_is_read_is_told(
    log: Log, migrated_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over the end of a day: the next one by name, with the hours behind it."""
    next_day = log.end_us - log.end_us % US_PER_DAY + US_PER_DAY
    log.write(next_day + US_PER_MIN)
    log.seal(next_day + US_PER_H + 2 * US_PER_MIN)
    span = ["--from", iso_us(next_day - 2 * US_PER_H)]
    span += ["--to", iso_us(next_day + US_PER_H)]
    words = ["seal", "verify", *span, "--set", f"database.url={migrated_dsn}"]
    assert cli.main(words) == 0
    told = capsys.readouterr().err.splitlines()
    assert [line.split()[2] for line in told] == ["第一天", iso_us(next_day)[:16]]
    assert told[1].endswith("checked 2 h")
