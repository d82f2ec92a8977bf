"""Late readings once more, slowly: what is known of a past is judged as if live.

Everything good that comes late is kept with its value. To know the lives in it, it is
sorted and given to another reference engine as live readings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isnan, nan
from typing import TYPE_CHECKING

from gasmon.alarms.engine import Patience

if TYPE_CHECKING:
    from tests.scalar_engine import Life, Point, Said, ScalarEngine

KINDS = {
    "over_limit": ("alarm_high", "clear_high"),
    "cut_off": ("cut_high", "restore_high"),
    "low_limit": ("alarm_low", "clear_low"),
    "low_cut_off": ("cut_low", "restore_low"),
}
CALIBRATION, OVER_RANGE, NO_VALUE = 4, 8, 16 | 32 | 64 | 128
DEAF = Patience(point_us=10**17, mine_us=10**17, late_us=10**17)


@dataclass
class Past:
    """What is known of the past of a point, and what is to be told of it."""

    harmless: dict[int, float] = field(default_factory=dict)
    other: dict[int, tuple[float, int, int]] = field(default_factory=dict)
    waiting: set[tuple[str, int]] = field(default_factory=set)
    first: int = 0
    heard: int = 0
    held: dict[str, tuple[int, int]] = field(default_factory=dict)

    def is_harmless(self, at: int) -> bool:
        return at in self.harmless and at not in self.other


@dataclass
class Stretch:
    """One life in a past; ``end`` is infinite while it goes on."""

    since: int
    newest: int
    raised: Said | None
    end: float
    last: int | None
    rank: int
    peak: float
    peak_at: int | None
    bands: dict[int, int]
    due: int = 0


def _beyond(kind: str, limits: dict[str, float], value: float, state: int) -> bool:
    limit = limits[KINDS[kind][0]]
    if kind.startswith("low"):
        return value <= limit and not state & OVER_RANGE
    return value >= limit


def _past(kind: str, limits: dict[str, float], value: float, state: int) -> bool:
    begin, back = KINDS[kind]
    if isnan(limits[begin]):
        return True
    if state & OVER_RANGE:
        return False
    return value > limits[back] if kind.startswith("low") else value < limits[back]


def _note(point: Point, value: float, at: int, arrived: int, state: int) -> None:
    limits = point.version_at(at).limits
    if all(_past(kind, limits, value, state) for kind in KINDS):
        point.past.harmless.setdefault(at, value)
    else:
        point.past.other.setdefault(at, (value, arrived, state & OVER_RANGE))


def _note_newest(point: Point) -> None:
    if not isnan(point.good_value):
        at = int(point.good_at)
        _note(point, point.good_value, at, at, 0)


def first_after_gap(
    engine: ScalarEngine,
    point: Point,
    value: float,
    at: int,
    arrived: int,
    state: int,
) -> None:
    """A good live value after a gap is known for what is found in the gap."""
    _note(point, value, at, arrived, state)


def _stretches(engine: ScalarEngine, point: Point, kind: str) -> list[Stretch]:
    """All lives of a kind in what is known, by the live rule."""
    other = type(engine)(
        engine.rules, engine.table, engine.definitions, DEAF, -(10**15)
    )
    twin = other.points[point.row]
    past = point.past
    found: list[Stretch] = []
    now: Stretch | None = None
    for at in sorted(past.harmless | past.other):
        if at in past.other:
            value, _, state = past.other[at]
        else:
            value, state = past.harmless[at], 0
        before = len(other.said)
        other.reading(point.row, value, at, at, state)
        life = twin.lives[kind]
        for said in other.said[before:]:
            if said.kind != kind:
                continue
            assert now is not None or said.event == "raised"
            if said.event == "raised":
                if now is None:
                    now = Stretch(at, at, None, inf, None, 0, nan, None, {})
                    found.append(now)
                now.raised = said
            assert now is not None
            now.rank = said.rank
            if said.event == "cleared":
                now.end, now.last = said.happened_at, at
                now.peak, now.peak_at = life.peak, life.peak_at
                now = None
        if life.phase == "idle":
            if now is not None:
                now.end, now.last = at, at
                now = None
            continue
        if now is None:
            now = Stretch(at, at, None, inf, None, 0, nan, None, {})
            found.append(now)
        limits = point.version_at(at).limits
        if _beyond(kind, limits, value, state):
            now.newest = at
    if now is not None:
        before = len(other.said)
        life = twin.lives[kind]
        if life.phase == "pending":
            now.due = life.due
            if life.due <= point.last_at:
                other.mature(twin, life.due, life.due)
        raised = [s for s in other.said[before:] if s.event == "raised"]
        if raised:
            now.raised = next(s for s in raised if s.kind == kind)
        now.peak, now.peak_at = life.peak, life.peak_at
        now.bands = dict(twin.bands)
    return found


def _begin_of(engine: ScalarEngine, life: Life) -> float:
    if life.phase == "idle":
        return inf
    if life.phase == "pending":
        return life.since
    assert life.version is not None
    return life.raised - engine.delay(life.kind, life.version, "on_delay")


def late(
    engine: ScalarEngine,
    point: Point,
    value: float,
    at: int,
    arrived: int,
    state: int,
) -> None:
    """A reading that is older than what was judged for its point."""
    if isnan(value) or state & NO_VALUE:
        return
    if state & CALIBRATION:
        since = point.calibrating_since
        if since is None or at - since < engine.patience.calibration_us:
            return
    _note(point, value, at, arrived, state)
    limits, past = point.version_at(at).limits, point.past
    for kind in KINDS:
        if kind in past.held:
            if _held(engine, point, kind):
                if _past(kind, limits, value, state) and at > past.held[kind][1]:
                    _end_held(engine, point, kind, value, arrived)
            else:
                del past.held[kind]
    for kind in KINDS:
        if _beyond(kind, limits, value, state):
            _judge(engine, point, kind, value, at, arrived)


def _held(engine: ScalarEngine, point: Point, kind: str) -> bool:
    life = point.lives[kind]
    return life.living and life.raised == point.past.held[kind][0]


def _end_held(
    engine: ScalarEngine, point: Point, kind: str, value: float, arrived: int
) -> None:
    raised, _ = point.past.held[kind]
    for stretch in _stretches(engine, point, kind):
        if stretch.since <= raised <= stretch.end:
            if stretch.end < inf:
                del point.past.held[kind]
                engine.clear(point, point.lives[kind], int(stretch.end), arrived, value)
            return


def _judge(
    engine: ScalarEngine, point: Point, kind: str, value: float, at: int, arrived: int
) -> None:
    life, past = point.lives[kind], point.past
    if (kind, at) in past.waiting:
        return
    if any(begin <= at <= end for begin, end in life.told):
        return
    begun = _begin_of(engine, life)
    if at >= begun:
        if kind in past.held:
            raised, evidence = past.held[kind]
            past.held[kind] = (raised, max(evidence, at))
        _worsen(engine, point, life, value, at, arrived)
        return
    limits = point.version_at(at).limits
    over = point.good_at > at and _past(kind, limits, point.good_value, 0)
    if life.phase == "idle" and not over:
        _note_newest(point)
        for stretch in _stretches(engine, point, kind):
            if stretch.since <= at and stretch.end == inf:
                again = any(
                    begin <= stretch.newest and stretch.since <= end
                    for begin, end in life.told
                )
                _begin(
                    engine, point, life, stretch, value, arrived, at if again else None
                )
                return
    if not past.waiting:
        past.first = past.heard = arrived
    past.waiting.add((kind, at))
    past.heard = max(past.heard, arrived)
    _note_newest(point)


def _worsen(
    engine: ScalarEngine, point: Point, life: Life, value: float, at: int, arrived: int
) -> None:
    if not life.living or at < life.raised:
        return
    low = life.kind.startswith("low")
    if value >= life.peak if low else value <= life.peak:
        return
    life.peak, life.peak_at = value, at
    if life.kind != "over_limit":
        return
    version = point.version_at(at)
    before = dict(point.bands)
    engine.bands(point, version, value, at)
    for number, since in before.items():
        point.bands[number] = min(since, at) if number in point.bands else since
    rank = engine.rank(point, life, at)
    point.bands = before
    if rank > life.rank:
        life.rank = rank
        engine.say("level", point, life, at, arrived, value)


def _begin(
    engine: ScalarEngine,
    point: Point,
    life: Life,
    stretch: Stretch,
    value: float,
    arrived: int,
    again: int | None = None,
) -> None:
    life.since = stretch.since if again is None else again
    life.beyond = False
    if life.kind == "over_limit":
        point.bands = dict(stretch.bands)
    if again is None and stretch.raised is None:
        life.phase, life.due = "pending", stretch.due
        _cross(engine, point, life, stretch)
        return
    raised = again
    if raised is None:
        assert stretch.raised is not None
        raised = stretch.raised.raised_at
    version = point.version_at(raised)
    assert stretch.peak_at is not None or again is not None
    peak = (stretch.peak, stretch.peak_at or stretch.newest)
    engine.raise_(point, life, version, raised, arrived, value, peak=peak)
    point.past.held[life.kind] = (raised, stretch.newest)


def settle(engine: ScalarEngine, point: Point, mark: int) -> None:
    """Tell of what waited, when nothing more of it has come for a while."""
    past, calm = point.past, engine.patience.late_us
    for kind in list(past.held):
        if not _held(engine, point, kind):
            del past.held[kind]
    if not past.waiting:
        return
    past.heard, past.first = min(past.heard, mark), min(past.first, mark)
    if mark - past.heard < calm and mark - past.first < 10 * calm:
        return
    waited, past.waiting = past.waiting, set()
    _note_newest(point)
    for kind in KINDS:
        times = [at for own, at in waited if own == kind]
        if not times:
            continue
        for stretch in _stretches(engine, point, kind):
            if any(stretch.since <= at <= stretch.newest for at in times):
                _tell(engine, point, point.lives[kind], stretch)


def _tell(engine: ScalarEngine, point: Point, life: Life, stretch: Stretch) -> None:
    over = stretch.end < inf
    until = int(stretch.end) if over else stretch.newest
    begun = _begin_of(engine, life)
    if stretch.end >= begun and begun < inf:
        life.told.append((stretch.since, max(until, int(begun))))
    elif any(a <= until and stretch.since <= b for a, b in life.told):
        life.told.append((stretch.since, until))
    elif not over:
        value, arrived, _ = point.past.other[stretch.since]
        _begin(engine, point, life, stretch, value, arrived)
    else:
        life.told.append((stretch.since, until))
        if stretch.raised is not None:
            _record(engine, point, life, stretch)
        else:
            _cross(engine, point, life, stretch)


def _cross(engine: ScalarEngine, point: Point, life: Life, stretch: Stretch) -> None:
    at = stretch.since
    value, arrived, _ = point.past.other[at]
    engine.cross(point, life, point.version_at(at), at, arrived, value, late=True)


def _record(engine: ScalarEngine, point: Point, life: Life, stretch: Stretch) -> None:
    assert stretch.raised is not None
    assert stretch.last is not None
    past = point.past
    kept = (life.raised, life.version, life.rank, life.peak, life.peak_at)
    raised = stretch.raised.raised_at
    life.raised, life.version = raised, point.version_at(raised)
    life.rank, life.peak, life.peak_at = stretch.rank, stretch.peak, stretch.peak_at
    _, first, _ = past.other[stretch.since]
    value, last = nan, stretch.last
    if stretch.last in past.other:
        value, last, _ = past.other[stretch.last]
    said = stretch.raised.value
    told = nan if said is None else said
    engine.say("raised", point, life, raised, first, told, late=True)
    end, arrived = int(stretch.end), max(first, last)
    engine.say("cleared", point, life, end, arrived, value, late=True)
    life.raised, life.version, life.rank, life.peak, life.peak_at = kept
