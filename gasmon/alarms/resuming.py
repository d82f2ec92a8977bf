"""Alarms that were open when the process ended go on, silently."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gasmon.alarms import debounce
from gasmon.alarms.compiled import RuleTable
from gasmon.alarms.kinds import (
    EVASION,
    FORECAST_KINDS,
    LINK_BREAK,
    N_VALUE_SLOTS,
    NO_DATA,
    OVER_LIMIT,
    SLOT_OF,
    SUBSTATION_BREAK,
    SWITCH,
    SWITCH_KINDS,
)
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.state import PointState

if TYPE_CHECKING:
    from gasmon.alarms.engine import AlarmEngine


@dataclass(frozen=True, slots=True)
class LivingAlarm:
    """An alarm that was open when the process ended, to go on with.

    Attributes:
        row: of its point, else -1.
        subject: ``unit:…`` or ``mine:…`` of a relation, ``substation:…`` of a silent
            one, else empty.
    """

    kind: str
    row: int
    mine: int
    raised_us: int
    rank: int
    peak: float
    peak_at_us: int
    unknown: bool = False
    subject: str = ""


def resume(engine: "AlarmEngine", alarms: Iterable[LivingAlarm]) -> None:
    """Let each of them live where its kind does."""
    engine.relations.follow_points()
    for alarm in alarms:
        if alarm.kind == LINK_BREAK:
            engine.links.resume(alarm.mine, alarm.raised_us, alarm.rank)
        elif alarm.kind == SUBSTATION_BREAK:
            engine.substations.resume_named(alarm.subject, alarm.raised_us, alarm.rank)
        elif alarm.subject:
            engine.relations.resume(
                alarm.subject, alarm.kind, alarm.raised_us, alarm.rank, alarm.unknown
            )
        elif alarm.kind in FORECAST_KINDS:
            if engine.forecast is not None:
                engine.forecast.resume(alarm.kind, alarm.row, alarm.raised_us)
        else:
            go_on(engine.state, engine.rules, alarm)


def go_on(s: PointState, rules: RuleTable, alarm: LivingAlarm) -> None:
    """Let the slot of an alarm live as it is recorded.

    A reading from before it began is late for its point from here on: sent again after
    a restart it must not end what came after it.
    """
    slot, row = SLOT_OF[alarm.kind], alarm.row
    # A change of the limit is judged by the limit before it.
    begun_us = alarm.raised_us - (1 if slot == EVASION else 0)
    rows, times = np.asarray([row], np.int32), np.asarray([begun_us], np.int64)
    line = int(rules.version_at(rows, times)[0])
    s.phase[row, slot] = debounce.ACTIVE
    s.raised_us[row, slot] = alarm.raised_us
    s.rank[row, slot] = alarm.rank
    s.line[row, slot] = line
    s.level[row, slot] = rules.lines.level[line, slot]
    s.unknown[row, slot] = alarm.unknown
    s.busy[row] |= np.uint16(1 << slot)
    if slot < N_VALUE_SLOTS:
        s.peak[row, slot] = alarm.peak
        s.peak_at_us[row, slot] = alarm.peak_at_us
        s.beyond[row, slot] = True  # as far as is known: no crossing is made up
    if slot == SWITCH:
        s.switch_kind[row] = SWITCH_KINDS.index(alarm.kind)
    if slot == OVER_LIMIT:
        # How long each band lasted is not kept: the longest possible time is
        # assumed, which can only raise the level early.
        inside = alarm.peak >= rules.lines.band[line]
        s.band_us[row] = np.where(inside, alarm.peak_at_us, NEVER_US)
    if slot != NO_DATA:  # which is reckoned in arrival times
        # The reading that began it is none: recorded ahead, it may come again, and says
        # more than this alarm.
        s.last_at_us[row] = max(int(s.last_at_us[row]), alarm.raised_us - 1)
    s.slot_due_us[row, slot] = alarm.raised_us
    s.due_us[row] = min(int(s.due_us[row]), alarm.raised_us)
