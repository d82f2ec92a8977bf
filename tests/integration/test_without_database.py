"""Ingest starts, and starts again, while its database is away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.packing import BadPacking
from gasmon.batch import ReadingBatch
from gasmon.pipeline import recover
from gasmon.pipeline.loops import IngestLoop
from gasmon.pipeline.recent import has_recent
from tests.fix_pipeline import CH4
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import (  # noqa: F401
    HIGH,
    LOW,
    Gateway,
    Plant,
    paired,
    port_of,
    through,
)
from tests.integration.test_restart import DEMO, SITE, kill
from tests.integration.test_serve import READY_S

POISON = 1.2345


def raised(gateway: Gateway) -> set[str]:
    """Alarms that the mine's relay was told last."""
    return {alarm.id for alarm in gateway.told[-1].open}


def sounds(gateway: Gateway, n_told: int, n: int = 2) -> set[str]:
    """Wait for a word after those it had; returns which alarms are raised in it."""

    def heard() -> bool:
        return len(gateway.told) > n_told and len(gateway.told[-1].open) == n

    wait_until(heard, READY_S, f"the relay hears of {n} alarms")
    return raised(gateway)


@dataclass
class Cut:
    """A plant with a spool, a copy that is whole, and a line to cut."""

    plant: Plant
    proxy: Proxy
    more: dict[str, Any]

    def start(self) -> IngestLoop:
        return self.plant.start(**self.more)

    @property
    def folder(self) -> Path:
        return Path(self.more["ingest__spool_dir"])

    def kill_away(self) -> None:
        """End as kill -9 does, and then the database is away."""
        self.proxy.refuse()
        kill(self.plant)

    def acknowledged(self) -> None:
        """Everything that was sent is judged and spooled."""
        loop = self.plant.running[-1]

        def done() -> bool:
            depth = loop.inbox.depth + loop.pump.unacknowledged
            return (
                loop.evaluator.seen.newest(0, CH4_MINE, self.plant.gateway.boot)
                == self.plant.gateway.seq
                and depth == 0
            )

        wait_until(done, 30, "judged and acknowledged")

    def written(self) -> None:
        """The database has everything."""
        loop = self.plant.running[-1]
        wait_until(lambda: loop.checks()["persist"]() is None, 40, "written")


CH4_MINE = "530627004499"


@pytest.fixture
def cut(
    paired: Plant,  # noqa: F811
    make_proxy: Callable[[int], Proxy],
    tmp_path: Path,
) -> Cut:
    """It has judged one good value, and its copy is whole."""
    proxy = make_proxy(port_of(paired.dsn))
    more = {
        "database__url": through(paired.dsn, proxy),
        "ingest__spool_dir": str(tmp_path / "spool"),
    }
    made = Cut(paired, proxy, more)
    paired.gateway.define()
    made.start()
    paired.gateway.gas(LOW)
    paired.stored(1)
    wait_until(lambda: has_recent(made.folder), 20, "the copy is whole")
    return made


def test_it_begins_from_the_copy_and_joins_the_database(cut: Cut) -> None:
    """Judges, sounds and spools; then owns, drains, and goes on without a new start."""
    plant = cut.plant
    plant.gateway.gas(LOW)
    plant.stored(2)
    cut.kill_away()
    loop = cut.start()
    step = loop.evaluator.step
    assert loop.storing.since_start
    plant.gateway.gas(HIGH)
    sounds(plant.gateway, 0)
    cut.acknowledged()
    problem = loop.checks()["persist"]()
    assert problem is not None
    assert "since the start, which was from the local copy" in problem

    cut.proxy.heal()

    plant.stored(3)
    cut.written()
    assert not loop.storing.since_start
    assert loop is plant.running[-1]
    assert loop.evaluator.step > step, "it is the same engine"
    assert plant.count("alarm", "cleared_at IS NULL AND NOT late") == 2
    plant.gateway.gas(LOW)
    plant.stored(4)
    assert plant.count("alarm", "cleared_at IS NULL") == 0
    kill(plant)
    again = cut.start()
    assert "snapshot of step" in again.restarted
    assert loop.failure is None


@DEMO
def test_what_a_mine_defines_meanwhile_counts_and_is_kept(cut: Cut) -> None:
    """A new limit and a new point outlive a further kill, and reach the database."""
    plant = cut.plant
    cut.kill_away()
    loop = cut.start()
    stricter = replace(CH4, alarm_high=0.5, clear_high=0.5, restore_high=0.5)
    plant.gateway.define(stricter, replace(CH4, no="002A01"), rev=2)
    # It counts from its arrival on.
    wait_until(lambda: loop.evaluator.book.rev_of(CH4_MINE) == 2, 20, "it arrives")
    plant.gateway.frame(("001A01", 0.7, 0), ("002A01", 0.7, 0))
    (told,) = sounds(plant.gateway, 0, 1)
    cut.acknowledged()
    wait_until(lambda: has_recent(cut.folder), 20, "the copy is whole")
    kill(plant)

    again = cut.start()

    assert again.evaluator.book.rev_of(CH4_MINE) == 2
    assert again.evaluator.book.table.n == 2
    n_told = len(plant.gateway.told)
    assert sounds(plant.gateway, n_told, 1) == {told}
    cut.proxy.heal()
    plant.stored(2)
    cut.written()
    assert plant.count("point_version", "alarm_high = 0.5") == 1
    assert plant.count("alarm") == 1
    assert plant.count("alarm_journal", "event = 'raised'") == 1


@DEMO
def test_a_point_that_is_retired_meanwhile_stays_retired(cut: Cut) -> None:
    """It outlives a further kill, and reaches the database with its moment."""
    plant = cut.plant
    cut.kill_away()
    loop = cut.start()
    book = loop.evaluator.book
    plant.gateway.define(CH4, replace(CH4, no="002A01"), rev=2)
    wait_until(lambda: book.rev_of(CH4_MINE) == 2, 20, "two points")
    plant.gateway.define(CH4, rev=3)
    wait_until(lambda: len(book.retired_us) == 1, 20, "one of them")
    before = list(book.retired_us.values())
    cut.acknowledged()
    wait_until(lambda: has_recent(cut.folder), 20, "the copy is whole")
    kill(plant)

    again = cut.start()

    assert list(again.evaluator.book.retired_us.values()) == before
    cut.proxy.heal()
    cut.written()
    assert plant.count("point", "retired_at IS NOT NULL") == 1


@DEMO
def test_a_poisonous_packet_while_away_costs_nothing_else(
    cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins anew from the copy, refuses the packet, and judges the others."""
    tick = AlarmEngine.tick

    def failing(engine: AlarmEngine, batch: ReadingBatch, **more: Any) -> Any:
        said = tick(engine, batch, **more)
        if (batch.value == POISON).any():
            raise ArithmeticError("nobody thought of it")
        return said

    monkeypatch.setattr(AlarmEngine, "tick", failing)
    plant, loop = cut.plant, cut.plant.running[-1]
    cut.proxy.refuse()
    plant.gateway.gas(POISON)
    plant.gateway.gas(HIGH)
    sounds(plant.gateway, 0)
    wait_until(lambda: loop.pump.unacknowledged == 0, 60, "acknowledged")
    assert "snapshot of step" in loop.restarted

    cut.proxy.heal()

    wait_until(lambda: plant.count("reject") == 1, 40, "the refusal")
    wait_until(lambda: plant.count("frame") == 2, 40, "the frame behind it")
    cut.written()
    assert plant.ask("SELECT reason FROM reject") == [("judge_failed",)]
    assert plant.count("alarm_journal", "event = 'raised'") == 2
    assert plant.count("alarm", "late") == 0
    assert loop.failure is None


@DEMO
def test_a_record_that_differs_is_begun_anew_from(cut: Cut) -> None:
    """What people see counts, once everything that was judged is written."""
    plant = cut.plant
    plant.gateway.gas(HIGH)
    plant.stored(2)
    cut.kill_away()
    plant.change(
        "UPDATE alarm SET cleared_at = raised_at WHERE kind = 'cut_off'",
        "DELETE FROM confirmation",
    )
    loop = cut.start()
    step = loop.evaluator.step

    cut.proxy.heal()

    wait_until(
        lambda: not loop.storing.since_start and loop.evaluator.step > step,
        40,
        "it joined",
    )
    plant.gateway.gas(HIGH)
    wait_until(lambda: plant.count("frame") == 3, 40, "it goes on")
    assert plant.count("alarm", "kind = 'cut_off'") == 2, "raised again, as it is over"
    assert plant.count("alarm", "kind = 'over_limit'") == 1
    assert loop.failure is None


@DEMO
def test_confirmed_alarms_stay_confirmed(cut: Cut) -> None:
    """A relay that was silenced is not set off by our restart."""
    plant = cut.plant
    plant.gateway.gas(HIGH)
    plant.stored(2)
    with psycopg.connect(plant.dsn) as conn:
        conn.execute(
            "INSERT INTO confirmation (alarm_id, tier, rank, principal, confirmed_at)"
            " SELECT alarm_id, 'city', rank, 'test', now() FROM alarm"
        )

    def confirmed() -> bool:
        told = plant.gateway.told[-1].open
        return bool(told) and all(alarm.confirmed for alarm in told)

    wait_until(confirmed, 20, "the relay is told")
    cut.kill_away()
    n_told = len(plant.gateway.told)

    cut.start()

    sounds(plant.gateway, n_told)
    assert confirmed()


@SITE
def test_a_snapshot_of_another_version_costs_memory_and_no_alarm(
    cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade in an outage the open alarms go on, and end as themselves."""
    plant = cut.plant
    plant.gateway.gas(HIGH)
    plant.stored(2)
    before = sounds(plant.gateway, 0)
    cut.kill_away()

    def other(*_: object) -> None:
        raise BadPacking("its columns are those of another version")

    with monkeypatch.context() as patched:
        patched.setattr(recover, "load", other)
        n_told = len(plant.gateway.told)
        loop = cut.start()
    assert "no snapshot" in loop.restarted
    assert sounds(plant.gateway, n_told) == before
    plant.gateway.gas(HIGH)
    plant.gateway.gas(LOW)
    sounds(plant.gateway, len(plant.gateway.told), 0)
    cut.proxy.heal()
    plant.stored(4)
    cut.written()
    assert plant.count("alarm_journal", "event = 'raised'") == 2
    assert plant.count("alarm", "cleared_at IS NULL") == 0
    assert loop.failure is None
