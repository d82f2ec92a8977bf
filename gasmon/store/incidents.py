"""Incidents while events are applied: the alarms of one unit or subject that overlap.

An incident opens with its first alarm and closes when its last open one is cleared;
the next alarm there opens another. Working copies live here during one call of
``alarms.apply_events``; the table is read once and written once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.kinds import MINE_ONLY_KINDS
from gasmon.store.db import Connection
from gasmon.store.numbers import Drawn, Numbers
from gasmon.store.recordset import recordset
from gasmon.units import to_datetime

Scope = tuple[int, str, str]
"""(run, scope_type, scope_id)"""


@dataclass(slots=True)
class Incident:
    """Working copy of one incident.

    Attributes:
        incident_id: 0 until a new one is written.
        n_open: its alarms that are not cleared.
        closed_us: when the last one was cleared; None while any is open.
    """

    incident_id: int
    scope: Scope
    area: str
    mine_id: int | None
    opened_us: int
    worst_rank: int
    n_open: int
    closed_us: int | None = None
    is_changed: bool = False

    def ranked(self, rank: int) -> None:
        """One of its alarms reached a level; the worst is kept."""
        if rank > self.worst_rank:
            self.worst_rank = rank
            self.is_changed = True


def scope_of(event: AlarmEvent) -> Scope:
    """What the incident of an event is about: its unit if it has one.

    A pre-warning is no part of an incident: it has a scope of its own, so that it
    neither opens one for a unit nor keeps one open.
    """
    if event.kind in MINE_ONLY_KINDS:
        return (event.run, event.kind, event.subject_id)
    if event.unit:
        return (event.run, "unit", f"{event.mine}/u/{event.unit}")
    return (event.run, event.subject_type, event.subject_id)


class Incidents:
    """The incidents that one call of ``apply_events`` may touch."""

    def __init__(
        self,
        conn: Connection,
        events: Sequence[AlarmEvent],
        alarms: tuple[str, str],
        numbers: Numbers,
    ) -> None:
        """Ask for what these events may touch; :meth:`read` takes the answer.

        Args:
            numbers: of incidents that will be new.
            alarms: a query, with its parameter, for the alarms that are touched;
                theirs are read and locked, beside those open at the events' scopes.
        """
        self._conn = conn
        self._by_id: dict[int, Incident] = {}
        self._open: dict[Scope, Incident] = {}
        self._new: list[Incident] = []
        wanted = sorted({scope_of(e) for e in events})
        touched, of_alarms = alarms
        self._asked = conn.execute(
            f"""SELECT i.incident_id, i.run, i.scope_type, i.scope_id, i.area_code,
                      i.mine_id, (extract(epoch FROM i.opened_at) * 1000000)::bigint,
                      i.worst_rank, (SELECT count(*) FROM alarm a
                          WHERE a.incident_id = i.incident_id
                            AND a.cleared_at IS NULL),
                      i.closed_at IS NULL
               FROM incident i
               WHERE i.incident_id IN (
                   SELECT t.incident_id FROM alarm t WHERE t.alarm_id IN ({touched})
                   UNION SELECT o.incident_id FROM incident o
                   JOIN json_to_recordset(%s::json)
                        AS w (run int, scope_type text, scope_id text)
                     USING (run, scope_type, scope_id)
                   WHERE o.closed_at IS NULL)
               ORDER BY i.incident_id FOR UPDATE OF i""".encode(),
            (of_alarms, recordset(("run", "scope_type", "scope_id"), wanted)),
        )
        self._numbers = numbers

    def read(self) -> None:
        """Take the answer."""
        rows = self._asked.fetchall()
        for number, run, kind, name, area, mine_id, opened, worst, n, is_open in cast(
            list[tuple[int, int, str, str, str, int | None, int, int, int, bool]], rows
        ):
            found = Incident(number, (run, kind, name), area, mine_id, opened, worst, n)
            self._by_id[number] = found
            if is_open:
                self._open[found.scope] = found

    def joined(self, event: AlarmEvent, mine_id: int | None) -> Incident:
        """The open incident of an event's scope, made when there is none."""
        scope = scope_of(event)
        incident = self._open.get(scope)
        if incident is None:
            incident = Incident(
                incident_id=0,
                scope=scope,
                area=event.area,
                mine_id=mine_id,
                opened_us=event.raised_at_us,
                worst_rank=event.rank,
                n_open=0,
            )
            self._new.append(incident)
            self._open[scope] = incident
        return incident

    def known(self, incident_id: int) -> Incident:
        """An incident that was read; our own error if it was not asked for."""
        return self._by_id[incident_id]

    def alarm_cleared(self, incident: Incident, cleared_us: int) -> None:
        """One open alarm fewer; the last one closes the incident."""
        incident.n_open -= 1
        if incident.n_open <= 0:
            incident.closed_us = max(cleared_us, incident.opened_us)
            incident.is_changed = True
            if self._open.get(incident.scope) is incident:
                del self._open[incident.scope]

    def write(self) -> None:
        """Write what changed: known ones first, so that a scope is free again."""
        changed = [i for i in self._by_id.values() if i.is_changed]
        self._conn.cursor().executemany(
            "UPDATE incident SET worst_rank = %s, closed_at = %s"
            " WHERE incident_id = %s",
            [(i.worst_rank, _moment(i.closed_us), i.incident_id) for i in changed],
        )
        numbers = self._numbers.take(len(self._new))
        for incident, number in zip(self._new, numbers, strict=True):
            incident.incident_id = number
        self._conn.cursor().executemany(
            "INSERT INTO incident (incident_id, run, scope_type, scope_id, area_code,"
            " mine_id, opened_at, closed_at, worst_rank) OVERRIDING SYSTEM VALUE"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    i.incident_id,
                    *i.scope,
                    i.area,
                    i.mine_id,
                    to_datetime(i.opened_us),
                    _moment(i.closed_us),
                    i.worst_rank,
                )
                for i in self._new
            ],
        )


def ask_numbers(
    conn: Connection, events: Sequence[AlarmEvent]
) -> tuple[Numbers, Numbers]:
    """Numbers for the alarms and for the incidents that will be new."""
    raised = [
        (e.event_id, e.run, e.subject_type, e.subject_id, e.kind, *scope_of(e)[1:])
        for e in events
        if e.event == "raised"
    ]
    asked = None
    if raised:
        asked = conn.execute(_FORESEEN, (recordset(_RAISED, raised),))
    drawn = Drawn(asked)
    return (
        Numbers(conn, "alarm", "alarm_id", drawn),
        Numbers(conn, "incident", "incident_id", drawn),
    )


_RAISED = (
    *("event_id", "run", "subject_type", "subject_id", "kind"),
    *("scope_type", "scope_id"),
)
_FORESEEN = """
WITH e AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json)
        AS e (event_id text, run int, subject_type text, subject_id text, kind text,
              scope_type text, scope_id text)
    WHERE NOT EXISTS (SELECT FROM alarm_journal j WHERE j.event_id = e.event_id))
SELECT 'alarm', nextval(pg_get_serial_sequence('alarm', 'alarm_id')) FROM e
WHERE NOT EXISTS (
    SELECT FROM alarm a
    WHERE (a.run, a.subject_type, a.subject_id, a.kind)
          = (e.run, e.subject_type, e.subject_id, e.kind) AND a.cleared_at IS NULL)
UNION ALL
SELECT 'incident', nextval(pg_get_serial_sequence('incident', 'incident_id'))
FROM (SELECT DISTINCT run, scope_type, scope_id FROM e) w
WHERE NOT EXISTS (
    SELECT FROM incident o
    WHERE (o.run, o.scope_type, o.scope_id) = (w.run, w.scope_type, w.scope_id)
      AND o.closed_at IS NULL)"""


def _moment(time_us: int | None) -> object:
    return None if time_us is None else to_datetime(time_us)
