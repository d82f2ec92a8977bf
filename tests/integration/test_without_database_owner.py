"""Who may begin to ingest while the database cannot be asked who owns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gasmon.errors import DependencyError, StateConflict
from gasmon.pipeline.recent import has_recent
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
from tests.integration.test_restart import DEMO, SITE, kill
from tests.integration.test_without_database import Cut, cut, sounds  # noqa: F401


@SITE
def test_another_owner_meanwhile_makes_it_late_data(cut: Cut) -> None:  # noqa: F811
    """Nobody could tell it; the database does, and nothing is overwritten."""
    plant = cut.plant
    kill(plant)
    plant.start()  # another host, without this spool
    plant.gateway.gas(LOW)
    plant.stored(2)
    kill(plant)
    cut.proxy.refuse()
    loop = cut.start()
    plant.gateway.gas(HIGH)
    sounds(plant.gateway, 0)
    cut.acknowledged()

    cut.proxy.heal()

    wait_until(lambda: loop.failure is not None, 30, "it learns that it is no owner")
    assert isinstance(loop.failure, StateConflict)
    assert not has_recent(cut.folder)
    plant.stop()
    third = cut.start()
    plant.stored(3)
    assert plant.count("alarm", "late") == 2
    assert plant.count("alarm", "cleared_at IS NULL") == 0
    assert third.failure is None


@SITE
def test_it_does_not_begin_beside_one_that_lives(cut: Cut) -> None:  # noqa: F811
    """What the broker says counts while the database cannot be asked."""
    plant = cut.plant
    kill(plant)
    plant.start()
    cut.proxy.refuse()
    waiting = plant.make(**cut.more)
    with pytest.raises(DependencyError, match=r"\(boot2\) says at the broker"):
        waiting.start()
    plant.gateway.gas(HIGH)
    plant.stored(2)
    assert plant.running[-1].pump.counts["contested"] == 0


@SITE
def test_who_was_told_of_another_owner_has_no_copy(cut: Cut) -> None:  # noqa: F811
    """Refused once by a database that has another owner, it waits for the database."""
    plant = cut.plant
    kill(plant)
    plant.start()
    refused = plant.make(**cut.more)
    with pytest.raises(StateConflict, match="has an owner already"):
        refused.start()
    kill(plant)
    cut.proxy.refuse()
    with pytest.raises(DependencyError, match="whole and ours"):
        refused.start()


@DEMO
def test_a_first_start_waits_for_the_database(
    paired: Plant,  # noqa: F811
    make_proxy: Callable[[int], Proxy],
    tmp_path: Path,
) -> None:
    """An empty folder is nobody's; so is one that is not asked for."""
    proxy = make_proxy(port_of(paired.dsn))
    proxy.refuse()
    more: dict[str, Any] = {
        "database__url": through(paired.dsn, proxy),
        "ingest__spool_dir": str(tmp_path / "spool"),
    }
    with pytest.raises(DependencyError, match="not begun without it: no copy"):
        paired.make(**more).start()
    with pytest.raises(DependencyError) as told:
        paired.make(**more, ingest__start_without_database=False).start()
    assert "begun" not in str(told.value)


@DEMO
def test_a_database_of_another_schema_is_left_alone(cut: Cut) -> None:  # noqa: F811
    """It comes back with a migration that we do not know: judged and spooled on."""
    plant = cut.plant
    cut.kill_away()
    plant.change(
        "INSERT INTO migration (number, name, checksum, kind)"
        " SELECT 9999, '9999_of_the_future.sql', checksum, kind FROM migration LIMIT 1"
    )
    loop = cut.start()
    cut.proxy.heal()
    plant.gateway.gas(HIGH)
    sounds(plant.gateway, 0)
    cut.acknowledged()
    wait_until(lambda: "9999" in loop.storing.line.told, 20, "it says why")
    assert plant.count("frame") == 1

    plant.change("DELETE FROM migration WHERE number = 9999")

    plant.stored(2)
    cut.written()
    assert loop.failure is None


@SITE
def test_each_of_two_processes_speaks_for_its_own_mines(
    paired: Plant,  # noqa: F811
) -> None:
    """The relays of an area hear its owner alone, also after a restart."""
    first = paired.start(ingest__areas="530627")
    paired.gateway.define()
    paired.gateway.gas(HIGH)
    paired.stored(1)
    told = sounds(paired.gateway, 0)
    south = paired.start(ingest__areas="yanjin", mqtt__client_id="south")
    assert south.evaluator.book.table.n == 0
    assert south.annunciator.n_open == 0
    n_told = len(paired.gateway.told)
    south.annunciator.reconnected()
    first.annunciator.reconnected()
    assert sounds(paired.gateway, n_told) == told
