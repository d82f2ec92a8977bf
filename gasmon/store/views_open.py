"""Read query for streams: what is open now, as the events that were told of it."""

from dataclasses import dataclass

from psycopg import sql

from gasmon.alarms.events import AlarmEvent
from gasmon.store.scope import Scope, scope_condition
from gasmon.store.views import Conn, Row, fetch, finite, is_alarm
from gasmon.store.views_alarms import PLACE
from gasmon.units import from_datetime

_OPEN_EVENTS = sql.SQL(
    "SELECT a.*, m.code AS mine, m.name AS mine_name, p.system, p.no, v.place,"
    " v.quantity, v.uom, j.event, j.happened_at, j.arrived_at AS j_arrived_at,"
    " j.decided_at AS j_decided_at, j.rank AS j_rank, j.value AS j_value,"
    " j.limit_value AS j_limit"
    " FROM alarm a LEFT JOIN mine m USING (mine_id){place}"
    " JOIN LATERAL (SELECT * FROM alarm_journal j WHERE j.alarm_id = a.alarm_id"
    "   AND j.actor IS NULL ORDER BY j.journal_id DESC LIMIT 1) j ON true"
    " WHERE (a.run = 0 OR %(drills)s) AND a.cleared_at IS NULL AND {told} AND {scope}"
    " ORDER BY a.raised_at, a.alarm_id"
)


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """The newest transition of an open alarm, with what a person needs to read it."""

    event: AlarmEvent
    alarm_id: int
    incident_id: int
    mine_name: str
    place: str
    quantity: str
    uom: str


async def open_events(
    conn: Conn, scope: Scope, *, drills: bool = False
) -> list[OpenEvent]:
    """All open alarms of a scope as the event that was last told of each.

    Rebuilt from the journal and not read from the outbox, because the outbox forgets
    after its retention and an alarm may be open for longer. The event's id is the one
    that was sent, so a platform that has it already recognises it.

    Args:
        drills: those of drills too, beside the live ones.
    """
    query = _OPEN_EVENTS.format(
        place=PLACE,
        told=sql.SQL("true") if scope.is_mine else is_alarm(),
        scope=scope_condition(scope, "a.area_code"),
    )
    rows = await fetch(conn, query, {"drills": drills})
    return [_open_event(row) for row in rows]


def _open_event(row: Row) -> OpenEvent:
    event = AlarmEvent(
        event=row["event"],
        kind=row["kind"],
        rule=row["rule"],
        subject_type=row["subject_type"],
        subject_id=row["subject_id"],
        area=row["area_code"],
        mine=row["mine"] or "",
        raised_at_us=from_datetime(row["raised_at"]),
        happened_at_us=from_datetime(row["happened_at"]),
        arrived_at_us=from_datetime(row["j_arrived_at"] or row["arrived_at"]),
        decided_at_us=from_datetime(row["j_decided_at"]),
        rank=row["j_rank"],
        run=row["run"],
        system=row["system"],
        no=row["no"],
        unit=row["unit_slug"],
        value=finite(row["j_value"]),
        limit=finite(row["j_limit"]),
        peak=finite(row["peak"]),
        peak_at_us=None if row["peak_at"] is None else from_datetime(row["peak_at"]),
        late=row["late"],
        planned=row["planned"],
        quiet=row["quiet"],
        explain=row["explain"],
    )
    return OpenEvent(
        event=event,
        alarm_id=row["alarm_id"],
        incident_id=row["incident_id"],
        mine_name=row["mine_name"] or "",
        place=row["place"] or "",
        quantity=row["quantity"] or "",
        uom=row["uom"] or "",
    )
