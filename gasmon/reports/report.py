"""Figures by county, mine, point, kind or cause, ranked, beside the period before.

Pure. Rows are plain data, as JSON takes them; lengths are seconds.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gasmon.alarms.causes import CAUSES
from gasmon.alarms.escalation_rules import EscalationRules
from gasmon.errors import BadRequest
from gasmon.reports.facts import AlarmFact, MineLink, breaks_of
from gasmon.reports.figures import Figures, figures_of
from gasmon.reports.handling import Handling, handling_of
from gasmon.reports.online import Online, online_of
from gasmon.reports.period import Period
from gasmon.units import US_PER_S, iso_us

BY = ("all", "area", "mine", "point", "kind", "cause")
SORTS = ("alarms", "over_limit", "over_s", "peak", "online", "planned", "name")
WITH_LINKS = ("all", "area", "mine")
"""What has mines, and with them an online rate."""

NO_CAUSE = "none"
"""Name of the group of alarms whose records name no cause."""

NO_CAUSE_WORDS = ("未填写", "not recorded")


@dataclass(frozen=True, slots=True)
class Source:
    """What was read for one report.

    Attributes:
        facts: alarms that touch the period or the one before it.
        links: mines, without their breaks.
    """

    facts: Sequence[AlarmFact]
    links: Sequence[MineLink]

    def whole(self) -> "Source":
        """The same with each mine's breaks, which are alarms themselves."""
        breaks = breaks_of(self.facts)
        return Source(
            self.facts,
            [
                replace(link, breaks=tuple(breaks.get(link.mine, ())))
                for link in self.links
            ],
        )


@dataclass(frozen=True, slots=True)
class Spans:
    """A period up to now, and the one that it is compared with."""

    from_us: int
    end_us: int
    before_from_us: int
    before_end_us: int

    @classmethod
    def of(cls, period: Period, now_us: int) -> "Spans":
        """Cut both at now [µs UTC]."""
        before = period.before(now_us)
        return cls(period.from_us, period.end_us(now_us), before.from_us, before.to_us)


@dataclass(slots=True)
class _Group:
    name: str
    label: str
    area: str
    facts: list[AlarmFact]
    links: list[MineLink]


def table(
    source: Source,
    period: Period,
    rules: EscalationRules,
    now_us: int,
    *,
    by: str = "area",
    sort: str = "alarms",
    limit: int = 500,
) -> list[dict[str, Any]]:
    """A row for each group, the first in rank first.

    Args:
        source: with each mine's breaks (``Source.whole``).
        now_us: wall time [µs UTC].
        by: one of ``BY``.
        sort: one of ``SORTS``: most first, ``online`` the lowest rate first.
        limit: rows at most.

    Raises:
        BadRequest: ``by`` or ``sort`` is none.
    """
    if by not in BY:
        raise BadRequest(f"by {by!r}: one of {', '.join(BY)} is wanted")
    if sort not in SORTS:
        raise BadRequest(f"sort {sort!r}: one of {', '.join(SORTS)} is wanted")
    spans = Spans.of(period, now_us)
    rows = [
        _row(group, spans, rules, now_us, with_links=by in WITH_LINKS)
        for group in _groups(source, by)
    ]
    rows.sort(key=lambda row: (_rank(row, sort), row["name"]))
    return rows[:limit]


def _groups(source: Source, by: str) -> Iterable[_Group]:
    found: dict[str, _Group] = {}

    def group(name: str, label: str, area: str) -> _Group:
        return found.setdefault(name, _Group(name, label, area, [], []))

    if by == "all":
        group("", "", "")
    for link in source.links if by in WITH_LINKS else ():
        group(*_link_key(link, by)).links.append(link)
    for fact in source.facts:
        key = _fact_key(fact, by)
        if key is not None:
            group(*key).facts.append(fact)
    return found.values()


def _link_key(link: MineLink, by: str) -> tuple[str, str, str]:
    if by == "mine":
        return link.mine, link.name, link.area
    return ("", "", "") if by == "all" else (link.area, "", link.area)


def _fact_key(fact: AlarmFact, by: str) -> tuple[str, str, str] | None:
    """Name, label and area of the group of an alarm; None: it belongs to none."""
    if by == "all":
        return "", "", ""
    if by == "area":
        return fact.area, "", fact.area
    if by == "kind":
        return fact.kind, "", ""
    if by == "cause":
        code = fact.cause_code or NO_CAUSE
        return code, " ".join(CAUSES.get(code, NO_CAUSE_WORDS)), ""
    if fact.mine is None:
        return None
    if by == "mine":
        return fact.mine, fact.mine_name, fact.area
    label = f"{fact.mine_name} {fact.place}".strip()
    return fact.subject, label, fact.area


def _row(
    group: _Group,
    spans: Spans,
    rules: EscalationRules,
    now_us: int,
    *,
    with_links: bool,
) -> dict[str, Any]:
    """One row: figures, links, handling, and the period before."""
    here = figures_of(group.facts, spans.from_us, spans.end_us)
    before = figures_of(group.facts, spans.before_from_us, spans.before_end_us)
    raised = [f for f in group.facts if spans.from_us <= f.raised_us < spans.end_us]
    row: dict[str, Any] = {
        "name": group.name,
        "label": group.label,
        "area": group.area,
        **_figures(here),
        "handling": _handling(handling_of(raised, rules, now_us)),
        "online": None,
        "before": _before(before),
        "change_pct": {
            name: change_pct(now, then)
            for name, now, then in (
                ("alarms", here.n_alarms, before.n_alarms),
                ("planned", here.n_planned, before.n_planned),
                ("over_limit", here.n_over, before.n_over),
                ("over_s", here.over_us, before.over_us),
            )
        },
    }
    if with_links:
        links = online_of(group.links, spans.from_us, spans.end_us)
        then = online_of(group.links, spans.before_from_us, spans.before_end_us)
        row["online"] = _online(links)
        row["before"]["online_pct"] = _rounded(then.rate_pct)
    return row


def heading(period: Period, now_us: int) -> dict[str, str]:
    """Which time a report is about, and what it is compared with."""
    before = period.before(now_us)
    return {
        "period": period.kind,
        "from": iso_us(period.from_us),
        "to": iso_us(period.to_us),
        "until": iso_us(period.end_us(now_us)),
        "before_from": iso_us(before.from_us),
        "before_to": iso_us(before.to_us),
    }


def change_pct(now: float, before: float) -> float | None:
    """Change against the period before [%]; None where there was nothing."""
    return round(100.0 * (now - before) / before, 1) if before else None


def _figures(found: Figures) -> dict[str, Any]:
    peak = found.peak
    return {
        "alarms": found.n_alarms,
        "planned": found.n_planned,
        "late": found.n_late,
        "by_rank": list(found.by_rank),
        "carried_in": found.n_carried_in,
        "on_at_end": found.n_on_at_end,
        "over_limit": {
            "n": found.n_over,
            "n_planned": found.n_over_planned,
            "s": found.over_us / US_PER_S,
            "s_planned": found.over_planned_us / US_PER_S,
            "longest_s": found.longest_us / US_PER_S,
            "ongoing": found.n_ongoing,
            "by_grade": list(found.by_grade),
        },
        "peak": None
        if peak is None
        else {
            "value": peak.value,
            "at": iso_us(peak.at_us),
            "alarm_id": peak.alarm_id,
            "mine": peak.mine,
            "mine_name": peak.mine_name,
            "place": peak.place,
        },
    }


def _before(found: Figures) -> dict[str, Any]:
    return {
        "alarms": found.n_alarms,
        "planned": found.n_planned,
        "over_limit": found.n_over,
        "over_s": found.over_us / US_PER_S,
        "online_pct": None,
    }


def _online(found: Online) -> dict[str, Any]:
    return {
        "pct": _rounded(found.rate_pct),
        "registered": found.n_registered,
        "linked": found.n_linked,
        "long_offline": found.n_long_offline,
        "never_heard": found.n_never_heard,
        "breaks": found.n_breaks,
        "break_s": (found.linked_us - found.online_us) / US_PER_S,
        "longest_break_s": found.longest_break_us / US_PER_S,
    }


def _handling(found: Handling) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = {}
    for (tier, what), timely in found.items():
        told.setdefault(tier, {})[what] = {
            "asked": timely.n_asked,
            "in_time": timely.n_in_time,
            "pct": _rounded(timely.rate_pct),
            "median_s": None
            if timely.median_us is None
            else timely.median_us / US_PER_S,
        }
    return told


def _rounded(pct: float | None) -> float | None:
    return None if pct is None else round(pct, 3)


def _rank(row: dict[str, Any], sort: str) -> float:
    """What a row is sorted by, the first in rank lowest."""
    if sort == "name":
        return 0.0
    if sort == "online":
        pct = row["online"]["pct"] if row["online"] else None
        return 101.0 if pct is None else float(pct)
    values: dict[str, Callable[[], float]] = {
        "alarms": lambda: row["alarms"],
        "planned": lambda: row["planned"],
        "over_limit": lambda: row["over_limit"]["n"],
        "over_s": lambda: row["over_limit"]["s"],
        "peak": lambda: row["peak"]["value"] if row["peak"] else 0.0,
    }
    return -float(values[sort]())
