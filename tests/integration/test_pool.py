"""The api's connections over an outage of the database."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolTimeout

from gasmon.settings import DatabaseSettings
from gasmon.store.db import AsyncPool, open_pool
from tests.fix_proxy import Proxy

OUTAGE_S = 8.0
SOON_S = 5.0


async def answers(pool: AsyncPool) -> bool:
    """Whether the database answers now."""
    try:
        async with pool.connection(timeout=0.5) as conn:
            await conn.execute("SELECT 1")
    except (PoolTimeout, psycopg.OperationalError):
        return False
    return True


@pytest.mark.slow
async def test_a_pool_is_there_again_as_soon_as_its_database_is(
    plain_dsn: str, make_proxy: Callable[[int], Proxy]
) -> None:
    """It slept on for up to as long again as the outage had taken, and pages answered
    503 with a database that was there."""
    proxy = make_proxy(int(str(conninfo_to_dict(plain_dsn)["port"])))
    url = make_conninfo(plain_dsn, host="127.0.0.1", port=proxy.port)
    pool = await open_pool(DatabaseSettings(url=url), 2, "pool")
    try:
        assert await answers(pool)
        proxy.refuse()
        until_s = time.monotonic() + OUTAGE_S
        while time.monotonic() < until_s:
            assert not await answers(pool)
        proxy.heal()
        until_s = time.monotonic() + SOON_S
        while not await answers(pool):
            assert time.monotonic() < until_s
    finally:
        await pool.close()
