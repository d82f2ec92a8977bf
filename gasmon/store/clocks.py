"""Clocks of gateways that were found wrong, so that a restart corrects them alike."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, cast

from psycopg.types.json import Jsonb

from gasmon.batch import GatewayClock
from gasmon.store.db import Connection
from gasmon.units import to_datetime

_COLUMNS = [field.name for field in fields(GatewayClock)]
"""In the order in which ``load`` asks for them."""


def save(conn: Connection, clocks: Sequence[GatewayClock]) -> None:
    """Write these in the caller's transaction; of one start the later counts.

    Args:
        clocks: their mines must have rows already.
    """
    conn.cursor().executemany(
        "INSERT INTO gateway_clock (run, mine_id, boot, offset_us, error_us, is_wrong,"
        " since, seen_at, former)"
        " SELECT %s, mine_id, %s, %s, %s, %s, %s, %s, %s FROM mine"
        " WHERE code = %s::bpchar"
        " ON CONFLICT (run, mine_id, boot) DO UPDATE SET"
        " offset_us = EXCLUDED.offset_us, error_us = EXCLUDED.error_us,"
        " is_wrong = EXCLUDED.is_wrong, since = EXCLUDED.since,"
        " seen_at = EXCLUDED.seen_at, former = EXCLUDED.former",
        [
            (
                clock.run,
                clock.boot,
                clock.offset_us,
                clock.error_us,
                clock.is_wrong,
                to_datetime(clock.since_us),
                to_datetime(clock.seen_us),
                Jsonb(clock.former),
                clock.mine,
            )
            for clock in clocks
        ],
    )


def load(conn: Connection, run: int) -> list[GatewayClock]:
    """The newest of each mine of a run."""
    rows = conn.execute(
        "SELECT DISTINCT ON (g.mine_id) g.run, m.code, g.boot, g.offset_us, g.error_us,"
        " g.is_wrong, (extract(epoch FROM g.since) * 1000000)::bigint,"
        " (extract(epoch FROM g.seen_at) * 1000000)::bigint, g.former"
        " FROM gateway_clock g JOIN mine m USING (mine_id) WHERE g.run = %s"
        " ORDER BY g.mine_id, g.seen_at DESC",
        (run,),
    ).fetchall()
    return [
        GatewayClock.from_told(dict(zip(_COLUMNS, row, strict=True)))
        for row in cast(list[tuple[Any, ...]], rows)
    ]
