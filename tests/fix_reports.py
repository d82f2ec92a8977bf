"""One alarm of one mine, for tests of statistics."""

from __future__ import annotations

from gasmon.reports.facts import AlarmFact, MineLink
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_MIN

DAY = 20_000 * US_PER_DAY - 8 * US_PER_H
"""Midnight in Beijing, 2024-10-04."""

NEXT = DAY + US_PER_DAY

FACT = AlarmFact(
    alarm_id=1,
    kind="over_limit",
    area="530627",
    mine="530627000001",
    mine_name="坪上煤矿",
    subject="530627000001-01-001A01",
    place="11121回风巷T2",
    quantity="CH4",
    uom="%",
    rank=2,
    planned=False,
    late=False,
    raised_us=DAY + US_PER_H,
    cleared_us=DAY + US_PER_H + 6 * US_PER_MIN,
    peak=1.4,
    peak_us=DAY + US_PER_H + US_PER_MIN,
    told_us=DAY + US_PER_H,
)
"""Six minutes over the limit in the second hour of the day."""

LINK = MineLink("530627000001", "坪上煤矿", "530627", 0, None, True)
