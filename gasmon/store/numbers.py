"""Numbers of new rows, drawn before the rows are written.

What is told of an alarm names its number, so that is known before the row is there.
They are drawn together with what is read, for those rows that will be new as far as
the database can say; what that did not foresee costs a round trip more. None is drawn
for nothing as a rule: a gap looks like an alarm that somebody deleted.
"""

from collections.abc import Callable, Sequence
from typing import cast

from gasmon.store.db import Connection

Draw = Callable[[str, str, int], Sequence[int]]
"""Draws so many numbers of an identity column: table, column, how many."""

_DRAW = "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)"


def drawn_by(conn: Connection) -> Draw:
    """Numbers are drawn over a connection, in its transaction or pipeline."""

    def draw(table: str, column: str, n: int) -> Sequence[int]:
        rows = conn.execute(_DRAW, (table, column, n)).fetchall()
        return [cast(int, row[0]) for row in rows]

    return draw


class Numbers:
    """Numbers of one identity column."""

    def __init__(
        self, draw: Draw, table: str, column: str, drawn: Sequence[int]
    ) -> None:
        """Begin with those that were drawn already."""
        self._draw = draw
        self._table, self._column = table, column
        self._left = sorted(drawn)

    def take(self, n: int) -> Sequence[int]:
        """The next n numbers, rising."""
        missing = n - len(self._left)
        if missing > 0:
            self._left += sorted(self._draw(self._table, self._column, missing))
        taken, self._left = self._left[:n], self._left[n:]
        return taken
