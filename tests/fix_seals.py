"""Whether everything that is stored is what the arrival log says."""

from __future__ import annotations

from gasmon.clock import SystemClock
from gasmon.settings import DatabaseSettings
from gasmon.store import db, seals
from gasmon.store.seal_check import check
from gasmon.units import US_PER_H


def seals_agree(dsn: str) -> int:
    """Seal the present hour, as if it were over, and check all; how many readings."""
    over_us = SystemClock().now_us() + 2 * US_PER_H
    with db.connect(DatabaseSettings(url=dsn)) as conn:
        seals.seal_due(conn, over_us)
        hours = list(check(conn, None, None, over_us))
    wrong = [hour for hour in hours if hour.is_wrong]
    assert not wrong, wrong
    return sum(hour.n_readings for hour in hours)
