"""What a principal sees, as SQL and in memory.

``scope_condition`` is the one place that turns a principal into SQL, ``Scope.allows``
its twin for what is already in memory (streams); a test holds the two against each
other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the country a principal sees.

    Attributes:
        areas: six-digit codes; a prefecture's code (``530600``) covers its counties.
            None means all areas.
        mines: twelve-digit codes; None means all mines of those areas.
    """

    areas: tuple[str, ...] | None
    mines: tuple[str, ...] | None

    def allows(self, area: str, mine: str | None) -> bool:
        """Whether a thing of this area and mine may be seen.

        Args:
            mine: None for what belongs to the area as a whole (a county's link): such
                things are not for those who are limited to mines.
        """
        if self.mines is not None and (mine is None or mine not in self.mines):
            return False
        return self.areas is None or covers(self.areas, area)

    @property
    def is_mine(self) -> bool:
        """Whether it is a mine's own: such a principal is told of pre-warnings."""
        return self.mines is not None

    def allows_area(self, area: str) -> bool:
        """Whether anything in this area may be seen."""
        if self.mines is not None and not any(m.startswith(area) for m in self.mines):
            return False
        return self.areas is None or covers(self.areas, area)


def covers(areas: Sequence[str], area: str) -> bool:
    """Whether one of the areas is this one or the prefecture it lies in."""
    return area in areas or area[:4] + "00" in areas


def within(inner: Scope, outer: Scope) -> bool:
    """Whether whoever has the inner scope sees nothing that the outer one does not."""
    if outer.areas is not None:
        if inner.areas is None:
            return False
        if not all(covers(outer.areas, area) for area in inner.areas):
            return False
    if outer.mines is None:
        return True
    return inner.mines is not None and set(inner.mines) <= set(outer.mines)


def scope_condition(
    scope: Scope, area: str = "m.area_code", mine: str = "m.code"
) -> sql.Composed:
    """The SQL condition that holds for exactly the rows that a scope may see.

    Args:
        area: column (or expression of ours, never of a client) with the area's code.
        mine: the same for the mine's code; may be NULL in a row.
    """
    parts: list[sql.Composable] = [sql.SQL("true")]
    if scope.areas is not None:
        parts.append(
            sql.SQL(
                "({area} = ANY({codes}::text[])"
                " OR left({area}, 4) || '00' = ANY({codes}::text[]))"
            ).format(area=_text(area), codes=sql.Literal(list(scope.areas)))
        )
    if scope.mines is not None:
        parts.append(
            sql.SQL("coalesce({mine} = ANY({codes}::text[]), false)").format(
                mine=_text(mine), codes=sql.Literal(list(scope.mines))
            )
        )
    return sql.SQL("(") + sql.SQL(" AND ").join(parts) + sql.SQL(")")


def area_condition(scope: Scope, area: str) -> sql.Composed:
    """The SQL condition for areas in which a scope may see anything."""
    if scope.mines is None:
        return scope_condition(scope, area, "NULL::text")
    seen = sorted({mine[:6] for mine in scope.mines})
    by_area = scope_condition(Scope(scope.areas, None), area, "NULL::text")
    by_mine = sql.SQL("{area} = ANY({codes}::text[])").format(
        area=_text(area), codes=sql.Literal(seen)
    )
    return sql.SQL("(") + by_area + sql.SQL(" AND ") + by_mine + sql.SQL(")")


def _text(expression: str) -> sql.Composable:
    # char(6) and char(12) compare with text only after a cast; both are always full.
    return sql.SQL("(" + expression + ")::text")
