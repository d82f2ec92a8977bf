"""The kinds that follow how values move, and switches, once more and slowly.

One point, one reading, ordinary ``if``s; a rise is looked up in the readings
themselves. Written from docs/alarm-rules.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isnan, nan
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.scalar_engine import Life, Point, Version

ALARM, CALIBRATION, OVER_RANGE = 1, 4, 8
SUBSTATION_FAULT, PAUSED, SENSOR_FAULT = 16, 32 | 64, 128

SWITCHES = (
    "local_fan_stopped",
    "main_fan_stopped",
    "smoke",
    "air_reversed",
    "feed_lost",
    "breaker_open",
    "substation_power_loss",
)
SHAPE_KINDS = (
    "high_pre_warning",
    "low_pre_warning",
    "rapid_rise",
    "suspicious_data",
    "switch",
    "evasion",
)
MINUTE = 60_000_000


def _nine(number: float) -> float:
    return round(number * 1e9) / 1e9


@dataclass
class Moves:
    """What is remembered of how the values of a point move."""

    followed: float = -inf
    half: int = 0
    joined: list[tuple[int, float]] = field(default_factory=list)
    rise: float = nan
    still_since: int = 0
    usual: int = 0
    n: int = 0
    step: float = inf
    jump_from: float = nan
    jump_at: float = -inf
    odd_at: float = -inf


@dataclass
class Seen:
    """What one reading says beside its value."""

    rise: float = nan
    odd: bool = False
    calm: bool = True
    before: Version | None = None
    value_before: float = nan


def _number(params: Any, name: str) -> float:
    return float(params.values[name]) if params else nan


def _window(version: Version) -> int:
    for kind in ("rapid_rise", "evasion"):
        params = version.asks[kind]
        if params and version.point.value_kind == "MN":
            return int(params.values["window"])
    return 2 * MINUTE


def _ask(version: Version, kind: str) -> Any:
    return version.asks[kind] if version.point.value_kind == "MN" else None


def _followed(version: Version) -> bool:
    return any(_ask(version, k) for k in ("rapid_rise", "evasion", "suspicious_data"))


def rise_limit(version: Version, kind: str) -> float:
    """What a rise over the window must be."""
    per_min = _number(_ask(version, kind), "rise_per_min")
    return round(per_min * (_window(version) / MINUTE), 9)


def near(version: Version) -> float:
    """From what value on a point is near its limit."""
    share = _number(_ask(version, "evasion"), "near_fraction")
    return round(share * version.limits["alarm_high"], 9)


def pre_warning(version: Version, high: bool) -> tuple[float, float]:
    """Where it begins and ends."""
    params = _ask(version, "high_pre_warning" if high else "low_pre_warning")
    alarm = version.limits["alarm_high" if high else "alarm_low"]
    begin, end = _number(params, "limit"), _number(params, "clear")
    if isnan(begin):
        begin = round(_number(params, "fraction") * alarm, 9)
    if isnan(end):
        end = round(_number(params, "clear_fraction") * alarm, 9)
    if isnan(end) or (end > begin if high else end < begin):
        end = begin
    return begin, end


def switch_of(version: Version) -> str | None:
    """Which kind of switch alarm a point can have."""
    for kind in SWITCHES:
        if version.asks[kind]:
            return kind
    is_switch = version.point.value_kind in ("KG", "DT")
    known = version.point.quantity != "UNKNOWN"
    if is_switch and known and version.asks["on_off_alarm"]:
        return "on_off_alarm"
    return None


def look(
    point: Point,
    version: Version,
    value: float,
    at: int,
    state: int,
    good: bool,
) -> Seen:
    """One reading, while the one before it is still the newest."""
    seen = Seen(before=_begins(point, version, value, at, state, good))
    seen.value_before = point.good_value
    m = point.moves
    if good and _followed(version):
        gap = at - point.good_at
        known = m.followed == point.good_at
        seen.rise = _rise(point, version, value, at, known and gap <= _window(version))
        seen.odd = _odd(point, version, value, at, known, gap)
        m.followed = at
        if seen.odd:
            m.odd_at = at
    doubt = _ask(version, "suspicious_data")
    seen.calm = at - m.odd_at >= (doubt.values["calm"] if doubt else 0)
    return seen


def _rise(point: Point, version: Version, value: float, at: int, joined: bool) -> float:
    m, half = point.moves, _window(version) // 2
    if not joined or m.half != half:
        m.joined = []
        m.half = half
    earlier = []
    for back in (1, 2, 3):
        own = [v for t, v in m.joined if t // half == at // half - back]
        if own:
            earlier.append(max(own))
    before = point.good_value
    m.joined.append((at, value))
    m.rise = _nine(min(value, before) - min(earlier)) if joined and earlier else nan
    return m.rise


def _odd(
    point: Point, version: Version, value: float, at: int, known: bool, gap: float
) -> bool:
    m, params = point.moves, _ask(version, "suspicious_data")
    before = point.good_value
    if params is None:
        if not (known and gap <= 0):
            m.still_since = at
        return False
    p = params.values
    joined = known and gap <= p["gap"]
    odd = False
    # Standing still.
    lasted = at - m.still_since
    coarse = max(m.step / p["resolution"], 1.0) if m.step < inf else 1.0
    enough = p["flat_after"] * coarse
    if joined and value == before:
        needed = max(enough, p["flat_factor"] * m.usual)
        if m.n >= p["flat_moves"] and lasted >= needed:
            odd = True
        above = round(p["stuck_fraction"] * version.limits["alarm_high"], 9)
        if value >= above and lasted >= p["stuck_after"]:
            odd = True
    else:
        if joined:
            m.step = min(m.step, _nine(abs(value - before)))
            if lasted >= enough:
                m.n = 0
            else:
                m.n = min(m.n + 1, 9999)
                m.usual = max(lasted, m.usual - m.usual // 1024)
        m.still_since = at
    # Below the range.
    low = version.point.range_low
    bound = round((0.0 if isnan(low) else low) - p["below_range"], 9)
    if joined and value < bound and before < bound:
        odd = True
    # A jump, and back.
    waits = at - m.jump_at <= p["jump_within"]
    if joined and waits and _nine(abs(value - m.jump_from)) <= p["jump_back"]:
        odd = True
        m.jump_at = -inf
    elif joined and not waits and _nine(abs(value - before)) >= p["jump"]:
        m.jump_from, m.jump_at = before, at
    return odd


def rises_near(point: Point) -> Version | None:
    """The version of the newest reading, if that was good and rose near its limit."""
    if point.good_at != point.last_at or point.good_at != point.moves.followed:
        return None
    if point.good_at == -inf:
        return None
    version = point.version_at(int(point.good_at))
    is_near = point.good_value >= near(version)
    return (
        version
        if is_near and point.moves.rise >= rise_limit(version, "evasion")
        else None
    )


def _begins(
    point: Point, version: Version, value: float, at: int, state: int, good: bool
) -> Version | None:
    """The version before, when something begins that hides a rise."""
    before = rises_near(point)
    if before is None:
        return None
    is_hole = isnan(value) or state & (PAUSED | SENSOR_FAULT | SUBSTATION_FAULT)
    calibrates = state & CALIBRATION and not point.last_state & CALIBRATION
    new, old = version.limits["alarm_high"], before.limits["alarm_high"]
    looser = version.from_us > point.good_at and (isnan(new) or new > old)
    return before if is_hole or calibrates or looser else None


def says(
    kind: str,
    life: Life,
    version: Version,
    seen: Seen,
    value: float,
    state: int,
    good: bool,
    calibrating: bool,
) -> tuple[bool, bool]:
    """Whether a reading raises, and whether it ends, a kind."""
    exact = good and not state & OVER_RANGE
    raiser = life.version if life.living else None
    if kind in ("high_pre_warning", "low_pre_warning"):
        high = kind == "high_pre_warning"
        begin, end = pre_warning(version, high)
        if isnan(begin) and raiser is not None:
            _, end = pre_warning(raiser, high)
        if high:
            return good and value >= begin, exact and value < end
        return exact and value <= begin, exact and value > end
    if kind == "rapid_rise":
        limit = rise_limit(version, kind)
        over = isnan(limit) or seen.rise < limit / 2
        return seen.rise >= limit, good and over
    if kind == "suspicious_data":
        return seen.odd, good and not seen.odd and seen.calm
    if kind == "evasion":
        low = near(raiser) if raiser is not None else nan
        return seen.before is not None, exact and value < low
    raises = _switch_raises(version, value, seen, state, good, calibrating)
    judge = version
    if switch_of(version) is None and raiser is not None:
        judge = raiser
    again = _switch_raises(judge, value, None, state, good, calibrating)
    return raises, good and not again


def _switch_raises(
    version: Version,
    value: float,
    seen: Seen | None,
    state: int,
    good: bool,
    calibrating: bool,
) -> bool:
    """Whether it is in a state of alarm; with what was seen, whether it begins."""
    kind = switch_of(version)
    if kind is None:
        return False
    if kind == "on_off_alarm":
        return bool(state & ALARM) and not calibrating
    p = version.asks[kind].values
    wrong = (p["state"], p["or_state"])
    if good and seen is not None and p["begins"] == "by_change":
        left = not isnan(seen.value_before) and seen.value_before not in wrong
        return left and value in wrong
    if good:
        return value in wrong
    return bool(state & ALARM) and not calibrating
