"""Duty on real databases: who runs jobs, and what a job's failure costs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gasmon.alarms.rules import default_rules
from gasmon.clock import ManualClock
from gasmon.duty.jobs import Job, jobs
from gasmon.duty.loop import DutyLoop
from gasmon.errors import GasmonError
from gasmon.settings import DatabaseSettings, Settings, load
from gasmon.store import db, outbox
from gasmon.store.db import Connection
from gasmon.telemetry import Metrics
from tests.fix_wait import wait_until

NOW_US = 1_790_000_000_000_000


def settings_for(dsn: str) -> Settings:
    """Settings that look for due jobs all the time."""
    return load(None, {"database.url": dsn, "duty.interval_s": 0.02}, environ={})


def outcome(conn: Connection, name: str) -> tuple[object, ...] | None:
    """Result and error of a job's last run."""
    row = conn.execute(
        "SELECT last_result, last_error FROM job WHERE name = %s", (name,)
    ).fetchone()
    conn.rollback()
    return row


def test_a_failing_job_does_not_end_the_others(
    migrated_dsn: str, store_conn: Connection
) -> None:
    """Also one that fails for a mistake of ours; each failure is kept and counted."""

    def fail(_conn: Connection, _now_us: int) -> str:
        raise GasmonError("no room")

    def err(conn: Connection, _now_us: int) -> str:
        conn.execute("INSERT INTO area VALUES ('999999', 'x', 'x', 'x')")
        raise KeyError("mistake")

    made = [
        Job("fails", 1, fail),
        Job("errs", 1, err),
        Job("works", 1, lambda _conn, _now_us: "done"),
    ]
    metrics = Metrics()
    loop = DutyLoop(settings_for(migrated_dsn), made, ManualClock(NOW_US), metrics)
    loop.start()
    wait_until(lambda: outcome(store_conn, "works") == ("done", None), what="a result")
    assert outcome(store_conn, "fails") == (None, "no room")
    assert outcome(store_conn, "errs") == (None, "KeyError('mistake')")
    rows = store_conn.execute("SELECT count(*) FROM area WHERE code = '999999'")
    assert rows.fetchone() == (0,)
    wait_until(lambda: loop.checks()["duty"]() is None, what="ready")
    assert loop.holds_lock
    loop.stop()


def test_one_of_two_runs_jobs_and_the_other_takes_over(
    migrated_dsn: str, store_conn: Connection
) -> None:
    """A job runs once when due; a standby goes on when its holder ends."""
    clock, runs = ManualClock(NOW_US), list[str]()

    def made(name: str) -> DutyLoop:
        def run(_conn: Connection, _now_us: int) -> str:
            runs.append(name)
            return name

        job = Job("shared", 60, run)
        return DutyLoop(settings_for(migrated_dsn), [job], clock, Metrics())

    first, second = made("first"), made("second")
    first.start()
    wait_until(lambda: runs == ["first"], what="the first run")
    second.start()
    wait_until(lambda: second.checks()["duty"]() is None, what="the standby")
    clock.advance(61)
    wait_until(lambda: runs == ["first", "first"], what="the second run")
    first.stop()
    wait_until(lambda: second.holds_lock, what="the change of duty")
    clock.advance(61)
    wait_until(lambda: runs == ["first", "first", "second"], what="the third run")
    second.stop()


def test_a_clock_that_was_set_back_does_not_stop_jobs(
    migrated_dsn: str, store_conn: Connection
) -> None:
    """A last start that lies in the future counts as due."""
    clock, runs = ManualClock(NOW_US), list[int]()

    def run(_conn: Connection, now_us: int) -> str:
        runs.append(now_us)
        return "ok"

    loop = DutyLoop(settings_for(migrated_dsn), [Job("any", 60, run)], clock, Metrics())
    assert loop.run_due(store_conn) == 1
    assert loop.run_due(store_conn) == 0
    clock.advance(-3600)
    assert loop.run_due(store_conn) == 1
    assert len(runs) == 2


def test_the_shipped_jobs_run_on_an_empty_database(
    migrated_dsn: str, store_conn: Connection
) -> None:
    """Every job of a new site ends well the first time."""
    settings = settings_for(migrated_dsn)
    shipped = jobs(settings, default_rules)
    loop = DutyLoop(settings, shipped, ManualClock(NOW_US), Metrics())
    assert loop.run_due(store_conn) == len(shipped) > 0
    rows = store_conn.execute("SELECT name, last_error FROM job").fetchall()
    assert {name for name, _ in rows} == {job.name for job in shipped}
    assert [error for _, error in rows if error] == []
    # All are due at once behind an outage, and people wait for these.
    assert [job.name for job in shipped][:2] == ["shelves", "escalation"]


def test_who_is_stopped_amid_a_job_holds_up_no_alarm(plain_migrated_dsn: str) -> None:
    """The database ends its session, and with it the locks; duty goes on by another."""
    alarm = db.connect(DatabaseSettings(url=plain_migrated_dsn), autocommit=True)
    runs: list[str] = []

    def telling() -> bool:
        """Whether an alarm could be told now."""
        row = alarm.execute(
            "SELECT pg_try_advisory_lock(%(key)s), pg_advisory_unlock(%(key)s)",
            {"key": outbox.LOCK_KEY},
        ).fetchone()
        return row == (True, True)

    def stopped(conn: Connection, _now_us: int) -> str:
        runs.append("began")
        if len(runs) == 1:
            conn.execute("SELECT pg_advisory_xact_lock(%s)", (outbox.LOCK_KEY,))
            assert not telling()
            wait_until(telling, 60, "an alarm can be told")
        return "done"

    made, clock = [Job("stopped", 60, stopped)], ManualClock(NOW_US)
    loop = DutyLoop(settings_for(plain_migrated_dsn), made, clock, Metrics())
    loop.start()
    wait_until(lambda: runs, what="the first run")
    clock.advance(61)
    done = ("done", None)
    wait_until(lambda: outcome(alarm, "stopped") == done, 60, "the next run")
    assert runs == ["began", "began"]
    loop.stop()
    alarm.close()


@pytest.mark.usefixtures("store_conn")
def test_a_lost_connection_is_made_anew(
    migrated_dsn: str, store_connect: Callable[[], Connection]
) -> None:
    """Duty says not ready while its database is away and comes back by itself."""
    clock = ManualClock(NOW_US)
    loop = DutyLoop(
        settings_for(migrated_dsn),
        [Job("any", 60, lambda _conn, _now_us: "ok")],
        clock,
        Metrics(),
    )
    loop.start()
    wait_until(lambda: loop.holds_lock, what="on duty")
    conn = store_connect()
    clock.advance(61)
    conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    conn.commit()
    wait_until(lambda: outcome(conn, "any") == ("ok", None), what="a run")
    wait_until(lambda: loop.holds_lock, what="on duty again")
    wait_until(lambda: loop.checks()["duty"]() is None, what="ready again")
    loop.stop()
