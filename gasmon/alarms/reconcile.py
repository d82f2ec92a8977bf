"""What lives in an engine against what is recorded as open (pure).

After a restart both should be the same. Where they are not (readings were lost on a
full disk, the rules have changed), what people see counts: an alarm that is recorded
as open goes on, one that is not is forgotten. What was recorded ahead of readings that
come again is left to them (``owing.py``).
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np

from gasmon.alarms import debounce
from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.kinds import (
    FORECAST_KINDS,
    LINK_BREAK,
    N_VALUE_SLOTS,
    OVER_LIMIT,
    POINT_KINDS,
    SLOT_OF,
    SUBSTATION_BREAK,
    SWITCH,
    SWITCH_KINDS,
)
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.owing import OWED_KINDS, Debt, mine_of
from gasmon.alarms.resuming import LivingAlarm

Subject = tuple[str, int | str]
"""(kind, point row), (link_break, mine index), or (kind, subject) of the others."""


def living(engine: AlarmEngine) -> set[Subject]:
    """Everything that is raised in an engine."""
    phase = engine.state.phase[: engine.state.n]
    rows, slots = np.nonzero(phase >= debounce.ACTIVE)
    found: set[Subject] = {
        (_kind(engine, row, slot), row)
        for row, slot in zip(rows.tolist(), slots.tolist(), strict=True)
    }
    broken = np.flatnonzero(engine.links.raised_us != NEVER_US)
    found |= {(LINK_BREAK, mine) for mine in broken.tolist()}
    found |= engine.substations.living().keys() | engine.relations.living().keys()
    if engine.forecast is not None:
        found |= engine.forecast.living().keys()
    return found


def _kind(engine: AlarmEngine, row: int, slot: int) -> str:
    if slot == SWITCH:
        return SWITCH_KINDS[int(engine.state.switch_kind[row])]
    return POINT_KINDS[slot]


def subject_of(alarm: LivingAlarm) -> Subject:
    """What an alarm is about."""
    if alarm.subject:
        return alarm.kind, alarm.subject
    return alarm.kind, alarm.mine if alarm.kind == LINK_BREAK else alarm.row


def owed(
    engine: AlarmEngine, recorded: Iterable[LivingAlarm], ended: Iterable[Debt]
) -> list[Debt]:
    """What readings are still to make that come again, because it went ahead of them.

    Only what happened after the newest reading that was judged of its point, or of its
    mine: nothing of before will be judged any more.

    Args:
        recorded: what is recorded as open.
        ended: ends that are recorded lately.
    """
    ends = [
        end
        for end in ended
        if end.alarm.kind in OWED_KINDS
        and end.cleared_us is not None
        and end.cleared_us > _judged_us(engine, end.alarm)
        and not _ended_by_a_mark(engine, end.alarm)
    ]
    # Once: it takes 0.4 ms for a city, and a storm has hundreds ahead.
    alive = living(engine)
    begun = [
        Debt(replace(alarm, mine=-1))
        for alarm in recorded
        if alarm.kind in OWED_KINDS
        and alarm.raised_us > _judged_us(engine, alarm)
        and not _lives(engine, alarm, alive)
    ]
    return ends + begun


def going_on(
    engine: AlarmEngine, recorded: Iterable[LivingAlarm], ended: Iterable[Debt]
) -> list[Debt]:
    """As ``owed``, for an engine that knows the newest values and no alarm.

    What lived when they were judged, and ended after them, lives in it again.
    """
    engine.relations.follow_points()
    debts = owed(engine, recorded, ended)
    engine.resume(
        debt.alarm
        for debt in debts
        if debt.cleared_us is not None
        and debt.alarm.raised_us <= _judged_us(engine, debt.alarm)
    )
    return debts


def _ended_by_a_mark(engine: AlarmEngine, alarm: LivingAlarm) -> bool:
    """Whether it is over in the log as well, without a reading: a retired point's.

    No reading comes behind such an end, so it would be owed at each restart of a day.
    """
    if alarm.subject or alarm.row not in engine.retired.rows:
        return False
    is_idle = int(engine.state.phase[alarm.row, SLOT_OF[alarm.kind]]) == debounce.IDLE
    return is_idle and alarm.raised_us <= _judged_us(engine, alarm)


def _judged_us(engine: AlarmEngine, alarm: LivingAlarm) -> int:
    """Event time of the newest that was judged of what an alarm is about [µs]."""
    if not alarm.subject:
        return int(engine.state.last_at_us[alarm.row])
    mine = mine_of(engine, alarm.subject)
    return int(engine.relations.watermark_us[mine]) if mine >= 0 else NEVER_US


def _lives(engine: AlarmEngine, alarm: LivingAlarm, alive: set[Subject]) -> bool:
    """Whether an engine, in which these are raised, has this very alarm."""
    subject = subject_of(alarm)
    return subject in alive and _raised_us(engine, subject) == alarm.raised_us


def reconcile(
    engine: AlarmEngine,
    recorded: Iterable[LivingAlarm],
    owed: Collection[Debt] = (),
) -> tuple[list[Subject], list[Subject]]:
    """Make an engine live what is recorded as open.

    An alarm of the same subject that began at another time is another alarm: its end
    would be told of one that is over, and the one that is open would never end.

    Args:
        owed: what may be as it is, because readings are still to come.

    Returns:
        What it had not, and goes on with now; and what it had, and forgot.
    """
    wanted = {subject_of(alarm): alarm for alarm in recorded}
    alive = living(engine)
    to_come = {subject_of(debt.alarm) for debt in owed if debt.cleared_us is None}
    to_end = {
        subject_of(debt.alarm)
        for debt in owed
        if debt.cleared_us is not None and _lives(engine, debt.alarm, alive)
    }
    same = {
        subject
        for subject in alive & wanted.keys()
        if _raised_us(engine, subject) == wanted[subject].raised_us
    }
    surplus = sorted(alive - same - to_end, key=lambda about: (about[0], str(about[1])))
    for kind, index in surplus:
        _forget(engine, kind, index)
    missing = [
        alarm
        for subject, alarm in wanted.items()
        if subject not in same and subject not in to_come
    ]
    engine.resume(missing)
    return [subject_of(alarm) for alarm in missing], surplus


def _raised_us(engine: AlarmEngine, subject: Subject) -> int:
    kind, index = subject
    if isinstance(index, str):
        found = {**engine.substations.living(), **engine.relations.living()}
        return found[kind, index]
    if kind == LINK_BREAK:
        return int(engine.links.raised_us[index])
    if kind in FORECAST_KINDS:
        assert engine.forecast is not None
        return engine.forecast.living()[kind, index]
    return int(engine.state.raised_us[index, SLOT_OF[kind]])


def _forget(engine: AlarmEngine, kind: str, index: int | str) -> None:
    """As if it had never been raised; the next reading judges anew."""
    if kind == SUBSTATION_BREAK:
        number = engine.substations.number_of(str(index))
        assert number is not None  # it lives
        engine.substations.forget(number)
        return
    if isinstance(index, str):
        engine.relations.forget(index, kind)
        return
    if kind == LINK_BREAK:
        engine.links.forget(index)
        return
    if kind in FORECAST_KINDS:
        assert engine.forecast is not None
        engine.forecast.forget(kind, index)
        return
    state, slot = engine.state, SLOT_OF[kind]
    state.phase[index, slot] = debounce.IDLE
    if slot < N_VALUE_SLOTS:
        state.since_us[index, slot] = NEVER_US
    state.raised_us[index, slot] = NEVER_US
    state.slot_due_us[index, slot] = NEVER_US
    state.rank[index, slot] = 0
    state.unknown[index, slot] = False
    state.busy[index] &= np.uint16(~(1 << slot) & 0xFFFF)
    state.due_us[index] = state.slot_due_us[index].min()
    if slot == OVER_LIMIT:
        state.band_us[index] = NEVER_US
