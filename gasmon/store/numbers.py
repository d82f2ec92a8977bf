"""Numbers of new rows, drawn before the rows are written.

What is told of an alarm names its number, so that is known before the row is there.
They are asked for together with what is read, for those rows that will be new as far
as the database can say; what that did not foresee costs a round trip more. None is
drawn for nothing as a rule: a gap looks like an alarm that somebody deleted.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import cast

import psycopg

from gasmon.store.db import Connection

_DRAW = "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)"


class Drawn:
    """Numbers that one statement drew for several tables."""

    def __init__(self, asked: psycopg.Cursor[tuple[object, ...]] | None) -> None:
        """Take what gives (table, number), perhaps only later; None: none was drawn."""
        self._asked = asked
        self._of_table: dict[str, list[int]] = defaultdict(list)

    def of(self, table: str) -> list[int]:
        """Those of a table; each is given once."""
        if self._asked is not None:
            for name, number in cast(list[tuple[str, int]], self._asked.fetchall()):
                self._of_table[name].append(number)
            self._asked = None
        return self._of_table.pop(table, [])


class Numbers:
    """Numbers of one identity column."""

    def __init__(self, conn: Connection, table: str, column: str, drawn: Drawn) -> None:
        """Begin with those that were drawn already."""
        self._conn = conn
        self._table, self._column = table, column
        self._drawn = drawn
        self._left: list[int] = []

    def take(self, n: int) -> Sequence[int]:
        """The next n numbers, rising."""
        left = sorted([*self._left, *self._drawn.of(self._table)])
        missing = n - len(left)
        if missing > 0:
            asked = (self._table, self._column, missing)
            rows = self._conn.execute(_DRAW, asked).fetchall()
            left += sorted(cast(int, row[0]) for row in rows)
        self._left = left[n:]
        return left[:n]
