"""Incidents while events are applied: the alarms of one unit or subject that overlap.

An incident opens with its first alarm and closes when its last open one is cleared;
the next alarm there opens another. Working copies live here during one call of
``alarms.apply_events``; the table is read once and written once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.kinds import MINE_ONLY_KINDS
from gasmon.store.numbers import Numbers

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

    def __init__(self, found: Iterable[Mapping[str, Any]]) -> None:
        """Take those that were read and locked: rows as ``ask_alarms`` gives them."""
        self._by_id: dict[int, Incident] = {}
        self._open: dict[Scope, Incident] = {}
        self._new: list[Incident] = []
        for row in found:
            incident = Incident(
                incident_id=row["incident_id"],
                scope=(row["run"], row["scope_type"], row["scope_id"]),
                area=row["area_code"],
                mine_id=row["mine_id"],
                opened_us=row["opened_us"],
                worst_rank=row["worst_rank"],
                n_open=row["n_open"],
            )
            self._by_id[incident.incident_id] = incident
            if row["is_open"]:
                self._open[incident.scope] = incident

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

    def changed(self) -> list[dict[str, Any]]:
        """The rows that were read and are different now."""
        return [
            {
                "incident_id": i.incident_id,
                "worst_rank": i.worst_rank,
                "closed_us": i.closed_us,
            }
            for i in self._by_id.values()
            if i.is_changed
        ]

    def made(self, numbers: Numbers) -> list[dict[str, Any]]:
        """The new rows, which get their numbers."""
        rows = []
        taken = numbers.take(len(self._new))
        for incident, number in zip(self._new, taken, strict=True):
            incident.incident_id = number
            run, scope_type, scope_id = incident.scope
            rows.append(
                {
                    "incident_id": number,
                    "run": run,
                    "scope_type": scope_type,
                    "scope_id": scope_id,
                    "area_code": incident.area,
                    "mine_id": incident.mine_id,
                    "opened_us": incident.opened_us,
                    "closed_us": incident.closed_us,
                    "worst_rank": incident.worst_rank,
                }
            )
        return rows
