"""A running ingest knows the shelves of its database."""

from __future__ import annotations

import orjson

from gasmon.clock import SystemClock
from gasmon.units import US_PER_MIN
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import HIGH, LOW, MINE, Plant, paired

__all__ = ["paired"]


def test_a_running_ingest_marks_what_a_shelf_covers(paired: Plant) -> None:
    """Raised, stored and told like any other, with the shelf's name; others without."""
    loop = paired.start()
    paired.gateway.define()
    paired.gateway.gas(LOW)
    paired.stored(1)
    now_us = SystemClock().now_us()
    paired.change(
        "INSERT INTO quiet (kind, subject_type, subject_id, alarm_kind,"
        " effective_from_us, until_us, rank_ceiling, reason, owner) VALUES ('shelf',"
        f" 'point', '{MINE}-01-001A01', 'over_limit', {now_us - US_PER_MIN},"
        f" {now_us + 60 * US_PER_MIN}, 3, '检修', '王')"
    )
    wait_until(lambda: loop._windows.table().by_subject, 30.0, "the shelf")
    paired.gateway.gas(HIGH)
    paired.stored(2)

    kept = dict(paired.ask("SELECT kind, quiet FROM alarm"))
    told = [orjson.loads(body) for (body,) in paired.ask("SELECT body FROM outbox")]
    assert kept == {"over_limit": "shelf:1", "cut_off": None}
    assert {body["kind"]: body["quiet"] for body in told} == kept
