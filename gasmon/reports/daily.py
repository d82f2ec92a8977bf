"""The daily report: totals, counties, rankings, causes, over-limits, breaks. Pure."""

from collections.abc import Iterable
from typing import Any

from gasmon.alarms.escalation_rules import EscalationRules
from gasmon.alarms.kinds import LINK_BREAK
from gasmon.alarms.lifecycle import TIERS
from gasmon.reports.facts import OVER_LIMIT, AlarmFact
from gasmon.reports.period import Period
from gasmon.reports.report import Source, Spans, table
from gasmon.units import US_PER_S, iso_us

MOST_RANKED = 10
MOST_LISTED = 500
"""Rows of each list, the worst first; counts are of all."""


def daily_report(
    source: Source, day: Period, rules: EscalationRules, now_us: int
) -> dict[str, Any]:
    """What a day came to.

    Args:
        source: with each mine's breaks (``Source.whole``).
        day: of Beijing time.
        now_us: wall time [µs UTC]; a day that is not over is reported up to now.
    """
    spans = Spans.of(day, now_us)
    here = [f for f in source.facts if f.touches(spans.from_us, spans.end_us)]
    worst = sorted(here, key=lambda f: (-f.rank, f.raised_us, f.alarm_id))
    over = [f for f in worst if f.kind == OVER_LIMIT]
    breaks = [f for f in worst if f.kind == LINK_BREAK]

    def ranked(by: str, sort: str, limit: int) -> list[dict[str, Any]]:
        return table(source, day, rules, now_us, by=by, sort=sort, limit=limit)

    return {
        "total": ranked("all", "name", 1)[0],
        "areas": ranked("area", "name", MOST_LISTED),
        "mines": _any(ranked("mine", "alarms", MOST_RANKED)),
        "points": _any(ranked("point", "over_s", MOST_RANKED)),
        "kinds": _any(ranked("kind", "alarms", MOST_LISTED)),
        "causes": _any(ranked("cause", "alarms", MOST_LISTED)),
        "over_limits": listed(over[:MOST_LISTED], spans.from_us, spans.end_us),
        "over_limits_all": len(over),
        "breaks": listed(breaks[:MOST_LISTED], spans.from_us, spans.end_us),
        "breaks_all": len(breaks),
    }


def _any(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that had an alarm in the day."""
    return [r for r in rows if r["alarms"] or r["planned"] or r["carried_in"]]


def all_listed(source: Source, day: Period, now_us: int) -> list[dict[str, Any]]:
    """Every alarm that a day touches, as it began."""
    spans = Spans.of(day, now_us)
    here = [f for f in source.facts if f.touches(spans.from_us, spans.end_us)]
    here.sort(key=lambda f: (f.raised_us, f.alarm_id))
    return listed(here, spans.from_us, spans.end_us)


def listed(
    facts: Iterable[AlarmFact], from_us: int, end_us: int
) -> list[dict[str, Any]]:
    """Alarms with the columns that people expect of such a list.

    ``lasted_s`` is the whole length, up to now for one that is on (``ongoing``), and
    ``in_period_s`` what of it lies within the time.
    """
    return [
        {
            "alarm_id": fact.alarm_id,
            "kind": fact.kind,
            "rank": fact.rank,
            "area": fact.area,
            "mine": fact.mine,
            "mine_name": fact.mine_name,
            "subject": fact.subject,
            "place": fact.place,
            "quantity": fact.quantity,
            "uom": fact.uom,
            "peak": fact.peak,
            "peak_at": _iso(fact.peak_us),
            "raised_at": iso_us(fact.raised_us),
            "cleared_at": _iso(fact.cleared_us),
            "ongoing": fact.cleared_us is None,
            "lasted_s": fact.within_us(fact.raised_us, end_us) / US_PER_S,
            "in_period_s": fact.within_us(from_us, end_us) / US_PER_S,
            "planned": fact.planned,
            "late": fact.late,
            "cause_code": fact.cause_code,
            "confirmed": {tier: _iso(fact.confirmed.get(tier)) for tier in TIERS},
            "handled": {tier: _iso(fact.handled.get(tier)) for tier in TIERS},
        }
        for fact in facts
    ]


def _iso(time_us: int | None) -> str | None:
    return None if time_us is None else iso_us(time_us)
