"""For how long something is borne: a wait, a flood, areas that nobody owns. Pure.

Time counts from one look to the next, a moment at most: while nobody looked (the
database was away, the machine stood still, another process owned the areas) neither
passes.
"""

STEP_S = 1.0
"""Longest time that counts between two looks [s]; looks are 0.25 s apart at most, but
for a database that takes long."""


class Patience:
    """For how long something has held, look by look."""

    def __init__(self, limit_s: float) -> None:
        """Nothing holds.

        Args:
            limit_s: how long it is borne [s].
        """
        self._limit_s = limit_s
        self._looked_s: float | None = None
        self._for_s = 0.0

    def look(self, holds: bool, now_s: float) -> bool:
        """Whether it has held for too long; then patience begins anew.

        Args:
            now_s: monotonic time [s].
        """
        if not holds:
            self.forgive()
            return False
        if self._looked_s is not None:
            self._for_s += min(now_s - self._looked_s, STEP_S)
        self._looked_s = now_s
        is_over = self._for_s > self._limit_s
        if is_over:
            self.forgive()
        return is_over

    def forgive(self) -> None:
        """Let it begin anew."""
        self._looked_s, self._for_s = None, 0.0


class Flood:
    """Whether more comes than may: a window that is full for long.

    What came while nobody looked fills it too, and is worked off first: for as long as
    nobody looked it is no flood.
    """

    def __init__(self, limit_s: float) -> None:
        """Nothing came.

        Args:
            limit_s: a window full for so long is a flood [s].
        """
        self._limit_s = limit_s
        self._looked_s: float | None = None
        self._full_s = self._stood_s = 0.0

    def look(self, is_full: bool, now_s: float, pace_s: float = 0.0) -> bool:
        """Whether it is a flood; then watching begins anew. Once after each turn.

        Args:
            now_s: monotonic time [s].
            pace_s: how long the last turn had to wait for its pace [s].
        """
        passed_s = 0.0 if self._looked_s is None else now_s - self._looked_s
        counted_s = min(passed_s, STEP_S + pace_s)
        self._looked_s = now_s
        self._stood_s += passed_s - counted_s
        self._full_s += counted_s
        is_over = is_full and self._full_s > self._limit_s + self._stood_s
        if is_over or not is_full:
            self._full_s = self._stood_s = 0.0
        return is_over
