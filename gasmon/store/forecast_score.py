"""The scoreboard of pre-warnings: a query over outcomes and onsets.

The forecast stands beside the two baselines that it has to beat; all three had the same
false-alarm budget. Everything is counted per point, mine, area or over all of it.
"""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from gasmon.alarms.forecast_model import MODELS
from gasmon.alarms.forecast_speak import HORIZON_US
from gasmon.alarms.kinds import ADVISORY_KIND
from gasmon.errors import BadRequest
from gasmon.store.scope import Scope, scope_condition
from gasmon.units import US_PER_DAY, US_PER_S, iso_us, to_datetime

NAMES = {
    "all": "''",
    "area": "trim(m.area_code)",
    "mine": "trim(m.code)",
    "point": "trim(m.code) || '-' || p.system || '-' || p.no",
}
"""What the scoreboard can be kept by, and what its lines are called."""

EARLY_S = 180
"""A warning that came so long before is worth something [s] (the issue's 3 min)."""

_WARNINGS = """
SELECT {name} AS name, f.model, count(*) AS n_warned,
       count(*) FILTER (WHERE f.outcome = 'hit') AS n_hits,
       count(*) FILTER (WHERE f.outcome = 'false') AS n_false,
       count(*) FILTER (WHERE f.outcome = 'unknown') AS n_unknown,
       count(*) FILTER (WHERE f.outcome IS NULL) AS n_undecided
FROM forecast f JOIN point p USING (point_id) JOIN mine m USING (mine_id)
WHERE f.run = %(run)s AND f.raised_at >= %(from)s AND f.raised_at < %(to)s
  AND {scope} AND {only} GROUP BY 1, 2"""

# The lead is that of the first pre-warning that is right about an onset.
_ONSETS = """
SELECT {name} AS name, w.model, count(*) AS n_onsets, count(l.lead_s) AS n_warned_of,
       count(*) FILTER (WHERE l.lead_s >= %(early_s)s) AS n_early,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY l.lead_s) AS median_lead_s
FROM forecast_onset o JOIN point p USING (point_id) JOIN mine m USING (mine_id)
CROSS JOIN unnest(%(models)s::text[]) AS w (model)
LEFT JOIN LATERAL (
    SELECT extract(epoch FROM o.at - min(f.raised_at))::float8 AS lead_s
    FROM forecast f WHERE f.run = o.run AND f.point_id = o.point_id
      AND f.model = w.model AND f.raised_at < o.at
      AND f.raised_at >= o.at - %(horizon_s)s * interval '1 second') l ON true
WHERE o.run = %(run)s AND o.at >= %(from)s AND o.at < %(to)s
  AND {scope} AND {only} GROUP BY 1, 2"""

_ADVISORY = """
SELECT {name} AS name, count(*) AS n_advisory
FROM alarm a JOIN point p USING (point_id) JOIN mine m ON m.mine_id = p.mine_id
WHERE a.run = %(run)s AND a.kind = %(advisory)s AND a.cleared_at IS NULL
  AND {scope} AND {only} GROUP BY 1"""

_SEARCHED = """
SELECT (extract(epoch FROM begun_at) * 1000000)::bigint AS begun_us,
       (extract(epoch FROM done_to) * 1000000)::bigint AS done_us
FROM forecast_search WHERE run = %(run)s"""

_COUNTS = ("n_warned", "n_hits", "n_false", "n_unknown", "n_undecided")

Query = tuple[sql.Composed, dict[str, Any]]
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which scoreboard.

    Attributes:
        by: one of ``NAMES``.
        area: only this area (a prefecture's code means all of its counties).
        mine: only this mine.
    """

    from_us: int
    to_us: int
    by: str = "all"
    area: str | None = None
    mine: str | None = None
    run: int = 0


def queries(scope: Scope, wanted: Wanted) -> list[Query]:
    """What to ask, in the order in which ``board`` takes the answers.

    Raises:
        BadRequest: it cannot be kept by that.
    """
    if wanted.by not in NAMES:
        raise BadRequest(f"by {wanted.by!r}: one of {', '.join(NAMES)} is wanted")
    parts = {
        "name": sql.SQL(NAMES[wanted.by]),
        "scope": scope_condition(scope),
        "only": scope_condition(
            Scope(
                None if wanted.area is None else (wanted.area,),
                None if wanted.mine is None else (wanted.mine,),
            )
        ),
    }
    params = {
        "run": wanted.run,
        "from": to_datetime(wanted.from_us),
        "to": to_datetime(wanted.to_us),
        "early_s": EARLY_S,
        "horizon_s": HORIZON_US // US_PER_S,
        "models": list(MODELS),
        "advisory": ADVISORY_KIND,
    }
    return [
        (sql.SQL(text).format(**parts), params)
        for text in (_SEARCHED, _WARNINGS, _ONSETS, _ADVISORY)
    ]


def board(wanted: Wanted, answers: list[Rows]) -> dict[str, Any]:
    """The scoreboard from the answers to ``queries``."""
    searched, warnings, reached, advisory = answers
    from_us, to_us = wanted.from_us, wanted.to_us
    if searched:
        # Nothing is known of the time before and after.
        from_us = max(from_us, searched[0]["begun_us"])
        to_us = min(to_us, searched[0]["done_us"])
    days = max(0, to_us - from_us) / US_PER_DAY if searched else 0.0
    said = {(row["name"], row["model"]): row for row in warnings}
    met = {(row["name"], row["model"]): row for row in reached}
    n_advisory = {row["name"]: row["n_advisory"] for row in advisory}
    names = sorted({name for name, _ in (*said, *met)} | set(n_advisory))
    return {
        "from": iso_us(wanted.from_us),
        "to": iso_us(wanted.to_us),
        "days": round(days, 3),
        "by": wanted.by,
        "items": [
            {
                "name": name,
                "advisory": n_advisory.get(name, 0),
                **{
                    model: _line(said.get((name, model)), met.get((name, model)), days)
                    for model in MODELS
                },
            }
            for name in names
        ],
    }


def score(
    conn: psycopg.Connection[Any], scope: Scope, wanted: Wanted
) -> dict[str, Any]:
    """The scoreboard, by a connection that waits.

    Raises:
        BadRequest: it cannot be kept by that.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        answers = [cursor.execute(*one).fetchall() for one in queries(scope, wanted)]
    return board(wanted, answers)


def _line(
    said: dict[str, Any] | None, met: dict[str, Any] | None, days: float
) -> dict[str, Any]:
    counts = {name: said[name] if said else 0 for name in _COUNTS}
    n_onsets = met["n_onsets"] if met else 0
    n_warned_of = met["n_warned_of"] if met else 0
    lead_s = met["median_lead_s"] if met else None
    return {
        **counts,
        "n_onsets": n_onsets,
        "n_warned_of": n_warned_of,
        "n_missed": n_onsets - n_warned_of,
        "n_early": met["n_early"] if met else 0,
        "median_lead_s": None if lead_s is None else round(lead_s, 1),
        "false_per_day": round(counts["n_false"] / days, 3) if days > 0 else None,
    }
