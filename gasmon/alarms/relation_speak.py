"""Why an alarm of a relation spoke: which points, what they said, since when."""

from typing import Any

from gasmon.alarms import debounce
from gasmon.alarms.kinds import OVER_LIMIT
from gasmon.alarms.relation_roles import Relation
from gasmon.alarms.speak import MOST_POINTS, in_words, last_said
from gasmon.alarms.state import PointState
from gasmon.points import PointTable
from gasmon.units import US_PER_S, iso_us


def explain(
    relation: Relation,
    state: PointState,
    table: PointTable,
    raised_us: int,
    happened_us: int,
) -> dict[str, Any]:
    """What a person needs to see.

    Args:
        state: what each point last said.
        raised_us: since when it holds; ``happened_us``: now [µs UTC].
    """
    rows: dict[int, str] = {}
    for clause in relation.clauses:
        for term in clause.terms:
            rows |= term.roles
    if relation.one_up:
        # Those over their limits, of all that could be.
        lives = state.phase[:, OVER_LIMIT] >= debounce.ACTIVE
        rows = {row: role for row, role in rows.items() if lives[row]} or rows
    points = [
        last_said(row, role, state, table)
        for row, role in list(rows.items())[:MOST_POINTS]
    ]
    values = relation.params.values
    settings = {
        (f"{name}_s" if isinstance(value, int) else name): (
            value / US_PER_S if isinstance(value, int) else value
        )
        for name, value in values.items()
    }
    return {
        **settings,
        "points": points,
        "level_rule": relation.params.level + 1,
        "since": iso_us(raised_us),
        "lasting_s": max(0, happened_us - raised_us) / US_PER_S,
        **in_words(relation.params.text),
    }
