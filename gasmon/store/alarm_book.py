"""Working copies of alarm rows while a batch of events is applied to them.

The rows are read and locked once, events are applied in memory in their order, and
what changed is written once: a storm of thousands of events costs a few statements.

Which row an event belongs to: the one with its own key; else the row that an earlier
event of the same key was put on; else, because a subject has at most one open alarm
of a kind, the open one, which is *continued*; else a new row, even when the event is
no ``raised``: an event is never dropped because an earlier one was lost.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from psycopg.rows import dict_row

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.planned import BROKE_THROUGH
from gasmon.store.db import Connection
from gasmon.store.facts import Facts
from gasmon.store.incidents import Incident, Incidents, ask_numbers
from gasmon.store.recordset import recordset
from gasmon.units import to_datetime

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

    def __init__(self, conn: Connection, told: Sequence[AlarmEvent]) -> None:
        """Ask for the rows of these events and their incidents, and lock them.

        In a pipeline the questions travel together; :meth:`begin` takes the answers.
        """
        self._conn = conn
        self._rows: dict[int, AlarmRow] = {}
        self._new: list[AlarmRow] = []
        self._by_key: dict[str, AlarmRow] = {}
        self._open: dict[Slot, AlarmRow] = {}
        self._cleared_here: set[str] = set()
        self._asked_aliases = conn.execute(
            f"SELECT k, {_ALIAS} FROM unnest(%s::text[]) AS k".encode(),
            (sorted({e.key for e in told}),),
        )
        touched = _touched(told)
        self._asked_rows = _ask(conn, touched)
        self._numbers, incident_numbers = ask_numbers(conn, told)
        self._incidents = Incidents(conn, told, (_TOUCHED, touched), incident_numbers)

    def begin(self, events: Sequence[AlarmEvent]) -> None:
        """Take the answers, before these are applied: those that are new."""
        self._cleared_here = {e.key for e in events if e.event == "cleared"}
        aliases = _aliases(self._asked_aliases.fetchall())
        found = self._asked_rows.fetchall()
        self._incidents.read()
        for record in found:
            row = _row(record, self._incidents.known(record["incident_id"]))
            self._rows[row.alarm_id] = row
            self._by_key[row.key] = row
            if row.cleared_us is None:
                self._open[row.slot] = row
        for key, alarm_id in aliases.items():
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

    def write(self) -> None:
        """Write what changed: known rows first, so that their slots are free again."""
        self._incidents.write()
        self._conn.cursor().executemany(
            "UPDATE alarm SET rule = %s, rank = %s, value = %s, limit_value = %s,"
            " peak = %s, peak_at = %s, cleared_at = %s, unknown = %s, quiet = %s,"
            " explain = %s::jsonb WHERE alarm_id = %s",
            [
                (
                    row.rule,
                    row.rank,
                    row.value,
                    row.limit,
                    row.peak,
                    moment(row.peak_us),
                    moment(row.cleared_us),
                    row.unknown,
                    row.quiet,
                    as_json(row.explain),
                    row.alarm_id,
                )
                for row in self._rows.values()
                if row.is_changed
            ],
        )
        numbers = self._numbers.take(len(self._new))
        for row, number in zip(self._new, numbers, strict=True):
            row.alarm_id = number
        self._conn.cursor().executemany(
            "INSERT INTO alarm (alarm_id, run, subject_type, subject_id, kind,"
            " raised_at, incident_id, area_code, mine_id, point_id, unit_slug, rule,"
            " rank, value, limit_value, peak, peak_at, arrived_at, decided_at,"
            " cleared_at, unknown, late, planned, quiet, explain)"
            " OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
            " %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb)",
            [_inserted(row) for row in self._new],
        )

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


def moment(time_us: int | None) -> object:
    """A time as a parameter of a statement."""
    return None if time_us is None else to_datetime(time_us)


def as_json(value: dict[str, Any]) -> str:
    """JSON that PostgreSQL takes: no NaN, no NUL, numbers of NumPy as numbers."""

    def clean(part: Any) -> Any:
        if isinstance(part, dict):
            return {str(clean(k)): clean(v) for k, v in part.items()}
        if isinstance(part, list | tuple):
            return [clean(v) for v in part]
        if isinstance(part, str):
            return part.replace("\x00", "").encode("utf-8", "replace").decode()
        if isinstance(part, float) and part != part:
            return None
        return part.item() if hasattr(part, "item") else part

    return json.dumps(clean(value), ensure_ascii=False)


def _keep_peak(row: AlarmRow, event: AlarmEvent) -> None:
    """The worst value stays: the lowest where too little is the danger."""
    if event.peak is None:
        return
    sign = -1.0 if event.kind.startswith("low") else 1.0
    if row.peak is None or sign * event.peak > sign * row.peak:
        row.peak, row.peak_us = event.peak, event.peak_at_us


# The row that earlier events of each key were put on. "0" follows "/" in ASCII, and
# the column is compared byte by byte.
_ALIAS = """
(SELECT j.alarm_id FROM alarm_journal j
 WHERE j.event_id >= k || '/' AND j.event_id < k || '0'
 ORDER BY j.journal_id DESC LIMIT 1)"""


def _aliases(rows: Sequence[tuple[object, ...]]) -> dict[str, int]:
    pairs = cast(list[tuple[str, int | None]], rows)
    return {key: alarm_id for key, alarm_id in pairs if alarm_id is not None}


# The alarms that events may touch: two look-ups by key instead of one with an OR,
# which would read every alarm that the subject ever had.
_TOUCHED = f"""
WITH w AS MATERIALIZED (
    SELECT run, subject_type, subject_id, kind, k,
           'epoch'::timestamptz + raised_us * interval '1 microsecond' AS raised_at
    FROM json_to_recordset(%s::json)
         AS w (run int, subject_type text, subject_id text, kind text,
               raised_us bigint, k text))
SELECT b.alarm_id FROM alarm b JOIN w USING (run, subject_type, subject_id, kind)
WHERE b.cleared_at IS NULL
UNION SELECT b.alarm_id FROM alarm b
JOIN w USING (run, subject_type, subject_id, kind, raised_at)
UNION SELECT {_ALIAS} FROM w"""


def _touched(events: Sequence[AlarmEvent]) -> str:
    """The parameter of ``_TOUCHED``."""
    wanted = {
        (e.run, e.subject_type, e.subject_id, e.kind, e.raised_at_us, e.key)
        for e in events
    }
    names = ("run", "subject_type", "subject_id", "kind", "raised_us", "k")
    return recordset(names, sorted(wanted))


def _ask(conn: Connection, touched: str) -> psycopg.Cursor[dict[str, Any]]:
    return conn.cursor(row_factory=dict_row).execute(
        f"""SELECT a.*,
                   (extract(epoch FROM raised_at) * 1000000)::bigint AS raised_us,
                   (extract(epoch FROM arrived_at) * 1000000)::bigint AS arrived_us,
                   (extract(epoch FROM decided_at) * 1000000)::bigint AS decided_us,
                   (extract(epoch FROM peak_at) * 1000000)::bigint AS peak_us,
                   (extract(epoch FROM cleared_at) * 1000000)::bigint AS cleared_us
            FROM alarm a WHERE alarm_id IN ({_TOUCHED})
            ORDER BY alarm_id FOR UPDATE OF a""".encode(),
        (touched,),
    )


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


def _inserted(row: AlarmRow) -> tuple[object, ...]:
    return (
        row.alarm_id,
        *row.slot,
        to_datetime(row.raised_us),
        row.incident.incident_id,
        row.area,
        row.mine_id,
        row.point_id,
        row.unit,
        row.rule,
        row.rank,
        row.value,
        row.limit,
        row.peak,
        moment(row.peak_us),
        to_datetime(row.arrived_us),
        to_datetime(row.decided_us),
        moment(row.cleared_us),
        row.unknown,
        row.late,
        row.planned,
        row.quiet,
        as_json(row.explain),
    )
