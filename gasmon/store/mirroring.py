"""Events of the engine above, put on the rows that they were put on there.

Our book of alarms puts an event on the open alarm of its subject and kind, unless the
alarm is over within the batch. Above, a batch was a transaction; here it is what came
together, and both cuts are wrong: what was found late, and over, would end the alarm
that is open now, and what went on under another key would leave it open for ever. The
number that the alarm has above tells which it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from gasmon.alarms.events import AlarmEvent
from gasmon.store import alarms
from gasmon.store.alarm_book import Slot
from gasmon.store.alarms import StoredEvent
from gasmon.store.db import Connection
from gasmon.store.merging import alarm_of
from gasmon.store.recordset import recordset

MOST_UNFINISHED = 5_000
"""Events that wait for the end of one at most; an end that never comes must not hold
everything after it."""


class Unfinished(Exception):
    """The end of an alarm that was over when it was found has not come yet."""


Numbered = tuple[int, AlarmEvent]
"""The alarm's number above, and an event of it."""


@dataclass(slots=True)
class _Plan:
    """Events in the calls that put each where it belongs.

    Attributes:
        open: number above and key of the alarm that is open in each slot.
        calls: events that are applied together, in order.
        going_on: keys that go on under another alarm, in the last call.
        aside: events of alarms that are over, beside an open one, by number, until
            their end has come.
    """

    open: dict[Slot, tuple[int, str]]
    calls: list[list[AlarmEvent]] = field(default_factory=lambda: [[]])
    going_on: set[str] = field(default_factory=set)
    aside: dict[int, list[AlarmEvent]] = field(default_factory=dict)

    def add(self, number: int, event: AlarmEvent) -> None:
        slot = slot_of(event)
        here = self.open.get(slot)
        if here is not None and here[0] != number:
            self.aside.setdefault(number, []).append(event)
            if event.event == "cleared":
                self.calls += [self.aside.pop(number), []]
                self.going_on.clear()
            return
        if event.event == "cleared":
            if event.key in self.going_on:
                self.calls.append([])
                self.going_on.clear()
            self.open.pop(slot, None)
        elif here is None:
            self.open[slot] = (number, event.key)
        elif here[1] != event.key:
            self.going_on.add(event.key)
        self.calls[-1].append(event)


def apply_numbered(
    conn: Connection, events: Sequence[Numbered], name: str, now_us: int
) -> list[StoredEvent]:
    """Apply events of the node above; gives those that are new, in their order.

    Raises:
        Unfinished: more must come before these can be applied.
    """
    plan = _Plan(_open(conn, [event for _, event in events]))
    for number, event in events:
        plan.add(number, event)
    for told in plan.aside.values():
        is_known = alarm_of(conn, told[0].key) is not None
        if not is_known and len(events) < MOST_UNFINISHED:
            raise Unfinished
        plan.calls.append(told)
    stored: list[StoredEvent] = []
    for call in plan.calls:
        stored += alarms.apply_events(conn, call, now_us)
    _number(conn, events, stored, name)
    order = {event.event_id: at for at, (_, event) in enumerate(events)}
    return sorted(stored, key=lambda one: order[one.event.event_id])


def slot_of(event: AlarmEvent) -> Slot:
    """Where at most one alarm is open."""
    return (event.run, event.subject_type, event.subject_id, event.kind)


def _open(
    conn: Connection, events: Sequence[AlarmEvent]
) -> dict[Slot, tuple[int, str]]:
    rows = conn.execute(
        "SELECT a.run, a.subject_type, a.subject_id, a.kind,"
        " coalesce(a.upstream_alarm_id, 0),"
        " (extract(epoch FROM a.raised_at) * 1000000)::bigint FROM alarm a"
        " JOIN json_to_recordset(%s::json) AS w (run int, subject_type text,"
        "  subject_id text, kind text) USING (run, subject_type, subject_id, kind)"
        " WHERE a.cleared_at IS NULL",
        (
            recordset(
                ("run", "subject_type", "subject_id", "kind"),
                sorted({slot_of(event) for event in events}),
            ),
        ),
    ).fetchall()
    return {
        (run, subject, name, kind): (
            number,
            f"{run}/{subject}:{name}/{kind}/{raised_us}",
        )
        for run, subject, name, kind, number, raised_us in cast(
            list[tuple[int, str, str, str, int, int]], rows
        )
    }


def _number(
    conn: Connection,
    events: Sequence[Numbered],
    stored: Sequence[StoredEvent],
    name: str,
) -> None:
    """Remember whose alarms these are, and their numbers there."""
    numbers = {event.event_id: number for number, event in events}
    rows = {one.alarm_id: numbers[one.event.event_id] for one in stored}
    conn.execute(
        "UPDATE alarm a SET upstream = %s, upstream_alarm_id = w.number"
        " FROM json_to_recordset(%s::json) AS w (alarm_id bigint, number bigint)"
        " WHERE a.alarm_id = w.alarm_id AND (a.upstream, a.upstream_alarm_id)"
        " IS DISTINCT FROM (%s, w.number)",
        (name, recordset(("alarm_id", "number"), sorted(rows.items())), name),
    )
