"""Scores of drills: written by those who held them, never changed."""

from dataclasses import asdict, dataclass
from typing import cast

from gasmon.errors import BadRequest, Forbidden, NotFound, StateConflict
from gasmon.store import audit
from gasmon.store.access import Principal
from gasmon.store.db import Connection
from gasmon.units import to_datetime


@dataclass(frozen=True, slots=True)
class Score:
    """What a drill was worth.

    Attributes:
        sheet: name of the criteria.
        points: of ``of_points``.
        passed: by the sheet's own word: a drill that was broken off never is.
    """

    sheet: str
    points: float
    of_points: float
    passed: bool


def write(
    conn: Connection, who: Principal, run: int, score: Score, now_us: int
) -> None:
    """Record a score, as the caller's whole transaction.

    Raises:
        BadRequest: more points than there are.
        Forbidden: this role scores no drills.
        NotFound: there is none, or not in this principal's areas.
        StateConflict: it is not over, so nobody can know yet.
    """
    row = conn.execute(
        "SELECT areas, ended_at IS NOT NULL FROM drill WHERE run = %s", (run,)
    ).fetchone()
    areas = [] if row is None else cast(list[str], row[0])
    if row is None or not any(who.scope.allows_area(area) for area in areas):
        raise NotFound(f"no drill {run}")
    if who.role != "trainer" or who.mines is not None:
        raise Forbidden(f"role {who.role} scores no drills; a trainer does")
    if score.points > score.of_points:
        raise BadRequest("points: more than of_points")
    if not row[1]:
        raise StateConflict(f"drill {run} is not over")
    conn.execute(
        "INSERT INTO drill_score (run, sheet, points, of_points, passed, scored_by,"
        " scored_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            *(run, score.sheet, score.points, score.of_points, score.passed),
            *(who.name, to_datetime(now_us)),
        ),
    )
    audit.write(conn, who.name, "drill.score", str(run), detail=asdict(score))
