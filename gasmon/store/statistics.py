"""What statistics read: alarms that touch two periods, and mines.

Every branch of the query runs along an index and is bounded by the periods: alarms
raised in them, alarms that ended in them or later, and those that are open.
"""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from gasmon.errors import BadRequest
from gasmon.reports.facts import AlarmFact, MineLink
from gasmon.reports.report import Source
from gasmon.store.scope import Scope, scope_condition
from gasmon.store.views import finite, is_alarm
from gasmon.store.views_alarms import PLACE
from gasmon.units import to_datetime

MOST_ALARMS = 100_000
"""Alarms of one report and the period before it; a year of a city has as many."""

_RAISED = """
SELECT * FROM alarm WHERE run = 0 AND raised_at >= %(from)s AND raised_at < %(to)s
UNION ALL
SELECT * FROM alarm WHERE run = 0 AND raised_at < %(from)s AND cleared_at > %(from)s
UNION ALL
SELECT * FROM alarm WHERE run = 0 AND raised_at < %(from)s AND cleared_at IS NULL"""

_FACTS = """
SELECT a.alarm_id, a.kind, a.area_code::text AS area, m.code::text AS mine,
       coalesce(m.name, '') AS mine_name, a.subject_id AS subject,
       coalesce(v.place, '') AS place, coalesce(v.quantity, '') AS quantity,
       coalesce(v.uom, '') AS uom, a.rank,
       a.planned AND a.quiet IS NOT NULL AS planned, a.late,
       us_of(a.raised_at) AS raised_us, us_of(a.cleared_at) AS cleared_us,
       a.peak, us_of(a.peak_at) AS peak_us, us_of(a.recorded_at) AS told_us,
       coalesce(k.confirmed, '{{}}') AS confirmed,
       coalesce(h.handled, '{{}}') AS handled,
       c.cause_code
FROM ({raised}) a LEFT JOIN mine m USING (mine_id){place}
LEFT JOIN LATERAL (SELECT jsonb_object_agg(t.tier, t.at_us) AS confirmed
    FROM (SELECT tier, us_of(min(confirmed_at)) AS at_us FROM confirmation
          WHERE alarm_id = a.alarm_id GROUP BY 1) t) k ON true
LEFT JOIN LATERAL (SELECT jsonb_object_agg(t.tier, t.at_us) AS handled
    FROM (SELECT j.tier, us_of(min(j.happened_at)) AS at_us FROM alarm_journal j
          WHERE j.alarm_id = a.alarm_id AND j.event IN ('handled', 'fed_back')
            AND j.tier IS NOT NULL AND NOT EXISTS (
              SELECT FROM alarm_journal w
              WHERE w.refers_to = j.journal_id AND w.event = 'withdrawn')
          GROUP BY 1) t) h ON true
LEFT JOIN LATERAL (SELECT j.cause_code FROM (
      SELECT journal_id, cause_code, CASE event WHEN 'corrected' THEN refers_to
        ELSE journal_id END AS of_id
      FROM alarm_journal WHERE alarm_id = a.alarm_id AND cause_code IS NOT NULL) j
    WHERE NOT EXISTS (SELECT FROM alarm_journal w
      WHERE w.refers_to IN (j.journal_id, j.of_id) AND w.event = 'withdrawn')
    ORDER BY j.of_id DESC, j.journal_id DESC LIMIT 1) c ON true
WHERE {real} AND {scope} AND {only} LIMIT {limit}"""

_LINKS = """
SELECT m.code::text AS mine, m.name, m.area_code::text AS area,
       us_of(m.created_at) AS from_us, us_of(m.retired_at) AS until_us,
       l.mine_id IS NOT NULL AS heard
FROM mine m LEFT JOIN mine_latest l ON l.mine_id = m.mine_id AND l.run = 0
WHERE m.created_at < %(to)s AND (m.retired_at IS NULL OR m.retired_at > %(from)s)
  AND {scope} AND {only} ORDER BY m.code"""

Query = tuple[sql.Composed, dict[str, Any]]
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read.

    Attributes:
        from_us: begin of the earlier period [µs UTC].
        to_us: end of the later one, not after now [µs UTC].
        area: only this area (a prefecture's code means all of its counties).
        mine: only this mine.
    """

    from_us: int
    to_us: int
    area: str | None = None
    mine: str | None = None


def queries(scope: Scope, wanted: Wanted) -> list[Query]:
    """What to ask, in the order in which ``source_of`` takes the answers."""
    only = Scope(
        None if wanted.area is None else (wanted.area,),
        None if wanted.mine is None else (wanted.mine,),
    )
    params = {"from": to_datetime(wanted.from_us), "to": to_datetime(wanted.to_us)}
    facts = sql.SQL(_FACTS).format(
        raised=sql.SQL(_RAISED),
        place=PLACE,
        real=is_alarm(),
        scope=scope_condition(scope, "a.area_code"),
        only=scope_condition(only, "a.area_code"),
        limit=MOST_ALARMS + 1,
    )
    links = sql.SQL(_LINKS).format(
        scope=scope_condition(scope), only=scope_condition(only)
    )
    return [(facts, params), (links, params)]


def source_of(answers: list[Rows]) -> Source:
    """What was read, from the answers to ``queries``.

    Raises:
        BadRequest: there are more than ``MOST_ALARMS``.
    """
    facts, links = answers
    if len(facts) > MOST_ALARMS:
        raise BadRequest(
            f"more than {MOST_ALARMS} alarms in this time and the one before it:"
            " ask for a shorter one, one area or one mine"
        )
    return Source(
        [AlarmFact(**{**row, "peak": finite(row["peak"])}) for row in facts],
        [MineLink(**row) for row in links],
    ).whole()


def read(conn: psycopg.Connection[Any], scope: Scope, wanted: Wanted) -> Source:
    """The same, by a connection that waits."""
    with conn.cursor(row_factory=dict_row) as cursor:
        answers = [cursor.execute(*one).fetchall() for one in queries(scope, wanted)]
    return source_of(answers)
