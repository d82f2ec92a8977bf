"""A restart goes on as if nothing had happened: delays, levels, spool and all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gasmon.alarms import debounce
from gasmon.alarms.kinds import OVER_LIMIT
from gasmon.alarms.reconcile import living
from gasmon.alarms.rules import RuleSet, parse_rules
from gasmon.errors import DependencyError
from gasmon.pipeline.loops import IngestLoop
from gasmon.pipeline.starting import Beginning
from gasmon.store import db, owners
from tests.fix_pipeline import CH4, MINE
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import (  # noqa: F401
    HIGH,
    LOW,
    Plant,
    paired,
    port_of,
    through,
)
from tests.rule_texts import LIMITS_ALONE

SLOW = "120s"
SITE = pytest.mark.parametrize(
    "paired", [("timescaledb", "mosquitto")], indirect=True, ids="-".join
)
DEMO = pytest.mark.parametrize(
    "paired", [("postgres", "nats")], indirect=True, ids="-".join
)
# What does not depend on the pair is tried on one of them.


def with_delay(on: str) -> RuleSet:
    """The shipped rules for limits, with an on-delay."""
    return parse_rules(f'[delays]\non = "{on}"\n{LIMITS_ALONE}', "test")


def kill(plant: Plant) -> None:
    """End as kill -9 does: nothing is finished, nothing said."""
    loop = plant.running.pop()
    loop.persisting.remembers = False
    loop.storing.line.close()
    loop.stop()


def phase_of(loop: IngestLoop) -> int:
    """Of the methane point's over_limit."""
    return int(loop.evaluator.engine.state.phase[0, OVER_LIMIT])


def since_of(loop: IngestLoop) -> int:
    """Since when it is pending [µs]."""
    return int(loop.evaluator.engine.state.since_us[0, OVER_LIMIT])


def open_of(loop: IngestLoop) -> list[tuple[str, int]]:
    """What lives in the engine."""
    return sorted(living(loop.evaluator.engine))


def logged(plant: Plant) -> int:
    """The newest step in the database."""
    return int(plant.ask("SELECT coalesce(max(last_step), 0) FROM engine_log")[0][0])


def test_a_pending_delay_goes_on(paired: Plant) -> None:  # noqa: F811
    """Pending before the restart, pending since the same moment after it."""
    paired.rules = with_delay(SLOW)
    first = paired.start()
    paired.gateway.define()
    paired.gateway.gas(LOW)
    paired.gateway.gas(HIGH)
    paired.stored(2)
    assert phase_of(first) == debounce.PENDING
    since_us = since_of(first)
    kill(paired)

    second = paired.start()

    assert "snapshot of step" in second.restarted
    assert (phase_of(second), since_of(second)) == (debounce.PENDING, since_us)
    assert paired.count("alarm") == 0


@SITE
def test_a_delay_that_matured_while_we_were_away(paired: Plant) -> None:  # noqa: F811
    """It is raised at since + delay, once, as if we had been there."""
    paired.rules = with_delay("1s")
    paired.start()
    paired.gateway.define()
    paired.gateway.gas(HIGH)
    paired.stored(1)
    kill(paired)

    paired.start()

    wait_until(lambda: paired.count("alarm") == 2, 20, "both limits are over")
    told = paired.ask(
        "SELECT bool_and(a.raised_at = r.at + interval '1 second')"
        " FROM alarm a, reading r"
    )
    assert told == [(True,)]


@DEMO
def test_a_band_is_kept_over_a_restart(paired: Plant) -> None:  # noqa: F811
    """Since when the value is in its band is not forgotten, nor begun anew."""
    first = paired.start()
    paired.gateway.define()
    for value in (1.2, HIGH, HIGH):
        paired.gateway.gas(value)
    paired.stored(3)
    bands = first.evaluator.engine.state.band_us[0].tolist()
    kill(paired)

    second = paired.start()

    assert second.evaluator.engine.state.band_us[0].tolist() == bands
    wait_until(lambda: logged(paired) > 3, 20, "it goes on")
    assert paired.count("alarm_journal", "event = 'raised'") == 2


@SITE
def test_without_a_snapshot_open_alarms_must_do(paired: Plant) -> None:  # noqa: F811
    """A table that somebody emptied costs memory, not alarms."""
    paired.start()
    paired.gateway.define()
    paired.gateway.gas(HIGH)
    paired.stored(1)
    wait_until(lambda: logged(paired) > 3, 20, "there is a log behind the snapshot")
    kill(paired)
    paired.change("DELETE FROM engine_snapshot")

    second = paired.start()

    assert "no snapshot" in second.restarted
    step = second.evaluator.step
    assert step > 0, "numbers go on"
    paired.gateway.gas(LOW)
    paired.stored(2)
    assert paired.count("alarm", "cleared_at IS NULL") == 0
    assert paired.count("alarm_journal", "event = 'raised'") == 2


@DEMO
def test_a_hole_in_the_log_is_not_passed_over(paired: Plant) -> None:  # noqa: F811
    """Then only what is recorded counts."""
    paired.start()
    paired.gateway.define()
    for value in (LOW, HIGH):
        paired.gateway.gas(value)
    paired.stored(2)
    wait_until(lambda: logged(paired) > 6, 20, "a few steps")
    kill(paired)
    paired.change(
        "DELETE FROM engine_log WHERE last_step = (SELECT max(last_step) - 2"
        " FROM engine_log)"
    )

    second = paired.start()

    assert "no snapshot" in second.restarted
    assert phase_of(second) == debounce.ACTIVE


@SITE
def test_what_is_recorded_counts(paired: Plant) -> None:  # noqa: F811
    """An alarm that the engine knows and nobody recorded is forgotten, and told."""
    paired.start()
    paired.gateway.define()
    paired.gateway.gas(HIGH)
    paired.stored(1)
    kill(paired)
    paired.change(
        "UPDATE alarm SET cleared_at = raised_at WHERE kind = 'cut_off'",
        "DELETE FROM confirmation",
    )

    second = paired.start()

    kinds = {kind for kind, _ in open_of(second)}
    assert kinds == {"over_limit"}


@pytest.fixture
def spooling(
    paired: Plant,  # noqa: F811
    make_proxy: Callable[[int], Proxy],
    tmp_path: Path,
) -> tuple[Plant, Proxy, dict[str, Any]]:
    """A plant with a spool behind a line that works."""
    proxy = make_proxy(port_of(paired.dsn))
    more = {
        "database__url": through(paired.dsn, proxy),
        "ingest__spool_dir": str(tmp_path / "spool"),
    }
    paired.start(**more)
    paired.gateway.define()
    paired.gateway.gas(LOW)
    paired.stored(1)
    return paired, proxy, more


def spool_three(plant: Plant, proxy: Proxy) -> IngestLoop:
    """A rise, a fall and a rise while the database is away; returns who spooled."""
    proxy.refuse()
    for value in (HIGH, LOW, HIGH):
        plant.gateway.gas(value)
    loop = plant.running[-1]
    boot, last = plant.gateway.boot, plant.gateway.seq
    seen = loop.evaluator.seen
    wait_until(lambda: seen.newest(0, MINE, boot) == last, 20, "judged")
    wait_until(lambda: loop.pump.unacknowledged == 0, 20, "spooled")
    return loop


def test_a_process_goes_live_before_the_spool_is_written(
    spooling: tuple[Plant, Proxy, dict[str, Any]],
) -> None:
    """It knows what was spooled, and judges on, while the turns are being written."""
    plant, proxy, more = spooling
    first = spool_three(plant, proxy)
    raised_us = first.evaluator.engine.state.raised_us[0].tolist()
    kill(plant)
    proxy.heal()

    second = plant.start(**more)

    assert "turns spooled" in second.restarted
    assert second.evaluator.engine.state.raised_us[0].tolist() == raised_us
    plant.stored(4)
    wait_until(lambda: second.checks()["persist"]() is None, 20, "everything written")
    plant.gateway.gas(LOW)
    plant.stored(5)
    assert plant.count("alarm") == 4
    assert plant.count("alarm", "cleared_at IS NULL") == 0
    assert plant.count("alarm_journal", "event = 'raised'") == 4


@SITE
def test_a_database_that_hangs_stops_nobody(
    spooling: tuple[Plant, Proxy, dict[str, Any]],
) -> None:
    """No error, no answer: the write is cut, turns are spooled, relays sound."""
    plant, proxy, more = spooling
    plant.stop()
    loop = plant.start(**more, database__write_timeout_s=1)
    proxy.stall()
    for value in (HIGH, HIGH, LOW, HIGH):
        plant.gateway.gas(value)
    wait_until(lambda: plant.gateway.told[-1].open, 20, "the relay sounds")
    wait_until(lambda: loop.pump.unacknowledged == 0, 30, "all of it is spooled")
    assert plant.count("frame") == 1

    proxy.heal()

    plant.stored(5)
    wait_until(lambda: loop.checks()["persist"]() is None, 20, "everything written")
    assert plant.count("alarm_journal", "event = 'raised'") == 4
    assert loop.failure is None


@SITE
def test_a_start_that_fails_takes_nothing_from_the_next(
    spooling: tuple[Plant, Proxy, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spool stays ours, the same process tries again, and its line lives."""
    plant, proxy, more = spooling
    spool_three(plant, proxy)
    kill(plant)
    proxy.heal()
    loop = plant.make(**more)
    with monkeypatch.context() as patched:

        def away(*_: object) -> None:
            raise psycopg.OperationalError("the server closed the connection")

        patched.setattr(Beginning, "_go_on", away)
        for _ in range(2):
            with pytest.raises(DependencyError, match="the database went away"):
                loop.start()

    loop.start(broker_wait_s=20)
    plant.running.append(loop)

    assert "turns spooled" in loop.restarted
    plant.stored(4)
    assert plant.count("alarm", "late") == 0
    assert plant.count("alarm", "cleared_at IS NULL") == 2
    beat_s = loop.storing.line.beat_s
    wait_until(lambda: loop.storing.line.beat_s > beat_s, 20, "its line is kept")


@SITE
def test_an_owner_that_lost_an_answer_knows_its_own_number(
    paired: Plant,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It took its areas again and was cut off right after: nobody else has them."""
    loop = paired.start()
    line, keep_short = loop.storing.line, owners.keep_short
    n_cut: list[int] = []

    def cut_off(conn: db.Connection) -> None:
        if not n_cut:
            n_cut.append(1)
            raise psycopg.OperationalError("cut off after the commit")
        keep_short(conn)

    monkeypatch.setattr(owners, "keep_short", cut_off)
    before = line.fencing["*"]
    paired.change(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'gasmon-ingest test%'"
        " AND datname = current_database()"
    )
    wait_until(lambda: n_cut and line.fencing["*"] > before, 20, "taken again")
    paired.gateway.define()
    paired.gateway.gas(HIGH)
    paired.stored(1)
    assert (loop.failure, line.lost) == (None, None)


@SITE
def test_a_spool_of_another_history_is_handed_over(
    spooling: tuple[Plant, Proxy, dict[str, Any]],
) -> None:
    """Another process owned the area meanwhile: what was spooled arrives as late."""
    plant, proxy, more = spooling
    spool_three(plant, proxy)
    kill(plant)
    proxy.heal()
    plant.start()  # another host, without this spool
    plant.gateway.gas(LOW)
    plant.stored(2)
    kill(plant)

    third = plant.start(**more)

    plant.stored(5)
    assert plant.count("alarm") == 4
    assert plant.count("alarm", "cleared_at IS NULL") == 0
    assert plant.count("alarm", "late") == 4
    assert open_of(third) == []
    plant.gateway.gas(LOW)
    plant.stored(6)
    assert third.failure is None


@SITE
def test_a_value_before_its_definition_is_an_alarm_before_and_after_a_restart(
    paired: Plant,  # noqa: F811
) -> None:
    """It is judged when the definition comes, and so in the log that is replayed."""
    first = paired.start()
    paired.gateway.gas(LOW)
    paired.gateway.gas(HIGH)
    paired.stored(2)
    assert open_of(first) == []
    paired.gateway.define()
    wait_until(lambda: paired.count("alarm") == 2, 20, "both limits are over")
    told = paired.ask(
        "SELECT bool_and(a.raised_at = (SELECT max(at) FROM reading)) FROM alarm a"
    )
    assert told == [(True,)]
    before = open_of(first)
    kill(paired)

    second = paired.start()

    assert open_of(second) == before != []
    paired.gateway.gas(HIGH)
    paired.stored(3)
    assert paired.count("alarm") == 2


@SITE
def test_a_retired_point_is_retired_after_a_restart(paired: Plant) -> None:  # noqa: F811
    """Since the same moment, so the log behind the snapshot is judged the same."""
    first = paired.start()
    paired.gateway.define(CH4, replace(CH4, no="002A02"))
    wait_until(lambda: paired.count("point") == 2, 20, "both are stored")
    paired.gateway.gas(LOW)
    paired.stored(1)
    paired.gateway.define(CH4, rev=2)
    wait_until(
        lambda: paired.count("point", "retired_at IS NOT NULL") == 1, 20, "one retires"
    )
    before = list(first.evaluator.book.retired_us.values())
    assert len(before) == 1
    kill(paired)

    second = paired.start()

    book, engine = second.evaluator.book, second.evaluator.engine
    assert list(book.retired_us.values()) == before
    (row,) = book.retired_us
    assert book.table.keys[row].no == "002A02"
    assert engine.retired.since_us(row, before[0]) == before[0]
