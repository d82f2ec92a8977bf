"""The two calls in which events cross to the database (migration 0017).

A statement for each kind of row costs more in being sent than in being done, and the
alarm waits for it. What is decided between the calls is decided in ``alarm_book``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
import psycopg

from gasmon.alarms.events import AlarmEvent
from gasmon.store.db import Connection
from gasmon.store.facts import Facts
from gasmon.store.incidents import scope_of
from gasmon.store.outbox import CHANNEL, LOCK_KEY, OutboxRow
from gasmon.units import to_datetime

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the database knows of events, and holds locked.

    Attributes:
        known: ids of those that are in the journal.
        facts: of each event's subject, in the order of the events.
        aliases: key → alarm, for keys whose events were put on an alarm before.
        alarms: rows that they may touch.
        incidents: rows of theirs, and those open at the events' scopes.
        alarm_ids: numbers for alarms that will be new, as far as foreseen.
        incident_ids: the same for incidents.
    """

    known: frozenset[str]
    facts: Sequence[Facts]
    aliases: Mapping[str, int]
    alarms: Sequence[Row]
    incidents: Sequence[Row]
    alarm_ids: Sequence[int]
    incident_ids: Sequence[int]


@dataclass(slots=True)
class Writing:
    """Rows to be written, as ``record_alarms`` names their columns.

    Attributes:
        incidents: columns that change, and the number; ``alarms`` likewise.
    """

    incidents: list[Row] = field(default_factory=list)
    new_incidents: list[Row] = field(default_factory=list)
    alarms: list[Row] = field(default_factory=list)
    new_alarms: list[Row] = field(default_factory=list)
    journal: list[Row] = field(default_factory=list)


def ask(conn: Connection, events: Sequence[AlarmEvent]) -> Callable[[], Answer]:
    """Ask for all that these may touch, and lock it.

    Returns:
        What waits for the answer, which may come together with others of a pipeline.
    """
    # As text, which orjson reads in a third of the time.
    asked = conn.execute("SELECT ask_alarms(%s::json)::text", (question(events),))

    def answer() -> Answer:
        row = asked.fetchone()
        assert row is not None, "a function returns a row"
        return answer_of(cast(str, row[0]))

    return answer


def question(events: Sequence[AlarmEvent]) -> str:
    """What ``ask_alarms`` is asked."""
    return _json([_asked(nr, event) for nr, event in enumerate(events)])


def answer_of(text: str | bytes) -> Answer:
    """What ``ask_alarms`` answered."""
    found = cast(Row, orjson.loads(text))
    return Answer(
        known=frozenset(found["known"]),
        facts=[Facts(*each) for each in found["facts"] or ()],
        aliases=found["aliases"] or {},
        alarms=found["alarms"] or (),
        incidents=found["incidents"] or (),
        alarm_ids=found["alarm_ids"],
        incident_ids=found["incident_ids"],
    )


def write(
    conn: Connection, rows: Writing, told: Sequence[OutboxRow], now_us: int
) -> Callable[[], int]:
    """Write what became of them, as the last thing before the caller's commit.

    Args:
        now_us: when it is recorded [µs UTC].

    Returns:
        What gives the last number of the outbox, also after the commit; 0 when nothing
        was told.
    """
    written = conn.execute(
        "SELECT record_alarms(%s::json, %s::json, %s::json, %s::json, %s::json,"
        " %s::json, %s, %s, %s)",
        (*record_of(rows, told), LOCK_KEY, CHANNEL, to_datetime(now_us)),
    )

    def last_seq() -> int:
        row = written.fetchone()
        assert row is not None, "a function returns a row"
        return cast(int | None, row[0]) or 0

    return last_seq


def record_of(rows: Writing, told: Sequence[OutboxRow]) -> tuple[str, ...]:
    """The first six arguments of ``record_alarms``."""
    return (
        _json(rows.incidents),
        _json(rows.new_incidents),
        _json(rows.alarms),
        _json(rows.new_alarms),
        _json(_numbered(rows.journal)),
        _json(_numbered([_columns(row) for row in told])),
    )


@contextmanager
def two_writers() -> Iterator[None]:
    """Around a pipeline in which events are recorded, as its end tells of collisions.

    Raises:
        psycopg.errors.SerializationFailure: another writer applied the same
            events meanwhile; run the whole transaction again.
    """
    try:
        yield
    except psycopg.errors.UniqueViolation as error:
        if error.diag.table_name not in ("alarm", "alarm_journal", "incident"):
            raise
        raise psycopg.errors.SerializationFailure(
            f"another writer applied the same alarm events: {error}"
        ) from error


def as_json(value: Mapping[str, Any]) -> str:
    """JSON that PostgreSQL takes: no NaN, no NUL, numbers of NumPy as numbers."""
    try:
        text = orjson.dumps(value, option=_OPTIONS)
    except TypeError:
        text = b"\\u0000"
    # Escaped, of which the server says that text cannot hold it.
    if b"\\u0000" in text:
        text = orjson.dumps(_clean(value), option=_OPTIONS)
    return text.decode()


_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def _clean(part: Any) -> Any:
    if isinstance(part, Mapping):
        return {str(_clean(key)): _clean(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_clean(value) for value in part]
    if isinstance(part, str):
        return part.replace("\x00", "").encode("utf-8", "replace").decode()
    return part.item() if hasattr(part, "item") else part


def _asked(nr: int, event: AlarmEvent) -> Row:
    _, scope_type, scope_id = scope_of(event)
    return {
        "nr": nr,
        "event_id": event.event_id,
        "event": event.event,
        "key": event.key,
        "run": event.run,
        "subject_type": event.subject_type,
        "subject_id": event.subject_id,
        "kind": event.kind,
        "raised_us": event.raised_at_us,
        "scope_type": scope_type,
        "scope_id": scope_id,
        "mine": event.mine,
        "system": event.system,
        "no": event.no,
        "unit": event.unit,
        "area": event.area,
    }


def _columns(told: OutboxRow) -> Row:
    return {name: getattr(told, name) for name in OutboxRow.__slots__}


def _numbered(rows: Sequence[Row]) -> list[Row]:
    return [{"nr": nr, **row} for nr, row in enumerate(rows)]


def _json(rows: Sequence[Row]) -> str:
    return orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY).decode()
