"""What a mine files, and whether it is a plan at all."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

from gasmon.alarms.plans import (
    CALIBRATION,
    FILING_ROLES,
    WORKS,
    unknown_kinds,
)
from gasmon.errors import BadRequest, Forbidden, NotFound
from gasmon.store.access import Principal
from gasmon.store.db import Connection
from gasmon.units import US_PER_DAY, US_PER_H

AHEAD_US = 31 * US_PER_DAY
"""How long before its begin a plan may be filed [µs]. Ours: nobody can judge later."""

CEILING_KINDS = ("over_limit", "cut_off", "over_range", "rapid_rise")
"""Kinds that come from too high a value: they are quiet up to one that is named."""

MOST_SUBJECTS = 200
"""Points and units of one plan at most: a mine has some sixty points."""


@dataclass(frozen=True, slots=True)
class PlanWish:
    """What a mine files.

    Attributes:
        mine: 12 digits.
        work: one of ``plans.WORKS``.
        points: ``system-number``, e.g. ``01-001A01``.
        units: slugs.
        whole_mine: the mine as a whole, instead of points and units.
        alarm_kinds: what it is about.
        from_us: first moment [µs UTC].
        until_us: first moment that is not in it any more [µs UTC].
        rank_ceiling: highest level that is quiet, 0 to 3.
        value_ceiling: highest value that is quiet, in the points' unit.
        test_gas: content of the test gas, for calibrations.
    """

    mine: str
    work: str
    from_us: int
    until_us: int
    reason: str
    points: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    whole_mine: bool = False
    alarm_kinds: tuple[str, ...] = ()
    rank_ceiling: int = 2
    value_ceiling: float | None = None
    test_gas: float | None = None


def with_defaults(work: str, alarm_kinds: Iterable[str]) -> tuple[str, ...]:
    """The kinds that are named, else those of the work.

    Raises:
        BadRequest: the work is unknown, or has no kinds of its own.
    """
    if work not in WORKS:
        raise BadRequest(f"work {work!r} is not known; {', '.join(WORKS)} are")
    kinds = tuple(dict.fromkeys(alarm_kinds)) or WORKS[work].kinds
    if not kinds:
        raise BadRequest(f"alarm_kinds: {work} needs some")
    return kinds


def stored(wish: PlanWish) -> list[str]:
    """Its subjects as windows name them."""
    if wish.whole_mine:
        return [f"mine:{wish.mine}"]
    points = [f"point:{wish.mine}-{point}" for point in wish.points]
    return points + [f"unit:{wish.mine}/u/{slug}" for slug in wish.units]


def check(
    conn: Connection, who: Principal, wish: PlanWish, longest_h: int, now_us: int
) -> int:
    """Refuse what is no plan; returns the mine's id.

    Args:
        longest_h: longest window [h].

    Raises:
        Forbidden: this role files no plans.
        NotFound: no such mine, or not for this principal.
        BadRequest: names the member and the value.
    """
    if who.role not in FILING_ROLES:
        raise Forbidden(
            f"角色 {who.role} 不能提交报备 · role {who.role} files no plans"
        )
    row = conn.execute(
        "SELECT mine_id FROM mine WHERE code = %s AND retired_at IS NULL", (wish.mine,)
    ).fetchone()
    if row is None or not who.scope.allows(wish.mine[:6], wish.mine):
        raise NotFound(f"no mine {wish.mine}")
    mine_id = int(str(row[0]))
    _check_window(wish, longest_h, now_us)
    _check_subjects(conn, mine_id, wish)
    _check_ceilings(wish)
    return mine_id


def _check_window(wish: PlanWish, longest_h: int, now_us: int) -> None:
    if wish.until_us <= max(wish.from_us, now_us):
        raise BadRequest("until: not after from, or over already")
    if wish.until_us - wish.from_us > longest_h * US_PER_H:
        hours = (wish.until_us - wish.from_us) / US_PER_H
        raise BadRequest(
            f"until: {hours:.1f} h are longer than {longest_h} h (life.longest_plan_h)"
        )
    if wish.from_us > now_us + AHEAD_US:
        raise BadRequest(f"from: more than {AHEAD_US // US_PER_DAY} days ahead")


def _check_subjects(conn: Connection, mine_id: int, wish: PlanWish) -> None:
    named = (*wish.points, *wish.units)
    if wish.whole_mine == bool(named):
        raise BadRequest("points, units: some, or else whole_mine")
    if len(named) > MOST_SUBJECTS:
        raise BadRequest(f"points, units: {len(named)} are more than {MOST_SUBJECTS}")
    if len(set(named)) < len(named):
        raise BadRequest("points, units: one is named twice")
    known = {
        f"{system}-{no}"
        for system, no in conn.execute(
            "SELECT system, no FROM point WHERE mine_id = %s AND run = 0", (mine_id,)
        ).fetchall()
    }
    slugs = {
        str(slug)
        for (slug,) in conn.execute(
            "SELECT slug FROM unit WHERE mine_id = %s", (mine_id,)
        ).fetchall()
    }
    for member, given, there in (
        ("points", wish.points, known),
        ("units", wish.units, slugs),
    ):
        for one in given:
            if one not in there:
                raise BadRequest(f"{member}: {wish.mine} has no {one[:40]!r}")


def _check_ceilings(wish: PlanWish) -> None:
    wrong = unknown_kinds(wish.work, wish.alarm_kinds)
    if wrong:
        raise BadRequest(
            f"alarm_kinds: {wrong[0][:40]!r} cannot be planned for {wish.work}"
        )
    if not 0 <= wish.rank_ceiling <= 3:
        raise BadRequest(
            f"rank_ceiling {wish.rank_ceiling}: 0 to 3; red is never quiet"
        )
    for member in ("value_ceiling", "test_gas"):
        value = getattr(wish, member)
        if value is not None and not (isfinite(value) and value > 0):
            raise BadRequest(f"{member} {value}: more than 0 is wanted")
    if wish.work == CALIBRATION:
        if wish.test_gas is None:
            raise BadRequest("test_gas: a calibration needs the content of its gas")
        if wish.value_ceiling is not None:
            raise BadRequest("value_ceiling: the test gas of a calibration sets it")
        if not wish.points or wish.units:
            raise BadRequest("points: a calibration names its sensors, and no units")
        return
    if wish.test_gas is not None:
        raise BadRequest(f"test_gas: has no place in {wish.work}")
    if wish.value_ceiling is None and set(wish.alarm_kinds) & set(CEILING_KINDS):
        raise BadRequest("value_ceiling: needed where values are too high")
