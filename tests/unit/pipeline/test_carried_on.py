"""After a restart: the open alarms of the database and what the spool says of them."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

from gasmon.alarms.events import AlarmEvent
from gasmon.pipeline.recover import carried_on
from tests.fix_pipeline import MINE, Live, at, defined, frame

UNIT = AlarmEvent(
    event="raised",
    kind="door_pair_open",
    rule="r",
    subject_type="unit",
    subject_id=f"{MINE}/u/11121",
    area=MINE[:6],
    mine=MINE,
    unit="11121",
    raised_at_us=at(1),
    happened_at_us=at(1),
    arrived_at_us=at(1),
    decided_at_us=at(1),
    rank=2,
)


def test_what_the_engine_does_not_decide_is_not_given_to_it() -> None:
    """A spool that says of itself that it fills kept the next process from starting."""
    live = Live()
    live.take(defined(), frame(1, [("001A01", 0.2, 0)]))
    filling = replace(
        UNIT,
        kind="spool_filling",
        subject_type="link",
        subject_id="platform-database",
        mine="",
        unit=None,
    )
    carried = carried_on([], [filling], live.book)
    assert carried == []
    live.engine.resume(carried)


def test_alarms_of_units_go_on_and_end() -> None:
    """Two units of one mine are two subjects."""
    live = Live()
    live.take(defined(), frame(1, [("001A01", 0.2, 0)]))
    second = replace(UNIT, subject_id=f"{MINE}/u/11122", unit="11122")
    carried = carried_on([], [UNIT, second], live.book)
    assert [alarm.subject for alarm in carried] == [UNIT.subject, second.subject]
    assert all(isnan(alarm.peak) for alarm in carried)
    ended = replace(UNIT, event="cleared", happened_at_us=at(9))
    assert [a.subject for a in carried_on(carried, [ended], live.book)] == [
        second.subject
    ]
