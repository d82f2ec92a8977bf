"""Clocks of gateways in the database: the newest of each mine comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gasmon.batch import GatewayClock
from gasmon.store import clocks, points
from gasmon.store.db import Connection
from gasmon.units import US_PER_H, US_PER_S
from tests.fix_pipeline import MINE, START_US

OTHER = "530602001234"
ROW = GatewayClock(0, MINE, "b1", -US_PER_H, US_PER_H, True, START_US, START_US + 5)


def test_the_newest_start_of_each_mine_comes_back(
    store_connect: Callable[[], Connection],
) -> None:
    """Written again it is replaced; another run and an unknown mine are left alone."""
    conn = store_connect()
    for mine in (MINE, OTHER):
        points.ensure_mine(conn, mine, START_US)
    later = replace(ROW, boot="b2", seen_us=START_US + US_PER_S, error_us=-(2**62))
    clocks.save(conn, [ROW, later, replace(ROW, mine=OTHER, offset_us=2**62)])
    clocks.save(conn, [replace(ROW, mine="530602009999")])
    clocks.save(conn, [replace(later, is_wrong=False)])
    conn.commit()
    kept = replace(
        later, is_wrong=False, former=((7, 0, START_US), (19, -US_PER_H, 2**60))
    )
    clocks.save(conn, [kept])
    found = {clock.mine: clock for clock in clocks.load(conn, 0)}
    assert found == {
        MINE: kept,
        OTHER: replace(ROW, mine=OTHER, offset_us=2**62),
    }
    assert clocks.load(conn, 1) == []
    assert conn.execute("SELECT count(*) FROM gateway_clock").fetchone() == (3,)
