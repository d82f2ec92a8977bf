"""Taking areas, seen from an owner that was cut off, or died at the wrong moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from gasmon.clock import SystemClock
from gasmon.commands.running import owner_name
from gasmon.errors import StateConflict
from gasmon.pipeline.line import Line
from gasmon.pipeline.loops import IngestLoop
from gasmon.pipeline.ownership import OwnerRecord
from gasmon.pipeline.standby import wait_until_free
from gasmon.settings import load
from gasmon.store import owners
from gasmon.store.db import connect
from tests.fix_clock import LeapingClock
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
from tests.integration.test_restart import SITE, kill, spooling  # noqa: F401
from tests.integration.test_without_database import Cut, cut, sounds  # noqa: F401

Spooling = tuple[Plant, Proxy, dict[str, Any]]


@pytest.fixture
def make_line(paired: Plant) -> Iterator[Callable[..., Line]]:  # noqa: F811
    """Owners of a plant's areas, each closed in the end."""
    made: list[Line] = []

    def make(boot: str, **overrides: Any) -> Line:
        settings = paired.settings(**overrides)
        line = Line(settings, owner_name(boot), SystemClock(), threading.Event())
        made.append(line)
        return line

    yield make
    for line in made:
        line.close()


def cut_off(first: Line, proxy: Proxy) -> None:
    """Until it knows that the database is away, and the server that it is gone."""
    proxy.refuse()
    wait_until(lambda: first.told, 20, "it noticed")


def another_owns_meanwhile(
    first: Line, make_line: Callable[..., Line], proxy: Proxy
) -> None:
    """One takes over and is gone again while the first is cut off, which it learns."""
    cut_off(first, proxy)
    second = make_line("bbbb")
    assert second.own(standby=True)
    second.close()
    proxy.heal()
    wait_until(lambda: first.lost, 20, "it learns that another one owned")


@SITE
def test_a_container_of_the_same_host_and_process_id_is_another_owner(
    paired: Plant,  # noqa: F811
    make_line: Callable[..., Line],
    make_proxy: Callable[[int], Proxy],
) -> None:
    """It took over and is gone again: the first one must notice, and end."""
    proxy = make_proxy(port_of(paired.dsn))
    first = make_line("aaaa", database__url=through(paired.dsn, proxy))
    assert first.own(standby=False)
    another_owns_meanwhile(first, make_line, proxy)
    assert isinstance(first.lost, StateConflict)


@SITE
def test_an_owner_of_all_areas_meanwhile_is_noticed(
    paired: Plant,  # noqa: F811
    make_line: Callable[..., Line],
    make_proxy: Callable[[int], Proxy],
) -> None:
    """It raises the number of an area and leaves our name beside it."""
    proxy = make_proxy(port_of(paired.dsn))
    url = through(paired.dsn, proxy)
    first = make_line("aaaa", database__url=url, ingest__areas="530627")
    assert first.own(standby=False)
    another_owns_meanwhile(first, make_line, proxy)
    assert isinstance(first.lost, StateConflict)


@SITE
def test_a_taking_whose_answer_was_lost_is_ours(
    paired: Plant,  # noqa: F811
    make_line: Callable[..., Line],
    make_proxy: Callable[[int], Proxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The line broke behind the commit: owned again at the next try, no conflict."""
    proxy = make_proxy(port_of(paired.dsn))
    first = make_line("aaaa", database__url=through(paired.dsn, proxy))
    assert first.own(standby=False)
    n_before = first.fencing["*"]
    take, lost = owners.take_ownership, []

    def breaking(conn: Any, *args: Any, **more: Any) -> dict[str, int]:
        taken = take(conn, *args, **more)
        if not lost:
            lost.append(taken)
            conn.close()
            raise psycopg.OperationalError("the answer is lost")
        return taken

    with monkeypatch.context() as patched:
        patched.setattr(owners, "take_ownership", breaking)
        proxy.cut()
        wait_until(lambda: first.fencing["*"] == n_before + 2, 20, "owned again")
    assert lost == [{"*": n_before + 1}]
    assert first.lost is None


class Died(BaseException):
    """As kill -9 does: nothing behind it is done."""


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Callable[[IngestLoop], None]:
    """Start an ingest that dies as soon as its areas are its own."""

    def die(loop: IngestLoop) -> None:
        with monkeypatch.context() as patched:
            take = owners.take_ownership

            def taken(*args: Any, **more: Any) -> None:
                take(*args, **more)
                raise Died

            patched.setattr(owners, "take_ownership", taken)
            with pytest.raises(Died):
                loop.start()

    return die


@SITE
def test_who_dies_between_taking_and_writing_it_down_keeps_its_spool(
    spooling: Spooling,  # noqa: F811
    dying: Callable[[IngestLoop], None],
) -> None:
    """The next start judges its turns on: no late data, no alarm ended for it."""
    plant, proxy, more = spooling
    loop = plant.running[-1]
    proxy.refuse()
    plant.gateway.gas(HIGH)
    sounds(plant.gateway, 0)
    wait_until(lambda: loop.pump.unacknowledged == 0, 20, "spooled")
    kill(plant)
    proxy.heal()
    for _ in range(2):
        dying(plant.make(**more))

    plant.start(**more)

    plant.stored(plant.gateway.seq)
    assert plant.count("alarm", "late") == 0
    assert plant.count("alarm", "cleared_at IS NULL") == 2
    plant.gateway.gas(LOW)
    plant.stored(plant.gateway.seq)
    assert plant.count("alarm", "cleared_at IS NULL") == 0


@SITE
def test_who_dies_so_and_starts_without_a_database_owns_when_it_is_back(
    cut: Cut,  # noqa: F811
    dying: Callable[[IngestLoop], None],
) -> None:
    """Its copy says an older number than the database: that taking was its own."""
    plant = cut.plant
    kill(plant)
    dying(plant.make(**cut.more))
    before = OwnerRecord(cut.folder).read()
    cut.proxy.refuse()
    loop = cut.start()
    assert loop.storing.since_start
    plant.gateway.gas(HIGH)
    sounds(plant.gateway, 0)
    cut.acknowledged()

    cut.proxy.heal()

    cut.written()
    assert loop.failure is None
    assert loop.storing.line.fencing == {"*": before["*"] + 2}
    assert plant.count("alarm", "NOT late AND cleared_at IS NULL") == 2


def test_a_standby_that_stood_still_leaves_the_owner_its_time(
    migrated_dsn: str,
) -> None:
    """While nobody could look, the owner could perhaps not come back either."""
    clock, stop = LeapingClock(), threading.Event()
    database = load(None, {"database.url": migrated_dsn}, environ={}).database
    is_free: list[bool] = []

    def wait() -> None:
        is_free.append(
            wait_until_free(
                ["530627"], lambda: connect(database), clock, stop, stop.set
            )
        )

    thread = threading.Thread(target=wait)
    thread.start()
    # It has looked by then, at the latest behind the leap: neither counts much.
    assert not threading.Event().wait(1.0)
    clock.stand_still(60.0)
    assert not threading.Event().wait(0.8)
    assert is_free == []
    thread.join(20)
    assert is_free == [True]
