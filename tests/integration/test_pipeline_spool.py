"""The database goes away: frames are judged, sounded, spooled, and stored later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fix_proxy import Proxy
from tests.fix_seals import seals_agree
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import (  # noqa: F401
    HIGH,
    LOW,
    Plant,
    paired,
    port_of,
    through,
)


@pytest.fixture
def cut_off(
    paired: Plant,  # noqa: F811
    make_proxy: Callable[[int], Proxy],
    tmp_path: Path,
) -> tuple[Plant, Proxy, Path]:
    """A plant with a spool whose database has just gone away."""
    proxy = make_proxy(port_of(paired.dsn))
    folder = tmp_path / "spool"
    paired.start(
        database__url=through(paired.dsn, proxy), ingest__spool_dir=str(folder)
    )
    paired.gateway.define()
    paired.gateway.gas(LOW)
    paired.stored(1)
    proxy.refuse()
    return paired, proxy, folder


def send_while_away(plant: Plant) -> None:
    """A rise and a fall, acknowledged although nothing can be stored."""
    gateway, loop = plant.gateway, plant.running[-1]
    for value in (LOW, HIGH, HIGH, LOW, HIGH):
        gateway.gas(value)
    wait_until(lambda: len(gateway.told[-1].open) == 2, 20, "the relay sounds")
    wait_until(
        lambda: loop.pump.counts["acknowledged"] >= gateway.seq, 20, "all acknowledged"
    )
    wait_until(lambda: loop.pump.unacknowledged == 0, 20, "nothing waits at the broker")
    assert plant.count("frame") == 1
    problem = loop.checks()["persist"]()
    assert problem is not None
    assert "spooled" in problem


def everything_is_there_once(plant: Plant) -> None:
    """Six frames, both alarms twice, in order, each once."""
    wait_until(lambda: plant.count("frame") == 6, 30, "all frames stored")
    assert plant.count("reading") == 6
    told = plant.ask("SELECT body::json ->> 'event' FROM outbox ORDER BY seq")
    assert [event for (event,) in told].count("raised") == 4
    assert [event for (event,) in told].count("cleared") == 2
    assert plant.count("alarm", "cleared_at IS NULL") == 2
    times = plant.ask("SELECT happened_at FROM alarm_journal ORDER BY journal_id")
    assert times == sorted(times)
    assert seals_agree(plant.dsn) == 6


def test_turns_are_spooled_and_written_when_the_database_is_back(
    cut_off: tuple[Plant, Proxy, Path],
) -> None:
    """The verdict does not wait, the broker is told, nothing is lost or doubled."""
    plant, proxy, _ = cut_off
    send_while_away(plant)

    proxy.heal()

    everything_is_there_once(plant)
    loop = plant.running[-1]
    wait_until(lambda: loop.checks()["persist"]() is None, 20, "ready again")
    plant.gateway.gas(LOW)
    plant.stored(7)
    assert plant.count("alarm", "cleared_at IS NULL") == 0
    assert loop.failure is None


def test_the_next_process_writes_what_the_last_one_spooled(
    cut_off: tuple[Plant, Proxy, Path],
) -> None:
    """Stopped while the database is away; the next start knows all that was judged."""
    plant, _, folder = cut_off
    send_while_away(plant)
    plant.stop()
    assert plant.count("frame") == 1

    plant.start(ingest__spool_dir=str(folder))

    everything_is_there_once(plant)
    plant.gateway.gas(HIGH)
    plant.stored(7)
    assert plant.count("alarm_journal", "event = 'raised'") == 4
