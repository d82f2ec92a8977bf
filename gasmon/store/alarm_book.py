"""Working copies of alarm rows while a batch of events is applied to them.

The rows are read and locked once, events are applied in memory in their order, and
what changed is written once: a storm of thousands of events costs a few statements.

Which row an event belongs to: the one with its own key; else the row that an earlier
event of the same key was put on; else, because a subject has at most one open alarm
of a kind, the open one, which is *continued*; else a new row, even when the event is
no ``raised``: an event is never dropped because an earlier one was lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.planned import BROKE_THROUGH
from gasmon.store.alarm_calls import Answer, Row, Writing, as_json
from gasmon.store.facts import Facts
from gasmon.store.incidents import Incident, Incidents
from gasmon.store.numbers import Numbers

Slot = tuple[int, str, str, str]
"""(run, subject_type, subject_id, kind): at most one open alarm in each."""


@dataclass(slots=True)
class AlarmRow:
    """Working copy of one row of ``alarm``; 0 as id until a new one is written."""

    slot: Slot
    raised_us: int
    incident: Incident
    area: str
    mine_id: int | None
    point_id: int | None
    unit: str | None
    rule: str
    rank: int
    value: float | None
    limit: float | None
    peak: float | None
    peak_us: int | None
    arrived_us: int
    decided_us: int
    late: bool
    planned: bool
    quiet: str | None
    explain: dict[str, Any]
    cleared_us: int | None = None
    unknown: bool = False
    alarm_id: int = 0
    is_changed: bool = False

    @property
    def key(self) -> str:
        """The key of the alarm's own events, as ``AlarmEvent.key`` builds it."""
        run, subject_type, subject_id, kind = self.slot
        return f"{run}/{subject_type}:{subject_id}/{kind}/{self.raised_us}"


class AlarmBook:
    """The alarm rows that a batch of events may touch."""

    def __init__(self, found: Answer, events: Sequence[AlarmEvent]) -> None:
        """Take what was asked and is locked.

        Args:
            events: those that will be applied.
        """
        self._rows: dict[int, AlarmRow] = {}
        self._new: list[AlarmRow] = []
        self._by_key: dict[str, AlarmRow] = {}
        self._open: dict[Slot, AlarmRow] = {}
        self._cleared_here = {e.key for e in events if e.event == "cleared"}
        self._incidents = Incidents(found.incidents)
        for record in found.alarms:
            row = _row(record, self._incidents.known(record["incident_id"]))
            self._rows[row.alarm_id] = row
            self._by_key[row.key] = row
            if row.cleared_us is None:
                self._open[row.slot] = row
        for key, alarm_id in found.aliases.items():
            self._by_key.setdefault(key, self._rows[alarm_id])

    def apply(self, event: AlarmEvent, facts: Facts) -> tuple[AlarmRow, bool]:
        """Apply one event.

        Returns:
            Its row, and whether the row continues an alarm of another key.
        """
        row = self._by_key.get(event.key)
        # What was put on another alarm goes on when that one is over.
        if row is None or (
            row.cleared_us is not None
            and row.key != event.key
            and event.event != "cleared"
        ):
            row = self._take(event, facts)
            self._by_key[event.key] = row
        row.is_changed = True
        if event.event == "cleared":
            self._clear(row, event)
        elif row.cleared_us is None and event.event != BROKE_THROUGH:
            row.unknown = event.event == "unknown"
        if event.event in ("raised", "level", BROKE_THROUGH):
            row.rule, row.limit = event.rule, event.limit
            row.quiet, row.explain = event.quiet, event.explain
        if event.value is not None:
            row.value = event.value
        row.rank = max(row.rank, event.rank)
        row.incident.ranked(row.rank)
        _keep_peak(row, event)
        return row, row.key != event.key

    def written(self, alarms: Numbers, incidents: Numbers) -> Writing:
        """What changed, and what is new and gets its number; all but the journal."""
        out = Writing(
            incidents=self._incidents.changed(),
            new_incidents=self._incidents.made(incidents),
            alarms=[_changed(row) for row in self._rows.values() if row.is_changed],
        )
        taken = alarms.take(len(self._new))
        for row, number in zip(self._new, taken, strict=True):
            row.alarm_id = number
            out.new_alarms.append(_made(row))
        return out

    def _take(self, event: AlarmEvent, facts: Facts) -> AlarmRow:
        """The open alarm that an event continues, or a new row for it."""
        slot = (event.run, event.subject_type, event.subject_id, event.kind)
        is_open = self._open.get(slot)
        # An alarm that is over within this batch needs no slot: one that was found
        # late must not end up on, and end, the one that is open now.
        is_over = event.key in self._cleared_here
        if is_open is not None and not is_over:
            return is_open
        incident = self._incidents.joined(event, facts.mine_id)
        incident.n_open += 1
        incident.is_changed = True
        row = AlarmRow(
            slot=slot,
            raised_us=event.raised_at_us,
            incident=incident,
            area=event.area,
            mine_id=facts.mine_id,
            point_id=facts.point_id,
            unit=event.unit,
            rule=event.rule,
            rank=event.rank,
            value=event.value,
            limit=event.limit,
            peak=event.peak,
            peak_us=event.peak_at_us,
            arrived_us=event.arrived_at_us,
            decided_us=event.decided_at_us,
            late=event.late,
            planned=event.planned,
            quiet=event.quiet,
            explain=event.explain,
        )
        self._new.append(row)
        if is_open is None:
            self._open[slot] = row
        return row

    def _clear(self, row: AlarmRow, event: AlarmEvent) -> None:
        """Clear a row, unless it is over or the event is about an earlier alarm."""
        if row.cleared_us is not None:
            return
        if row.key != event.key and event.happened_at_us < row.raised_us:
            return
        row.cleared_us = max(event.happened_at_us, row.raised_us)
        row.unknown = False
        if self._open.get(row.slot) is row:
            del self._open[row.slot]
        self._incidents.alarm_cleared(row.incident, row.cleared_us)


def _keep_peak(row: AlarmRow, event: AlarmEvent) -> None:
    """The worst value stays: the lowest where too little is the danger."""
    if event.peak is None:
        return
    sign = -1.0 if event.kind.startswith("low") else 1.0
    if row.peak is None or sign * event.peak > sign * row.peak:
        row.peak, row.peak_us = event.peak, event.peak_at_us


def _row(record: dict[str, Any], incident: Incident) -> AlarmRow:
    return AlarmRow(
        slot=(
            record["run"],
            record["subject_type"],
            record["subject_id"],
            record["kind"],
        ),
        raised_us=record["raised_us"],
        incident=incident,
        area=record["area_code"],
        mine_id=record["mine_id"],
        point_id=record["point_id"],
        unit=record["unit_slug"],
        rule=record["rule"],
        rank=record["rank"],
        value=record["value"],
        limit=record["limit_value"],
        peak=record["peak"],
        peak_us=record["peak_us"],
        arrived_us=record["arrived_us"],
        decided_us=record["decided_us"],
        late=record["late"],
        planned=record["planned"],
        quiet=record["quiet"],
        explain=record["explain"],
        cleared_us=record["cleared_us"],
        unknown=record["unknown"],
        alarm_id=record["alarm_id"],
    )


def _changed(row: AlarmRow) -> Row:
    return {
        "alarm_id": row.alarm_id,
        "rule": row.rule,
        "rank": row.rank,
        "value": row.value,
        "limit_value": row.limit,
        "peak": row.peak,
        "peak_us": row.peak_us,
        "cleared_us": row.cleared_us,
        "unknown": row.unknown,
        "quiet": row.quiet,
        "explain": as_json(row.explain),
    }


def _made(row: AlarmRow) -> Row:
    run, subject_type, subject_id, kind = row.slot
    return {
        **_changed(row),
        "run": run,
        "subject_type": subject_type,
        "subject_id": subject_id,
        "kind": kind,
        "raised_us": row.raised_us,
        "incident_id": row.incident.incident_id,
        "area_code": row.area,
        "mine_id": row.mine_id,
        "point_id": row.point_id,
        "unit_slug": row.unit,
        "arrived_us": row.arrived_us,
        "decided_us": row.decided_us,
        "late": row.late,
        "planned": row.planned,
    }
